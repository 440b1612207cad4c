/** The rank of a change: a fine-tune by adapters of low rank changes matrices by matrices of low rank. */
import { mergeFast } from '../../../pure/codec/planes.js';
import { DTYPES, type DType, isNumeric, widen } from '../../../pure/tensor/dtype.js';
import { effectiveRank, rankOfEnergy, singularValues } from '../../../pure/tensor/spectrum.js';
import { type StoredTensor, tensorElements } from '../../../storage/objects/stored/tensors.js';

/** What the singular values of b − a say; of a tensor with more dimensions as a matrix of its first ones. */
export interface ChangeRank {
  rows: number;
  columns: number;
  /** exp of the entropy of the singular values: about how many matter. */
  effective: number;
  /** How many hold 99 % of ‖b − a‖². */
  energy99: number;
  /** Rows that were looked at where there are too many; null if all were. The rank is that or more. */
  sampledRows: number | null;
}

/** Rows that are looked at; of a matrix with fewer columns all are. */
const ROWS_MAX = 256;
/** Elements that are held: a longer row is not looked at. */
const HELD_MAX = 16 * 1024 * 1024;

/** Multiplications that working out a rank takes; 0 if the tensor is no matrix. */
export function rankWork(tensor: StoredTensor): number {
  const [rows, columns] = matrixOf(tensor);
  if (rows < 2 || columns < 2 || !isNumeric(tensor.dtype)) return 0;
  const { kind } = DTYPES[tensor.dtype];
  const held = Math.min(rows, ROWS_MAX);
  if (kind === 'complex' || kind === 'bool' || held * columns > HELD_MAX) return 0;
  return held * columns * Math.min(held, columns) + Math.min(held, columns) ** 3;
}

function matrixOf(tensor: StoredTensor): [rows: number, columns: number] {
  const [rows = 0] = tensor.shape;
  return rows === 0 ? [0, 0] : [rows, tensorElements(tensor) / rows];
}

/** Takes evenly spread rows of b − a while both stream by as planes. */
export class RankCollector {
  readonly #dtypes: readonly [DType, DType];
  readonly #rows: number;
  readonly #columns: number;
  readonly #held: number;
  readonly #change: Float64Array;
  #from = 0;
  #next = 0;

  /** @param a, b  as many elements; of `rankWork` above 0. */
  constructor(a: StoredTensor, b: StoredTensor) {
    this.#dtypes = [a.dtype, b.dtype];
    [this.#rows, this.#columns] = matrixOf(b);
    this.#held = Math.min(this.#rows, ROWS_MAX);
    this.#change = new Float64Array(this.#held * this.#columns);
  }

  /** Adds all planes of the next elements. */
  add(a: readonly Uint8Array[], b: readonly Uint8Array[]): void {
    const to = this.#from + (a[0] as Uint8Array).length;
    for (let at = this.#next; at < this.#held; at++) {
      const start = Math.floor((at * this.#rows) / this.#held) * this.#columns;
      const end = start + this.#columns;
      if (start >= to) break;
      const first = Math.max(start, this.#from);
      const last = Math.min(end, to);
      const [x, y] = this.#dtypes;
      const before = valuesOf(x, a, first - this.#from, last - this.#from);
      const after = valuesOf(y, b, first - this.#from, last - this.#from);
      const place = at * this.#columns + first - start;
      for (let i = 0; i < last - first; i++) {
        this.#change[place + i] = (after[i] as number) - (before[i] as number);
      }
      if (end <= to) this.#next = at + 1;
    }
    this.#from = to;
  }

  /** null if some value is not finite. O(held · columns · least + least³). */
  finish(): ChangeRank | null {
    if (!this.#change.every(Number.isFinite)) return null;
    const values = singularValues(this.#change, this.#held, this.#columns);
    return {
      rows: this.#rows,
      columns: this.#columns,
      effective: effectiveRank(values),
      energy99: rankOfEnergy(values, 0.99),
      sampledRows: this.#held < this.#rows ? this.#held : null,
    };
  }
}

function valuesOf(
  dtype: DType,
  planes: readonly Uint8Array[],
  from: number,
  to: number,
): Float64Array {
  const bytes = new Uint8Array(planes.length * (to - from));
  mergeFast(
    planes.map((plane) => plane.subarray(from, to)),
    bytes,
  );
  return widen(dtype, bytes) as Float64Array;
}
