/**
 * Brings objects of a remote here, with as many planes as are wanted: what is here is not fetched again, and of
 * what is not wanted nothing is.
 *
 * Start at `downloadPartly`. Heads and leading planes arrive first: they say which planes of which bases the
 * wanted ones need.
 */

import { crc32 } from '../../../base/bytes/checksum.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { Pace } from '../../../base/bytes/pace.js';
import { TRANSFER_GAP_BYTES } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import { classesFor } from '../../objects/planes/read-counts.js';
import {
  type OpenedSegment,
  openSegmentOf,
  readBlobOf,
  readPlanesOf,
} from '../../objects/records.js';
import type { SupplyWants } from '../../objects/stored/bring.js';
import { newWorkName } from '../../repo/processes/made-names.js';
import { packName } from '../../store/names.js';

import { RollingWriter, removeSealed } from '../../store/packs/rolling-writer.js';
import { planesHere } from '../../store/promised.js';
import {
  type BlobEntry,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type SealedSet,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  segmentHeaderBytes,
} from '../../store/types.js';
import { disturbedHere } from '../fetching/disturbed.js';
import type { FetchParts } from '../fetching/parts.js';
import { joinRanges } from '../ranges.js';
import { damagedRemote } from '../remote-damage.js';
import { remoteFile } from '../remote-store.js';
import type { ByteRange, TransferOptions } from '../transports/transport.js';

/** Sets that were made of what arrived. */
export interface PartlyDownloaded {
  readonly sealed: SealedSet[];
  /** Classes of planes that are not in some of them. */
  readonly thin: Map<SetId, PlaneClass[]>;
  /** What they hold. */
  readonly blobs: Map<Id, BlobEntry['kind']>;
  readonly extents: Map<Id, number>;
}

export interface PartialOptions extends TransferOptions {
  /** Is told of the bytes that will arrive, once they are known. */
  onPlan?(bytes: number): void;
  /** Only finds out how many bytes would come: heads and leading planes arrive all the same. */
  isDryRun?: boolean;
  /** Takes the place of what is here: it is damaged. */
  replaces?: boolean;
}

/** Files of which parts arrive at once. */
const FILES_AT_ONCE = 4;
/** Parts of a file that stand so close arrive as one: less than what low planes in between would cost. */
const GAP_BYTES = TRANSFER_GAP_BYTES / 16;

/** @throws {CorruptError} if the remote lacks something; {RemoteError} */
export async function downloadPartly(
  parts: FetchParts,
  wants: SupplyWants,
  options: PartialOptions = {},
): Promise<PartlyDownloaded> {
  const download = new PartialDownload(parts, options);
  return download.run(wants);
}

/** A record of an extent that is taken. */
interface Taken {
  readonly entry: SegmentEntry;
  /** The same record here, of which planes are missing; its head and leading planes are not fetched. */
  readonly twin: SegmentEntry | null;
  /** Leading planes that it has to give. */
  planes: number;
  head: OpenedSegment | null;
}

class PartialDownload {
  readonly #parts: FetchParts;
  readonly #options: PartialOptions;
  readonly #pace: Pace;
  readonly #infos: ReadonlyMap<SetId, SetInfo>;
  readonly #blobs = new Map<Id, BlobEntry>();
  readonly #taken = new Map<string, Taken>();
  /** Records taken whose heads have not arrived. */
  #fresh: Taken[] = [];

  constructor(parts: FetchParts, options: PartialOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#pace = new Pace(options.signal);
    this.#infos = new Map(parts.sets.map((info) => [info.id, info]));
  }

  async run({ blobs, extents }: SupplyWants): Promise<PartlyDownloaded> {
    for (const id of blobs) await this.#takeBlob(id);
    for (const [id, { segments }] of extents) {
      for (let segment = 0; segment < segments; segment++) {
        if (this.#options.replaces || (await this.#here(id, segment)) === null) {
          await this.#take(id, segment);
        }
      }
    }
    for (let open = [...wantsOf(extents)]; open.length > 0; ) {
      await this.#arriveHeads();
      const short: Want[] = [];
      for (const want of open) pushAll(short, await this.#spread(want));
      for (const { id, segment } of short) await this.#take(id, segment);
      open = short;
    }
    await this.#arriveHeads();
    this.#options.onPlan?.(this.#bytes());
    if (this.#options.isDryRun) return none();
    // Leading planes are here by now, and count as such.
    await this.#arrive(
      this.#ranges((taken) => this.#classes(taken)),
      this.#options.onBytes,
    );
    return this.#copy();
  }

  #here(id: Id, segment: number): Promise<SegmentEntry | null> {
    return this.#parts.repo.store.here.findSegment(id, segment);
  }

  async #takeBlob(start: Id): Promise<void> {
    const { remote, repo, shown } = this.#parts;
    for (let id: Id | null = start; id !== null && !this.#blobs.has(id); ) {
      await this.#pace.step();
      const isWanted = id === start && this.#options.replaces === true;
      if (!isWanted && (await repo.store.hasBlob(id))) return;
      const entry: BlobEntry | null = await remote.findBlob(id);
      if (entry === null) throw damagedRemote(shown, `it lacks object '${id.slice(0, 16)}…'`, id);
      this.#blobs.set(id, entry);
      id = entry.base;
    }
  }

  /** Takes a record of the remote, and those of the bases under it that are not here. */
  async #take(start: Id, segment: number): Promise<void> {
    const { remote, shown } = this.#parts;
    for (let id: Id | null = start; id !== null && !this.#taken.has(keyOf(id, segment)); ) {
      await this.#pace.step();
      const local = await this.#here(id, segment);
      if (id !== start && local !== null) return;
      const entry: SegmentEntry | null = await remote.findSegment(id, segment);
      if (entry === null) throw damagedRemote(shown, `it lacks extent '${id.slice(0, 16)}…'`, id);
      const isTwin = local !== null && !this.#options.replaces && isSameCoding(entry, local);
      const taken = { entry, twin: isTwin ? local : null, planes: 0, head: null };
      this.#taken.set(keyOf(id, segment), taken);
      this.#fresh.push(taken);
      id = entry.base;
    }
  }

  /** Sees to it that the heads and leading planes of what was taken are here. */
  async #arriveHeads(): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = [];
    await this.#arrive(this.#ranges(() => ['hi'], fresh));
    for (const taken of fresh) {
      const { entry, twin } = taken;
      taken.head =
        twin === null
          ? await openSegmentOf(this.#parts.remote.backend, entry)
          : await this.#parts.repo.store.here.openSegment(entry.id, entry.segment);
    }
  }

  /** Follows what wanted planes need down a chain. @returns records here that have too few of them. */
  async #spread(want: Want): Promise<Want[]> {
    const { store } = this.#parts.repo;
    let { id, segment, planes } = want;
    for (;;) {
      await this.#pace.step();
      const taken = this.#taken.get(keyOf(id, segment));
      const entry = taken?.entry ?? (await this.#here(id, segment));
      if (entry === null) {
        await this.#take(id, segment);
        return [{ id, segment, planes }];
      }
      const wanted = Math.min(planes, entry.width);
      if (taken === undefined) {
        const absent = store.promised?.absent(entry.set) ?? [];
        if (planesHere(entry, absent) < wanted) return [{ id, segment, planes }];
      }
      if (taken !== undefined && taken.head === null) return [{ id, segment, planes }];
      // As readers do: they look at heads only where that is worth it.
      const looks = wantsHead(entry, wanted);
      const head = looks ? (taken?.head ?? (await store.here.openSegment(id, segment))) : null;
      const stop = stopOf(entry, head, wanted);
      if (taken !== undefined) {
        if (taken.planes >= stop) return [];
        taken.planes = stop;
      } else if (planesHere(entry, store.promised?.absent(entry.set) ?? []) < stop) {
        return [{ id, segment, planes }];
      }
      if (entry.base === null) return [];
      planes = basePlanesOf(entry, head, stop);
      id = entry.base;
    }
  }

  /** True if planes of the record are here already. */
  #isLocal({ twin }: Taken, plane: PlaneClass): boolean {
    if (twin === null) return false;
    return !(this.#parts.repo.store.promised?.absent(twin.set) ?? []).includes(plane);
  }

  #classes({ entry, planes }: Taken): PlaneClass[] {
    return classesFor(entry.width, planes);
  }

  /** Parts of files of the remote that hold classes of records; heads come with `hi`. */
  #ranges(
    classesOf: (taken: Taken) => readonly PlaneClass[],
    among: Iterable<Taken> = this.#taken.values(),
  ): Map<string, { file: ReturnType<typeof remoteFile>; ranges: ByteRange[] }> {
    const found = new Map<string, { file: ReturnType<typeof remoteFile>; ranges: ByteRange[] }>();
    const add = (set: SetId, fileClass: FileClass, range: ByteRange): void => {
      if (range.start === range.end) return;
      const file = remoteFile(this.#infos.get(set) as SetInfo, fileClass);
      const known = found.get(file.name) ?? { file, ranges: [] };
      known.ranges.push(range);
      found.set(file.name, known);
    };
    for (const taken of among) {
      for (const plane of classesOf(taken)) {
        if (this.#isLocal(taken, plane)) continue;
        const { fileClass, range } = placeOf(taken.entry, plane);
        add(taken.entry.set, fileClass, range);
      }
    }
    return found;
  }

  async #arrive(
    files: ReadonlyMap<string, { file: ReturnType<typeof remoteFile>; ranges: ByteRange[] }>,
    onHere?: (bytes: number) => void,
  ): Promise<void> {
    await forEachLimit([...files.values()], FILES_AT_ONCE, ({ file, ranges }) =>
      this.#parts.incoming.need(file, joinRanges(ranges, GAP_BYTES), onHere),
    );
  }

  #bytes(): number {
    let bytes = 0;
    for (const taken of this.#taken.values()) {
      for (const plane of this.#classes(taken)) {
        if (this.#isLocal(taken, plane)) continue;
        const { range } = placeOf(taken.entry, plane);
        bytes += range.end - range.start;
      }
    }
    for (const { recordBytes } of this.#blobs.values()) bytes += recordBytes;
    return bytes;
  }

  /** Writes what has arrived into sets of our own: one kind for each choice of planes. */
  async #copy(): Promise<PartlyDownloaded> {
    const { backend } = this.#parts.repo.store;
    const done = none();
    const writers = new Map<string, RollingWriter>();
    const writerFor = (absent: PlaneClass[]): RollingWriter => {
      const key = absent.join(' ');
      const known = writers.get(key);
      if (known !== undefined) return known;
      const onSealed = (set: SealedSet): void => {
        done.sealed.push(set);
        if (absent.length > 0) done.thin.set(set.info.id, absent);
      };
      const writer = new RollingWriter({
        backend,
        tmpName: () => newWorkName('fetch'),
        onSealed,
        absent,
      });
      writers.set(key, writer);
      return writer;
    };
    try {
      for (const entry of [...this.#blobs.values()].sort(byPlace)) {
        await this.#pace.step();
        const record = await readBlobOf(this.#parts.remote.backend, entry);
        await writerFor([]).addBlob(record);
        done.blobs.set(entry.id, entry.kind);
      }
      const taken = [...this.#taken.values()].filter(({ planes }) => planes > 0);
      for (const one of taken.sort((a, b) => byPlace(a.entry, b.entry))) {
        await this.#pace.step();
        await this.#copySegment(one, writerFor);
        done.extents.set(one.entry.id, one.entry.segments);
      }
      for (const writer of writers.values()) await writer.flush();
      return done;
    } catch (error) {
      await removeSealed(backend, done.sealed);
      throw error;
    } finally {
      for (const writer of writers.values()) await writer.abort();
    }
  }

  async #copySegment(
    taken: Taken,
    writerFor: (absent: PlaneClass[]) => RollingWriter,
  ): Promise<void> {
    const { repo, remote } = this.#parts;
    const { entry, twin } = taken;
    const head = taken.head as OpenedSegment;
    const classes = this.#classes(taken);
    const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
    const isLocal = (plane: PlaneClass): boolean => this.#isLocal(taken, plane);
    const record =
      twin === null
        ? await readPlanesOf(remote.backend, head, classes)
        : await repo.store.here.readPlanes(head, PLANE_CLASSES.filter(isLocal));
    if (record === null) throw disturbedHere();
    const whole = { ...record };
    const absent: Partial<Record<'mid' | 'low', { bytes: number; crc: number }>> = {};
    for (const plane of ['mid', 'low'] as const) {
      if (sizes[plane] === 0) continue;
      if (!classes.includes(plane) && !isLocal(plane)) {
        absent[plane] = { bytes: sizes[plane], crc: head.crcs[plane] };
      } else if (twin !== null && !isLocal(plane)) whole[plane] = await this.#payload(taken, plane);
    }
    await writerFor(Object.keys(absent) as PlaneClass[]).addSegment(whole, absent);
  }

  /** Planes of a record whose head is here. @throws {CorruptError} if they are others. */
  async #payload({ entry, head }: Taken, plane: 'mid' | 'low'): Promise<Uint8Array> {
    const { fileClass, range } = placeOf(entry, plane);
    const name = packName(entry.set, fileClass);
    const bytes = await this.#parts.remote.backend.read(name, range.start, range.end - range.start);
    if (crc32(bytes) === head?.crcs[plane]) return bytes;
    throw damagedRemote(
      this.#parts.shown,
      `the ${plane} planes of extent ${entry.id} are others`,
      entry.id,
    );
  }
}

function none(): PartlyDownloaded {
  return { sealed: [], thin: new Map(), blobs: new Map(), extents: new Map() };
}

/** Leading planes that are wanted of a segment. */
interface Want {
  id: Id;
  segment: number;
  planes: number;
}

function* wantsOf(extents: SupplyWants['extents']): Generator<Want> {
  for (const [id, { planes, segments }] of extents) {
    for (let segment = 0; segment < segments; segment++) yield { id, segment, planes };
  }
}

/** Names a record. */
export function keyOf(id: Id, segment: number): string {
  return `${id}:${segment}`;
}

function byPlace(a: BlobEntry | SegmentEntry, b: BlobEntry | SegmentEntry): number {
  if (a.set !== b.set) return a.set < b.set ? -1 : 1;
  return a.offset - b.offset;
}

/** True if two records of a segment are coded alike, as far as indexes tell. */
export function isSameCoding(a: SegmentEntry, b: SegmentEntry): boolean {
  const of = ({ base, width, count, headBytes, hiBytes, midBytes, lowBytes }: SegmentEntry) =>
    JSON.stringify([base, width, count, headBytes, hiBytes, midBytes, lowBytes]);
  return of(a) === of(b);
}

/** Where planes of a record stand; its header and head belong to `hi`. */
export function placeOf(
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
