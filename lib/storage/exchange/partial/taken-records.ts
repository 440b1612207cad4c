/** Records that are taken from a remote, how many planes of each, and which parts of its files hold these. */
import type { Id } from '../../../base/bytes/hash.js';
import type { Pace } from '../../../base/bytes/pace.js';
import { classesFor } from '../../objects/planes/read-counts.js';
import type { OpenedSegment } from '../../objects/records.js';
import {
  type BlobEntry,
  isSameCoding,
  type PlaneClass,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  segmentKey,
} from '../../store/types.js';
import type { FetchParts } from '../fetching/parts.js';
import { planeRange } from '../fetching/record-ranges.js';
import type { RemoteFile } from '../incoming.js';
import { damagedRemote } from '../remote/remote-damage.js';
import { remoteFile } from '../remote/remote-store.js';
import type { ByteRange } from '../transports/transport.js';

/** A record of an extent that is taken. */
export interface Taken {
  readonly entry: SegmentEntry;
  /** The same record here, of which planes are missing; its head and leading planes are not fetched. */
  readonly twin: SegmentEntry | null;
  /** Leading planes that it has to give. */
  planes: number;
  head: OpenedSegment | null;
}

/** Parts of one file of the remote. */
export interface FileRanges {
  readonly file: RemoteFile;
  readonly ranges: ByteRange[];
}

export class TakenRecords {
  readonly blobs = new Map<Id, BlobEntry>();
  /** By `segmentKey`. */
  readonly segments = new Map<string, Taken>();
  readonly #parts: FetchParts;
  readonly #replaces: boolean;
  readonly #pace: Pace;
  readonly #infos: ReadonlyMap<SetId, SetInfo>;
  /** Records of which heads have not arrived. */
  #fresh: Taken[] = [];

  /** @param replaces  true if what is here does not count: it is damaged. */
  constructor(parts: FetchParts, replaces: boolean, pace: Pace) {
    this.#parts = parts;
    this.#replaces = replaces;
    this.#pace = pace;
    this.#infos = new Map(parts.sets.map((info) => [info.id, info]));
  }

  /** Takes a blob, and those under it that are not here. @throws {CorruptError} if the remote lacks one. */
  async takeBlob(start: Id): Promise<void> {
    const { remote, repo, shown } = this.#parts;
    for (let id: Id | null = start; id !== null && !this.blobs.has(id); ) {
      await this.#pace.step();
      const isWanted = id === start && this.#replaces;
      if (!isWanted && (await repo.store.hasBlob(id))) return;
      const entry: BlobEntry | null = await remote.findBlob(id);
      if (entry === null) throw damagedRemote(shown, `it lacks object '${id.slice(0, 16)}…'`, id);
      this.blobs.set(id, entry);
      id = entry.base;
    }
  }

  /** Takes a record of the remote, and those of the bases under it that are not here. @throws {CorruptError} */
  async take(start: Id, segment: number): Promise<void> {
    const { remote, repo, shown } = this.#parts;
    for (let id: Id | null = start; id !== null; ) {
      const key: string = segmentKey(id, segment);
      if (this.segments.has(key)) return;
      await this.#pace.step();
      const local = await repo.store.here.findSegment(id, segment);
      if (id !== start && local !== null) return;
      const entry: SegmentEntry | null = await remote.findSegment(id, segment);
      if (entry === null) throw damagedRemote(shown, `it lacks extent '${id.slice(0, 16)}…'`, id);
      const isTwin = local !== null && !this.#replaces && isSameCoding(entry, local);
      const taken = { entry, twin: isTwin ? local : null, planes: 0, head: null };
      this.segments.set(key, taken);
      this.#fresh.push(taken);
      id = entry.base;
    }
  }

  /** Records that were taken since this was asked last: their heads have not arrived. */
  takeFresh(): Taken[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** True if planes of a record are here already. */
  isLocal({ twin }: Taken, plane: PlaneClass): boolean {
    if (twin === null) return false;
    return !(this.#parts.repo.store.promised?.absent(twin.set) ?? []).includes(plane);
  }

  /** Parts of files of the remote that hold the heads and leading planes of records. */
  headRanges(records: Iterable<Taken>): Iterable<FileRanges> {
    return this.#ranges(records, () => ['hi']);
  }

  /** Parts of files of the remote that hold all planes of segments that have to be given. */
  planeRanges(): Iterable<FileRanges> {
    return this.#ranges(this.segments.values(), classesOf);
  }

  #ranges(
    records: Iterable<Taken>,
    wanted: (taken: Taken) => readonly PlaneClass[],
  ): Iterable<FileRanges> {
    const found = new Map<string, FileRanges>();
    for (const taken of records) {
      for (const plane of wanted(taken)) {
        if (this.isLocal(taken, plane)) continue;
        const { fileClass, range } = planeRange(taken.entry, plane);
        if (range.start === range.end) continue;
        const file = remoteFile(this.#infos.get(taken.entry.set) as SetInfo, fileClass);
        const known = found.get(file.name) ?? { file, ranges: [] };
        known.ranges.push(range);
        found.set(file.name, known);
      }
    }
    return found.values();
  }

  /** Bytes of all that arrives, heads and leading planes included. */
  bytes(): number {
    let bytes = 0;
    for (const taken of this.segments.values()) {
      for (const plane of classesOf(taken)) {
        if (this.isLocal(taken, plane)) continue;
        const { range } = planeRange(taken.entry, plane);
        bytes += range.end - range.start;
      }
    }
    for (const { recordBytes } of this.blobs.values()) bytes += recordBytes;
    return bytes;
  }
}

/** Classes of planes that a record has to give. */
export function classesOf({ entry, planes }: Taken): PlaneClass[] {
  return classesFor(entry.width, planes);
}
