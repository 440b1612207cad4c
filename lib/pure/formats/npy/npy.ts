/**
 * NumPy .npy, versions 1.0 to 3.0: a header that is one Python dict, then the bytes of one array.
 *
 * The header parser is shared with npz.ts, where the same bytes lie inside a zip archive.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError, TruncatedError } from '../../../base/errors.js';
import { NPY_HEADER_BYTES_MAX, RANK_MAX } from '../../../base/limits.js';
import {
  blobLayout,
  contiguousStrides,
  type ExtentSpan,
  elementCount,
  type TensorSpan,
} from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { type NpyType, parseNpyType } from './npy-type.js';
import { type PyValue, parsePyLiteral } from './py-literal.js';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** Magic and version. */
const PREFIX_BYTES = 6 + 2;
/** Name of the one tensor of a .npy file. */
const TENSOR_NAME = 'array';

/** Where the array of a .npy file lies. */
export interface NpyArray {
  /** Extent over the data, or null for an array without bytes. */
  extent: ExtentSpan | null;
  tensor: Pick<TensorSpan, 'dtype' | 'shape' | 'strides' | 'offset'>;
  /** Offset just past the data. */
  endOffset: number;
  /** The type as NumPy calls it, `<f4`; null for a structured one. */
  descr: string | null;
}

/** True if `head` begins like a .npy file. */
export function looksLikeNpy(head: Uint8Array): boolean {
  return head.length >= PREFIX_BYTES && MAGIC.equals(head.subarray(0, MAGIC.length));
}

export const npyReader: FormatReader = {
  name: 'npy',
  matches: looksLikeNpy,

  async layout(source) {
    const array = await readNpyArray(source, 0, source.size, source.name);
    const rest = source.size - array.endOffset;
    const warnings = rest > 0 ? [`${rest} bytes after the array are kept as opaque bytes`] : [];
    return {
      ...blobLayout(warnings),
      format: 'npy',
      extents: array.extent === null ? [] : [array.extent],
      tensors: [{ name: TENSOR_NAME, ...array.tensor, role: 'weights' }],
    };
  },
};

/**
 * Reads the header of .npy content that lies at `start` and is `bytes` long.
 *
 * @param name  what to call it in errors.
 * @throws {CorruptError} DLV_CORRUPT for content that lies or is not supported (object arrays);
 * {TruncatedError} if the data is shorter than the header says; {LimitError} beyond the bounds.
 */
export async function readNpyArray(
  source: ByteSource,
  start: number,
  bytes: number,
  name: string,
): Promise<NpyArray> {
  const named = { name };
  const prefix = Buffer.from(await source.read(start, Math.min(bytes, PREFIX_BYTES + 4)));
  if (!looksLikeNpy(prefix)) throw corrupt(named, 'is not .npy data');
  const major = prefix[MAGIC.length] as number;
  if (major < 1 || major > 3 || prefix[MAGIC.length + 1] !== 0) {
    throw corrupt(named, `version ${major}.${prefix[MAGIC.length + 1]} of .npy is not known`);
  }
  const lengthBytes = major === 1 ? 2 : 4;
  if (prefix.length < PREFIX_BYTES + lengthBytes) throw truncated(name, PREFIX_BYTES + 4, bytes);
  const headerBytes =
    major === 1 ? prefix.readUInt16LE(PREFIX_BYTES) : prefix.readUInt32LE(PREFIX_BYTES);
  if (headerBytes > NPY_HEADER_BYTES_MAX) {
    throw new LimitError(`'${name}': a header of ${headerBytes} bytes`, {
      file: name,
      limit: 'NPY_HEADER_BYTES_MAX',
      value: headerBytes,
      max: NPY_HEADER_BYTES_MAX,
    });
  }
  const dataStart = PREFIX_BYTES + lengthBytes + headerBytes;
  if (dataStart > bytes) throw truncated(name, dataStart, bytes);
  const header = await source.read(start + PREFIX_BYTES + lengthBytes, headerBytes);
  const text = Buffer.from(header).toString(major === 3 ? 'utf8' : 'latin1');
  const array = parseNpyHeader(text, named);
  const { type, shape } = array;
  // Without this, a shape of huge numbers and a 0 would multiply to NaN.
  const empty = type.itemBytes === 0 || shape.includes(0);
  const dataBytes = empty ? 0 : elementCount(shape) * type.itemBytes;
  if (dataBytes > bytes - dataStart) throw truncated(name, dataStart + dataBytes, bytes);
  return placeArray(array, start + dataStart, dataBytes);
}

function truncated(name: string, needed: number, got: number): TruncatedError {
  return new TruncatedError(`'${name}' ends early: it needs ${needed} bytes and has ${got}`, {
    file: name,
    neededBytes: needed,
    gotBytes: got,
  });
}

/** What the header of an array says. */
interface NpyHeader {
  type: NpyType;
  shape: number[];
  /** True for column-major order. */
  fortran: boolean;
  descr: string | null;
}

function parseNpyHeader(text: string, source: { name: string }): NpyHeader {
  const dict = parsePyLiteral(text, source);
  const known = ['descr', 'fortran_order', 'shape'];
  if (!(dict instanceof Map) || dict.size !== 3 || !known.every((key) => dict.has(key))) {
    throw corrupt(source, 'the header is not a dict of descr, fortran_order and shape');
  }
  const fortran = dict.get('fortran_order');
  if (typeof fortran !== 'boolean') throw corrupt(source, 'fortran_order is not True or False');
  const shape = dict.get('shape');
  if (!Array.isArray(shape) || !shape.every((n) => typeof n === 'number' && n >= 0)) {
    throw corrupt(source, 'the shape is not a tuple of whole numbers');
  }
  const descr = dict.get('descr') as PyValue;
  const type = parseNpyType(descr, source);
  // BYTES arrays get the item size as a further dimension.
  if (shape.length + (type.dtype === 'BYTES' ? 1 : 0) > RANK_MAX) {
    throw new LimitError(`'${source.name}': an array of ${shape.length} dimensions`, {
      file: source.name,
      limit: 'RANK_MAX',
      value: shape.length,
      max: RANK_MAX,
    });
  }
  return {
    type,
    shape: shape as number[],
    fortran,
    descr: typeof descr === 'string' ? descr : null,
  };
}

/** The array whose data begin at `offset`. */
function placeArray(
  { type, shape, fortran, descr }: NpyHeader,
  offset: number,
  dataBytes: number,
): NpyArray {
  const { dtype, itemBytes, width, byteSwap } = type;
  const opaque = dtype === 'BYTES';
  const tensor = {
    dtype,
    shape: opaque ? [...shape, itemBytes] : [...shape],
    strides: null as number[] | null,
    offset,
  };
  // Column-major differs from row-major only with two dimensions above 1.
  if (fortran && dataBytes > 0 && shape.filter((n) => n > 1).length > 1) {
    const columns = contiguousStrides([...shape].reverse()).reverse();
    tensor.strides = opaque ? [...columns.map((stride) => stride * itemBytes), 1] : columns;
  }
  const extent = dataBytes === 0 ? null : { offset, width, count: dataBytes / width, byteSwap };
  return { extent, tensor, endOffset: offset + dataBytes, descr };
}
