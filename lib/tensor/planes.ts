/**
 * Byte planes in TypeScript: the reference that the kernel must equal bit for bit.
 *
 * Plane k of an element of width w is its byte w−1−k in little-endian order: plane 0 is the most
 * significant. @see docs/format/plane.md
 */
import { assert } from '../errors.js';

/** Splits little-endian elements into byte planes, most significant first.
 *  @param bytes  width·n bytes; read, never kept.
 *  @returns      `width` planes of n bytes each, in fresh memory. */
export function splitPlanes(bytes: Uint8Array, width: number): Uint8Array[] {
  assert(bytes.length % width === 0, 'a whole number of elements');
  const n = bytes.length / width;
  if (width === 1) return [bytes.slice()];
  const planes = Array.from({ length: width }, () => new Uint8Array(n));
  if (width === 2) {
    const [p0, p1] = planes as [Uint8Array, Uint8Array];
    for (let i = 0, j = 0; i < n; i++, j += 2) {
      p1[i] = bytes[j] as number;
      p0[i] = bytes[j + 1] as number;
    }
  } else if (width === 4) {
    const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (let i = 0, j = 0; i < n; i++, j += 4) {
      p3[i] = bytes[j] as number;
      p2[i] = bytes[j + 1] as number;
      p1[i] = bytes[j + 2] as number;
      p0[i] = bytes[j + 3] as number;
    }
  } else {
    for (let k = 0; k < width; k++) {
      const plane = planes[k] as Uint8Array;
      for (let i = 0, j = width - 1 - k; i < n; i++, j += width) plane[i] = bytes[j] as number;
    }
  }
  return planes;
}

/** Joins planes into little-endian elements: the inverse of `splitPlanes`.
 *  @param planes  leading planes, most significant first; missing low planes read as zero.
 *  @param target  width·n bytes, overwritten. */
export function mergePlanes(
  planes: readonly Uint8Array[],
  width: number,
  target: Uint8Array,
): void {
  const n = target.length / width;
  if (width === 4 && planes.length === 4) {
    const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (let i = 0, j = 0; i < n; i++, j += 4) {
      target[j] = p3[i] as number;
      target[j + 1] = p2[i] as number;
      target[j + 2] = p1[i] as number;
      target[j + 3] = p0[i] as number;
    }
    return;
  }
  if (planes.length < width) target.fill(0);
  for (let k = 0; k < planes.length; k++) {
    const plane = planes[k] as Uint8Array;
    assert(plane.length === n, 'planes of equal length');
    for (let i = 0, j = width - 1 - k; i < n; i++, j += width) target[j] = plane[i] as number;
  }
}

/** Reverses the bytes of every element in place (big-endian files). */
export function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}
