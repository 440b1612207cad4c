/**
 * The kernel as WebAssembly: the same sources, on the main thread, in memory of its own.
 *
 * Planes are copied in and results out. One instance; calls run one after another.
 */
import {
  checkChunk,
  checkSketches,
  readDecode,
  readDrift,
  readEncode,
  readWeigh,
} from './arguments.js';
import type { Arena } from './compute.js';
import { ERROR_ABORTED, ERROR_MEMORY, failure } from './failure.js';
import type { Kernel, KernelSegment, KernelServices } from './kernel-types.js';

/** The part of the WebAssembly interface that is used; Node's types leave it to those of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
};

interface Exports {
  memory: { buffer: ArrayBuffer };
  wasm_reset(): void;
  wasm_alloc(bytes: number): number;
  wasm_encode(
    child: number,
    base: number,
    count: number,
    width: number,
    level: number,
    noPrefix: number,
  ): number;
  wasm_decode(
    head: number,
    headBytes: number,
    hi: number,
    hiBytes: number,
    mid: number,
    midBytes: number,
    low: number,
    lowBytes: number,
    base: number,
    basePlanes: number,
    count: number,
    width: number,
    wanted: number,
    out: number,
  ): number;
  wasm_answer(): number;
  wasm_cut_chunk(bytes: number, length: number): number;
  wasm_distances(
    sketch: number,
    length: number,
    width: number,
    rows: number,
    count: number,
    stride: number,
    sums: number,
  ): void;
  wasm_drift(
    a: number,
    aPlanes: number,
    aKind: number,
    b: number,
    bPlanes: number,
    bKind: number,
    count: number,
    state: number,
  ): void;
  wasm_weigh(
    planes: number,
    known: number,
    kind: number,
    count: number,
    state: number,
    bins: number,
  ): void;
  wasm_compute(
    arena: number,
    floats: number,
    program: number,
    words: number,
    scratch: number,
  ): number;
  wasm_scratch(): number;
}

/** Rows of sketches that are copied in at once. */
const ROWS_BYTES_MAX = 1 << 20;
/** A chunk has no more bytes. */
const CHUNK_BYTES_MAX = 512 * 1024;

/** Lets what waits go first: a signal that stops those behind it, files that were read. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Makes a kernel from the bytes of kernel.wasm. */
export function loadWasm(bytes: Uint8Array): Kernel & KernelServices {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const exports = instance.exports as unknown as Exports;

  /** Copies buffers into one block; 0 for none. */
  const copyIn = (buffers: readonly Uint8Array[]): number => {
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const block = exports.wasm_alloc(Math.max(1, length));
    if (block === 0) throw failure(ERROR_MEMORY, 'memory is short');
    // Growing the memory replaces its buffer, so the view is made after the allocation.
    const memory = new Uint8Array(exports.memory.buffer);
    let at = block;
    for (const buffer of buffers) {
      memory.set(buffer, at);
      at += buffer.length;
    }
    return block;
  };
  const copyOut = (at: number, length: number): Uint8Array =>
    new Uint8Array(exports.memory.buffer, at, length).slice();

  return {
    async encode(planes, base, level, noPrefix, abort, room, shares): Promise<KernelSegment> {
      await nextTurn();
      // Only now: planes may have been detached or resized since the call.
      const given = readEncode({ planes, base, level, noPrefix, abort, room, shares });
      if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
      exports.wasm_reset();
      const count = (given.planes[0] as Uint8Array).length;
      const child = copyIn(given.planes);
      const under = given.base === null ? 0 : copyIn(given.base);
      const width = given.planes.length;
      const code = exports.wasm_encode(child, under, count, width, level, noPrefix ? 1 : 0);
      if (code !== 0) throw failure(code, 'the segment cannot be encoded');
      const answer = new Uint32Array(exports.memory.buffer, exports.wasm_answer(), 9);
      const parts = [0, 1, 2, 3].map((i) => ({
        at: answer[2 * i] as number,
        length: answer[2 * i + 1] as number,
      }));
      const payload = parts.slice(1).reduce((sum, { length }) => sum + length, 0);
      let place = room !== undefined && payload <= room.length ? room : null;
      const [head, hi, mid, low] = parts.map(({ at, length }, i) => {
        if (place === null || i === 0) return copyOut(at, length);
        const view = place.subarray(0, length);
        view.set(new Uint8Array(exports.memory.buffer, at, length));
        place = place.subarray(length);
        return view;
      }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      return { head, hi, mid, low, usesBase: answer[8] !== 0 };
    },
    async decode(head, classes, base, count, width, wanted, out, abort): Promise<Uint8Array[]> {
      await nextTurn();
      // Only now: buffers may have been detached or resized since the call.
      const given = readDecode({ head, classes, base, count, width, wanted, out, abort });
      if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
      const [hi, mid, low] = given.classes;
      exports.wasm_reset();
      const outAt = exports.wasm_alloc(count * wanted);
      if (outAt === 0) throw failure(ERROR_MEMORY, 'memory is short');
      const headAt = copyIn([head]);
      const hiAt = copyIn([hi]);
      const midAt = copyIn([mid]);
      const lowAt = copyIn([low]);
      const basePlanes = given.base?.slice(0, wanted) ?? [];
      const under = given.base === null ? 0 : copyIn(basePlanes);
      const code = exports.wasm_decode(
        headAt,
        head.length,
        hiAt,
        hi.length,
        midAt,
        mid.length,
        lowAt,
        low.length,
        under,
        basePlanes.length,
        count,
        width,
        wanted,
        outAt,
      );
      if (code !== 0) throw failure(code, 'the segment cannot be decoded');
      const planes = given.out ?? Array.from({ length: wanted }, () => new Uint8Array(count));
      for (const [k, plane] of planes.entries()) {
        plane.set(new Uint8Array(exports.memory.buffer, outAt + k * count, count));
      }
      return planes;
    },
    cutChunk(bytes): number {
      checkChunk(bytes);
      exports.wasm_reset();
      const piece = bytes.subarray(0, CHUNK_BYTES_MAX);
      return exports.wasm_cut_chunk(copyIn([piece]), piece.length);
    },
    sketchDistances(sketch, width, rows, stride): Uint32Array {
      checkSketches(sketch, width, rows, stride);
      const sums = new Uint32Array(rows.length / stride);
      const step = Math.max(1, Math.floor(ROWS_BYTES_MAX / stride));
      for (let from = 0; from < sums.length; from += step) {
        exports.wasm_reset();
        const some = rows.subarray(from * stride, (from + step) * stride);
        const count = some.length / stride;
        const sketchAt = copyIn([sketch]);
        const rowsAt = copyIn([some]);
        const out = copyIn([new Uint8Array(4 * count)]);
        exports.wasm_distances(sketchAt, sketch.length, width, rowsAt, count, stride, out);
        sums.set(new Uint32Array(exports.memory.buffer, out, count), from);
      }
      return sums;
    },
    drift(a, aKind, b, bKind, state): void {
      const given = readDrift(a, aKind, b, bKind, state);
      exports.wasm_reset();
      const [left, right, at] = [copyIn(given.a), copyIn(given.b), copyIn([state])];
      const [x, y] = [given.a.length, given.b.length];
      exports.wasm_drift(left, x, aKind, right, y, bKind, given.count, at);
      state.set(new Uint8Array(exports.memory.buffer, at, state.length));
    },
    weigh(planes, kind, state, bins): void {
      const given = readWeigh(planes, kind, state, bins);
      exports.wasm_reset();
      const [block, at, binsAt] = [copyIn(given.planes), copyIn([state]), copyIn([bins])];
      exports.wasm_weigh(block, given.planes.length, kind, given.count, at, binsAt);
      state.set(new Uint8Array(exports.memory.buffer, at, state.length));
      bins.set(new Uint8Array(exports.memory.buffer, binsAt, bins.length));
    },
  };
}

/** Programs of an arena take no more room at once. */
const PROGRAM_BYTES = 1 << 20;

/** Memory for programs of compute.ts in an instance of its own, which never grows. */
export function openWasmArena(bytes: Uint8Array, count: number): Arena {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const exports = instance.exports as unknown as Exports;
  exports.wasm_reset();
  const [arena, scratch, room] = [4 * count, exports.wasm_scratch(), PROGRAM_BYTES].map((size) =>
    exports.wasm_alloc(size),
  ) as [number, number, number];
  if (arena === 0 || scratch === 0 || room === 0) throw failure(ERROR_MEMORY, 'memory is short');
  const { buffer } = exports.memory;
  const floats = new Float32Array(buffer, arena, count).fill(0);
  return {
    floats,
    words: new Int32Array(buffer, arena, count),
    run: (program) => {
      if (program.byteLength > PROGRAM_BYTES) throw failure(ERROR_MEMORY, 'memory is short');
      new Int32Array(buffer, room, program.length).set(program);
      const code = exports.wasm_compute(arena, count, room, program.length, scratch);
      if (code === 0) return;
      throw failure(code, "'program' has an operation that does not fit the arena");
    },
  };
}
