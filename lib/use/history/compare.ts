/**
 * What changed between two tensors, in numbers that do not depend on the machine (docs/cli.md, diff).
 *
 * Values are widened to float64 and taken in pieces of 2^20 elements in order; sums are compensated
 * (Neumaier), so the same tensors give the same digits everywhere.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { DTYPES, isNumeric, widen } from '../../pure/tensor/dtype.js';
import type { Readers } from '../../storage/objects/stored/stored-file.js';
import {
  isContiguous,
  readTensor,
  type StoredTensor,
  sameBytes,
  tensorElements,
} from '../../storage/objects/stored/tensors.js';

/** Statistics of one pair of tensors. Numbers are null where they have no meaning. */
export interface TensorComparison {
  /** Elements of the new tensor (packed types: bytes). */
  elements: number;
  /** True if all bits are equal. */
  equal: boolean;
  /** Share of elements with different bits, 0…1; null for another count or dtype. */
  changed: number | null;
  /** Largest |b − a| over pairs of finite values. Exact for integers: decimal text above 2^53. */
  maxAbs: number | string | null;
  /** ‖b − a‖ / ‖a‖ over pairs of finite values; null if ‖a‖ is 0 or beyond float64. */
  relativeL2: number | null;
  /** a·b / (‖a‖ ‖b‖) over pairs of finite values; null if a norm is 0 or beyond float64. */
  cosine: number | null;
  /** Pairs in which a value is not finite, left out of the numbers above. */
  nonFinite: number;
  /** Same count, other shape. */
  reshaped: boolean;
  dtypeChanged: boolean;
}

/**
 * Compares tensor `a` (old) with `b` (new). Tensors known to be equal are not read.
 * @throws {CorruptError} {LimitError} as `readTensor`; {AbortedError} between pieces.
 */
export async function compareTensors(
  readers: Readers,
  a: StoredTensor,
  b: StoredTensor,
  signal?: AbortSignal,
): Promise<TensorComparison> {
  const elements = tensorElements(b);
  const dtypeChanged = a.dtype !== b.dtype;
  const sameCount = tensorElements(a) === elements;
  const reshaped = sameCount && JSON.stringify(a.shape) !== JSON.stringify(b.shape);
  const result: TensorComparison = {
    elements,
    equal: false,
    changed: null,
    maxAbs: null,
    relativeL2: null,
    cosine: null,
    nonFinite: 0,
    reshaped,
    dtypeChanged,
  };
  if (!sameCount) return result;
  // Another shape leaves the order of the elements as it is only where they are in that order.
  const reshapes = isContiguous(a) && isContiguous(b);
  const plain = (tensor: StoredTensor) => ({ ...tensor, shape: [elements], strides: null });
  if (
    elements === 0 ||
    (!dtypeChanged && (sameBytes(a, b) || (reshapes && sameBytes(plain(a), plain(b)))))
  ) {
    return { ...result, equal: !dtypeChanged, ...identical(b) };
  }
  const numeric = isNumeric(a.dtype) && isNumeric(b.dtype);
  if (dtypeChanged && !numeric) return result;
  const left = readTensor(readers, a);
  const right = readTensor(readers, b);
  const statistics = new PairStatistics(a, b);
  for (;;) {
    const [x, y] = await Promise.all([left.next(), right.next()]);
    throwIfAborted(signal);
    if (x.done || y.done) break;
    statistics.add(x.value, y.value, numeric);
  }
  return { ...result, ...statistics.finish(numeric) };
}

/** The numbers of a tensor compared with itself: nothing changed, so no value has to be read. */
function identical(tensor: StoredTensor): Partial<TensorComparison> {
  if (!isNumeric(tensor.dtype)) return { changed: 0 };
  return { changed: 0, maxAbs: 0, relativeL2: 0, cosine: 1 };
}

class PairStatistics {
  readonly #a: StoredTensor;
  readonly #b: StoredTensor;
  readonly #exactInt: boolean;
  #elements = 0;
  #differing = 0;
  #components = 0;
  #nonFinite = 0;
  #max = 0;
  #bigMax = 0n;
  /** Compensated sums, value and lost part: (b − a)², a², b², ab. */
  readonly #sums = new Float64Array(8);

  constructor(a: StoredTensor, b: StoredTensor) {
    this.#a = a;
    this.#b = b;
    const wide = a.dtype === b.dtype && (a.dtype === 'I64' || a.dtype === 'U64');
    this.#exactInt = wide;
  }

  add(x: Uint8Array, y: Uint8Array, numeric: boolean): void {
    if (this.#a.dtype === this.#b.dtype) this.#countChanged(x, y);
    if (!numeric) return;
    const a = widen(this.#a.dtype, x) as Float64Array;
    const b = widen(this.#b.dtype, y) as Float64Array;
    this.#components += b.length;
    this.#addValues(a, b);
    if (this.#exactInt) this.#addExact(x, y);
  }

  /** Adds pairs to the sums by Neumaier's method; written out, since it runs once per element. */
  #addValues(a: Float64Array, b: Float64Array): void {
    const sums = this.#sums;
    let max = this.#max;
    const terms = new Float64Array(4);
    const pairs = Math.min(a.length, b.length);
    for (let i = 0; i < pairs; i++) {
      const u = a[i] as number;
      const v = b[i] as number;
      const d = v - u;
      // A difference that is not a finite number comes from an operand that is none, or from overflow.
      if (!(d - d === 0) && !(Number.isFinite(u) && Number.isFinite(v))) {
        this.#nonFinite++;
        continue;
      }
      if (d > max) max = d;
      else if (-d > max) max = -d;
      terms[0] = d * d;
      terms[1] = u * u;
      terms[2] = v * v;
      terms[3] = u * v;
      for (let t = 0; t < 4; t++) {
        const term = terms[t] as number;
        const sum = sums[2 * t] as number;
        const next = sum + term;
        const lost = Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
        sums[2 * t] = next;
        sums[2 * t + 1] = (sums[2 * t + 1] as number) + lost;
      }
    }
    this.#max = max;
  }

  #countChanged(x: Uint8Array, y: Uint8Array): void {
    const size = Math.max(1, DTYPES[this.#b.dtype].bits / 8);
    const whole = Number.isInteger(size) ? size : 1;
    const count = y.length / whole;
    this.#elements += count;
    if (Buffer.compare(x, y) === 0) return;
    for (let i = 0; i < count; i++) {
      for (let k = i * whole; k < (i + 1) * whole; k++) {
        if (x[k] !== y[k]) {
          this.#differing++;
          break;
        }
      }
    }
  }

  #addExact(x: Uint8Array, y: Uint8Array): void {
    const Words = this.#b.dtype === 'I64' ? BigInt64Array : BigUint64Array;
    // Not slice(): that of a Buffer is a view.
    const a = new Words(new Uint8Array(x).buffer);
    const b = new Words(new Uint8Array(y).buffer);
    for (let i = 0; i < a.length; i++) {
      const d = (b[i] as bigint) - (a[i] as bigint);
      const size = d < 0n ? -d : d;
      if (size > this.#bigMax) this.#bigMax = size;
    }
  }

  finish(numeric: boolean): Partial<TensorComparison> {
    const comparable = this.#a.dtype === this.#b.dtype;
    const changed = comparable ? this.#differing / Math.max(1, this.#elements) : null;
    const equal = comparable && this.#differing === 0;
    if (!numeric) return { changed, equal };
    const finite = this.#components - this.#nonFinite;
    const sum = (t: number): number =>
      (this.#sums[2 * t] as number) + (this.#sums[2 * t + 1] as number);
    const normA = Math.sqrt(sum(1));
    const normB = Math.sqrt(sum(2));
    const cosine = normA > 0 && normB > 0 ? sum(3) / (normA * normB) : null;
    return {
      changed,
      equal,
      nonFinite: this.#nonFinite,
      maxAbs: finite === 0 ? null : this.#exactInt ? exactNumber(this.#bigMax) : this.#max,
      relativeL2: normA > 0 ? finiteOrNull(Math.sqrt(sum(0)) / normA) : null,
      // Rounding of the three sums may carry a hair beyond the bound that the quotient has.
      cosine: cosine === null ? null : finiteOrNull(Math.max(-1, Math.min(1, cosine))),
    };
  }
}

/** Squares of float64 values beyond 1e154 overflow: the quotient of such sums says nothing. */
function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function exactNumber(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
