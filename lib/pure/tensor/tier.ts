/**
 * Lossy tiers by name: what `dlv archive --tier` takes, notes keep, and `quantize.ts` carries out.
 *
 * A tier is asked for by name only and never chosen by dlv. Its text form is canonical: it says all
 * that decides the values, so equal extents under one tier give equal extents everywhere.
 * @see docs/format/tier.md; Miao et al. 2017 (arXiv:1611.06224), float representation schemes.
 */
import { UsageError } from '../../base/errors.js';
import { DTYPES, type DType } from './dtype.js';

/** How the codes of `quant<k>` are chosen: evenly over the range, or drawn from the values. */
export type Codebook = 'uniform' | 'random';

/** One tier. */
export type Tier =
  /** Nearest bfloat16 or IEEE half, ties to even. */
  | { scheme: 'bf16' | 'fp16'; bits: 16 }
  /** Multiples of one power of two for each extent, two's complement of `bits` bits. */
  | { scheme: 'fixed'; bits: number }
  /** The nearest of 2^bits codes for each extent. */
  | { scheme: 'quant'; bits: number; codebook: Codebook; seed: number };

/** Bits of `fixed<k>`: sign and at least one digit; beyond 24 a float32 holds no more of them. */
export const FIXED_BITS_MIN = 2;
export const FIXED_BITS_MAX = 24;
/** Bits of `quant<k>`: at most 256 codes, as in the paper. */
export const QUANT_BITS_MAX = 8;
/**
 * The paper's normalisation adds a constant so that all values share sign and exponent: 23 bits of
 * a float32 are left for them, which is fixed point of 23 bits (property test in quantize.test.ts).
 */
const NORMALISED_BITS = 23;
const SEED_MAX = 2 ** 32 - 1;

const TEXT =
  /^(bf16|fp16|normalised|fixed(\d{1,2})|quant(\d{1,2})(?::(uniform|random:(\d{1,10})))?)$/;

/** The tier that a canonical text names, or null. */
export function tierOfText(text: string): Tier | null {
  const match = TEXT.exec(text);
  if (match === null) return null;
  const [, name, fixed, quant, book, seedText] = match;
  if (name === 'bf16' || name === 'fp16') return { scheme: name, bits: 16 };
  if (name === 'normalised') return { scheme: 'fixed', bits: NORMALISED_BITS };
  if (fixed !== undefined) {
    const bits = Number(fixed);
    return bits >= FIXED_BITS_MIN && bits <= FIXED_BITS_MAX ? { scheme: 'fixed', bits } : null;
  }
  const bits = Number(quant);
  const seed = Number(seedText ?? 0);
  if (bits < 1 || bits > QUANT_BITS_MAX || seed > SEED_MAX) return null;
  const codebook = book?.startsWith('random') ? 'random' : 'uniform';
  return { scheme: 'quant', bits, codebook, seed };
}

/** Canonical text of a tier: 'bf16', 'fixed12', 'quant4:uniform', 'quant4:random:7'. */
export function formatTier(tier: Tier): string {
  if (tier.scheme === 'fixed') return `fixed${tier.bits}`;
  if (tier.scheme !== 'quant') return tier.scheme;
  const book = tier.codebook === 'random' ? `random:${tier.seed}` : 'uniform';
  return `quant${tier.bits}:${book}`;
}

/**
 * The tier that a user names.
 * @param text      'bf16', 'fp16', 'fixed<k>', 'quant<k>' or 'normalised'.
 * @param codebook  for quant<k> only; default uniform.
 * @param seed      for random codebooks only, an integer below 2^32; default 0.
 * @throws {UsageError} DLV_USAGE
 */
export function parseTier(text: string, codebook?: string, seed?: number): Tier {
  const tier = text.includes(':') ? null : tierOfText(text);
  if (tier === null) {
    throw new UsageError(`'${text}' is not a tier`, {
      option: '--tier',
      hint:
        `tiers are bf16, fp16, fixed<k> (k from ${FIXED_BITS_MIN} to ${FIXED_BITS_MAX}), ` +
        `quant<k> (k from 1 to ${QUANT_BITS_MAX}) and normalised (fixed${NORMALISED_BITS})`,
    });
  }
  if (tier.scheme !== 'quant') {
    if (codebook === undefined && seed === undefined) return tier;
    throw new UsageError(`a codebook has no meaning for '${text}'`, {
      hint: '--codebook and --seed belong to quant<k>',
    });
  }
  if (codebook !== undefined && codebook !== 'uniform' && codebook !== 'random') {
    throw new UsageError(`there is no codebook '${codebook}'`, { hint: 'uniform or random' });
  }
  if (seed !== undefined && codebook !== 'random') {
    throw new UsageError('a seed needs --codebook random');
  }
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0 && seed <= SEED_MAX)) {
    throw new UsageError(`the seed ${seed} is not an integer from 0 to ${SEED_MAX}`);
  }
  return { ...tier, codebook: codebook ?? 'uniform', seed: seed ?? 0 };
}

/** dtypes whose values a tier may replace. */
export type FloatDType = 'F64' | 'F32' | 'F16' | 'BF16';

/** True if a tier stores fewer bits for each value than the dtype has: else nothing is replaced. */
export function appliesTo(tier: Tier, dtype: DType): dtype is FloatDType {
  const isFloat = dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
  return isFloat && tier.bits < DTYPES[dtype].bits;
}
