/**
 * One chunk of one plane: constant, stored, or Huffman-coded by Node's deflate on its pool.
 *
 * At most CHUNKS_AT_WORK chunks of the process are in deflate or inflate at once: each holds its
 * state and buffers outside the heap, and two cores gain nothing from more.
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { CHUNK_ELEMENTS } from '../limits.js';
import { addBytes, subtractBytes, xorBytes } from './delta.js';
import { entropyBits, histogram } from './entropy.js';

const deflate = promisify(deflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;
const inflate = promisify(inflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;

export const TRANSFORM_NONE = 0;
export const TRANSFORM_XOR = 1;
export const TRANSFORM_BSUB = 2;
export const MODE_CONSTANT = 0;
export const MODE_STORED = 1;
export const MODE_DEFLATE = 2;

/** Coding below this share of the raw size is worth the time that decoding it takes. */
const WORTH_CODING = 0.98;
/** A sample of 16 pieces of 2 KiB that shows more bits per byte than this is noise all through:
 *  an estimate from 32 Ki bytes is at most some 0.01 bits below the truth. */
const NOISE_BITS = 7.9;
const SAMPLE_PIECES = 16;
const SAMPLE_BYTES = 2048;
const CHUNKS_AT_WORK = 6;

/** A coded chunk. The payload may be memory of the plane: use it before the plane changes. */
export interface CodedChunk {
  mode: number;
  payload: Uint8Array;
  /** Memory of a delta; give it to `releaseChunk` when the payload was used. */
  delta: Uint8Array | null;
}

/** Memory for deltas, used again: a segment makes 16 of 256 KiB for each plane. */
const free: ArrayBuffer[] = [];
const FREE_CHUNKS_MAX = 64;

function takeChunk(length: number): Uint8Array {
  return new Uint8Array(free.pop() ?? new ArrayBuffer(CHUNK_ELEMENTS), 0, length);
}

/** Takes back the memory of a coded chunk, whose payload must not be used any more. */
export function releaseChunk({ delta }: CodedChunk): void {
  if (delta !== null && free.length < FREE_CHUNKS_MAX) free.push(delta.buffer as ArrayBuffer);
}

let atWork = 0;
const waiting: (() => void)[] = [];

/** Runs work on Node's pool when there is room for it. */
async function limited<T>(work: () => Promise<T>): Promise<T> {
  // Whoever ends hands its place over, so that nobody who comes later can take it.
  if (atWork >= CHUNKS_AT_WORK) await new Promise<void>((resolve) => waiting.push(resolve));
  else atWork++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else atWork--;
  }
}

/** Codes a chunk of a plane, as a delta of the same chunk of the base if there is one. */
export async function encodeChunk(
  plane: Uint8Array,
  base: Uint8Array | null,
  transform: number,
): Promise<CodedChunk> {
  const delta =
    base === null || transform === TRANSFORM_NONE ? null : deltaOf(plane, base, transform);
  const bytes = delta ?? plane;
  const stored = { mode: MODE_STORED, payload: bytes, delta };
  if (isConstant(bytes)) return { ...stored, mode: MODE_CONSTANT, payload: bytes.subarray(0, 1) };
  if (isNoise(bytes)) return stored;
  const bits = entropyBits(histogram(bytes), bytes.length);
  if (bits >= 8 * WORTH_CODING) return stored;
  // Huffman spends at least one bit per symbol; below that, runs of the frequent value pay.
  const runs = bits < 1;
  const coded = await limited(() =>
    deflate(bytes, {
      level: runs ? 6 : 1,
      memLevel: 9,
      strategy: runs ? constants.Z_DEFAULT_STRATEGY : constants.Z_HUFFMAN_ONLY,
      // One buffer for all of it saves a round trip through the event loop for each 16 KiB.
      chunkSize: Math.max(1024, Math.ceil((bytes.length * (bits + 0.3)) / 8)),
    }),
  );
  if (coded.length >= bytes.length * WORTH_CODING) return stored;
  return { mode: MODE_DEFLATE, payload: coded, delta };
}

/** Inflates what deflate made: `count` bytes, or another number if the payload is damaged. */
export async function inflateChunk(payload: Uint8Array, count: number): Promise<Uint8Array> {
  return limited(() =>
    inflate(payload, { maxOutputLength: count + 1, chunkSize: Math.max(1024, count) }),
  );
}

/** Undoes the delta of a decoded chunk into `target`, which may be the memory of the base. */
export function restoreChunk(
  target: Uint8Array,
  bytes: Uint8Array,
  base: Uint8Array | null,
  transform: number,
): void {
  if (base === null || transform === TRANSFORM_NONE) target.set(bytes);
  else if (transform === TRANSFORM_XOR) xorBytes(target, bytes, base);
  else addBytes(target, bytes, base);
}

function deltaOf(plane: Uint8Array, base: Uint8Array, transform: number): Uint8Array {
  const delta = takeChunk(plane.length);
  if (transform === TRANSFORM_XOR) xorBytes(delta, plane, base);
  else subtractBytes(delta, plane, base);
  return delta;
}

function isConstant(bytes: Uint8Array): boolean {
  return (
    bytes[0] === bytes.at(-1) && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0
  );
}

function isNoise(bytes: Uint8Array): boolean {
  const total = SAMPLE_PIECES * SAMPLE_BYTES;
  if (bytes.length < 2 * total) return false;
  const counts = new Uint32Array(256);
  const step = Math.floor(bytes.length / SAMPLE_PIECES);
  for (let piece = 0; piece < SAMPLE_PIECES; piece++) {
    histogram(bytes.subarray(piece * step, piece * step + SAMPLE_BYTES), counts);
  }
  return entropyBits(counts, total) > NOISE_BITS;
}
