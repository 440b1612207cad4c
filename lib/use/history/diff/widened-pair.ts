/**
 * Pairs of tensors of types that the kernel does not compare: widened to float64, changed bits counted apart,
 * integers of 64 bits exactly.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { type DriftSums, driftKind, PairDrift } from '../../../pure/codec/drift.js';
import { splitFast } from '../../../pure/codec/planes.js';
import { DTYPES, isNumeric, widen } from '../../../pure/tensor/dtype.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import { readTensor, type StoredTensor } from '../../../storage/objects/stored/tensors.js';

const F64 = driftKind('F64') as number;

export class WidenedPair {
  readonly #a: StoredTensor;
  readonly #b: StoredTensor;
  readonly #isNumeric: boolean;
  readonly #isExactInteger: boolean;
  readonly #drift = new PairDrift([F64, F64]);
  #elements = 0;
  #differing = 0;
  #most = 0n;
  /** Numbers that were compared: of complex types two for each element. */
  components = 0;

  constructor(a: StoredTensor, b: StoredTensor) {
    this.#a = a;
    this.#b = b;
    this.#isNumeric = isNumeric(a.dtype) && isNumeric(b.dtype);
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
    const a = widen(this.#a.dtype, x) as Float64Array;
    const b = widen(this.#b.dtype, y) as Float64Array;
    this.components += b.length;
    this.#drift.add(planesOf(a), planesOf(b));
    if (this.#isExactInteger) this.#addExact(x, y);
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
      if (size > this.#most) this.#most = size;
    }
  }

  /** Share of elements whose bits differ; null for two types. */
  changedShare(): number | null {
    return this.#a.dtype === this.#b.dtype ? this.#differing / Math.max(1, this.#elements) : null;
  }

  sums(): DriftSums {
    return this.#drift.finish();
  }

  /** The largest difference of integers of 64 bits; null for other types. */
  exactMax(): number | string | null {
    if (!this.#isExactInteger) return null;
    return this.#most <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(this.#most) : String(this.#most);
  }
}

/** Planes of float64 values, as the kernel takes them. */
function planesOf(values: Float64Array): Uint8Array[] {
  const planes = Array.from({ length: 8 }, () => new Uint8Array(values.length));
  splitFast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), planes);
  return planes;
}
