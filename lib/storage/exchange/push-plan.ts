/**
 * Which records a remote lacks of what some versions need, and how they travel.
 *
 * Start at `planPush`. `pushing/known-there.ts` tells what the remote has, `pushing/new-notes.ts` which notes travel,
 * `pushing/pushed-sets.ts` in which sets the records do.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { CorruptError } from '../../base/errors.js';
import { WIDTH_MAX } from '../../base/limits.js';
import {
  type BlobEntry,
  recordKey,
  type SegmentEntry,
  type SetId,
  storedBytes,
} from '../store/types.js';
import { Reachable, reachFrom } from '../upkeep/reachable.js';
import { KnownThere, versionsThere } from './pushing/known-there.js';
import { newNotes, type PushedTombstones } from './pushing/new-notes.js';
import { type PushEnds, pushWalking } from './pushing/push-ends.js';
import { type PushedSet, pushedSets } from './pushing/pushed-sets.js';
import type { TransferOptions } from './transports/transport.js';

export interface PushPlan {
  /** Versions that the remote gets. */
  readonly versions: ReadonlySet<Id>;
  readonly sets: PushedSet[];
  /** Records that travel without their base, by `recordKey`. */
  readonly alone: ReadonlySet<string>;
  /** Notes that the remote gets, by version. */
  readonly notes: Map<Id, Id[]>;
  /** Sets of the remote that the plan counts on. */
  readonly relied: ReadonlySet<SetId>;
  /** Bytes of the records. */
  readonly bytes: number;
}

export interface PushPlanOptions extends TransferOptions {
  tombstones?: PushedTombstones;
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

class Planning {
  readonly #ends: PushEnds;
  readonly #options: PushPlanOptions;

  constructor(ends: PushEnds, options: PushPlanOptions) {
    this.#ends = ends;
    this.#options = options;
  }

  async run(tips: readonly Id[]): Promise<PushPlan> {
    const { repo, remote, had = [] } = this.#ends;
    const { sets, notes: theirs } = await remote.holdings(this.#options);
    const versions = await versionsThere(this.#ends, this.#options);
    const { tombstones } = this.#options;
    const notes = await newNotes(this.#ends, tips, { versions, notes: theirs }, tombstones);
    const needed = await reachFrom(repo, [...tips, ...notes.keys()], {
      isKnown: (id) => versions.has(id) && !notes.has(id),
      ...pushWalking(this.#options),
    });
    const there = new KnownThere(this.#ends, versions, this.#options);
    const unknown = await there.learnIndexes(sets, await this.#storedBytes(needed));
    if (unknown > 0 || had.length > 0) await there.learnShared(needed.versions, theirs);
    await this.#dropPresent(needed, there);
    await this.#bringMissing(needed);
    return {
      ...(await this.#planRecords(needed, there)),
      versions: new Set([...needed.versions].filter((id) => !versions.has(id))),
      notes,
      relied: new Set(sets.map(({ id }) => id)),
    };
  }

  /** A plan of notes alone. */
  async notes(wanted: ReadonlyMap<Id, readonly Id[]>): Promise<PushPlan> {
    const { sets } = await this.#ends.remote.holdings(this.#options);
    const blobs = [...wanted.values()].flat().map((id) => [id, 'note'] as const);
    const needed: Reachable = Object.assign(new Reachable(), { blobs: new Map(blobs) });
    const there = new KnownThere(this.#ends, new Set(), this.#options);
    await there.learnIndexes(sets, 0);
    return {
      ...(await this.#planRecords(needed, there)),
      versions: new Set(),
      notes: new Map([...wanted].map(([version, ids]) => [version, [...ids]])),
      relied: new Set(),
    };
  }

  /** How the records of objects travel. */
  async #planRecords(
    needed: Reachable,
    there: KnownThere,
  ): Promise<Pick<PushPlan, 'sets' | 'alone' | 'bytes'>> {
    const entries = await this.#entries(needed);
    const alone = await withoutBase(needed, entries, there);
    return {
      sets: await pushedSets(this.#ends.repo.store, entries, alone),
      alone,
      bytes: entries.reduce((sum, entry) => sum + storedBytes(entry), 0),
    };
  }

  /** About what the records take that may have to travel. */
  async #storedBytes(needed: Reachable): Promise<number> {
    let bytes = 0;
    for (const id of needed.extents.keys()) {
      const entry = await this.#ends.repo.store.here.findSegment(id, 0);
      if (entry !== null) bytes += storedBytes(entry) * entry.segments;
    }
    return bytes;
  }

  async #dropPresent(needed: Reachable, there: KnownThere): Promise<void> {
    for (const id of needed.blobs.keys()) {
      throwIfAborted(this.#options.signal);
      if (await there.has('blob', id)) needed.blobs.delete(id);
    }
    for (const id of needed.extents.keys()) {
      throwIfAborted(this.#options.signal);
      if (await there.has('extent', id)) needed.extents.delete(id);
    }
  }

  /** In a partial clone, what travels may be at another remote alone. @throws {PromisedError} {RemoteError} */
  async #bringMissing({ blobs, extents }: Reachable): Promise<void> {
    const wants = new Map(
      [...extents].map(([id, segments]) => [id, { planes: WIDTH_MAX, segments }]),
    );
    const supply = this.#ends.repo.promises;
    await supply?.bringAll({ blobs: blobs.keys(), extents: wants }, 'content to be pushed');
  }

  async #entries(needed: Reachable): Promise<(BlobEntry | SegmentEntry)[]> {
    const { store } = this.#ends.repo;
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
}

/** Records whose base neither is there nor travels for its own sake. */
async function withoutBase(
  needed: Reachable,
  entries: readonly (BlobEntry | SegmentEntry)[],
  there: KnownThere,
): Promise<Set<string>> {
  const alone = new Set<string>();
  for (const entry of entries) {
    const { base } = entry;
    if (base === null) continue;
    const kind = 'kind' in entry ? 'blob' : 'extent';
    const travels = kind === 'blob' ? needed.blobs.has(base) : needed.extents.has(base);
    if (!travels && !(await there.has(kind, base))) alone.add(recordKey(entry));
  }
  return alone;
}

function missing(id: Id): never {
  throw new CorruptError(`cannot push: object '${id}' is missing here`, {
    id,
    hint: "run 'dlv fsck' and repair the repository first",
  });
}
