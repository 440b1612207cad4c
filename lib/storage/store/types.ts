/**
 * The values that the store takes and gives: records, index entries, sets, problems.
 *
 * The store knows opaque keys and bytes. A blob is keyed by its id, an encoded piece of an extent by
 * (extent id, segment number); what the bytes mean belongs to codec and archive.
 */
import type { BlobKind, Id } from '../../base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';

/** The three classes of encoded planes, most significant first (docs/format/pack.md). */
export const PLANE_CLASSES = ['hi', 'mid', 'low'] as const;
export type PlaneClass = (typeof PLANE_CLASSES)[number];

/** The files of a pack set, in the order of the manifest's columns. */
export const FILE_CLASSES = ['blob', 'hi', 'mid', 'low', 'idx'] as const;
export type FileClass = (typeof FILE_CLASSES)[number];

/** 32 lower-case hex digits: the checksum of the set's idx, and the name of its files. */
export type SetId = string & { readonly __setId: unique symbol };

const SET_ID = /^[0-9a-f]{32}$/;

/** True if `text` has the form of a set id. */
export function isSetId(text: string): text is SetId {
  return SET_ID.test(text);
}

/** One line of the manifest: a set and the sizes of its files in bytes; 0 means "no such file". */
export interface SetInfo {
  id: SetId;
  bytes: Record<FileClass, number>;
}

/** Bytes of the files of a set, its idx included. */
export function setBytes({ bytes }: SetInfo): number {
  return FILE_CLASSES.reduce((sum, name) => sum + bytes[name], 0);
}

/** Bytes of the records of a set: all its files but the idx. What versions are charged for. */
export function recordBytesOf(info: SetInfo): number {
  return setBytes(info) - info.bytes.idx;
}

/** A stored blob: `payload` is `rawBytes` bytes after codec `codec`, against `base` if there is one. */
export interface BlobRecord {
  id: Id;
  kind: BlobKind;
  /** Opaque here: 0…255. */
  codec: number;
  base: Id | null;
  /** Links of deltas below this record: 0 exactly when `base` is null. */
  depth: number;
  rawBytes: number;
  payload: Uint8Array;
}

/** Which segment of which extent, its size, and what it is a delta of: what record and index say alike. */
export interface SegmentPlace {
  id: Id;
  /** 0 … segments − 1. */
  segment: number;
  /** `segmentCount(count)`. */
  segments: number;
  /** Bytes of one element. */
  width: number;
  /** Elements of the whole extent. */
  count: number;
  base: Id | null;
  /** Links of deltas below this record: 0 exactly when `base` is null. */
  depth: number;
}

/** One encoded segment of an extent. On a partial read the classes not asked for are empty. */
export interface SegmentRecord extends SegmentPlace {
  /** Tagged fields (tags.ts), opaque to packs. */
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
  /** CRC-32 of the classes, where whoever made them has computed it; never of a record that was read. */
  crcs?: Record<PlaneClass, number>;
}

/** Planes of a record that are not here: their length and checksum. */
export type AbsentPlanes = Partial<Record<'mid' | 'low', { bytes: number; crc: number }>>;

/** Set id of entries of a set that has no name yet. */
export const UNNAMED_SET = '0'.repeat(32) as SetId;

/** A segment of an extent whose id is not known yet; its head has the length that it will have. */
export type UnnamedSegment = Omit<SegmentRecord, 'id'>;

/** What the index says about a blob. */
export interface BlobEntry {
  id: Id;
  kind: BlobKind;
  base: Id | null;
  depth: number;
  rawBytes: number;
  /** Bytes of the whole record in `.blob`. */
  recordBytes: number;
  set: SetId;
  /** Where the record starts in `.blob`; the store's own. */
  offset: number;
  /** CRC-32 of the record; the store's own. */
  crc: number;
}

/** What the index says about a segment. */
export interface SegmentEntry extends SegmentPlace {
  headBytes: number;
  hiBytes: number;
  midBytes: number;
  lowBytes: number;
  set: SetId;
  /** Where the record starts in `.hi`; the store's own, as are the rest. */
  offset: number;
  /** True if mid and low are in `.hi`, right after hi. */
  inline: boolean;
  /** Where the payloads start in `.mid` and `.low`; 0 if inline or empty. */
  midOffset: number;
  lowOffset: number;
  /** CRC-32 of record header and head. */
  crc: number;
}

/** Payloads of a segment in open files, until they are released. */
export interface LentPayloads {
  /** null for a class that is empty or was not asked for. */
  readonly payloads: Record<PlaneClass, FilePayload | null>;
  release(): void;
}

/** A payload in an open file: where, how long, and its CRC-32. */
export interface FilePayload {
  readonly fd: number;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
}

/** A finished set in tmp/: fsynced, not yet renamed into packs/. */
export interface SealedSet {
  info: SetInfo;
  /** Names, relative to the backend, of the files that exist. */
  files: Partial<Record<FileClass, string>>;
}

/** Something wrong in a pack set; the ids it touches are named where they are known. */
export interface Problem {
  what:
    | 'missing-file'
    | 'size'
    | 'header'
    | 'index'
    | 'record'
    | 'payload'
    | 'unused-bytes'
    | 'order';
  set: SetId;
  /** Name relative to the backend. */
  file: string;
  /** Byte offset in `file`, where it is known. */
  offset?: number;
  message: string;
  blob?: Id;
  extent?: Id;
  segment?: number;
  class?: PlaneClass;
}

/** Takes records: a PackSetWriter, or a caller that rolls over to the next one. */
export interface RecordSink {
  addBlob(record: BlobRecord): Promise<void>;
  addSegment(record: SegmentRecord): Promise<void>;
}

/** Names a segment of an extent, and its record. */
export function segmentKey(id: Id, segment: number): string {
  return `${id}:${segment}`;
}

/** Names a record. */
export function recordKey(record: Pick<BlobRecord, 'id'> | SegmentPlace): string {
  return 'segment' in record ? segmentKey(record.id, record.segment) : record.id;
}

/** True if two records of a segment are coded alike, as far as indexes tell. */
export function isSameCoding(a: SegmentEntry, b: SegmentEntry): boolean {
  const of = ({ base, width, count, headBytes, hiBytes, midBytes, lowBytes }: SegmentEntry) =>
    JSON.stringify([base, width, count, headBytes, hiBytes, midBytes, lowBytes]);
  return of(a) === of(b);
}

/** Segments of an extent of `count` elements: at least one, also for an empty extent. */
export function segmentCount(count: number): number {
  return Math.max(1, Math.ceil(count / SEGMENT_ELEMENTS));
}

/** Bytes that an entry's record takes in all files of its set, without the idx. */
export function storedBytes(entry: BlobEntry | SegmentEntry): number {
  return 'recordBytes' in entry
    ? entry.recordBytes
    : segmentHeaderBytes(entry.depth > 0, entry.inline) +
        entry.headBytes +
        entry.hiBytes +
        entry.midBytes +
        entry.lowBytes;
}

/** Bytes of a segment's record before its head (docs/format/pack.md). */
export function segmentHeaderBytes(hasBase: boolean, inline: boolean): number {
  const fixed = 4 + 1 + 1 + 2 + 33 + 4 + 8;
  return fixed + (hasBase ? 33 : 0) + 4 * 4 + 3 * 4 + (inline ? 0 : 2 * 8) + 4;
}
