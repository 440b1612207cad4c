/**
 * Tensors of stored files: found by name, read as row-major little-endian elements in bounded pieces.
 *
 * Start here: `tensorsOf` lists them; `readTensor` streams one.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError, LimitError } from '../../../base/errors.js';
import {
  LITERAL_BLOB_BYTES,
  RUN_ELEMENTS,
  SEGMENT_ELEMENTS,
  WIDTH_MAX,
} from '../../../base/limits.js';
import { DTYPES, type DType, dtypeBytes } from '../../../pure/tensor/dtype.js';
import {
  contiguousStrides,
  type ExtentSpan,
  elementCount,
  type FileLayout,
  type Role,
} from '../../../pure/tensor/layout.js';
import { swapBytes } from '../../../pure/tensor/planes.js';
import { dataBlobLengths, type SkeletonTensor } from '../../../pure/tensor/recipe.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import { verifiedBytes } from '../planes/leading-planes.js';
import type { SegmentRequest } from '../planes/plane-reader.js';
import { inTurn } from './file-groups.js';
import type { Readers, StoredFile } from './stored-file.js';

/** Bytes that a view which is not contiguous may span: it is gathered in memory. */
const GATHER_BYTES_MAX = 512 * 1024 * 1024;
/** Bytes that such a view may give: one whose strides are 0 can name a number without end. */
const GATHERED_BYTES_MAX = 2 ** 36;

/** Where the bytes of a tensor are. */
export type TensorHome =
  | { kind: 'none' }
  | { kind: 'extent'; id: Id; width: number; count: number; byteSwap: boolean }
  /** A range of a data literal blob, in the file's own byte order. */
  | { kind: 'literal'; id: Id; offset: number; length: number; width: number; byteSwap: boolean }
  /** A span of a file that is not stored (yet): the work tree. */
  | { kind: 'file'; source: ByteSource; span: ExtentSpan };

export interface StoredTensor {
  name: string;
  role: Role;
  dtype: DType;
  shape: number[];
  strides: number[] | null;
  /** Bytes from the start of the extent or literal range to the first element. */
  byteOffset: number;
  home: TensorHome;
  /** Path of the file in its version. */
  path: string;
}

/** Logical elements. */
export function tensorElements(tensor: StoredTensor): number {
  return elementCount(tensor.shape);
}

/** Bytes of the tensor's elements laid out row-major. */
export function tensorBytes(tensor: StoredTensor): number {
  return dtypeBytes(tensor.dtype, tensorElements(tensor));
}

/** All tensors of a stored file, in the order of its skeleton. */
export function tensorsOf(file: StoredFile): StoredTensor[] {
  const { skeleton, recipe, ref } = file;
  if (skeleton === null || recipe === null) return [];
  const homes: TensorHome[] = [];
  const cursor = new Map<number, { cuts: number[]; blob: number; at: number }>();
  for (const part of skeleton.parts) {
    if (part.kind === 'data') {
      const place = cursor.get(part.width) ?? {
        cuts: dataBlobLengths(skeleton.parts, part.width, LITERAL_BLOB_BYTES),
        blob: 0,
        at: 0,
      };
      if (place.at >= (place.cuts[place.blob] as number)) {
        place.blob++;
        place.at = 0;
      }
      const id = recipe.data.find((d) => d.width === part.width)?.ids[place.blob] as Id;
      const { length, width, byteSwap } = part;
      homes.push({ kind: 'literal', id, offset: place.at, length, width, byteSwap });
      place.at += part.length;
      cursor.set(part.width, place);
    } else homes.push({ kind: 'none' });
  }
  for (const { part, ...extent } of extentsOf(file)) homes[part] = { kind: 'extent', ...extent };
  return skeleton.tensors.map((t): StoredTensor => {
    const home: TensorHome = t.part < 0 ? { kind: 'none' } : (homes[t.part] as TensorHome);
    checkInside(t, home, ref.path);
    const { name, role, dtype, shape, strides, byteOffset } = t;
    return { name, role, dtype, shape, strides, byteOffset, home, path: ref.path };
  });
}

/** Bytes from the first to behind the last element that a view touches. */
export function viewBytes(t: SkeletonTensor | StoredTensor): number {
  const elements = elementCount(t.shape);
  if (elements === 0) return 0;
  if (t.strides === null) return dtypeBytes(t.dtype, elements);
  let last = 0;
  for (const [i, extent] of t.shape.entries()) last += (extent - 1) * (t.strides[i] as number);
  return (last + 1) * (DTYPES[t.dtype].bits / 8);
}

function checkInside(t: SkeletonTensor, home: TensorHome, file: string): void {
  const bytes = viewBytes(t);
  const room =
    home.kind === 'extent' ? home.width * home.count : home.kind === 'literal' ? home.length : 0;
  if (
    !(t.byteOffset + bytes <= room) ||
    (t.strides !== null && (t.strides.length !== t.shape.length || DTYPES[t.dtype].bits < 8))
  ) {
    throw new CorruptError(`tensor '${t.name}' of '${file}' lies outside its extent`, { file });
  }
}

/**
 * True if two tensors are known to hold the same bytes in the same order without reading them.
 * Equal literals may still be in different blobs: false then means "read them".
 */
export function sameBytes(a: StoredTensor, b: StoredTensor): boolean {
  const { home: x } = a;
  const { home: y } = b;
  if (x.kind === 'none' || y.kind === 'none') return x.kind === y.kind;
  if (x.kind === 'file' || y.kind === 'file') return false;
  if (x.id !== y.id || a.byteOffset !== b.byteOffset || a.dtype !== b.dtype) return false;
  if (x.kind === 'literal') {
    if (y.kind !== 'literal' || x.offset !== y.offset || x.byteSwap !== y.byteSwap) return false;
  }
  return JSON.stringify(a.shape) === JSON.stringify(b.shape) && sameStrides(a, b);
}

function sameStrides(a: StoredTensor, b: StoredTensor): boolean {
  const x = a.strides ?? contiguousStrides(a.shape);
  const y = b.strides ?? contiguousStrides(b.shape);
  return x.every((stride, i) => stride === y[i]);
}

/** True if the elements are in the extent in the order in which the tensor has them. */
export function isContiguous(tensor: StoredTensor): boolean {
  if (tensor.strides === null) return true;
  const wanted = contiguousStrides(tensor.shape);
  // A dimension of one element may have any stride.
  return tensor.strides.every((stride, i) => stride === wanted[i] || tensor.shape[i] === 1);
}

/**
 * Elements of a tensor in row-major order, little-endian, verified against the extent id.
 * @param planes  of floats, only so many leading planes are read: each value is the middle of what it can be.
 * @returns  pieces of RUN_ELEMENTS elements (the last may be shorter); packed types in bytes.
 * @throws {LimitError} for a view that is not contiguous and spans over 512 MiB or gives over 64 GiB.
 */
export async function* readTensor(
  readers: Readers,
  tensor: StoredTensor,
  planes = WIDTH_MAX,
): AsyncGenerator<Uint8Array> {
  const total = tensorBytes(tensor);
  if (total === 0) return;
  const { bits } = DTYPES[tensor.dtype];
  const pieceBytes = RUN_ELEMENTS * Math.max(1, bits / 8);
  if (isContiguous(tensor)) {
    yield* pieces(rangeOf(readers, tensor, { length: total, planes }), pieceBytes);
    return;
  }
  const span = viewBytes(tensor);
  const bounds = [
    { bytes: span, max: GATHER_BYTES_MAX, what: 'over' },
    { bytes: total, max: GATHERED_BYTES_MAX, what: 'of' },
  ];
  for (const { bytes, max, what } of bounds) {
    if (bytes <= max) continue;
    throw new LimitError(
      `tensor '${tensor.name}' is a strided view ${what} ${bytes} bytes, more than ${max}`,
      {
        file: tensor.path,
        hint: 'save it contiguous',
      },
    );
  }
  const source = new Uint8Array(span);
  let at = 0;
  for await (const bytes of rangeOf(readers, tensor, { length: span, planes })) {
    source.set(bytes, at);
    at += bytes.length;
  }
  yield* gather(source, tensor, bits / 8);
}

/** Cuts and joins a stream into pieces of exactly `size` bytes, the last shorter. */
async function* pieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const bytes of stream) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= size) {
      yield rest.subarray(0, size);
      rest = rest.subarray(size);
    }
  }
  if (rest.length > 0) yield rest;
}

async function* rangeOf(
  readers: Readers,
  tensor: StoredTensor,
  { length, planes }: { length: number; planes: number },
): AsyncGenerator<Uint8Array> {
  const { home, dtype, byteOffset: offset } = tensor;
  if (home.kind === 'literal') {
    const blob = await readers.blobs.readBlob(home.id, 'blob');
    const start = home.offset + offset;
    if (start + length > blob.length)
      throw new CorruptError(`tensor '${tensor.name}' lies outside its literal`, {
        file: tensor.path,
      });
    if (!home.byteSwap) {
      yield blob.subarray(start, start + length);
      return;
    }
    // A copy: the blob is others' as well.
    const turned = Uint8Array.from(blob.subarray(home.offset, home.offset + home.length));
    swapBytes(turned, home.width);
    yield turned.subarray(offset, offset + length);
    return;
  }
  if (home.kind === 'none') return;
  if (home.kind === 'file') {
    yield* fileRange(home, offset, length);
    return;
  }
  const { id, width, count } = home;
  const segmentBytes = SEGMENT_ELEMENTS * width;
  const end = offset + length;
  for (let segment = Math.floor(offset / segmentBytes); segment * segmentBytes < end; segment++) {
    const bytes = await verifiedBytes(readers, { id, width, count }, segment, { dtype, planes });
    const start = segment * segmentBytes;
    yield bytes.subarray(Math.max(0, offset - start), Math.min(bytes.length, end - start));
  }
}

/** A range of a span of a file, in whole elements; big-endian ones are turned. */
async function* fileRange(
  home: { source: ByteSource; span: ExtentSpan },
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  const { source, span } = home;
  const piece = RUN_ELEMENTS * span.width;
  for (let at = 0; at < length; at += piece) {
    const bytes = await source.read(span.offset + offset + at, Math.min(piece, length - at));
    if (span.byteSwap) swapBytes(bytes, span.width);
    yield bytes;
  }
}

/** Tensors of a file that is not stored, as its layout says. The source stays the caller's. */
export function tensorsOfFile(source: ByteSource, layout: FileLayout): StoredTensor[] {
  const spans = layout.extents.filter((span) => span.count > 0);
  return layout.tensors.map((t): StoredTensor => {
    const { name, role, dtype, shape, strides } = t;
    const view = { name, role, dtype, shape, strides, path: source.name };
    const span = t.shape.includes(0) ? undefined : lastSpanFrom(spans, t.offset);
    if (span === undefined) return { ...view, byteOffset: 0, home: { kind: 'none' } };
    return { ...view, byteOffset: t.offset - span.offset, home: { kind: 'file', source, span } };
  });
}

/** The last of sorted spans that begins at `offset` or before. */
function lastSpanFrom(spans: readonly ExtentSpan[], offset: number): ExtentSpan | undefined {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle] as ExtentSpan).offset <= offset) low = middle + 1;
    else high = middle;
  }
  return spans[low - 1];
}

/** Copies the elements of a strided view into row-major pieces. */
function* gather(
  source: Uint8Array,
  tensor: StoredTensor,
  elementBytes: number,
): Generator<Uint8Array> {
  const { shape } = tensor;
  const strides = tensor.strides as number[];
  const total = elementCount(shape);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let done = 0; done < total; ) {
    const count = Math.min(RUN_ELEMENTS, total - done);
    const piece = new Uint8Array(count * elementBytes);
    for (let i = 0; i < count; i++) {
      const from = position * elementBytes;
      for (let b = 0; b < elementBytes; b++)
        piece[i * elementBytes + b] = source[from + b] as number;
      for (let d = shape.length - 1; d >= 0; d--) {
        (index[d] as number)++;
        position += strides[d] as number;
        if ((index[d] as number) < (shape[d] as number)) break;
        position -= (strides[d] as number) * (shape[d] as number);
        index[d] = 0;
      }
    }
    done += count;
    yield piece;
  }
}

/**
 * Segments that two tensors are read from when they are read side by side; none unless both are stored.
 * @param planes  leading planes of them; default: all.
 */
export function pairSegments(a: StoredTensor, b: StoredTensor, planes?: number): SegmentRequest[] {
  const [left, right] = [segmentsOfTensor(a), segmentsOfTensor(b)];
  if (left.length === 0 || right.length === 0) return [];
  const requests = inTurn([left, right]);
  return planes === undefined ? requests : requests.map((request) => ({ ...request, planes }));
}

/** Segments that a tensor's view lies in. */
function segmentsOfTensor(tensor: StoredTensor): SegmentRequest[] {
  const { home, byteOffset } = tensor;
  const bytes = tensorBytes(tensor);
  if (home.kind !== 'extent' || bytes === 0 || !isContiguous(tensor)) return [];
  const segmentBytes = SEGMENT_ELEMENTS * home.width;
  const end = byteOffset + bytes;
  const requests: SegmentRequest[] = [];
  for (let at = Math.floor(byteOffset / segmentBytes); at * segmentBytes < end; at++) {
    requests.push({ id: home.id, segment: at });
  }
  return requests;
}
