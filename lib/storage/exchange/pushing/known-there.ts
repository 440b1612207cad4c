/**
 * What a remote is known to have, without asking it about objects: from the indexes of its sets, as far as they are
 * here or cheap to fetch, and for the other sets from the versions that both sides have.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { readNotes } from '../../repo/refs/refs.js';
import { ObjectStore } from '../../store/object-store.js';
import type { SetInfo } from '../../store/types.js';
import { type Reachable, reachFrom } from '../../upkeep/reachable.js';
import { RemoteBackend, remoteFile } from '../remote/remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import { type PushEnds, pushWalking } from './push-ends.js';

/** An index is fetched if it is a small part of what may be saved by knowing it. */
const INDEX_SHARE = 1 / 32;
const INDEXES_MAX = 64;

/** Versions that refs of the remote name, or a reader has, and that are here, with all that they derive from. */
export async function versionsThere(
  { repo, remote, had = [] }: PushEnds,
  { signal }: TransferOptions,
): Promise<Set<Id>> {
  const there = new Set<Id>();
  const queue = [...remote.state.refs.values(), ...had];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    throwIfAborted(signal);
    if (there.has(id) || !(await repo.store.hasBlob(id))) continue;
    there.add(id);
    pushAll(queue, (await repo.version(id)).parents);
  }
  return there;
}

export class KnownThere {
  readonly versions: ReadonlySet<Id>;
  readonly #ends: PushEnds;
  readonly #options: TransferOptions;
  /** Objects that versions which both sides have need. */
  #shared: Pick<Reachable, 'blobs' | 'extents'> = { blobs: new Map(), extents: new Map() };
  /** The sets of the remote whose indexes are here; null until these were looked at. */
  #known: ObjectStore | null = null;

  /** @param versions  that both sides have. Of objects nothing is known yet. */
  constructor(ends: PushEnds, versions: ReadonlySet<Id>, options: TransferOptions) {
    this.#ends = ends;
    this.versions = versions;
    this.#options = options;
  }

  /**
   * Opens what is known of the remote's sets, and fetches indexes of others where that is cheap.
   * @param bytes  that may have to travel, about. @returns how many sets are not known.
   */
  async learnIndexes(sets: readonly SetInfo[], bytes: number): Promise<number> {
    const { repo, cache } = this.#ends;
    const { store } = repo;
    const listed = new Set(store.sets().map(({ id }) => id));
    const known: SetInfo[] = [];
    const unknown: SetInfo[] = [];
    for (const info of sets) {
      const isHere = listed.has(info.id) || ((await cache?.index(info)) ?? null) !== null;
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
    const places = { local: store.backend, listed: store.sets(), cache, incoming: null };
    this.#known = await ObjectStore.open(new RemoteBackend(known, places));
    return unknown.length;
  }

  async #fetchIndex(info: SetInfo): Promise<void> {
    const { remote, cache } = this.#ends;
    const { name, size } = remoteFile(info, 'idx');
    const pieces: Uint8Array[] = [];
    const take = async (bytes: Uint8Array): Promise<void> => {
      pieces.push(new Uint8Array(bytes));
    };
    const { signal } = this.#options;
    await remote.read(name, { start: 0, end: size }, take, signal ? { signal } : {});
    await cache?.keepIndex(info.id, Buffer.concat(pieces));
  }

  /**
   * Notes what the nearest versions that both sides have need: it is there, whatever set it is in.
   * @param fresh  versions that travel. @param theirs  notes of the remote, by version.
   */
  async learnShared(fresh: ReadonlySet<Id>, theirs: ReadonlyMap<Id, readonly Id[]>): Promise<void> {
    const { repo, had = [] } = this.#ends;
    const border = new Set<Id>();
    for (const id of fresh) {
      for (const parent of (await repo.version(id)).parents) {
        if (!this.versions.has(parent)) continue;
        // A note that is not here may say that the remote gave up what the version needs.
        const here = await readNotes(repo.layout, parent);
        if ((theirs.get(parent) ?? []).every((note) => here.includes(note))) border.add(parent);
      }
    }
    const isKnown = (): boolean => false;
    // A reader who has a version has all that it derives from, and no index says what that is.
    const shallow = had.length === 0;
    this.#shared = await reachFrom(repo, border, {
      isKnown,
      shallow,
      ...pushWalking(this.#options),
    });
  }

  async has(kind: 'blob' | 'extent', id: Id): Promise<boolean> {
    const known = this.#known as ObjectStore;
    if (kind === 'blob') return this.#shared.blobs.has(id) || known.hasBlob(id);
    return this.#shared.extents.has(id) || known.hasExtent(id);
  }
}
