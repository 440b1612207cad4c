/**
 * From the byte ranges that a file's tensors claim to the extents of its layout: overlapping ranges are united, adjacent ones never are, and a large flat storage is cut
 * where no view crosses.
 */
import { maxOf } from '../../base/bytes/many.js';
import { assert } from '../../base/errors.js';
import type { ExtentSpan, VariableRange } from '../tensor/layout.js';

/** A byte range that holds tensor data. */
export interface SpanClaim {
  /** Byte offset in the file. */
  offset: number;
  /** Bytes claimed, the whole strided footprint of a view; claims of 0 bytes are ignored. */
  bytes: number;
  /** Bytes per element: `DTYPES[dtype].width` of the view, or of the class of a storage. */
  width: 1 | 2 | 4 | 8;
  /** Elements are big-endian in the file. */
  byteSwap: boolean;
  /** True for a storage that holds views, false (the default) for a view. */
  storage?: boolean;
}

/** A flat storage above this is cut at view boundaries, so that its parts are deltas of their own. */
export const FLAT_STORAGE_BYTES = 256 * 1024 * 1024;

/**
 * Unites overlapping claims into extents. The width of an extent is that of the widest view that
 * starts at its first byte, else that of its storage, else 1; it is lowered to 1 byte steps only as
 * far as needed for every view to start on an element. Where views of different byte order or, in a
 * big-endian range, of different width overlap, the extent has width 1 and keeps the file's order;
 * the caller must then give its views a dtype of width 1.
 *
 * @param claims        any order; read, never changed. Offsets and sizes are safe integers ≥ 0.
 * @param flatBytes     storages above this many bytes are cut.
 * @returns             spans sorted by offset, disjoint, none empty. O(n log n).
 */
export function buildSpans(
  claims: readonly SpanClaim[],
  flatBytes = FLAT_STORAGE_BYTES,
): ExtentSpan[] {
  const sorted = claims.filter((claim) => claim.bytes > 0).sort((a, b) => a.offset - b.offset);
  const spans: ExtentSpan[] = [];
  let first = 0;
  while (first < sorted.length) {
    let end = endOf(sorted[first] as SpanClaim);
    let next = first + 1;
    while (next < sorted.length && (sorted[next] as SpanClaim).offset < end) {
      end = Math.max(end, endOf(sorted[next] as SpanClaim));
      next++;
    }
    const group = sorted.slice(first, next);
    const start = (group[0] as SpanClaim).offset;
    // A loop, as a group may have more members than a call may have arguments.
    const cut = group.length > 2 && end - start > flatBytes;
    for (const span of cut ? cutGroup(group, end) : [spanOf(group, start, end)]) spans.push(span);
    first = next;
  }
  return spans;
}

function endOf(claim: SpanClaim): number {
  const end = claim.offset + claim.bytes;
  assert(
    claim.offset >= 0 && Number.isSafeInteger(claim.offset) && Number.isSafeInteger(end),
    'claims are ranges of a file',
  );
  return end;
}

/** One extent over [start, end) for overlapping claims, sorted by offset. */
function spanOf(group: readonly SpanClaim[], start: number, end: number): ExtentSpan {
  const views = group.filter((claim) => !claim.storage);
  const storages = group.filter((claim) => claim.storage);
  const deciding = views.filter((view) => view.offset === start);
  const candidates = deciding.length > 0 ? deciding : storages;
  let width = maxOf(new Set(candidates.map((claim) => claim.width)), 1);
  const aligned = (): boolean =>
    (end - start) % width === 0 && views.every((view) => (view.offset - start) % width === 0);
  if (group.some((claim) => claim.byteSwap)) {
    // Swapping is right only if all views agree on what an element is.
    const users = views.length > 0 ? views : storages;
    const agree = users.every((claim) => claim.byteSwap && claim.width === width);
    if (!agree || !aligned()) width = 1;
    return spanOver(start, end, width, width > 1);
  }
  while (width > 1 && !aligned()) width /= 2;
  return spanOver(start, end, width, false);
}

function spanOver(start: number, end: number, width: number, byteSwap: boolean): ExtentSpan {
  return {
    offset: start,
    width: width as ExtentSpan['width'],
    count: (end - start) / width,
    byteSwap,
  };
}

/** Cuts a large group at every view start that no other view crosses. */
function cutGroup(group: readonly SpanClaim[], end: number): ExtentSpan[] {
  const views = group.filter((claim) => !claim.storage);
  const storages = group.filter((claim) => claim.storage);
  const start = (group[0] as SpanClaim).offset;
  if (storages.length === 0 || views.length < 2) return [spanOf(group, start, end)];
  const step = maxOf(new Set(storages.map((storage) => storage.width)));
  const pieces: { start: number; views: SpanClaim[] }[] = [{ start, views: [] }];
  let covered = start;
  for (const view of views) {
    const piece = pieces.at(-1) as { start: number; views: SpanClaim[] };
    const cuts = view.offset > piece.start && view.offset >= covered;
    if (cuts && (view.offset - start) % step === 0) {
      pieces.push({ start: view.offset, views: [view] });
    } else {
      piece.views.push(view);
    }
    covered = Math.max(covered, endOf(view));
  }
  const [storage] = storages as [SpanClaim];
  return pieces.map((piece, i) => {
    const pieceEnd = pieces[i + 1]?.start ?? end;
    return spanOf([...piece.views, { ...storage, storage: true }], piece.start, pieceEnd);
  });
}

/**
 * What of `ranges` lies outside `spans`, in file order; both are disjoint, `spans` sorted. Pieces of a
 * range of fixed length are of fixed length too.
 */
export function outside(
  ranges: readonly VariableRange[],
  spans: readonly ExtentSpan[],
): VariableRange[] {
  const kept: VariableRange[] = [];
  let next = 0;
  for (const { offset, length, fixedLength } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    let at = offset;
    const end = offset + length;
    const keep = (until: number): void => {
      if (until > at) kept.push({ offset: at, length: until - at, fixedLength });
    };
    while (next < spans.length && endOfSpan(spans[next] as ExtentSpan) <= at) next++;
    for (let i = next; i < spans.length && (spans[i] as ExtentSpan).offset < end; i++) {
      keep((spans[i] as ExtentSpan).offset);
      at = Math.max(at, endOfSpan(spans[i] as ExtentSpan));
    }
    keep(end);
  }
  return kept;
}

function endOfSpan({ offset, width, count }: ExtentSpan): number {
  return offset + width * count;
}
