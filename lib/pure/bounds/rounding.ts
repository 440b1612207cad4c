/**
 * How far float32 arithmetic can be from real arithmetic, and by how much bounds are widened for it.
 *
 * A sum of products of n terms, in whatever order it is added up, with or without fused multiplication,
 * differs by at most n·u·Σ|a||b| from the exact one (S. M. Rump, Error estimation of floating-point summation
 * and dot product, BIT 52, 2012; C.-P. Jeannerod and S. M. Rump, SIAM J. Matrix Anal. Appl. 34, 2013). u is the
 * unit roundoff. What underflows adds at most 2^-149 for each term, for which `TINY` is added everywhere.
 */

/** Unit roundoff of float32, and of float16. */
export const UNIT = 2 ** -24;
export const HALF_UNIT = 2 ** -11;
/** Larger than all that underflow can add to a value. */
export const TINY = 1e-30;
/** The same for float16, whose least number is 2^-24. */
export const HALF_TINY = 2 ** -23;
/** Beyond so many terms a sum is not bounded. */
export const TERMS_MAX = 2 ** 20;

/**
 * Relative error of a sum of `terms` products against Σ|a||b|: with `more` roundings for a bias, a norm that the
 * runtime folds into the weights, and a scale.
 */
export function sumError(terms: number, more = 16): number {
  return (terms + more) * UNIT * 1.02;
}

/** Relative error of a few roundings. */
export const FEW = 8 * UNIT;
