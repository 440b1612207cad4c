/** Which parts of the files of a pack set hold records that are wanted. */
import { TRANSFER_GAP_BYTES } from '../../../base/limits.js';
import {
  type BlobEntry,
  FILE_CLASSES,
  type FileClass,
  type PlaneClass,
  type SegmentEntry,
  type SetInfo,
  segmentHeaderBytes,
} from '../../store/types.js';
import { joinRanges } from '../ranges.js';
import type { ByteRange } from '../transports/transport.js';
import type { FetchParts } from './parts.js';

/** The parts of the files of a set that hold a record. */
function rangesOf(
  entry: BlobEntry | SegmentEntry,
): { fileClass: 'blob' | 'hi' | 'mid' | 'low'; range: ByteRange }[] {
  if ('kind' in entry) {
    const { offset, recordBytes } = entry;
    return [{ fileClass: 'blob', range: { start: offset, end: offset + recordBytes } }];
  }
  const { offset, headBytes, hiBytes, midBytes, lowBytes, midOffset, lowOffset, inline } = entry;
  const before = segmentHeaderBytes(entry.depth > 0, inline) + headBytes + hiBytes;
  const end = offset + before + (inline ? midBytes + lowBytes : 0);
  const hi = { fileClass: 'hi' as const, range: { start: offset, end } };
  if (inline) return [hi];
  return [
    hi,
    { fileClass: 'mid', range: { start: midOffset, end: midOffset + midBytes } },
    { fileClass: 'low', range: { start: lowOffset, end: lowOffset + lowBytes } },
  ];
}

/** Where planes of one class of a record stand; its header and head belong to `hi`. */
export function planeRange(
  entry: SegmentEntry,
  plane: PlaneClass,
): { fileClass: PlaneClass; range: ByteRange } {
  const { offset, headBytes, hiBytes, midBytes, lowBytes, midOffset, lowOffset, inline } = entry;
  const hiEnd = offset + segmentHeaderBytes(entry.depth > 0, inline) + headBytes + hiBytes;
  if (plane === 'hi') return { fileClass: 'hi', range: { start: offset, end: hiEnd } };
  if (inline) {
    const start = plane === 'mid' ? hiEnd : hiEnd + midBytes;
    return {
      fileClass: 'hi',
      range: { start, end: start + (plane === 'mid' ? midBytes : lowBytes) },
    };
  }
  return plane === 'mid'
    ? { fileClass: 'mid', range: { start: midOffset, end: midOffset + midBytes } }
    : { fileClass: 'low', range: { start: lowOffset, end: lowOffset + lowBytes } };
}

/** The parts of a set's files that hold some records. */
export class RecordRanges {
  readonly #byClass = new Map<FileClass, ByteRange[]>();

  add(entry: BlobEntry | SegmentEntry): void {
    for (const { fileClass, range } of rangesOf(entry)) {
      if (range.end === range.start) continue;
      const ranges = this.#byClass.get(fileClass);
      if (ranges) ranges.push(range);
      else this.#byClass.set(fileClass, [range]);
    }
  }

  /** Those that stand close together as one. */
  joined(): Map<FileClass, ByteRange[]> {
    return new Map(
      [...this.#byClass].map(([name, ranges]) => [name, joinRanges(ranges, TRANSFER_GAP_BYTES)]),
    );
  }
}

/** All files of a set, as parts of them. */
export function wholeFiles(info: SetInfo): Map<FileClass, ByteRange[]> {
  const found = new Map<FileClass, ByteRange[]>();
  for (const fileClass of FILE_CLASSES) {
    const size = info.bytes[fileClass];
    if (size > 0) found.set(fileClass, [{ start: 0, end: size }]);
  }
  return found;
}

/** The parts of a set's files that hold wanted records; those that stand close together as one. */
export async function partsOf(
  parts: FetchParts,
  isWanted: (entry: BlobEntry | SegmentEntry) => boolean,
  info: SetInfo,
): Promise<Map<FileClass, ByteRange[]>> {
  const found = new RecordRanges();
  for await (const entry of parts.remote.recordsIn(info)) {
    if (isWanted(entry)) found.add(entry);
  }
  return found.joined();
}
