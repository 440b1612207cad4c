/** The machine that a measurement ran on, and how much its speed varied meanwhile. */

import { createHash } from 'node:crypto';
import os from 'node:os';
import { maxOf } from '../../base/bytes/many.js';
import { type KernelInfo, loadKernel } from '../../base/native/kernel.js';

/** Middle, least and most of repeated runs. */
export interface Spread {
  median: number;
  min: number;
  max: number;
  n: number;
}

/** @param values  at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const upper = sorted[n >> 1] as number;
  const median = n % 2 === 1 ? upper : ((sorted[(n >> 1) - 1] as number) + upper) / 2;
  return { median, min: sorted[0] as number, max: sorted[n - 1] as number, n };
}

/** The machine of a measurement. */
export interface BenchMachine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  node: string;
  /** Of the operating system. */
  system: string;
  kernel: KernelInfo;
  /** Processes that wanted to run, for each core, before and after; 0 where the system does not tell. */
  loadBefore: number;
  loadAfter: number;
  /** GB/s of copying 32 MiB and of sha256 over 8 MiB, before and after taken together. */
  copy: Spread;
  sha256: Spread;
  /** (most − least) ÷ median of the worse of the two: what a difference has to exceed. */
  noise: number;
}

const ROUNDS = 5;
const COPY_BYTES = 32 * 1024 * 1024;
const HASH_BYTES = 8 * 1024 * 1024;

/** Samples of the same small work, taken before and after what is measured. */
export class MachineWatch {
  readonly #copy: number[] = [];
  readonly #sha256: number[] = [];
  readonly #loadBefore = loadPerCore();

  constructor() {
    this.#sample();
  }

  /** Samples again and describes the machine. */
  finish(): BenchMachine {
    this.#sample();
    const copy = spreadOf(this.#copy);
    const sha256 = spreadOf(this.#sha256);
    return {
      cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      node: process.version,
      system: `${os.type()} ${os.release()} ${os.arch()}`,
      kernel: loadKernel().info,
      loadBefore: this.#loadBefore,
      loadAfter: loadPerCore(),
      copy,
      sha256,
      noise: maxOf([copy, sha256].map((s) => (s.max - s.min) / s.median)),
    };
  }

  #sample(): void {
    const from = new Uint8Array(COPY_BYTES).fill(1);
    const to = new Uint8Array(COPY_BYTES).fill(2);
    for (let round = 0; round < ROUNDS; round++) {
      this.#copy.push(COPY_BYTES / 1e9 / secondsOf(() => to.set(from)));
      const hash = (): void => {
        createHash('sha256').update(from.subarray(0, HASH_BYTES)).digest();
      };
      this.#sha256.push(HASH_BYTES / 1e9 / secondsOf(hash));
    }
  }
}

function loadPerCore(): number {
  return (os.loadavg()[0] as number) / os.availableParallelism();
}

function secondsOf(work: () => void): number {
  const started = performance.now();
  work();
  return Math.max(1e-6, (performance.now() - started) / 1000);
}
