/**
 * Initial values of weights that no version has yet: He (2015) or Glorot (2010), uniform, from a seed and the
 * name of the tensor alone, so that every machine draws the same, and another layer changes nothing here.
 */
import { sha256Hex } from '../../../base/bytes/hash.js';
import { dtypeBytes } from '../../tensor/dtype.js';
import { narrow } from '../../tensor/quantize.js';

/** How a tensor begins: all of one value, or drawn between −limit and limit. */
export type InitialValues =
  | { rule: 'constant'; value: number }
  | { rule: 'he' | 'glorot'; fanIn: number; fanOut: number };

/** Largest magnitude that is drawn. */
export function limitOf(of: InitialValues & { rule: 'he' | 'glorot' }): number {
  const { rule, fanIn, fanOut } = of;
  return Math.sqrt(6 / (rule === 'he' ? fanIn : fanIn + fanOut));
}

/** Element types that weights are made in, with their TensorProto.DataType. */
export const WEIGHT_TYPES = { F32: 1, F16: 10, F64: 11, BF16: 16 } as const;
export type WeightType = keyof typeof WEIGHT_TYPES;

/** Elements that are made at a time. */
const CHUNK_ELEMENTS = 256 * 1024;

/** Gives the little-endian elements of a tensor. @param of seed and name decide what is drawn. */
export function* initialElements(
  dtype: WeightType,
  count: number,
  values: InitialValues,
  of: { seed: number; name: string },
): Generator<Uint8Array> {
  const next = values.rule === 'constant' ? () => values.value : uniform(values, of);
  for (let at = 0; at < count; at += CHUNK_ELEMENTS) {
    const chunk = new Float64Array(Math.min(CHUNK_ELEMENTS, count - at));
    for (let i = 0; i < chunk.length; i++) chunk[i] = next();
    yield narrow(dtype, chunk);
  }
}

function uniform(
  values: InitialValues & { rule: 'he' | 'glorot' },
  { seed, name }: { seed: number; name: string },
): () => number {
  const limit = limitOf(values);
  const hash = sha256Hex(`${seed}\0${name}`);
  let [a, b, c, d] = [0, 8, 16, 24].map(
    (at) => Number.parseInt(hash.slice(at, at + 8), 16) | 0,
  ) as [number, number, number, number];
  d |= 1;
  // xorshift128 (Marsaglia 2003); 24 bits of each word, so that a float32 holds the fraction exactly.
  return () => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    d = d ^ (d >>> 19) ^ t ^ (t >>> 8);
    return (((d >>> 8) + 0.5) / 2 ** 23 - 1) * limit;
  };
}

/** Bytes of a tensor that is made. */
export function tensorByteCount(dtype: WeightType, shape: readonly number[]): number {
  return dtypeBytes(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
}
