/** Headers of the files that `dlv cat` makes of tensors: safetensors and npy. */
import { UsageError } from '../../base/errors.js';
import { DTYPES, type DType, SAFETENSORS_DTYPES } from '../tensor/dtype.js';
import { elementCount } from '../tensor/layout.js';
import { APPROXIMATE_KEY } from './approximate-mark.js';

/** A tensor of the file, in the order of its data. */
export interface HeaderTensor {
  name: string;
  dtype: DType;
  shape: readonly number[];
  bytes: number;
}

const METADATA = '__metadata__';

/**
 * Length and JSON header of a safetensors file whose data follow in the order given.
 *
 * A dtype that the format does not have, and packed elements that end inside a byte, are written as
 * raw bytes (U8); `__metadata__` holds their dtype and shape under `dlv:<name>`, as JSON
 * `{"dtype", "shape"}`.
 * @param about  what is said of values that are not exact, and other metadata.
 */
export function safetensorsHeader(
  tensors: readonly HeaderTensor[],
  about: { mark?: string | null; metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  const { mark = null } = about;
  const metadata: Record<string, string> = {
    ...(mark === null ? {} : { [APPROXIMATE_KEY]: mark }),
    ...about.metadata,
  };
  const entries: [string, unknown][] = [];
  let at = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    const known =
      SAFETENSORS_DTYPES.has(dtype) && (elementCount(shape) * DTYPES[dtype].bits) % 8 === 0;
    if (!known) metadata[`dlv:${name}`] = JSON.stringify({ dtype, shape });
    entries.push([
      // The format keeps this one name for itself.
      name === METADATA ? `tensor:${METADATA}` : name,
      {
        dtype: known ? dtype : 'U8',
        shape: known ? shape : [bytes],
        data_offsets: [at, at + bytes],
      },
    ]);
    at += bytes;
  }
  if (Object.keys(metadata).length > 0) entries.unshift([METADATA, metadata]);
  // Not an object, whose keys that look like numbers would move to the front.
  const rows = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${rows.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, 0x20);
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
}

/** NumPy's names; types that it has not are opaque records of their width. */
const NPY: Partial<Record<DType, string>> = {
  F64: '<f8',
  F32: '<f4',
  F16: '<f2',
  BF16: '|V2',
  F8_E4M3: '|V1',
  F8_E5M2: '|V1',
  F8_E8M0: '|V1',
  F8_E4M3FNUZ: '|V1',
  F8_E5M2FNUZ: '|V1',
  I64: '<i8',
  I32: '<i4',
  I16: '<i2',
  I8: '|i1',
  U64: '<u8',
  U32: '<u4',
  U16: '<u2',
  U8: '|u1',
  BOOL: '|b1',
  C64: '<c8',
  C128: '<c16',
};

/**
 * Header of an npy file (version 1.0, C order).
 * @throws {UsageError} DLV_USAGE for packed types, which NumPy cannot hold.
 */
export function npyHeader(tensor: HeaderTensor): Uint8Array {
  const descr = NPY[tensor.dtype];
  if (descr === undefined) {
    throw new UsageError(`'${tensor.name}' is ${tensor.dtype}, which npy cannot hold`, {
      hint: 'use --format raw or --format safetensors',
    });
  }
  const shape =
    tensor.shape.length === 1 ? `(${tensor.shape[0]},)` : `(${tensor.shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const magic = 6 + 2 + 2;
  const total = Math.ceil((magic + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(total, 0x20);
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(total - magic, 8);
  header.write(text, magic, 'latin1');
  header[total - 1] = 0x0a;
  return header;
}
