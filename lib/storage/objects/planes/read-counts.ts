/** What reading planes takes, counted while it is read or planned from indexes. */
import { type PlaneClass, type SegmentEntry, segmentHeaderBytes } from '../../store/types.js';

/** Bytes read from packs: headers and heads, and planes by class. */
export interface ReadBytes {
  head: number;
  hi: number;
  mid: number;
  low: number;
}

/** Nothing read. */
export function noBytes(): ReadBytes {
  return { head: 0, hi: 0, mid: 0, low: 0 };
}

/** Sum of the parts. */
export function totalBytes(bytes: ReadBytes): number {
  return bytes.head + bytes.hi + bytes.mid + bytes.low;
}

/** Bytes of the header and head of a record. */
export function headBytesOf({ depth, inline, headBytes }: SegmentEntry): number {
  return segmentHeaderBytes(depth > 0, inline) + headBytes;
}

/** Plane classes that hold the leading `planes` planes of elements of `width` bytes. */
export function classesFor(width: number, planes: number): PlaneClass[] {
  if (width <= 2 || planes <= 2) return ['hi'];
  if (planes <= (width === 4 ? 3 : 4)) return ['hi', 'mid'];
  return ['hi', 'mid', 'low'];
}

/** Adds what reading the leading planes of a record takes, its head apart if that was read before. */
export function addReadBytes(
  bytes: ReadBytes,
  entry: SegmentEntry,
  planes: number,
  isOpen = false,
): void {
  const { hiBytes, midBytes, lowBytes, width } = entry;
  const sizes = { hi: hiBytes, mid: midBytes, low: lowBytes };
  if (!isOpen) bytes.head += headBytesOf(entry);
  for (const plane of classesFor(width, planes)) bytes[plane] += sizes[plane];
}

/** What reading took. */
export interface RetrievalStats {
  readonly bytes: ReadBytes;
  /** Segments decoded, those of bases and those decoded again included, and their elements. */
  decodes: number;
  decodedElements: number;
  /** Most bytes of planes that were kept for later at one time. */
  keptBytesMax: number;
}

/** Zeros. */
export function newStats(): RetrievalStats {
  return { bytes: noBytes(), decodes: 0, decodedElements: 0, keptBytesMax: 0 };
}
