/** Seeded random numbers, so that a failing test fails again. */

/** A generator of 32 random bits: mulberry32 over `seed`. */
function seededBits(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Gives floats in [0, 1). */
export type Rng = () => number;

/** A generator of floats in [0, 1). */
export function seededRandom(seed: number): Rng {
  const bits = seededBits(seed);
  return () => bits() / 2 ** 32;
}

/** `length` seeded random bytes. */
export function randomBytes(length: number, seed: number): Uint8Array {
  const bits = seededBits(seed);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = bits() >>> 24;
  return bytes;
}
