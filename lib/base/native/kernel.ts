/**
 * The only loader of the kernel: the native addon if it was built, else the shipped WebAssembly.
 *
 * `DLV_KERNEL=native|portable|wasm` forces one (portable: the addon without SIMD). All of them read and
 * write the same bytes, which tests compare with a kernel in TypeScript.
 * @see native/kernel.h
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { AbortedError, BugError, CorruptError, UsageError } from '../errors.js';
import type { Arena } from './compute.js';
import { ERROR_ABORTED, ERROR_BASE, ERROR_CORRUPT } from './failure.js';
import { type KernelKind, kernelNamed } from './kernel-kinds.js';
import type { Kernel, KernelServices, NativeKernel } from './kernel-types.js';
import { loadWasm, openWasmArena } from './wasm.js';

export interface KernelInfo {
  /** Which build runs. */
  kind: KernelKind;
  /** Instruction set of its inner loops. */
  isa: string;
}

export interface LoadedKernel {
  info: KernelInfo;
  kernel: Kernel;
  /** null unless the addon runs. */
  native: NativeKernel | null;
  /** True if WebAssembly runs because there is no addon, not because it was asked for. */
  fallback: boolean;
  /**
   * Fresh memory with any content, which the addon's threads work on where it is: JavaScript cannot
   * take it away meanwhile. Memory of other origin is copied first, at about 10 GB/s.
   */
  allocate(bytes: number): Uint8Array;
  services: KernelServices;
  /** Memory of `floats` zeros, for programs of compute.ts. @param threads  1 … COMPUTE_THREADS_MAX. */
  openArena(floats: number, threads: number): Arena;
}

const FOLDER = new URL('../../../../native/', import.meta.url);

/** INTERFACE_VERSION of native/addon/module.c: an addon built of other sources is not used. */
const INTERFACE_VERSION = 11;
/** Shorter memory is copied as fast as memory of the addon is made. */
const ALLOCATED_BYTES_MIN = 64 * 1024;

const flags = new WeakMap<AbortSignal, Int32Array>();

/**
 * The number through which a signal stops work that runs on other threads; one for each signal. It is
 * shared, because no other memory of JavaScript's stays where it is while a thread looks at it.
 */
export function abortFlag(signal: AbortSignal): Int32Array {
  const known = flags.get(signal);
  if (known) return known;
  const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  flag[0] = signal.aborted ? 1 : 0;
  flags.set(signal, flag);
  signal.addEventListener('abort', () => flag.fill(1), { once: true });
  return flag;
}

/** Turns what a kernel rejects with into an error of the table. @param file named in it. */
export function kernelError(error: unknown, file: string): Error {
  const code = (error as { kernel?: unknown }).kernel;
  if (code === ERROR_CORRUPT || code === ERROR_BASE) {
    const what =
      code === ERROR_BASE ? 'its base is missing' : 'its coded bytes contradict themselves';
    return new CorruptError(`'${file}' cannot be decoded: ${what}`, {
      file,
      hint: "run 'dlv fsck'",
    });
  }
  if (code === ERROR_ABORTED) return new AbortedError();
  if (code !== undefined) {
    const { message } = error as Error;
    return new BugError(`the kernel does not take '${file}': ${message}`, { file });
  }
  return error as Error;
}

let loaded: LoadedKernel | null = null;

/** The kernel of this process, loaded at the first call. @throws {UsageError} for an unknown DLV_KERNEL. */
export function loadKernel(): LoadedKernel {
  loaded ??= load(process.env.DLV_KERNEL);
  return loaded;
}

/** The kernel of this process if something was asked of it before, else null. */
export function kernelIfLoaded(): LoadedKernel | null {
  return loaded;
}

/** True if this process has loaded WebAssembly for lack of the addon. */
export function kernelFellBack(): boolean {
  return loaded?.fallback ?? false;
}

/** Loads one kind, or the best there is if `forced` is undefined. For tests of every kind side by side. */
export function load(forced: string | undefined): LoadedKernel {
  const kind = kernelNamed(forced);
  if (kind !== 'wasm') {
    const native = loadAddon();
    if (native !== null) {
      native.forcePortable(kind === 'portable');
      const info = { kind: kind ?? 'native', isa: native.isa() };
      const allocate = (bytes: number): Uint8Array =>
        bytes < ALLOCATED_BYTES_MIN ? plainMemory(bytes) : native.allocate(bytes);
      const openArena = (floats: number, threads: number): Arena =>
        nativeArena(native, floats, threads);
      return {
        info,
        kernel: native,
        native,
        services: native,
        fallback: false,
        allocate,
        openArena,
      };
    }
    if (kind !== null) {
      throw new UsageError(`DLV_KERNEL is '${kind}', but the native kernel was not built`, {
        option: 'DLV_KERNEL',
        hint: "install a C compiler and run 'node native/build.mjs'",
      });
    }
  }
  const bytes = readFileSync(fileURLToPath(new URL('kernel.wasm', FOLDER)));
  const info = { kind: 'wasm', isa: 'simd128' } as const;
  const wasm = loadWasm(bytes);
  const fallback = kind === null;
  return {
    info,
    kernel: wasm,
    native: null,
    services: wasm,
    fallback,
    allocate: plainMemory,
    openArena: (floats) => openWasmArena(bytes, floats),
  };
}

function nativeArena(native: NativeKernel, count: number, threads: number): Arena {
  const memory = new ArrayBuffer(4 * count);
  const bytes = new Uint8Array(memory);
  return {
    floats: new Float32Array(memory),
    words: new Int32Array(memory),
    run: (program) => {
      const { buffer, byteOffset, byteLength } = program;
      native.compute(bytes, new Uint8Array(buffer, byteOffset, byteLength), threads);
    },
  };
}

function plainMemory(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

/** The addon, whatever DLV_KERNEL says; null if it was not built, or of other sources. */
export function loadAddon(): NativeKernel | null {
  if (addon === undefined) addon = findAddon();
  return addon;
}

let addon: NativeKernel | null | undefined;

function findAddon(): NativeKernel | null {
  try {
    const require = createRequire(import.meta.url);
    const found = require(fileURLToPath(new URL('build/kernel.node', FOLDER))) as NativeKernel;
    return found.interfaceVersion === INTERFACE_VERSION ? found : null;
  } catch {
    return null;
  }
}
