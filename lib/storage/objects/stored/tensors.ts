/**
 * Tensors of stored files: where the bytes of each are, and which are the same.
 *
 * Start at `tensorsOf`, which lists them; read-tensor.ts streams one.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { LITERAL_BLOB_BYTES, SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { DTYPES, type DType, dtypeBytes } from '../../../pure/tensor/dtype.js';
import {
  contiguousStrides,
  type ExtentSpan,
  elementCount,
  type FileLayout,
  type Role,
} from '../../../pure/tensor/layout.js';
import { dataBlobLengths, type SkeletonTensor } from '../../../pure/tensor/recipe.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import type { SegmentRequest } from '../planes/plane-reader.js';
import { inTurn } from './file-groups.js';
import type { StoredFile } from './stored-file.js';

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
