/**
 * The byte-wise delta operators of the preview codec, four bytes at a time where memory is aligned.
 *
 * `subtract` and `xor` make a delta, `add` and `xor` undo it. The target may be one of the sources.
 * @see docs/format/codec.md §planes-deflate
 */
import { assert } from '../errors.js';

const HIGH = 0x80808080 | 0;
const REST = 0x7f7f7f7f;

/** Sets target[i] = a[i] ^ b[i]; all of equal length. */
export function xorBytes(target: Uint8Array, a: Uint8Array, b: Uint8Array): void {
  const words = wordsOf(target, a, b);
  if (words) {
    const [t, x, y] = words;
    for (let i = 0; i < t.length; i++) t[i] = (x[i] as number) ^ (y[i] as number);
  }
  for (let i = words ? words[0].length * 4 : 0; i < target.length; i++) {
    target[i] = (a[i] as number) ^ (b[i] as number);
  }
}

/** Sets target[i] = a[i] − b[i] modulo 256; all of equal length. */
export function subtractBytes(target: Uint8Array, a: Uint8Array, b: Uint8Array): void {
  const words = wordsOf(target, a, b);
  if (words) {
    const [t, x, y] = words;
    for (let i = 0; i < t.length; i++) {
      const p = x[i] as number;
      const q = y[i] as number;
      // A set top bit in each byte of p stops the borrow there; the last term puts the bit right.
      t[i] = ((p | HIGH) - (q & REST)) ^ ((p ^ ~q) & HIGH);
    }
  }
  for (let i = words ? words[0].length * 4 : 0; i < target.length; i++) {
    target[i] = (a[i] as number) - (b[i] as number);
  }
}

/** Sets target[i] = a[i] + b[i] modulo 256; all of equal length. */
export function addBytes(target: Uint8Array, a: Uint8Array, b: Uint8Array): void {
  const words = wordsOf(target, a, b);
  if (words) {
    const [t, x, y] = words;
    for (let i = 0; i < t.length; i++) {
      const p = x[i] as number;
      const q = y[i] as number;
      t[i] = ((p & REST) + (q & REST)) ^ ((p ^ q) & HIGH);
    }
  }
  for (let i = words ? words[0].length * 4 : 0; i < target.length; i++) {
    target[i] = (a[i] as number) + (b[i] as number);
  }
}

type Three<T> = [T, T, T];

/** The whole words of three byte arrays, or null unless all are aligned. */
function wordsOf(...all: Three<Uint8Array>): Three<Int32Array> | null {
  const length = all[0].length;
  assert(all[1].length === length && all[2].length === length, 'a delta of equal lengths');
  if (all.some((bytes) => bytes.byteOffset % 4 !== 0)) return null;
  return all.map(
    (bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, length >>> 2),
  ) as Three<Int32Array>;
}
