/**
 * Sketches: a few elements of an extent, taken at positions that depend on its count alone, so that two
 * extents of equal width and count can be compared without reading them. The mean bit length of the
 * differences is about the number of bits that an element of a delta between them takes.
 *
 *     bytes     = ⌊count · width / 2048⌋, at least 24 and at most 96
 *     samples   = min(32, ⌊bytes / width⌋), none if the extent has fewer elements
 *     position  = start(i) + mix(i) mod (start(i + 1) − start(i)), start(i) = ⌊i · count / samples⌋
 *     sketch    = the samples in order, each as its bytes from the most significant down
 *
 * @see docs/format/codec.md §sketch
 */
import { assert } from '../../base/errors.js';
import { loadKernel } from '../../base/native/kernel.js';

/** Bytes of a sketch at most. */
export const SKETCH_BYTES_MAX = 96;
/** Bytes at least, and bytes of an extent for one of its sketch: what a sketch costs stays near 0.1 %. */
const SKETCH_BYTES_MIN = 24;
const BYTES_PER_SKETCH_BYTE = 2048;
const SAMPLES_MAX = 32;

/** Samples of an extent of `count` elements of `width` bytes; 0: it has no sketch. */
export function sketchSamples(width: number, count: number): number {
  const share = Math.floor((count * width) / BYTES_PER_SKETCH_BYTE);
  const bytes = Math.min(SKETCH_BYTES_MAX, Math.max(SKETCH_BYTES_MIN, share));
  const samples = Math.min(SAMPLES_MAX, Math.floor(bytes / width));
  return count < samples ? 0 : samples;
}

/** Bytes of the sketch of such an extent. */
export function sketchBytes(width: number, count: number): number {
  return width * sketchSamples(width, count);
}

/** A number that scatters positions inside their strata: the end of MurmurHash3 on i + 1. */
function mix(i: number): number {
  let h = Math.imul(i + 1, 0x9e3779b9);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Indexes of the sampled elements, ascending. */
export function sketchPositions(width: number, count: number): number[] {
  const samples = sketchSamples(width, count);
  if (samples === 0) return [];
  // count < 2^53: the product of the quotient is exact, that of count itself might not be.
  const whole = Math.floor(count / samples);
  const rest = count % samples;
  const start = (i: number): number => i * whole + Math.floor((i * rest) / samples);
  return Array.from({ length: samples }, (_, i) => {
    const from = start(i);
    return from + (mix(i) % (start(i + 1) - from));
  });
}

/** Takes the samples while an extent streams by. */
export class Sketcher {
  readonly #width: number;
  readonly #positions: number[];
  readonly #sketch: Uint8Array;
  #next = 0;
  #done = 0;

  constructor(width: number, count: number) {
    this.#width = width;
    this.#positions = sketchPositions(width, count);
    this.#sketch = new Uint8Array(width * this.#positions.length);
  }

  /** Adds the planes of the next elements, plane 0 first; read, never kept. */
  add(planes: readonly Uint8Array[]): void {
    const elements = (planes[0] as Uint8Array).length;
    for (; this.#next < this.#positions.length; this.#next++) {
      const at = (this.#positions[this.#next] as number) - this.#done;
      if (at >= elements) break;
      for (let k = 0; k < this.#width; k++) {
        this.#sketch[this.#next * this.#width + k] = (planes[k] as Uint8Array)[at] as number;
      }
    }
    this.#done += elements;
  }

  /** The sketch; empty for an extent too short to have one. */
  finish(): Uint8Array {
    assert(this.#next === this.#positions.length, 'a sketch of all elements');
    return this.#sketch;
  }
}

/** The sketch of an extent that is held whole. @param planes  all its elements, plane 0 first. */
export function sketchOfPlanes(planes: readonly Uint8Array[]): Uint8Array {
  const sketcher = new Sketcher(planes.length, (planes[0] as Uint8Array).length);
  sketcher.add(planes);
  return sketcher.finish();
}

/**
 * Distances of one sketch to many: for each the sum, over its samples, of the bit length of the
 * difference, taken modulo 2^(8 · width) towards the nearer side.
 * @param rows    sketches of the same width and count, `stride` bytes apart, at the start of each row.
 */
export function sketchDistances(
  sketch: Uint8Array,
  width: number,
  rows: Uint8Array,
  stride: number,
): Uint32Array {
  assert(stride >= sketch.length && rows.length % stride === 0, 'rows of whole sketches');
  if (sketch.length === 0) return new Uint32Array(rows.length / stride);
  return loadKernel().services.sketchDistances(sketch, width, rows, stride);
}

/**
 * Mean bit length of the differences of two sketches of the same width and count: 0 if all samples are
 * equal, about 8 · width − 4 for unrelated floats. Infinite if there is nothing to compare.
 */
export function sketchDistance(a: Uint8Array, b: Uint8Array, width: number): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  return (sumOfBits(a, b, width) * width) / a.length;
}

function sumOfBits(a: Uint8Array, b: Uint8Array, width: number): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += width) {
    sum += width <= 4 ? bitsOfShort(a, b, at, width) : bitsOfLong(a, b, at, width);
  }
  return sum;
}

function bitsOfShort(a: Uint8Array, b: Uint8Array, at: number, width: number): number {
  let x = 0;
  let y = 0;
  for (let k = at; k < at + width; k++) {
    x = x * 256 + (a[k] as number);
    y = y * 256 + (b[k] as number);
  }
  const difference = Math.abs(x - y);
  return 32 - Math.clz32(Math.min(difference, 2 ** (8 * width) - difference));
}

function bitsOfLong(a: Uint8Array, b: Uint8Array, at: number, width: number): number {
  const bits = 8 * width;
  const hex = (bytes: Uint8Array): bigint =>
    BigInt(`0x${Buffer.from(bytes.subarray(at, at + width)).toString('hex')}`);
  const difference = BigInt.asUintN(bits, hex(a) - hex(b));
  const nearer = BigInt.asUintN(bits, -difference);
  const least = nearer < difference ? nearer : difference;
  return least === 0n ? 0 : least.toString(2).length;
}
