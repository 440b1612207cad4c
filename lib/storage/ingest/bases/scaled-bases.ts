/**
 * Factors by which the rows of a stored float32 tensor were multiplied, as when a normalization is folded
 * into the weights before it: found from the values, and verified on all of them.
 */
import { SCALED_ROWS_MAX } from '../../../pure/codec/operation.js';

/** Neighbours of the quotient that are tried: it is off by less than one place. */
const PLACES = [0, 1, -1, 2, -2];
/** Rows that are looked at before all are. */
export const TRIED_ROWS = 4;
/** Share of elements that has to follow exactly: else it is another training step, not a fold. */
const EXACT_SHARE = 0.9;

/** Elements of a row, of a tensor whose rows may be scaled; null if it is none. */
export function rowLength(count: number, rows: number): number | null {
  const length = count / rows;
  return Number.isInteger(length) && rows <= SCALED_ROWS_MAX ? length : null;
}

/** Float32 values of planes. */
export function valuesOf(planes: readonly Uint8Array[]): Float32Array {
  const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const words = new Uint32Array(p0.length);
  for (let i = 0; i < words.length; i++) {
    words[i] = (p0[i]! << 24) | (p1[i]! << 16) | (p2[i]! << 8) | p3[i]!;
  }
  return new Float32Array(words.buffer);
}

/**
 * The factor of each row by which values follow from those of a base; one factor where all are equal.
 * @returns null unless nine of ten elements follow exactly.
 */
export function factorsOf(
  values: Float32Array,
  base: Float32Array,
  rows: number,
): Float32Array | null {
  const length = rowLength(values.length, rows);
  if (length === null) return null;
  const factors = new Float32Array(rows);
  let exact = 0;
  for (let row = 0; row < rows; row++) {
    const from = row * length;
    const to = from + length;
    const found = factorOf(values.subarray(from, to), base.subarray(from, to));
    factors[row] = found.factor;
    exact += found.exact;
    // Of those tried first, the rest may all follow. Mostly the first row tells that they would not be enough.
    const tried = row < TRIED_ROWS ? Math.min(TRIED_ROWS, rows) : rows;
    if (exact + (tried - row - 1) * length < EXACT_SHARE * (tried * length)) return null;
  }
  return factors.every((factor) => factor === factors[0]) ? factors.slice(0, 1) : factors;
}

/** A factor, and how many elements of a row follow by it. */
interface RowFactor {
  factor: number;
  exact: number;
}

/** The factor that gives the most elements of a row. */
function factorOf(values: Float32Array, base: Float32Array): RowFactor {
  const half = base.length >> 1;
  let best: RowFactor = { factor: 1, exact: 0 };
  // The largest element tells most; if it was changed, the largest of the other half does.
  for (const pivot of new Set([largest(base, 0, half), largest(base, half, base.length)])) {
    const found = factorBy(values, base, pivot);
    if (found.exact > best.exact) best = found;
    if (2 * best.exact > base.length) break;
  }
  return best;
}

function largest(base: Float32Array, from: number, to: number): number {
  let at = from;
  for (let i = from + 1; i < to; i++) if (Math.abs(base[i]!) > Math.abs(base[at]!)) at = i;
  return at;
}

/** The factor near the quotient of one element. */
function factorBy(values: Float32Array, base: Float32Array, pivot: number): RowFactor {
  const quotient = Math.fround((values[pivot] as number) / (base[pivot] as number));
  let best: RowFactor = { factor: 1, exact: 0 };
  if (!Number.isFinite(quotient)) return best;
  const near = Float32Array.of(quotient);
  const bits = new Int32Array(near.buffer);
  const middle = bits[0] as number;
  for (const place of PLACES) {
    bits[0] = middle + place;
    const factor = near[0] as number;
    let exact = 0;
    for (let i = 0; i < base.length; i++) {
      if (Math.fround(base[i]! * factor) === values[i]) exact++;
    }
    if (exact > best.exact) best = { factor, exact };
    if (exact === base.length) break;
  }
  return best;
}
