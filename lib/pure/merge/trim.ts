/**
 * Which changes of a tensor stay: the largest ones (TIES), or some drawn at random (DARE).
 *
 * The size of the k-th largest change is found exactly and without sorting: by its float64 bits, 16 at a time, the
 * changes are counted by size and read again, at most four times.
 */

/** Values of one tensor in pieces; each call reads them from the start. */
export type Source = () => AsyncIterable<Float64Array>;

/** Changes of a size above `cut` stay, and the first `ties` whose size is `cut`. */
export interface Kept {
  cut: number;
  ties: number;
}

const DIGIT_BITS = 16;
const DIGITS = 64 / DIGIT_BITS;
const BINS = 1 << DIGIT_BITS;

/** Index of the word with sign and exponent of a float64 in an array of 32-bit words. */
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;

/** The `digit`-th 16 bits, most significant first, of the size of each float64 in `words`. */
function digitOf(words: Uint32Array, at: number, digit: number): number {
  const word = words[2 * at + (digit < 2 ? HIGH : 1 - HIGH)] as number;
  const bits = digit % 2 === 0 ? word >>> 16 : word & 0xffff;
  return digit === 0 ? bits & 0x7fff : bits;
}

/**
 * The sizes that a share of all changes has, the largest first. NaN counts as larger than all else.
 * @param density  share that stays, 0 to 1: floor(density × count) changes, at least one.
 */
export async function findCut(changes: Source, density: number): Promise<Kept> {
  let wanted = -1;
  const prefix: number[] = [];
  for (let digit = 0; digit < DIGITS; digit++) {
    const counts = new Float64Array(BINS);
    let total = 0;
    for await (const piece of changes()) {
      const words = new Uint32Array(piece.buffer, piece.byteOffset, 2 * piece.length);
      total += piece.length;
      for (let at = 0; at < piece.length; at++) {
        let isIn = true;
        for (let d = 0; d < digit && isIn; d++) isIn = digitOf(words, at, d) === prefix[d];
        if (isIn) counts[digitOf(words, at, digit)]!++;
      }
    }
    if (digit === 0) {
      if (total === 0 || density >= 1) return { cut: -1, ties: 0 };
      wanted = Math.max(1, Math.floor(density * total));
    }
    let bin = BINS - 1;
    for (; bin > 0 && (counts[bin] as number) < wanted; bin--) wanted -= counts[bin] as number;
    prefix.push(bin);
  }
  const cut = new Float64Array(1);
  const words = new Uint32Array(cut.buffer);
  words[HIGH] = (((prefix[0] as number) << 16) | (prefix[1] as number)) >>> 0;
  words[1 - HIGH] = (((prefix[2] as number) << 16) | (prefix[3] as number)) >>> 0;
  return { cut: cut[0] as number, ties: wanted };
}

/** Sets the changes to 0 that do not stay; pieces are given in their order. */
export class Trimmer {
  readonly #kept: Kept | null;
  readonly #chance: { density: number; next: () => number } | null;
  #ties: number;

  private constructor(kept: Kept | null, chance: { density: number; next: () => number } | null) {
    this.#kept = kept;
    this.#chance = chance;
    this.#ties = kept?.ties ?? 0;
  }

  static bySize(kept: Kept): Trimmer {
    return new Trimmer(kept, null);
  }

  /** Each change stays with the probability `density` and is divided by it. @param key  seeds what is drawn. */
  static byChance(density: number, key: string): Trimmer {
    return new Trimmer(null, { density, next: randomWords(key) });
  }

  apply(changes: Float64Array): void {
    if (this.#chance !== null) {
      const { density, next } = this.#chance;
      const below = density * 2 ** 32;
      for (let at = 0; at < changes.length; at++) {
        if (next() < below) changes[at]! /= density;
        else changes[at] = 0;
      }
      return;
    }
    const { cut } = this.#kept as Kept;
    for (let at = 0; at < changes.length; at++) {
      const size = Math.abs(changes[at] as number);
      if (size > cut || Number.isNaN(size)) continue;
      if (size === cut && this.#ties > 0) this.#ties--;
      else changes[at] = 0;
    }
  }
}

/** Words of 32 bits, the same ones for one key: sfc32 (Doty-Humphrey, PractRand), its state the key's FNV-1a hashes. */
export function randomWords(key: string): () => number {
  const state = [0, 1, 2].map((salt) => {
    let hash = (0x811c9dc5 ^ salt) >>> 0;
    for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    return hash;
  });
  let [a, b, c] = state as [number, number, number];
  let counter = 1;
  const next = (): number => {
    const word = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + word;
    c |= 0;
    return word >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}
