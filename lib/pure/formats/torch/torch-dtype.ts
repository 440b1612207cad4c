/**
 * PyTorch's storage classes and dtypes by name.
 */
import type { DType } from '../../tensor/dtype.js';
import { NAME_CHARACTERS_MAX } from './pickle-value.js';

/** What a storage class says of its elements. */
export interface StorageClass {
  /** null: bytes without a type (UntypedStorage). */
  dtype: DType | null;
}

const plain = (dtype: DType | null): StorageClass => ({ dtype });

const STORAGES: Record<string, StorageClass> = {
  DoubleStorage: plain('F64'),
  FloatStorage: plain('F32'),
  HalfStorage: plain('F16'),
  BFloat16Storage: plain('BF16'),
  LongStorage: plain('I64'),
  IntStorage: plain('I32'),
  ShortStorage: plain('I16'),
  CharStorage: plain('I8'),
  ByteStorage: plain('U8'),
  BoolStorage: plain('BOOL'),
  ComplexFloatStorage: plain('C64'),
  ComplexDoubleStorage: plain('C128'),
  // Integer codes of quantised tensors.
  QInt8Storage: plain('I8'),
  QUInt8Storage: plain('U8'),
  QInt32Storage: plain('I32'),
  UntypedStorage: plain(null),
};

/** The class of a storage by its full name (`torch.FloatStorage`), or null if it is not known. */
export function storageClass(name: string): StorageClass | null {
  if (name.length > NAME_CHARACTERS_MAX) return null;
  const short = /^torch\.(?:cuda\.|storage\.)?(_?[A-Za-z0-9]+)$/.exec(name)?.[1];
  if (short === undefined) return null;
  // PyTorch 1.10 to 1.13 wrote the untyped class with an underscore.
  const key = short === '_UntypedStorage' ? 'UntypedStorage' : short;
  return Object.hasOwn(STORAGES, key) ? (STORAGES[key] as StorageClass) : null;
}

const DTYPES_BY_NAME: Record<string, DType> = {
  float64: 'F64',
  double: 'F64',
  float32: 'F32',
  float: 'F32',
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  long: 'I64',
  int32: 'I32',
  int: 'I32',
  int16: 'I16',
  short: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
  complex64: 'C64',
  cfloat: 'C64',
  complex128: 'C128',
  cdouble: 'C128',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  float8_e4m3fnuz: 'F8_E4M3FNUZ',
  float8_e5m2fnuz: 'F8_E5M2FNUZ',
  float8_e8m0fnu: 'F8_E8M0',
  // Two values in one element of one byte: the shape counts bytes (`isPacked`).
  float4_e2m1fn_x2: 'U8',
};

/** True for a dtype whose elements are bytes that hold several values each. */
export function isPacked(name: string): boolean {
  return name === 'torch.float4_e2m1fn_x2';
}

/** The dtype that `torch.<name>` means, or null if it is not known. */
export function torchDType(name: string): DType | null {
  const isShort = name.length <= NAME_CHARACTERS_MAX;
  const short = isShort && name.startsWith('torch.') ? name.slice('torch.'.length) : '';
  return Object.hasOwn(DTYPES_BY_NAME, short) ? (DTYPES_BY_NAME[short] as DType) : null;
}
