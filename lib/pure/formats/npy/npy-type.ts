/**
 * NumPy dtype descriptions (`descr` of a .npy header) as dtypes of dlv.
 *
 * Strings, raw records, structs and long doubles are BYTES with the size of one item as a last
 * dimension. Object arrays are pickles and refused.
 */
import { NESTING_MAX } from '../../../base/limits.js';
import type { DType } from '../../tensor/dtype.js';
import { corrupt } from '../format.js';
import type { PyValue } from './py-literal.js';

/** What one item of an array is. */
export interface NpyType {
  dtype: DType;
  /** Bytes of one item; the last dimension if `dtype` is BYTES. */
  itemBytes: number;
  /** Bytes per element of the extent. */
  width: 1 | 2 | 4 | 8;
  byteSwap: boolean;
}

/** Widest item that NumPy itself can describe. */
const ITEM_BYTES_MAX = 2 ** 31 - 1;

const NUMBERS: Record<string, { dtype: DType; width: 1 | 2 | 4 | 8 }> = {
  b1: { dtype: 'BOOL', width: 1 },
  i1: { dtype: 'I8', width: 1 },
  i2: { dtype: 'I16', width: 2 },
  i4: { dtype: 'I32', width: 4 },
  i8: { dtype: 'I64', width: 8 },
  u1: { dtype: 'U8', width: 1 },
  u2: { dtype: 'U16', width: 2 },
  u4: { dtype: 'U32', width: 4 },
  u8: { dtype: 'U64', width: 8 },
  f2: { dtype: 'F16', width: 2 },
  f4: { dtype: 'F32', width: 4 },
  f8: { dtype: 'F64', width: 8 },
  c8: { dtype: 'C64', width: 4 },
  c16: { dtype: 'C128', width: 8 },
  M8: { dtype: 'I64', width: 8 },
  m8: { dtype: 'I64', width: 8 },
};

/** @throws {CorruptError} DLV_CORRUPT for object arrays and what is not a description. */
export function parseNpyType(descr: PyValue, source: { name: string }): NpyType {
  if (typeof descr === 'string') return parseCode(descr, source);
  const itemBytes = itemSize(descr, source, 0);
  return { dtype: 'BYTES', itemBytes, width: 1, byteSwap: false };
}

function parseCode(code: string, source: { name: string }): NpyType {
  const match = /^([<>|=]?)([a-zA-Z?])(\d{0,10})(\[[^\]]{0,40}\])?$/.exec(code);
  if (match === null) throw corrupt(source, `unknown dtype '${code.slice(0, 40)}'`);
  const [, order, kind = '', digits = '', unit] = match;
  if (kind === 'O') {
    throw corrupt(source, 'an array of Python objects is a pickle, which dlv does not open');
  }
  if (unit !== undefined && kind !== 'M' && kind !== 'm') {
    throw corrupt(source, `unknown dtype '${code.slice(0, 40)}'`);
  }
  const number = kind === '?' && digits === '' ? NUMBERS.b1 : NUMBERS[kind + digits];
  if (number !== undefined) {
    const itemBytes = kind === '?' ? 1 : Number(digits);
    return { ...number, itemBytes, byteSwap: order === '>' && number.width > 1 };
  }
  const bytes = recordBytes(kind, digits);
  if (bytes === null || bytes > ITEM_BYTES_MAX) {
    throw corrupt(source, `unknown dtype '${code.slice(0, 40)}'`);
  }
  // NumPy has no bfloat16 and writes it as raw records of 2 bytes: keep its planes apart.
  const width = kind === 'V' && (bytes === 2 || bytes === 4 || bytes === 8) ? bytes : 1;
  return { dtype: 'BYTES', itemBytes: bytes, width, byteSwap: false };
}

/** Bytes of one item of the kinds that are kept as BYTES, or null. */
function recordBytes(kind: string, digits: string): number | null {
  if (digits === '') return null;
  const count = Number(digits);
  if (kind === 'S' || kind === 'a' || kind === 'V') return count;
  if (kind === 'U') return 4 * count;
  // Small floats of extensions (f1), long doubles and their complex (sizes depend on the machine).
  if (kind === 'f' && [1, 12, 16].includes(count)) return count;
  return kind === 'c' && [24, 32].includes(count) ? count : null;
}

/** Bytes of one item of a description that may be a struct: a list of (name, type[, shape]). */
function itemSize(descr: PyValue, source: { name: string }, depth: number): number {
  if (typeof descr === 'string') return parseCode(descr, source).itemBytes;
  if (!Array.isArray(descr) || depth > NESTING_MAX) {
    throw corrupt(source, 'the dtype of the array is not understood');
  }
  // A type with a shape stands as a pair: ('<f4', (2, 3)).
  const [first, second] = descr;
  if (descr.length === 2 && typeof first === 'string' && isShape(second)) {
    return checkSize(itemSize(first, source, depth + 1) * shapeProduct(second), source);
  }
  let total = 0;
  for (const field of descr) {
    if (!Array.isArray(field) || field.length < 2 || field.length > 3) {
      throw corrupt(source, 'a field of a struct is not understood');
    }
    const shape = field[2] ?? [];
    if (!isShape(shape)) throw corrupt(source, 'the shape of a struct field is not understood');
    const size = itemSize(field[1] as PyValue, source, depth + 1) * shapeProduct(shape);
    total = checkSize(total + size, source);
  }
  return total;
}

function isShape(value: PyValue | undefined): value is number | number[] {
  const isCount = (item: PyValue) => typeof item === 'number' && item >= 0;
  return value !== undefined && (Array.isArray(value) ? value.every(isCount) : isCount(value));
}

function shapeProduct(shape: number | number[]): number {
  return typeof shape === 'number' ? shape : shape.reduce((a, b) => a * b, 1);
}

function checkSize(bytes: number, source: { name: string }): number {
  if (!(bytes <= ITEM_BYTES_MAX)) throw corrupt(source, `items of ${bytes} bytes`);
  return bytes;
}
