/**
 * Cuts a file into the parts of its recipe, from the layout a format reader gave.
 *
 * Spans of at least SMALL_TENSOR_BYTES become extents, smaller ones data literals; short gaps are
 * fixed literals, long ones runs of content-defined chunks.
 */
import { assert } from '../../base/errors.js';
import { BLOB_BYTES_MAX, SMALL_TENSOR_BYTES } from '../../base/limits.js';
import type { ExtentSpan, FileLayout, TensorSpan, VariableRange } from './layout.js';
import type { Part, SkeletonTensor } from './recipe.js';
import { RepeatedParts } from './skeleton.js';

/** A part with its place in the file. Parts of a file are contiguous and cover it exactly. */
export interface PlacedPart {
  part: Part;
  offset: number;
  /** Bytes in the file. */
  length: number;
}

/** What of a layout is needed to store its file. */
export interface FileParts {
  format: string;
  parts: PlacedPart[];
  tensors: SkeletonTensor[];
}

/** Gaps above this are chunked, so that edits inside long unknown ranges still deduplicate. */
const FIXED_GAP_BYTES = 64 * 1024;
/** All fixed literals of one file together; above, gaps are chunked from a smaller size on. */
const FIXED_TOTAL_BYTES = 16 * 1024 * 1024;
/** Gaps up to this are fixed in any case: a chunk of its own for each would cost more. */
const FIXED_GAP_BYTES_MIN = 4 * 1024;
/** Room that a skeleton leaves for what is not counted exactly. */
const SKELETON_SPARE_BYTES = 4 * 1024 * 1024;

/** An extent or a variable range, in the order of the file. */
type Mark = ExtentSpan | VariableRange;

/** Cuts a file of `size` bytes. The layout must have passed `validateLayout`. */
export function cutFile(layout: FileLayout, size: number): FileParts {
  const gapLimit = gapLimitOf(layout, size);
  const parts: PlacedPart[] = [];
  const repeated = new RepeatedParts();
  let at = 0;
  const push = (part: Part, length: number): void => {
    parts.push({ part: repeated.share(part), offset: at, length });
    at += length;
  };
  const pushGap = (end: number): void => {
    const length = end - at;
    assert(length >= 0, 'layout parts overlap');
    if (length === 0) return;
    push(length > gapLimit ? { kind: 'chunks' } : { kind: 'fixed', length }, length);
  };
  const partOfSpan = new Int32Array(layout.extents.length);
  let span = 0;
  for (const mark of marksOf(layout)) {
    pushGap(mark.offset);
    if ('count' in mark) {
      partOfSpan[span++] = parts.length;
      push(spanPart(mark), markBytes(mark));
    } else {
      const { length, fixedLength } = mark;
      if (length > FIXED_GAP_BYTES) push({ kind: 'chunks' }, length);
      else push({ kind: 'variable', length: fixedLength ? length : null }, length);
    }
  }
  pushGap(size);
  return { format: layout.format, parts, tensors: placeTensors(layout, partOfSpan) };
}

/** Extents and variable ranges of a layout, whose two lists are sorted, as one sorted sequence. */
function* marksOf({ extents, variable }: FileLayout): Generator<Mark> {
  let range = 0;
  for (const span of extents) {
    while (range < variable.length && (variable[range] as VariableRange).offset < span.offset) {
      yield variable[range++] as VariableRange;
    }
    yield span;
  }
  while (range < variable.length) yield variable[range++] as VariableRange;
}

function markBytes(mark: Mark): number {
  return 'count' in mark ? mark.width * mark.count : mark.length;
}

/** The longest gap that is a fixed literal: lower where all of them would take too much. */
function gapLimitOf(layout: FileLayout, size: number): number {
  let limit = FIXED_GAP_BYTES;
  const fixedTotal = (): number => {
    let total = 0;
    let at = 0;
    for (const mark of marksOf(layout)) {
      const gap = mark.offset - at;
      if (gap <= limit) total += gap;
      at = mark.offset + markBytes(mark);
    }
    return size - at <= limit ? total + size - at : total;
  };
  while (limit > FIXED_GAP_BYTES_MIN && fixedTotal() > FIXED_TOTAL_BYTES) limit /= 2;
  return limit;
}

/**
 * Why a file of this layout cannot be stored by its parts, or null if it can: its skeleton, or the
 * bytes that change, would be longer than one blob.
 */
export function cutProblem(layout: FileLayout, size: number): string | null {
  const limit = gapLimitOf(layout, size);
  let skeleton = SKELETON_SPARE_BYTES;
  let variable = 0;
  let at = 0;
  const addGap = (gap: number): void => {
    if (gap > 0) skeleton += 2 + packedBytes(gap) + (gap <= limit ? gap : 0);
  };
  for (const mark of marksOf(layout)) {
    addGap(mark.offset - at);
    // An array, a code, and a width and a flag at most beside the number.
    skeleton += 4 + packedBytes(markBytes(mark));
    if (!('count' in mark) && mark.length <= FIXED_GAP_BYTES) variable += mark.length;
    at = mark.offset + markBytes(mark);
  }
  addGap(size - at);
  for (const tensor of layout.tensors) skeleton += tensorRowBytes(tensor);
  if (skeleton > BLOB_BYTES_MAX) return 'its names and the bytes between its tensors are too many';
  return variable > BLOB_BYTES_MAX
    ? 'its bytes that change with every checkpoint are too many'
    : null;
}

/** Bytes of a tensor in a skeleton, at most. */
function tensorRowBytes({ name, dtype, shape, strides }: TensorSpan): number {
  let bytes = 1 + 5 + Buffer.byteLength(name) + 1 + dtype.length + 2 * 3 + 1 + 5 + 5;
  for (const number of shape) bytes += packedBytes(number);
  for (const number of strides ?? []) bytes += packedBytes(number);
  return bytes;
}

/** Bytes of a whole number in msgpack. */
function packedBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x100) return 2;
  if (value < 0x10000) return 3;
  return value < 2 ** 32 ? 5 : 9;
}

function spanPart({ width, count, byteSwap, as }: ExtentSpan): Part {
  const length = width * count;
  const isLong = as === undefined ? length >= SMALL_TENSOR_BYTES : as === 'extent';
  if (isLong) return { kind: 'extent', width, count, byteSwap };
  return { kind: 'data', width, length, byteSwap };
}

/** @param partOfSpan the part that each extent of the layout became. */
function placeTensors(layout: FileLayout, partOfSpan: Int32Array): SkeletonTensor[] {
  const { extents } = layout;
  return layout.tensors.map((t): SkeletonTensor => {
    const { name, dtype, shape, strides, role } = t;
    if (shape.includes(0)) {
      return { name, dtype, shape, strides, role, part: -1, byteOffset: 0 };
    }
    let low = 0;
    let high = extents.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((extents[middle] as ExtentSpan).offset <= t.offset) low = middle;
      else high = middle - 1;
    }
    const home = extents[low];
    assert(
      home && t.offset >= home.offset && t.offset < home.offset + markBytes(home),
      `tensor '${name}' lies in no extent`,
    );
    const part = partOfSpan[low] as number;
    return { name, dtype, shape, strides, role, part, byteOffset: t.offset - home.offset };
  });
}
