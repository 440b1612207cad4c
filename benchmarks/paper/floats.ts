/**
 * The float schemes and delta operators of ModelHub (Miao et al., ICDE 2017, IV-B) as the paper
 * measures them: zlib at level 6, over whole matrices or byte by byte.
 *
 * Deviations: deltas of fixed point numbers are integer differences; the exponent of a matrix is that
 * of the larger of the two models, so that both are on one grid.
 */
import { deflateSync } from 'node:zlib';
import { splitPlanes } from '../../lib/pure/tensor/planes.js';

const LEVEL = 6;
const FIXED_BITS = 32;

/** Bytes after zlib. */
export function zlibBytes(values: Float32Array | Uint32Array): number {
  return deflateSync(bytesOf(values), { level: LEVEL }).length;
}

/** Bytes after zlib of each byte plane. */
export function bytewiseBytes(values: Float32Array | Uint32Array): number {
  return planeBytes(values).reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes after zlib of each byte plane, the most significant first. */
export function planeBytes(values: Float32Array | Uint32Array): number[] {
  return splitPlanes(bytesOf(values), 4).map((p) => deflateSync(p, { level: LEVEL }).length);
}

export function bytesOf(values: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** child − base in fp32: what the paper calls SUB. */
export function subtractFloats(child: Float32Array, base: Float32Array): Float32Array {
  return child.map((value, i) => value - (base[i] as number));
}

/** Elements that base + (child − base) does not give back, bit for bit. */
export function countInexact(child: Float32Array, base: Float32Array): number {
  const back = subtractFloats(child, base).map((delta, i) => (base[i] as number) + delta);
  const [wanted, found] = [bitsOf(child), bitsOf(back)];
  return wanted.reduce((count, bits, i) => count + (bits === found[i] ? 0 : 1), 0);
}

export function xorFloats(child: Float32Array, base: Float32Array): Uint32Array {
  const under = bitsOf(base);
  return bitsOf(child).map((bits, i) => bits ^ (under[i] as number));
}

/** Differences of the bits in the order of the numbers, sign in the lowest bit. */
export function subtractOrdered(child: Float32Array, base: Float32Array): Uint32Array {
  const ordered = (bits: number): number => (bits >>> 31 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0);
  const under = bitsOf(base);
  return bitsOf(child).map((bits, i) => {
    const delta = (ordered(bits) - ordered(under[i] as number)) | 0;
    return ((delta << 1) ^ (delta >> 31)) >>> 0;
  });
}

/** The least e with every |value| ≤ 2^e. */
export function exponentOf(...matrices: readonly Float32Array[]): number {
  let most = 0;
  for (const values of matrices) for (const v of values) most = Math.max(most, Math.abs(v));
  return most === 0 ? 0 : Math.ceil(Math.log2(most));
}

/** Fixed point numbers of 32 bits with one exponent for the matrix. Lossy for small values. */
export function toFixedPoint(values: Float32Array, exponent: number): Uint32Array {
  const scale = 2 ** (FIXED_BITS - 1 - exponent);
  const most = 2 ** (FIXED_BITS - 1) - 1;
  const fixed = Int32Array.from(values, (value) =>
    Math.max(-most, Math.min(most, Math.round(value * scale))),
  );
  return new Uint32Array(fixed.buffer);
}

export function subtractIntegers(child: Uint32Array, base: Uint32Array): Uint32Array {
  return child.map((value, i) => (value - (base[i] as number)) >>> 0);
}

/** Adds a constant so that all values have one sign and one exponent. Lossy. */
export function normalise(values: Float32Array, exponent: number): Float32Array {
  return values.map((value) => value + 3 * 2 ** exponent);
}
