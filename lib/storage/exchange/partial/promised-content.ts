/**
 * What remotes are known to have of that which is not here: as .dlv/promised says, and indexes of the remotes that
 * are kept here. No line is needed. @see docs/format/promised.md
 */
import { Pace } from '../../../base/bytes/pace.js';
import { type PromisedOfRemote, readPromised, thinSets } from '../../repo/promised.js';
import { PACKS_DIR } from '../../store/names.js';
import { ObjectStore } from '../../store/object-store.js';
import type { Need, PromisedBy } from '../../store/promised.js';
import {
  type PlaneClass,
  recordKey,
  type SegmentEntry,
  type SetId,
  segmentKey,
  setBytes,
  storedBytes,
} from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { RemoteCache } from '../remote/remote-cache.js';
import { RemoteBackend } from '../remote/remote-store.js';

/** Memory for indexes of what each remote has. */
const INDEX_BYTES = 16 * 1024 * 1024;

/** What one remote is known to have. */
export interface KnownRemote {
  readonly name: string;
  readonly promised: PromisedOfRemote;
  readonly store: ObjectStore;
  /** Sets of which no index is here: what they hold cannot be told; and their bytes. */
  readonly unknown: number;
  readonly unknownBytes: number;
}

export class PromisedContent {
  /** By remote. */
  readonly byRemote: ReadonlyMap<string, PromisedOfRemote>;
  readonly #repo: FetchingRepository;
  readonly #thin: ReadonlyMap<SetId, readonly PlaneClass[]>;
  readonly #signal: AbortSignal | undefined;
  #remotes: Promise<KnownRemote[]> | null = null;
  readonly #notHere = new Map<string, Promise<number>>();

  private constructor(
    repo: FetchingRepository,
    byRemote: ReadonlyMap<string, PromisedOfRemote>,
    thin: ReadonlyMap<SetId, readonly PlaneClass[]>,
    signal: AbortSignal | undefined,
  ) {
    this.#repo = repo;
    this.byRemote = byRemote;
    this.#thin = thin;
    this.#signal = signal;
  }

  /** What is promised at this moment. @throws {CorruptError} */
  static async read(repo: FetchingRepository, signal?: AbortSignal): Promise<PromisedContent> {
    const byRemote = await readPromised(repo.layout);
    return new PromisedContent(repo, byRemote, await thinHere(repo, byRemote), signal);
  }

  /** Leading planes that are taken where nobody asks for more; null: all. */
  get planes(): number | null {
    const taken = [...this.byRemote.values()].map(({ filter }) => filter.planes);
    const classes = new Set([...this.#thin.values()].flat());
    const left = classes.has('mid') ? 2 : classes.has('low') ? 3 : null;
    return taken.find((planes) => planes !== null) ?? left;
  }

  /** Classes of planes of a set that are not here. */
  absent(set: SetId): readonly PlaneClass[] {
    return this.#thin.get(set) ?? [];
  }

  /** Who promised an object; null: nobody. */
  async of(need: Need): Promise<PromisedBy | null> {
    for (const { name, store, unknown } of await this.remotes()) {
      const found =
        need.kind === 'blob'
          ? await store.findBlob(need.id)
          : await store.here.findSegment(need.id, need.segment);
      if (found !== null) {
        const isThin = need.kind === 'extent' && need.whole && 'midBytes' in found;
        const object = need.kind === 'blob' ? need.id : segmentKey(need.id, need.segment);
        const by = {
          ...{ remote: name, object },
          bytes: isThin ? await this.#absentOf(found) : storedBytes(found),
        };
        const namesMore = 'kind' in found && found.kind === 'recipe';
        return namesMore ? { ...by, bytesMax: await this.#bytesNotHere(name) } : by;
      }
      if (unknown > 0) return { remote: name, bytes: 0 };
    }
    return null;
  }

  /** The remotes that promised something, opened once. */
  remotes(): Promise<KnownRemote[]> {
    this.#remotes ??= this.#open();
    return this.#remotes;
  }

  /** Bytes of all that a remote has and that is not here. */
  #bytesNotHere(remote: string): Promise<number> {
    let found = this.#notHere.get(remote);
    if (found === undefined) {
      found = this.#countNotHere(remote);
      this.#notHere.set(remote, found);
    }
    return found;
  }

  async #countNotHere(remote: string): Promise<number> {
    const { store } = this.#repo;
    const pace = new Pace(this.#signal);
    const known = (await this.remotes()).find(({ name }) => name === remote);
    const seen = new Set<string>();
    let bytes = known?.unknownBytes ?? 0;
    for (const info of known?.store.sets() ?? []) {
      for await (const entry of known?.store.recordsIn(info) ?? []) {
        await pace.step();
        const key = recordKey(entry);
        if (seen.has(key)) continue;
        seen.add(key);
        if ('segment' in entry) bytes += await this.#absentOf(entry);
        else if ((await store.findBlob(entry.id)) === null) bytes += storedBytes(entry);
      }
    }
    return bytes;
  }

  /** Bytes of a record of a remote that are not here. */
  async #absentOf(there: SegmentEntry): Promise<number> {
    const here = await this.#repo.store.here.findSegment(there.id, there.segment);
    if (here === null) return storedBytes(there);
    const sizes = { hi: 0, mid: here.midBytes, low: here.lowBytes };
    const absent = here.inline ? [] : this.absent(here.set);
    return absent.reduce((sum, plane) => sum + sizes[plane], 0);
  }

  async #open(): Promise<KnownRemote[]> {
    const { layout, store } = this.#repo;
    const cache = new RemoteCache(layout);
    const known: KnownRemote[] = [];
    for (const [name, promised] of this.byRemote) {
      const listed = new Set(store.sets().map(({ id }) => id));
      const sets: PromisedOfRemote['sets'] = [];
      for (const info of promised.sets) {
        if (listed.has(info.id) || (await cache.index(info)) !== null) sets.push(info);
      }
      const places = { local: store.backend, listed: store.sets(), cache, incoming: null };
      const opened = await ObjectStore.open(new RemoteBackend(sets, places), {
        indexCacheBytes: INDEX_BYTES,
      });
      const left = promised.sets.filter((info) => !sets.includes(info));
      const unknownBytes = left.reduce((sum, info) => sum + setBytes(info), 0);
      known.push({ name, promised, store: opened, unknown: left.length, unknownBytes });
    }
    return known;
  }
}

/**
 * Classes of the files of each set that are not here. A `thin` line allows files to be missing: whatever stored
 * the same records whole, under the same name, has put them here.
 */
async function thinHere(
  { store }: FetchingRepository,
  promised: ReadonlyMap<string, PromisedOfRemote>,
): Promise<Map<SetId, readonly PlaneClass[]>> {
  const thin = thinSets(promised);
  const files = new Set(thin.size === 0 ? [] : await store.backend.list(PACKS_DIR));
  for (const [id, classes] of thin) {
    const absent = classes.filter((plane) => !files.has(`${id}.${plane}`));
    if (absent.length === 0) thin.delete(id);
    else thin.set(id, absent);
  }
  return thin;
}
