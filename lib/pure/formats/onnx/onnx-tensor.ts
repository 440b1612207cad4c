/**
 * TensorProto and SparseTensorProto: what a tensor of an ONNX file is and where its bytes lie.
 *
 * Only structure is read. Values of at most SMALL_VALUE_BYTES are kept, because shape inference
 * needs them (the shape operand of Reshape, the axes of Squeeze).
 */
import { RANK_MAX } from '../../../base/limits.js';
import { DTYPES, type DType, dtypeBytes } from '../../tensor/dtype.js';
import { elementCount } from '../../tensor/layout.js';
import { LOCATION_KEY } from './onnx-data.js';
import type { OnnxScanner } from './onnx-scanner.js';
import { type ProtoField, WIRE } from './protobuf.js';

/** Longest name, operator type or attribute text that is read. */
export const TEXT_BYTES_MAX = 64 * 1024;
/** Tensors of at most this many bytes carry their value. */
export const SMALL_VALUE_BYTES = 1024;

/** Memory of a tensor that is read, besides its texts and value. */
const TENSOR_BYTES = 300;

/** TensorProto.DataType → dtype. Strings (8) and codes of a later ONNX are not in it. */
const DTYPE_OF_CODE: Record<number, DType> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  4: 'U16',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  12: 'U32',
  13: 'U64',
  14: 'C64',
  15: 'C128',
  16: 'BF16',
  17: 'F8_E4M3',
  18: 'F8_E4M3FNUZ',
  19: 'F8_E5M2',
  20: 'F8_E5M2FNUZ',
  21: 'U4',
  22: 'I4',
  23: 'F4',
  24: 'F8_E8M0',
  25: 'U2',
  26: 'I2',
  27: 'F6_E2M3',
  28: 'F6_E3M2',
};
const CODE_STRING = 8;

/** The dtype of a TensorProto.DataType code; null for strings and for codes not known here. */
export function onnxDType(code: number): DType | null {
  return DTYPE_OF_CODE[code] ?? null;
}

/** Where the elements of a tensor are. */
export type RawTensorData =
  /** Fixed-width little-endian elements in this file: raw_data, packed float_data or double_data. */
  | { kind: 'inline'; offset: number; length: number }
  /** In another file. `length` null: as many bytes as dtype and shape need. */
  | { kind: 'external'; location: string; offset: number; length: number | null }
  /** Varints, strings or an unknown type: bytes of this file that no tensor can view. */
  | { kind: 'literal'; bytes: number; why: 'varint' | 'string' | 'unknown' | 'absent' };

/** One tensor of the file. */
export interface RawTensor {
  name: string;
  /** TensorProto.DataType. */
  dataType: number;
  /** null for strings and unknown codes. */
  dtype: DType | null;
  shape: number[];
  data: RawTensorData;
  /** Little-endian element bytes where they are few and in this file, else null. */
  value: Uint8Array | null;
}

/** A sparse tensor: values and their indices in a tensor of shape `shape`. */
export interface RawSparseTensor {
  values: RawTensor | null;
  indices: RawTensor | null;
  shape: number[];
}

/** What was seen of a TensorProto before its fields are judged together. */
interface Draft {
  name: string;
  dataType: number;
  dims: bigint[];
  external: boolean;
  location: Map<string, string>;
  /** Fixed-width payloads by the kind of their field. */
  payloads: { field: 'raw' | 'float' | 'double'; start: number; end: number }[];
  /** Bytes of payloads that are not fixed-width, and of segments. */
  varintBytes: number;
  stringBytes: number;
  segmented: boolean;
  /** Values of int32_data, int64_data or uint64_data while they are few. */
  ints: bigint[] | null;
  bytes: Uint8Array | null;
}

/**
 * Reads the TensorProto in `field`.
 * @throws {CorruptError} if the bytes contradict dtype and shape; {LimitError}, {TruncatedError}.
 */
export async function readTensor(scan: OnnxScanner, field: ProtoField): Promise<RawTensor> {
  scan.expect(field, WIRE.bytes, 'tensor');
  scan.charge(TENSOR_BYTES);
  const draft: Draft = {
    name: '',
    dataType: 0,
    dims: [],
    external: false,
    location: new Map(),
    payloads: [],
    varintBytes: 0,
    stringBytes: 0,
    segmented: false,
    ints: [],
    bytes: null,
  };
  await scan.fields(field.start, field.end, (part) => readTensorField(scan, draft, part));
  return finishTensor(scan, draft, field);
}

function readTensorField(
  scan: OnnxScanner,
  draft: Draft,
  field: ProtoField,
): Promise<void> | undefined {
  switch (field.number) {
    case 1:
      return scan.appendInts(draft.dims, field, RANK_MAX, 'dims');
    case 2:
      draft.dataType = Number(scan.int64(field, 'data type'));
      return;
    case 3:
      draft.segmented = true;
      return;
    case 4:
      return readPayload(scan, draft, field, 'float');
    case 5:
    case 7:
    case 11:
      return readVarints(scan, draft, field);
    case 6:
      draft.stringBytes += field.end - field.start;
      return;
    case 8:
      return scan.text(field, TEXT_BYTES_MAX, 'tensor name').then((text) => {
        draft.name = text;
      });
    case 9:
      scan.expect(field, WIRE.bytes, 'raw_data');
      return readPayload(scan, draft, field, 'raw');
    case 10:
      return readPayload(scan, draft, field, 'double');
    case 13:
      return readEntry(scan, field).then(({ key, value }) => {
        draft.location.set(key, value);
      });
    case 14:
      draft.external = scan.int64(field, 'data location') === 1n;
      return;
    default:
      return;
  }
}

async function readPayload(
  scan: OnnxScanner,
  draft: Draft,
  field: ProtoField,
  kind: 'raw' | 'float' | 'double',
): Promise<void> {
  const length = field.end - field.start;
  if (field.wire !== WIRE.bytes) {
    // One element at a time, each behind its own key: bytes that no tensor can view.
    draft.varintBytes += length;
    return;
  }
  scan.charge(96);
  draft.payloads.push({ field: kind, start: field.start, end: field.end });
  draft.bytes =
    length <= SMALL_VALUE_BYTES && !scan.tensorsOnly
      ? await scan.bytes(field, SMALL_VALUE_BYTES, 'value')
      : null;
}

async function readVarints(scan: OnnxScanner, draft: Draft, field: ProtoField): Promise<void> {
  draft.varintBytes += field.end - field.start;
  if (scan.tensorsOnly) draft.ints = null;
  if (draft.ints === null) return;
  const few = SMALL_VALUE_BYTES / 8;
  if (draft.varintBytes > few * 10 || draft.ints.length >= few) draft.ints = null;
  else await scan.appendInts(draft.ints, field, few * 10, 'values');
}

/** Reads a StringStringEntryProto. */
export async function readEntry(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<{ key: string; value: string }> {
  scan.expect(field, WIRE.bytes, 'entry');
  scan.charge(128);
  const entry = { key: '', value: '' };
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) entry.key = await scan.text(part, TEXT_BYTES_MAX, 'key');
    if (part.number === 2) entry.value = await scan.text(part, TEXT_BYTES_MAX, 'value');
  });
  return entry;
}

function finishTensor(scan: OnnxScanner, draft: Draft, field: ProtoField): RawTensor {
  const shape = draft.dims.map((dim) => scan.asCount(dim, field.start, 'a dimension'));
  const count = shape.includes(0) ? 0 : elementCount(shape);
  const dtype = onnxDType(draft.dataType);
  if (!(count * 16 <= Number.MAX_SAFE_INTEGER)) {
    throw scan.corrupt(field.start, `tensor '${draft.name}' has shape [${shape}]`);
  }
  const base = { name: draft.name, dataType: draft.dataType, dtype, shape };
  const payload = draft.payloads[0];
  const inlineBytes = draft.payloads.reduce((sum, p) => sum + p.end - p.start, 0);
  const otherBytes = draft.varintBytes + draft.stringBytes;
  const literal = (why: 'varint' | 'string' | 'unknown' | 'absent'): RawTensor => {
    const data = { kind: 'literal', bytes: inlineBytes + otherBytes, why } as const;
    return { ...base, data, value: why === 'varint' ? packInts(draft.ints, dtype, count) : null };
  };
  if (draft.dataType === CODE_STRING) return literal('string');
  if (dtype === null || draft.segmented) return literal('unknown');
  if (draft.external) {
    return { ...base, data: externalData(scan, draft, field), value: null };
  }
  if (draft.payloads.length + (otherBytes > 0 ? 1 : 0) > 1) return literal('unknown');
  if (otherBytes > 0) return literal('varint');
  const wanted = dtypeBytes(dtype, count);
  if (payload === undefined || inlineBytes === 0) {
    if (wanted > 0) return literal('absent');
    const offset = payload?.start ?? field.end;
    return { ...base, data: { kind: 'inline', offset, length: 0 }, value: new Uint8Array(0) };
  }
  if (!canHold(payload.field, dtype)) {
    const what = `tensor '${draft.name}' is ${dtype} but has ${payload.field}_data`;
    throw scan.corrupt(field.start, what);
  }
  if (inlineBytes !== wanted) {
    throw scan.corrupt(
      payload.start,
      `tensor '${draft.name}' (${dtype} [${shape}]) needs ${wanted} bytes and has ${inlineBytes}`,
    );
  }
  const data = { kind: 'inline', offset: payload.start, length: inlineBytes } as const;
  return { ...base, data, value: draft.bytes };
}

/** True if a field of TensorProto can hold elements of a dtype. */
function canHold(field: 'raw' | 'float' | 'double', dtype: DType): boolean {
  if (field === 'raw') return true;
  const { kind, width } = DTYPES[dtype];
  return (kind === 'float' || kind === 'complex') && width === (field === 'float' ? 4 : 8);
}

function externalData(scan: OnnxScanner, draft: Draft, field: ProtoField): RawTensorData {
  const number = (key: string): number | null => {
    const text = draft.location.get(key);
    if (text === undefined) return null;
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      throw scan.corrupt(field.start, `tensor '${draft.name}' has external ${key} '${text}'`);
    }
    return value;
  };
  const location = draft.location.get(LOCATION_KEY);
  if (location === undefined) {
    throw scan.corrupt(field.start, `tensor '${draft.name}' is external but names no file`);
  }
  return { kind: 'external', location, offset: number('offset') ?? 0, length: number('length') };
}

/** Element bytes of a tensor whose few values were varints, or null. */
function packInts(ints: bigint[] | null, dtype: DType | null, count: number): Uint8Array | null {
  if (ints === null || dtype === null) return null;
  const { kind, width } = DTYPES[dtype];
  // Varints hold raw bits of up to 32 bits, or whole 64-bit integers; a 6-bit type takes one each.
  if (kind === 'complex' || dtype === 'F6_E2M3' || dtype === 'F6_E3M2') return null;
  const bytes = new Uint8Array(ints.length * width);
  if (bytes.length !== dtypeBytes(dtype, count) || bytes.length > SMALL_VALUE_BYTES) return null;
  const wide = new DataView(new ArrayBuffer(8));
  ints.forEach((value, i) => {
    wide.setBigInt64(0, value, true);
    bytes.set(new Uint8Array(wide.buffer, 0, width), i * width);
  });
  return bytes;
}

/** Reads the SparseTensorProto in `field`. */
export async function readSparseTensor(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<RawSparseTensor> {
  scan.expect(field, WIRE.bytes, 'sparse tensor');
  scan.charge(128);
  const dims: bigint[] = [];
  const tensor: RawSparseTensor = { values: null, indices: null, shape: [] };
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) tensor.values = await readTensor(scan, part);
    else if (part.number === 2) tensor.indices = await readTensor(scan, part);
    else if (part.number === 3) await scan.appendInts(dims, part, RANK_MAX, 'dims');
  });
  tensor.shape = dims.map((dim) => scan.asCount(dim, field.start, 'a dimension'));
  return tensor;
}
