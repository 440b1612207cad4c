/**
 * Byte planes in TypeScript: the reference that the kernel must equal bit for bit.
 *
 * Plane k of an element of width w is its byte w−1−k in little-endian order: plane 0 is the most
 * significant. Four elements at a time go through 32-bit words where memory is aligned and the
 * machine little-endian; what is left, and everything else, byte by byte. @see docs/format/plane.md
 */
import { assert } from '../../base/errors.js';

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Splits little-endian elements into byte planes, most significant first.
 *  @param bytes  width·n bytes; read, never kept.
 *  @returns      `width` planes of n bytes each, in fresh memory. */
export function splitPlanes(bytes: Uint8Array, width: number): Uint8Array[] {
  assert(bytes.length % width === 0, 'a whole number of elements');
  const n = bytes.length / width;
  const planes = Array.from({ length: width }, () => new Uint8Array(n));
  splitInto(bytes, planes);
  return planes;
}

/** Splits as `splitPlanes` does, into memory of the caller.
 *  @param planes  one plane per byte of width, each bytes.length / width long; overwritten. */
export function splitInto(bytes: Uint8Array, planes: readonly Uint8Array[]): void {
  const width = planes.length;
  const n = bytes.length / width;
  assert(
    planes.every((plane) => plane.length === n),
    'planes of equal length',
  );
  if (width === 1) {
    (planes[0] as Uint8Array).set(bytes);
    return;
  }
  const words = wordsOf(bytes, width);
  const views = words && planes.map((plane) => wordsOf(plane, width));
  let done = 0;
  if (words && views?.every((view) => view !== null)) {
    done = n - (n % 4);
    splitWords(words, views as Int32Array[], done / 4);
  }
  for (let k = 0; k < width; k++) {
    const plane = planes[k] as Uint8Array;
    for (let i = done, j = done * width + width - 1 - k; i < n; i++, j += width) {
      plane[i] = bytes[j] as number;
    }
  }
}

/** The whole words of aligned memory, or null where elements cannot go through words. */
function wordsOf(bytes: Uint8Array, width: number): Int32Array | null {
  const fits = width === 2 || width === 4 || width === 8;
  if (!LITTLE_ENDIAN || !fits || bytes.byteOffset % 4 !== 0) return null;
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

/** Splits `quads` times four elements. */
function splitWords(words: Int32Array, planes: readonly Int32Array[], quads: number): void {
  if (planes.length === 2) {
    const [p0, p1] = planes as [Int32Array, Int32Array];
    for (let i = 0, j = 0; i < quads; i++, j += 2) {
      const a = words[j] as number;
      const b = words[j + 1] as number;
      p0[i] = ((a >>> 8) & 0xff) | ((a >>> 16) & 0xff00) | ((b << 8) & 0xff0000) | (b & 0xff000000);
      p1[i] = (a & 0xff) | ((a >>> 8) & 0xff00) | ((b << 16) & 0xff0000) | ((b << 8) & 0xff000000);
    }
    return;
  }
  // Elements of 8 bytes are two words: the planes of the high one come first.
  const step = planes.length / 4;
  for (let part = 0; part < step; part++) {
    const [p0, p1, p2, p3] = planes.slice(4 * part) as [
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    for (let i = 0, j = step - 1 - part; i < quads; i++, j += 4 * step) {
      const a = words[j] as number;
      const b = words[j + step] as number;
      const c = words[j + 2 * step] as number;
      const d = words[j + 3 * step] as number;
      p0[i] = (a >>> 24) | ((b >>> 16) & 0xff00) | ((c >>> 8) & 0xff0000) | (d & 0xff000000);
      p1[i] = ((a >>> 16) & 0xff) | ((b >>> 8) & 0xff00) | (c & 0xff0000) | ((d << 8) & 0xff000000);
      p2[i] = ((a >>> 8) & 0xff) | (b & 0xff00) | ((c << 8) & 0xff0000) | ((d << 16) & 0xff000000);
      p3[i] = (a & 0xff) | ((b << 8) & 0xff00) | ((c << 16) & 0xff0000) | (d << 24);
    }
  }
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
  assert(
    planes.every((plane) => plane.length === n),
    'planes of equal length',
  );
  if (width === 1 && planes.length === 1) {
    target.set(planes[0] as Uint8Array);
    return;
  }
  let done = 0;
  if (planes.length < width) target.fill(0);
  else {
    const words = wordsOf(target, width);
    const views = words && planes.map((plane) => wordsOf(plane, width));
    if (words && views?.every((view) => view !== null)) {
      done = n - (n % 4);
      mergeWords(views as Int32Array[], words, done / 4);
    }
  }
  for (let k = 0; k < planes.length; k++) {
    const plane = planes[k] as Uint8Array;
    for (let i = done, j = done * width + width - 1 - k; i < n; i++, j += width) {
      target[j] = plane[i] as number;
    }
  }
}

/** Joins `quads` times four elements. */
function mergeWords(planes: readonly Int32Array[], words: Int32Array, quads: number): void {
  if (planes.length === 2) {
    const [p0, p1] = planes as [Int32Array, Int32Array];
    for (let i = 0, j = 0; i < quads; i++, j += 2) {
      const a = p0[i] as number;
      const b = p1[i] as number;
      words[j] = (b & 0xff) | ((a & 0xff) << 8) | ((b & 0xff00) << 8) | ((a & 0xff00) << 16);
      words[j + 1] =
        ((b >>> 16) & 0xff) | ((a >>> 8) & 0xff00) | ((b >>> 8) & 0xff0000) | (a & 0xff000000);
    }
    return;
  }
  const step = planes.length / 4;
  for (let part = 0; part < step; part++) {
    const [p0, p1, p2, p3] = planes.slice(4 * part) as [
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    for (let i = 0, j = step - 1 - part; i < quads; i++, j += 4 * step) {
      const a = p0[i] as number;
      const b = p1[i] as number;
      const c = p2[i] as number;
      const d = p3[i] as number;
      words[j] = (d & 0xff) | ((c & 0xff) << 8) | ((b & 0xff) << 16) | (a << 24);
      words[j + step] =
        ((d >>> 8) & 0xff) | (c & 0xff00) | ((b & 0xff00) << 8) | ((a & 0xff00) << 16);
      words[j + 2 * step] =
        ((d >>> 16) & 0xff) | ((c >>> 8) & 0xff00) | (b & 0xff0000) | ((a & 0xff0000) << 8);
      words[j + 3 * step] =
        (d >>> 24) | ((c >>> 16) & 0xff00) | ((b >>> 8) & 0xff0000) | (a & 0xff000000);
    }
  }
}

/** Reverses the bytes of every element in place (big-endian files). */
export function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}
