/**
 * Pairs of tensors of types that the kernel does not compare: widened to float64, changed bits counted apart,
 * integers of 64 bits exactly.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { type DriftSums, driftKind, PairDrift } from '../../../pure/codec/drift.js';
import { splitFast } from '../../../pure/codec/planes.js';
import { DTYPES, isNumeric, widen } from '../../../pure/tensor/dtype.js';
import { elementCount } from '../../../pure/tensor/layout.js';
import { readTensor } from '../../../storage/objects/stored/read-tensor.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import type { StoredTensor } from '../../../storage/objects/stored/tensors.js';

const F64 = driftKind('F64') as number;

export class WidenedPair {
  readonly #a: StoredTensor;
  readonly #b: StoredTensor;
  readonly #isNumeric: boolean;
  readonly #isExactInteger: boolean;
  /** True if a number of either side has two parts. */
  readonly isComplex: boolean;
  readonly #drift = new PairDrift([F64, F64]);
  #elements = 0;
  #differing = 0;
  #most = 0n;
  /** Largest distance of two complex numbers. */
  #mostApart = 0;
  /** Numbers that were compared: of complex types two for each element. */
  components = 0;

  constructor(a: StoredTensor, b: StoredTensor) {
    this.#a = a;
    this.#b = b;
    this.#isNumeric = isNumeric(a.dtype) && isNumeric(b.dtype);
    this.isComplex = [a, b].some(({ dtype }) => DTYPES[dtype].kind === 'complex');
    this.#isExactInteger = a.dtype === b.dtype && (a.dtype === 'I64' || a.dtype === 'U64');
  }

  /** Reads both tensors side by side. @throws as `readTensor`; {AbortedError} between pieces. */
  async read(readers: Readers, signal?: AbortSignal): Promise<void> {
    const left = readTensor(readers, this.#a);
    const right = readTensor(readers, this.#b);
    for (;;) {
      const [x, y] = await Promise.all([left.next(), right.next()]);
      throwIfAborted(signal);
      if (x.done || y.done) break;
      this.#add(x.value, y.value);
    }
  }

  #add(x: Uint8Array, y: Uint8Array): void {
    if (this.#a.dtype === this.#b.dtype) this.#countChanged(x, y);
    if (!this.#isNumeric) return;
    const a = this.#widen(this.#a, x);
    const b = this.#widen(this.#b, y);
    this.components += b.length;
    this.#drift.add(planesOf(a), planesOf(b));
    if (this.#isExactInteger) this.#addExact(x, y);
    if (this.isComplex) this.#addComplex(a, b);
  }

  /** Values of a tensor; a real number beside a complex one has the imaginary part 0. */
  #widen({ dtype }: StoredTensor, bytes: Uint8Array): Float64Array {
    const values = widen(dtype, bytes) as Float64Array;
    if (!this.isComplex || DTYPES[dtype].kind === 'complex') return values;
    const pairs = new Float64Array(2 * values.length);
    for (const [i, value] of values.entries()) pairs[2 * i] = value;
    return pairs;
  }

  #countChanged(x: Uint8Array, y: Uint8Array): void {
    const { bits } = DTYPES[this.#b.dtype];
    const whole = Math.max(1, Math.floor(bits / 8));
    const perByte = Math.max(1, Math.floor(8 / bits));
    const count = y.length / whole;
    this.#elements += count * perByte;
    if (Buffer.compare(x, y) === 0) return;
    for (let i = 0; i < count; i++) {
      for (let k = i * whole; k < (i + 1) * whole; k++) {
        if (x[k] === y[k]) continue;
        this.#differing += perByte === 1 ? 1 : changedParts((x[k] ?? 0) ^ (y[k] ?? 0), bits);
        break;
      }
    }
  }

  #addComplex(a: Float64Array, b: Float64Array): void {
    for (let i = 0; i + 1 < b.length; i += 2) {
      const real = (b[i] as number) - (a[i] as number);
      const imaginary = (b[i + 1] as number) - (a[i + 1] as number);
      const apart = Math.hypot(real, imaginary);
      if (Number.isFinite(apart) && apart > this.#mostApart) this.#mostApart = apart;
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
      if (size > this.#most) this.#most = size;
    }
  }

  /** True if both are of one type and no bit differs. */
  get isEqual(): boolean {
    return this.#a.dtype === this.#b.dtype && this.#differing === 0;
  }

  /** Share of elements whose bits differ; null for two types, and for elements that bytes do not divide. */
  changedShare(): number | null {
    if (this.#a.dtype !== this.#b.dtype) return null;
    const { bits } = DTYPES[this.#b.dtype];
    const isDivided = bits % 8 === 0 || 8 % bits === 0;
    if (!isDivided) return this.#differing === 0 ? 0 : null;
    // The last byte may hold less than it could.
    const count = bits < 8 ? elementCount(this.#b.shape) : this.#elements;
    return this.#differing / Math.max(1, count);
  }

  sums(): DriftSums {
    return this.#drift.finish();
  }

  /** The largest difference of integers of 64 bits, and of complex numbers; null for other types. */
  exactMax(): number | string | null {
    if (this.isComplex) return this.#mostApart;
    if (!this.#isExactInteger) return null;
    return this.#most <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(this.#most) : String(this.#most);
  }
}

/** How many of the values in one byte differ, by the bits that do. */
function changedParts(difference: number, bits: number): number {
  let changed = 0;
  for (let rest = difference; rest > 0; rest >>>= bits) if (rest & ((1 << bits) - 1)) changed++;
  return changed;
}

/** Planes of float64 values, as the kernel takes them. */
function planesOf(values: Float64Array): Uint8Array[] {
  const planes = Array.from({ length: 8 }, () => new Uint8Array(values.length));
  splitFast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), planes);
  return planes;
}
