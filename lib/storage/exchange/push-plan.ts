/**
 * Which records a remote lacks of what some versions need, and how they travel.
 *
 * What is there is told by the indexes of its sets, as far as they are here, and for sets of which no index
 * is here by the versions that both sides have. Nothing is asked of the remote about objects.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { CorruptError, NotFoundError } from '../../base/errors.js';
import { WIDTH_MAX } from '../../base/limits.js';
import type { SuppliedReader } from '../objects/stored/bring.js';
import { readNotes } from '../repo/refs/refs.js';
import { decodeNote } from '../repo/version/note.js';
import { RECALL_NOTE, TOMBSTONE_NOTE } from '../repo/version/tombstone.js';
import { ObjectStore } from '../store/object-store.js';
import {
  type BlobEntry,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  setBytes,
  storedBytes,
} from '../store/types.js';
import { Reachable, reachFrom, refuseBroken } from '../upkeep/reachable.js';
import type { Remote } from './remote.js';
import type { RemoteCache } from './remote-cache.js';
import { RemoteBackend, remoteFile } from './remote-store.js';
import type { TransferOptions } from './transports/transport.js';

/** From where, to where, and what is known of there. */
export interface PushEnds {
  readonly repo: SuppliedReader;
  readonly remote: Remote;
  /** Null for a remote that is new each time. */
  readonly cache: RemoteCache | null;
  /** Versions that whoever reads it has, with all that they need. Notes about them do not travel. */
  readonly had?: readonly Id[];
}

/** A pack set here of which records are pushed. */
export interface PushedSet {
  readonly info: SetInfo;
  readonly entries: (BlobEntry | SegmentEntry)[];
  /** True if the set travels as it is: all its records are pushed, each as it is stored. */
  whole: boolean;
}

export interface PushPlan {
  /** Versions that the remote gets. */
  readonly versions: ReadonlySet<Id>;
  readonly sets: PushedSet[];
  /** Records that travel without their base, by `keyOf`. */
  readonly alone: ReadonlySet<string>;
  /** Notes that the remote gets, by version. */
  readonly notes: Map<Id, Id[]>;
  /** Sets of the remote that the plan counts on. */
  readonly relied: ReadonlySet<SetId>;
  /** Bytes of the records. */
  readonly bytes: number;
}

/** An index is fetched if it is a small part of what may be saved by knowing it. */
const INDEX_SHARE = 1 / 32;
const INDEXES_MAX = 64;
/** Small sets travel as one if there are more than this. */
const SMALL_SETS_MAX = 2;
const SMALL_SET_BYTES = 32 * 1024 * 1024;

/** How `alone` names a record. */
export function keyOf(entry: BlobEntry | SegmentEntry): string {
  return 'kind' in entry ? entry.id : `${entry.id}:${entry.segment}`;
}

export interface PushPlanOptions extends TransferOptions {
  /** Of versions that the remote has: all tombstones and recalls, or recalls alone, which bring content there. */
  tombstones?: 'all' | 'recalls';
  /** Brings these notes there, by version, and nothing else. */
  notes?: ReadonlyMap<Id, readonly Id[]>;
}

/** @throws {CorruptError} {NotFoundError} if something is damaged or missing here. */
export async function planPush(
  ends: PushEnds,
  tips: readonly Id[],
  options: PushPlanOptions = {},
): Promise<PushPlan> {
  const planning = new Planning(ends, options);
  return options.notes === undefined ? planning.run(tips) : planning.notes(options.notes);
}

/** What is known of the other side. */
interface NotesThere {
  /** Its notes, by version. */
  readonly theirs: ReadonlyMap<Id, readonly Id[]>;
  /** Versions that both sides have. */
  readonly there: ReadonlySet<Id>;
}

class Planning {
  readonly #repo: SuppliedReader;
  readonly #remote: Remote;
  readonly #cache: RemoteCache | null;
  readonly #had: readonly Id[];
  readonly #options: PushPlanOptions;
  /** Objects that versions which both sides have need. */
  #shared: Pick<Reachable, 'blobs' | 'extents'> = { blobs: new Map(), extents: new Map() };
  /** The sets of the remote whose indexes are here. */
  #known: ObjectStore | null = null;

  constructor({ repo, remote, cache, had = [] }: PushEnds, options: PushPlanOptions) {
    this.#repo = repo;
    this.#remote = remote;
    this.#cache = cache;
    this.#had = had;
    this.#options = options;
  }

  get #walking() {
    const { signal } = this.#options;
    const onBroken = (link: Parameters<typeof refuseBroken>[1]): void =>
      refuseBroken('cannot push', link);
    return { onBroken, ...(signal ? { signal } : {}) };
  }

  async run(tips: readonly Id[]): Promise<PushPlan> {
    const { sets, notes: theirs } = await this.#remote.holdings(this.#options);
    const there = await this.#versionsThere();
    const notes = await this.#newNotes(tips, { theirs, there });
    const roots = [...tips, ...notes.keys()];
    const isKnown = (id: Id): boolean => there.has(id) && !notes.has(id);
    const needed = await reachFrom(this.#repo, roots, { isKnown, ...this.#walking });
    const bytes = await this.#storedBytes(needed);
    const unknown = await this.#learnIndexes(sets, bytes);
    if (unknown > 0 || this.#had.length > 0) {
      await this.#learnShared(needed.versions, { theirs, there });
    }
    await this.#dropPresent(needed);
    await this.#bringMissing(needed);
    const entries = await this.#entries(needed);
    const alone = await this.#withoutBase(needed, entries);
    return {
      versions: new Set([...needed.versions].filter((id) => !there.has(id))),
      sets: await this.#group(entries, alone),
      alone,
      notes,
      relied: new Set(sets.map(({ id }) => id)),
      bytes: entries.reduce((sum, entry) => sum + storedBytes(entry), 0),
    };
  }

  /** A plan of notes alone. */
  async notes(wanted: ReadonlyMap<Id, readonly Id[]>): Promise<PushPlan> {
    const { sets } = await this.#remote.holdings(this.#options);
    const blobs = [...wanted.values()].flat().map((id) => [id, 'note'] as const);
    const needed: Reachable = Object.assign(new Reachable(), { blobs: new Map(blobs) });
    const entries = await this.#entries(needed);
    await this.#learnIndexes(sets, 0);
    const alone = await this.#withoutBase(needed, entries);
    return {
      versions: new Set(),
      sets: await this.#group(entries, alone),
      alone,
      notes: new Map([...wanted].map(([version, ids]) => [version, [...ids]])),
      relied: new Set(),
      bytes: entries.reduce((sum, entry) => sum + storedBytes(entry), 0),
    };
  }

  /** Versions that refs of the remote name, or a reader has, and that are here, with all that they derive from. */
  async #versionsThere(): Promise<Set<Id>> {
    const there = new Set<Id>();
    const queue = [...this.#remote.state.refs.values(), ...this.#had];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      throwIfAborted(this.#options.signal);
      if (there.has(id) || !(await this.#repo.store.hasBlob(id))) continue;
      there.add(id);
      pushAll(queue, (await this.#repo.version(id)).parents);
    }
    return there;
  }

  /** Notes here about the versions that are pushed, or were, as far as the remote lacks them. */
  async #newNotes(tips: readonly Id[], { theirs, there }: NotesThere): Promise<Map<Id, Id[]>> {
    const found = new Map<Id, Id[]>();
    const met = new Set<Id>();
    const queue = [...tips];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      if (met.has(id) || (this.#had.length > 0 && there.has(id))) continue;
      met.add(id);
      pushAll(queue, (await this.#repo.version(id)).parents);
      const here = await readNotes(this.#repo.layout, id);
      let fresh = here.filter((note) => !theirs.get(id)?.includes(note));
      if (there.has(id) && this.#options.tombstones !== 'all') {
        fresh = await this.#withoutTombstones(fresh);
      }
      if (fresh.length > 0) found.set(id, fresh);
    }
    return found;
  }

  /** What was given up here may stay where it is already. */
  async #withoutTombstones(notes: readonly Id[]): Promise<Id[]> {
    const kept: Id[] = [];
    for (const id of notes) {
      const { kind } = decodeNote(await this.#repo.blobs.readBlob(id, 'note'), `note ${id}`);
      const stays = kind === TOMBSTONE_NOTE || kind === RECALL_NOTE;
      const isRecall = kind === RECALL_NOTE && this.#options.tombstones === 'recalls';
      if (!stays || isRecall) kept.push(id);
    }
    return kept;
  }

  /** About what the records take that may have to travel. */
  async #storedBytes(needed: Reachable): Promise<number> {
    let bytes = 0;
    for (const id of needed.extents.keys()) {
      const entry = await this.#repo.store.here.findSegment(id, 0);
      if (entry !== null) bytes += storedBytes(entry) * entry.segments;
    }
    return bytes;
  }

  /** Opens what is known of the remote's sets. @returns how many are not. */
  async #learnIndexes(sets: readonly SetInfo[], bytes: number): Promise<number> {
    const { store } = this.#repo;
    const listed = new Set(store.sets().map(({ id }) => id));
    const known: SetInfo[] = [];
    const unknown: SetInfo[] = [];
    for (const info of sets) {
      const isHere = listed.has(info.id) || ((await this.#cache?.index(info)) ?? null) !== null;
      (isHere ? known : unknown).push(info);
    }
    const unknownBytes = unknown.reduce((sum, info) => sum + info.bytes.idx, 0);
    const isCheap = unknownBytes <= bytes * INDEX_SHARE && unknown.length <= INDEXES_MAX;
    if (isCheap) {
      for (const info of unknown.splice(0)) {
        await this.#fetchIndex(info);
        known.push(info);
      }
    }
    const places = {
      local: store.backend,
      listed: store.sets(),
      cache: this.#cache,
      incoming: null,
    };
    this.#known = await ObjectStore.open(new RemoteBackend(known, places));
    return unknown.length;
  }

  async #fetchIndex(info: SetInfo): Promise<void> {
    const { name, size } = remoteFile(info, 'idx');
    const pieces: Uint8Array[] = [];
    const take = async (bytes: Uint8Array): Promise<void> => {
      pieces.push(new Uint8Array(bytes));
    };
    const { signal } = this.#options;
    await this.#remote.read(name, { start: 0, end: size }, take, signal ? { signal } : {});
    await this.#cache?.keepIndex(info.id, Buffer.concat(pieces));
  }

  /** What the nearest versions that both sides have need: it is there, whatever set it is in. */
  async #learnShared(fresh: ReadonlySet<Id>, { theirs, there }: NotesThere): Promise<void> {
    const border = new Set<Id>();
    for (const id of fresh) {
      for (const parent of (await this.#repo.version(id)).parents) {
        if (!there.has(parent)) continue;
        // A note that is not here may say that the remote gave up what the version needs.
        const here = await readNotes(this.#repo.layout, parent);
        if ((theirs.get(parent) ?? []).every((note) => here.includes(note))) border.add(parent);
      }
    }
    const isKnown = (): boolean => false;
    // A reader who has a version has all that it derives from, and no index says what that is.
    const shallow = this.#had.length === 0;
    this.#shared = await reachFrom(this.#repo, border, {
      isKnown,
      shallow,
      ...this.#walking,
    });
  }

  async #isThere(kind: 'blob' | 'extent', id: Id): Promise<boolean> {
    const known = this.#known as ObjectStore;
    if (kind === 'blob') return this.#shared.blobs.has(id) || known.hasBlob(id);
    return this.#shared.extents.has(id) || known.hasExtent(id);
  }

  async #dropPresent(needed: Reachable): Promise<void> {
    for (const id of needed.blobs.keys()) {
      throwIfAborted(this.#options.signal);
      if (await this.#isThere('blob', id)) needed.blobs.delete(id);
    }
    for (const id of needed.extents.keys()) {
      throwIfAborted(this.#options.signal);
      if (await this.#isThere('extent', id)) needed.extents.delete(id);
    }
  }

  /** In a partial clone, what travels may be at another remote alone. @throws {PromisedError} {RemoteError} */
  async #bringMissing({ blobs, extents }: Reachable): Promise<void> {
    const wants = new Map(
      [...extents].map(([id, segments]) => [id, { planes: WIDTH_MAX, segments }]),
    );
    const supply = this.#repo.promises;
    await supply?.bringAll({ blobs: blobs.keys(), extents: wants }, 'content to be pushed');
  }

  async #entries(needed: Reachable): Promise<(BlobEntry | SegmentEntry)[]> {
    const { store } = this.#repo;
    const entries: (BlobEntry | SegmentEntry)[] = [];
    for (const id of needed.blobs.keys()) {
      entries.push((await store.findBlob(id)) ?? missing(id));
    }
    for (const [id, segments] of needed.extents) {
      for (let segment = 0; segment < segments; segment++) {
        throwIfAborted(this.#options.signal);
        entries.push((await store.here.findSegment(id, segment)) ?? missing(id));
      }
    }
    return entries;
  }

  /** Records whose base neither is there nor travels for its own sake. */
  async #withoutBase(
    needed: Reachable,
    entries: readonly (BlobEntry | SegmentEntry)[],
  ): Promise<Set<string>> {
    const alone = new Set<string>();
    for (const entry of entries) {
      const { base } = entry;
      if (base === null) continue;
      const kind = 'kind' in entry ? 'blob' : 'extent';
      const travels = kind === 'blob' ? needed.blobs.has(base) : needed.extents.has(base);
      if (!travels && !(await this.#isThere(kind, base))) alone.add(keyOf(entry));
    }
    return alone;
  }

  /** Records by the set that they stand in, in the order of the manifest and of the files. */
  async #group(
    entries: readonly (BlobEntry | SegmentEntry)[],
    alone: ReadonlySet<string>,
  ): Promise<PushedSet[]> {
    const groups = new Map<SetId, (BlobEntry | SegmentEntry)[]>();
    for (const entry of entries) {
      const group = groups.get(entry.set);
      if (group) group.push(entry);
      else groups.set(entry.set, [entry]);
    }
    const sets: PushedSet[] = [];
    for (const info of this.#repo.store.sets()) {
      const group = groups.get(info.id);
      if (group === undefined) continue;
      groups.delete(info.id);
      const isPlain = group.every((entry) => !alone.has(keyOf(entry)));
      const isThin = (this.#repo.store.promised?.absent(info.id) ?? []).length > 0;
      const whole = isPlain && !isThin && (await this.#recordsOf(info)) === group.length;
      sets.push({ info, entries: group.sort(byPlace), whole });
    }
    if (groups.size > 0) throw changedMeanwhile();
    const small = sets.filter(({ whole, info }) => whole && setBytes(info) < SMALL_SET_BYTES);
    if (small.length > SMALL_SETS_MAX) for (const set of small) set.whole = false;
    return sets;
  }

  async #recordsOf(info: SetInfo): Promise<number> {
    let count = 0;
    for await (const _ of this.#repo.store.recordsIn(info)) count++;
    return count;
  }
}

function byPlace(a: BlobEntry | SegmentEntry, b: BlobEntry | SegmentEntry): number {
  return Number('segment' in a) - Number('segment' in b) || a.offset - b.offset;
}

function missing(id: Id): never {
  throw new CorruptError(`cannot push: object '${id}' is missing here`, {
    id,
    hint: "run 'dlv fsck' and repair the repository first",
  });
}

/** That packs went away while they were looked at. */
export function changedMeanwhile(): NotFoundError {
  return new NotFoundError('another command merged packs while versions were pushed', {
    kind: 'pack',
    gone: true,
    hint: 'run the command again',
  });
}
