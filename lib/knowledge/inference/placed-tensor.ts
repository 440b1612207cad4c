/** Elements of float32 in a file of which the leading planes count: their middles, and how far they may be from these. */
import { ReadFile } from '../../base/files/files.js';
import type { Placed } from './messages.js';

const MAGNITUDE = 0x7fffffff;
const EXPONENT = 0x7f800000;
/** 2^-126: no element of a smaller exponent is as far from its middle. */
const LEAST = 1 << 23;

/**
 * Reads a tensor of which two planes count at least. Planes behind the counting ones may hold anything, also what is
 * written while this reads.
 * @throws {IoError} if it cannot be read; {ChangedError} if it ends before.
 */
export async function readPlaced({
  dims,
  path,
  offset,
  planes,
  form,
  shrunk,
}: Placed): Promise<Float32Array> {
  const count = dims.reduce((product, size) => product * size, 1);
  const words = new Int32Array(count);
  const bytes = new Uint8Array(words.buffer);
  const file = await ReadFile.open(path);
  try {
    await file.readInto(bytes, offset);
  } finally {
    await file.close();
  }
  if (form === 'center') centers(words, planes);
  else radii(words, planes, shrunk);
  return new Float32Array(words.buffer);
}

/** Puts the middle of what each element can be in its place; 0 where all that is known is 0. */
function centers(words: Int32Array, planes: number): void {
  if (planes >= 4) return;
  const unknown = 8 * (4 - planes);
  const mask = -1 << unknown;
  const middle = 1 << (unknown - 1);
  for (let i = 0; i < words.length; i++) {
    const known = (words[i] as number) & mask;
    words[i] = (known & MAGNITUDE) === 0 ? 0 : known | middle;
  }
}

/** Puts how far each element can be from its middle in its place: half a unit of the last known bit. */
function radii(words: Int32Array, planes: number, shrunk: number): void {
  if (planes >= 4) {
    words.fill(0);
    return;
  }
  const unknown = 8 * (4 - planes);
  // 2^(unknown - 1) units of the last of 23 bits.
  const by = (23 - (unknown - 1) + shrunk) << 23;
  for (let i = 0; i < words.length; i++) {
    const exponent = (words[i] as number) & EXPONENT;
    const radius = exponent - by;
    words[i] = exponent === EXPONENT ? EXPONENT : radius > LEAST ? radius : LEAST;
  }
}
