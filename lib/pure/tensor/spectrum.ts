/** Singular values of small matrices, and what they say of rank. */

/**
 * Singular values of a matrix, the largest first: square roots of the eigenvalues of its smaller Gram matrix,
 * so that those below 1e-8 of the largest are noise.
 * @param values  row-major, rows · columns; read, never kept. O(rows · columns · least + least³).
 */
export function singularValues(values: Float64Array, rows: number, columns: number): Float64Array {
  const size = Math.min(rows, columns);
  const eigenvalues = symmetricEigenvalues(gram(values, rows, columns), size);
  return eigenvalues.map((value) => Math.sqrt(Math.max(0, value))).sort((a, b) => b - a);
}

/** M·Mᵀ or Mᵀ·M, whichever is smaller; its lower triangle and diagonal. */
function gram(values: Float64Array, rows: number, columns: number): Float64Array {
  const size = Math.min(rows, columns);
  const out = new Float64Array(size * size);
  if (rows <= columns) {
    for (let i = 0; i < rows; i++) {
      const a = values.subarray(i * columns, (i + 1) * columns);
      for (let j = 0; j <= i; j++) {
        const b = values.subarray(j * columns, (j + 1) * columns);
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += (a[k] as number) * (b[k] as number);
        out[i * size + j] = sum;
      }
    }
    return out;
  }
  for (let k = 0; k < rows; k++) {
    const row = values.subarray(k * columns, (k + 1) * columns);
    for (let i = 0; i < size; i++) {
      const factor = row[i] as number;
      if (factor === 0) continue;
      for (let j = 0; j <= i; j++) {
        out[i * size + j] = (out[i * size + j] as number) + factor * (row[j] as number);
      }
    }
  }
  return out;
}

/** Eigenvalues of a symmetric matrix of which the lower triangle is read; it is changed. O(size³). */
export function symmetricEigenvalues(matrix: Float64Array, size: number): Float64Array {
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  tridiagonalise(matrix, size, diagonal, beside);
  bisectAll(diagonal, beside);
  return diagonal;
}

/** Householder reflections from the last row up: the same eigenvalues on three diagonals. */
function tridiagonalise(
  m: Float64Array,
  size: number,
  diagonal: Float64Array,
  beside: Float64Array,
): void {
  const v = new Float64Array(size);
  const p = new Float64Array(size);
  for (let n = size - 1; n > 0; n--) {
    const row = n * size;
    let norm = 0;
    for (let i = 0; i < n; i++) norm = Math.hypot(norm, m[row + i] as number);
    diagonal[n] = m[row + n] as number;
    let rest = 0;
    for (let i = 0; i < n - 1; i++) rest = Math.max(rest, Math.abs(m[row + i] as number));
    if (rest === 0) {
      beside[n] = m[row + n - 1] as number;
      continue;
    }
    const last = m[row + n - 1] as number;
    const target = last > 0 ? -norm : norm;
    beside[n] = target;
    let square = 0;
    for (let i = 0; i < n; i++) {
      const entry = (m[row + i] as number) - (i === n - 1 ? target : 0);
      v[i] = entry;
      square += entry * entry;
    }
    reflect(m, size, { v, p, n, square });
  }
  if (size > 0) diagonal[0] = m[0] as number;
}

/** Applies I − 2·v·vᵀ/‖v‖² from both sides to the leading n × n block. */
function reflect(
  m: Float64Array,
  size: number,
  { v, p, n, square }: { v: Float64Array; p: Float64Array; n: number; square: number },
): void {
  const factor = 2 / square;
  p.fill(0, 0, n);
  for (let i = 0; i < n; i++) {
    const row = i * size;
    const own = v[i] as number;
    let sum = 0;
    for (let j = 0; j < i; j++) {
      const entry = m[row + j] as number;
      sum += entry * (v[j] as number);
      p[j] = (p[j] as number) + entry * own;
    }
    p[i] = (p[i] as number) + sum + (m[row + i] as number) * own;
  }
  let dot = 0;
  for (let i = 0; i < n; i++) {
    p[i] = (p[i] as number) * factor;
    dot += (p[i] as number) * (v[i] as number);
  }
  const half = (dot * factor) / 2;
  for (let i = 0; i < n; i++) p[i] = (p[i] as number) - half * (v[i] as number);
  for (let i = 0; i < n; i++) {
    const row = i * size;
    for (let j = 0; j <= i; j++) {
      const change = (v[i] as number) * (p[j] as number) + (p[i] as number) * (v[j] as number);
      m[row + j] = (m[row + j] as number) - change;
    }
  }
}

/** Steps of a bisection: as many as a float64 has bits, and some for its exponent. */
const STEPS = 64;

/** Replaces the diagonal of a tridiagonal matrix by its eigenvalues: counts of signs (Sturm), bisected. */
function bisectAll(diagonal: Float64Array, beside: Float64Array): void {
  const size = diagonal.length;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    const radius = Math.abs(beside[i] as number) + Math.abs(beside[i + 1] ?? 0);
    low = Math.min(low, (diagonal[i] as number) - radius);
    high = Math.max(high, (diagonal[i] as number) + radius);
  }
  const tiny = Number.MIN_VALUE * 2 ** 52 + Math.max(Math.abs(low), Math.abs(high)) * 2 ** -100;
  const below = (x: number): number => {
    let count = 0;
    let q = 1;
    for (let i = 0; i < size; i++) {
      const side = i === 0 ? 0 : (beside[i] as number);
      q = (diagonal[i] as number) - x - (side * side) / q;
      if (q < 0) count++;
      if (Math.abs(q) < tiny) q = q < 0 ? -tiny : tiny;
    }
    return count;
  };
  const found = new Float64Array(size);
  /** Intervals that hold the eigenvalues from `first` up to `last`. */
  const open = [{ low, high, first: 0, last: size, steps: STEPS }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { first, last, steps } = next;
    const middle = next.low + (next.high - next.low) / 2;
    if (steps === 0 || middle <= next.low || middle >= next.high) {
      found.fill(middle, first, last);
      continue;
    }
    const split = Math.min(last, Math.max(first, below(middle)));
    if (split > first)
      open.push({ low: next.low, high: middle, first, last: split, steps: steps - 1 });
    if (split < last)
      open.push({ low: middle, high: next.high, first: split, last, steps: steps - 1 });
  }
  diagonal.set(found);
}

/** exp of the entropy of the singular values as shares: 1 for rank one, n for n equal ones. */
export function effectiveRank(values: ArrayLike<number>): number {
  const all = Array.from(values);
  const sum = all.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const entropy = all.reduce((total, value) => {
    const share = value / sum;
    return share > 0 ? total - share * Math.log(share) : total;
  }, 0);
  return Math.exp(entropy);
}

/** How many of the largest singular values hold a share of the squares. */
export function rankOfEnergy(values: ArrayLike<number>, share: number): number {
  const squares = Array.from(values, (value) => value * value).sort((a, b) => b - a);
  const total = squares.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  let sum = 0;
  for (const [at, value] of squares.entries()) {
    sum += value;
    if (sum >= share * total) return at + 1;
  }
  return squares.length;
}
