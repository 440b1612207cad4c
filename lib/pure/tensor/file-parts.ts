/**
 * Cuts a file into the parts of its recipe, from the layout a format reader gave.
 *
 * Spans of at least SMALL_TENSOR_BYTES become extents, smaller ones data literals; short gaps are
 * fixed literals, long ones runs of content-defined chunks.
 */
import { assert } from '../../base/errors.js';
import { SMALL_TENSOR_BYTES } from '../../base/limits.js';
import type { ExtentSpan, FileLayout } from './layout.js';
import type { Part, SkeletonTensor } from './recipe.js';

/** A part with its place in the file. Parts of a file are contiguous and cover it exactly. */
export interface PlacedPart {
  part: Part;
  offset: number;
  /** Bytes in the file. */
  length: number;
}

export interface FileParts {
  parts: PlacedPart[];
  tensors: SkeletonTensor[];
}

/** Gaps above this are chunked, so that edits inside long unknown ranges still deduplicate. */
const FIXED_GAP_BYTES = 64 * 1024;
/** All fixed literals of one file together; above, gaps are chunked from a smaller size on. */
const FIXED_TOTAL_BYTES = 16 * 1024 * 1024;

/** Cuts a file of `size` bytes. The layout must have passed `validateLayout`. */
export function cutFile(layout: FileLayout, size: number): FileParts {
  const marks = [
    ...layout.extents
      .filter((s) => s.count > 0)
      .map((span) => ({ offset: span.offset, span, range: null })),
    ...layout.variable
      .filter((r) => r.length > 0)
      .map((range) => ({ offset: range.offset, span: null, range })),
  ].sort((a, b) => a.offset - b.offset);
  let gapLimit = FIXED_GAP_BYTES;
  const gaps: number[] = [];
  let at = 0;
  for (const mark of marks) {
    gaps.push(mark.offset - at);
    at = mark.offset + (mark.span ? mark.span.width * mark.span.count : (mark.range?.length ?? 0));
  }
  gaps.push(size - at);
  assert(
    gaps.every((gap) => gap >= 0),
    'layout parts overlap',
  );
  const fixedTotal = () => gaps.reduce((sum, gap) => sum + (gap <= gapLimit ? gap : 0), 0);
  while (gapLimit > 64 && fixedTotal() > FIXED_TOTAL_BYTES) gapLimit /= 2;

  const parts: PlacedPart[] = [];
  const push = (part: Part, length: number): void => {
    const last = parts.at(-1);
    const offset = last ? last.offset + last.length : 0;
    parts.push({ part, offset, length });
  };
  const pushGap = (length: number): void => {
    if (length === 0) return;
    push(length > gapLimit ? { kind: 'chunks' } : { kind: 'fixed', length }, length);
  };
  const starts: { start: number; end: number; index: number }[] = [];
  for (const [i, mark] of marks.entries()) {
    pushGap(gaps[i] as number);
    if (mark.span) {
      const { part, length } = spanPart(mark.span);
      starts.push({ start: mark.offset, end: mark.offset + length, index: parts.length });
      push(part, length);
    } else if (mark.range) {
      const { length, fixedLength } = mark.range;
      if (length > FIXED_GAP_BYTES) push({ kind: 'chunks' }, length);
      else push({ kind: 'variable', length: fixedLength ? length : null }, length);
    }
  }
  pushGap(gaps.at(-1) as number);
  return { parts, tensors: placeTensors(layout, starts) };
}

function spanPart(span: ExtentSpan): { part: Part; length: number } {
  const { width, count, byteSwap } = span;
  const length = width * count;
  // Big-endian data is always an extent: only extents carry the byte-swap flag.
  if (length >= SMALL_TENSOR_BYTES || byteSwap) {
    return { part: { kind: 'extent', width, count, byteSwap }, length };
  }
  return { part: { kind: 'data', width, length }, length };
}

function placeTensors(
  layout: FileLayout,
  starts: readonly { start: number; end: number; index: number }[],
): SkeletonTensor[] {
  return layout.tensors.map((t): SkeletonTensor => {
    const base = { name: t.name, dtype: t.dtype, shape: t.shape, strides: t.strides, role: t.role };
    if (t.shape.includes(0)) return { ...base, part: -1, byteOffset: 0 };
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle]?.start ?? 0) <= t.offset) low = middle;
      else high = middle - 1;
    }
    const home = starts[low];
    assert(
      home && t.offset >= home.start && t.offset < home.end,
      `tensor '${t.name}' lies in no extent`,
    );
    return { ...base, part: home.index, byteOffset: t.offset - home.start };
  });
}
