/**
 * What a repository counts on its remotes to have, and how it gets here when it is needed.
 *
 * Start at `Promises.open`. What is known of it stands in .dlv/promised and in indexes of the remote that are
 * kept here, so it can be told without a line. @see docs/format/promised.md
 */
import type { Id } from '../../../base/bytes/hash.js';
import { RemoteError } from '../../../base/errors.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/link.js';
import type { Supply, SupplyWants } from '../../objects/stored/bring.js';
import { type PromisedOfRemote, readPromised, thinSets } from '../../repo/promised.js';
import { readRemotes } from '../../repo/remotes.js';
import { type LowSpeed, parseRate } from '../../repo/settings/rate.js';
import { PACKS_DIR } from '../../store/names.js';
import { ObjectStore } from '../../store/object-store.js';
import {
  type Need,
  type Promised,
  type PromisedBy,
  PromisedError,
  planesHere,
} from '../../store/promised.js';
import { type PlaneClass, type SegmentEntry, type SetId, storedBytes } from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { RemoteCache } from '../remote-cache.js';
import { RemoteBackend } from '../remote-store.js';
import { RateLimit } from '../transports/rate-limit.js';
import type { TransferOptions } from '../transports/transport.js';

/** What is done about something promised: fetched, refused since the user forbade it, or left where it is. */
export type FetchMode = 'fetch' | 'forbidden' | 'left';

/** Memory for indexes of what each remote has. */
const INDEX_BYTES = 16 * 1024 * 1024;

export interface PromisesOptions extends TransferOptions {
  readonly mode: FetchMode;
  readonly cwd: string;
  /** Settings of the line: bytes per second as text, and requests at once. */
  readonly limitRate: string | null;
  readonly jobs: number;
  readonly lowSpeed: LowSpeed;
  /** Begins to fetch so many bytes. */
  onFetch?(remote: string, bytes: number): void;
  /** Is told once of a server that sends whole files. */
  onWhole?(shown: string): void;
}

/** What one remote is known to have. */
interface KnownRemote {
  readonly name: string;
  readonly promised: PromisedOfRemote;
  readonly store: ObjectStore;
  /** Sets of which no index is here: what they hold cannot be told. */
  readonly unknown: number;
}

export class Promises implements Promised, Supply {
  readonly #repo: FetchingRepository;
  readonly #options: PromisesOptions;
  #mode: FetchMode;
  #promised: ReadonlyMap<string, PromisedOfRemote>;
  #thin: ReadonlyMap<SetId, readonly PlaneClass[]>;
  #known: Promise<KnownRemote[]> | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  /** True once files came whole: what else is needed of them stands in .dlv/incoming. */
  #keepsIncoming = false;

  private constructor(
    repo: FetchingRepository,
    promised: ReadonlyMap<string, PromisedOfRemote>,
    thin: ReadonlyMap<SetId, readonly PlaneClass[]>,
    options: PromisesOptions,
  ) {
    this.#repo = repo;
    this.#options = options;
    this.#mode = options.mode;
    this.#promised = promised;
    this.#thin = thin;
  }

  /** What is promised to a repository; null if nothing is. @throws {CorruptError} */
  static async open(repo: FetchingRepository, options: PromisesOptions): Promise<Promises | null> {
    const promised = await readPromised(repo.layout);
    if (promised.size === 0) return null;
    return new Promises(repo, promised, await thinHere(repo, promised), options);
  }

  /** Leading planes that are taken where nobody asks for more; null: all. */
  get planes(): number | null {
    const taken = [...this.#promised.values()].map(({ filter }) => filter.planes);
    const classes = new Set([...this.#thin.values()].flat());
    const left = classes.has('mid') ? 2 : classes.has('low') ? 3 : null;
    return taken.find((planes) => planes !== null) ?? left;
  }

  /** Runs something that must not fetch: what is promised counts as not here. */
  async leaving<T>(action: () => Promise<T>): Promise<T> {
    const before = this.#mode;
    this.#mode = 'left';
    try {
      return await action();
    } finally {
      this.#mode = before;
    }
  }

  /** By remote. */
  get byRemote(): ReadonlyMap<string, PromisedOfRemote> {
    return this.#promised;
  }

  /** Reads again what is promised, after it changed. */
  async reload(): Promise<void> {
    this.#promised = await readPromised(this.#repo.layout);
    this.#thin = await thinHere(this.#repo, this.#promised);
    this.#known = null;
  }

  /** Removes what came and nobody asked for. */
  async close(): Promise<void> {
    if (!this.#keepsIncoming) return;
    const { removeOwnIncoming } = await import('../incoming.js');
    await removeOwnIncoming(this.#repo.layout);
  }

  absent(set: SetId): readonly PlaneClass[] {
    return this.#thin.get(set) ?? [];
  }

  async of(need: Need): Promise<PromisedBy | null> {
    this.#known ??= this.#open();
    for (const { name, store, unknown } of await this.#known) {
      const found =
        need.kind === 'blob'
          ? await store.findBlob(need.id)
          : await store.here.findSegment(need.id, need.segment);
      if (found !== null) {
        const isThin = need.kind === 'extent' && need.whole && 'midBytes' in found;
        return {
          remote: name,
          bytes: isThin ? found.midBytes + found.lowBytes : storedBytes(found),
        };
      }
      if (unknown > 0) return { remote: name, bytes: 0 };
    }
    return null;
  }

  async #open(): Promise<KnownRemote[]> {
    const { layout, store } = this.#repo;
    const cache = new RemoteCache(layout);
    const known: KnownRemote[] = [];
    for (const [name, promised] of this.#promised) {
      const listed = new Set(store.sets().map(({ id }) => id));
      const sets: PromisedOfRemote['sets'] = [];
      for (const info of promised.sets) {
        if (listed.has(info.id) || (await cache.index(info)) !== null) sets.push(info);
      }
      const places = { local: store.backend, listed: store.sets(), cache, incoming: null };
      const opened = await ObjectStore.open(new RemoteBackend(sets, places), {
        indexCacheBytes: INDEX_BYTES,
      });
      known.push({ name, promised, store: opened, unknown: promised.sets.length - sets.length });
    }
    return known;
  }

  async bring(need: Need): Promise<void> {
    const { planes, segments } = await this.#sizeOf(need);
    const wants: SupplyWants =
      need.kind === 'blob'
        ? { blobs: [need.id], extents: new Map() }
        : { blobs: [], extents: new Map([[need.id, { planes, segments }]]) };
    await this.bringAll(wants, nameOf(need));
  }

  /** Planes that one object is fetched with, and its segments. */
  async #sizeOf(need: Need): Promise<{ planes: number; segments: number }> {
    if (need.kind === 'blob') return { planes: 0, segments: 0 };
    const by = await this.of(need);
    const known = (await (this.#known ?? this.#open())).find(({ name }) => name === by?.remote);
    const found =
      (await this.#repo.store.here.findSegment(need.id, need.segment)) ??
      (await known?.store.here.findSegment(need.id, need.segment)) ??
      null;
    const few = known?.promised.filter.planes ?? WHOLE;
    return { planes: need.whole ? WHOLE : few, segments: found?.segments ?? 1 };
  }

  /**
   * Sees to it that objects are here, with as many planes as are wanted; what is here already costs nothing.
   * @param what  for messages.
   * @throws {PromisedError} if fetching is not wanted; {RemoteError} if the remote cannot be reached.
   */
  async bringAll(wants: SupplyWants, what: string): Promise<void> {
    const run = this.#turn.then(() => this.#bring(wants, what));
    this.#turn = run.catch(() => {});
    return run;
  }

  async #bring(wants: SupplyWants, what: string): Promise<void> {
    const parts = await this.#byRemote(wants);
    for (const [remote, { wants: part, bytes }] of parts) {
      const by = { remote, bytes };
      const mode = this.#mode;
      if (mode !== 'fetch') {
        const size = bytes > 0 ? ` (${bytes} bytes)` : '';
        const why = mode === 'forbidden' ? ', and --no-fetch forbids to fetch it' : '';
        throw new PromisedError(`${what}${size}`, by, why);
      }
      await this.#fetch(remote, part, bytes);
    }
  }

  /** Parts of what is wanted that are not here, by who promised them. */
  async #byRemote(wants: SupplyWants): Promise<Map<string, Part>> {
    const parts = new Map<string, Part>();
    const partOf = (by: PromisedBy): Part['wants'] => {
      const none: Part = { wants: { blobs: [], extents: new Map() }, bytes: 0 };
      const part = parts.get(by.remote) ?? none;
      part.bytes += by.bytes;
      parts.set(by.remote, part);
      return part.wants;
    };
    const { store } = this.#repo;
    for (const id of wants.blobs) {
      if (await store.hasBlob(id)) continue;
      const by = await this.of({ kind: 'blob', id });
      if (by !== null) partOf(by).blobs.push(id);
    }
    for (const [id, want] of wants.extents) {
      const by = await this.#missingOf(id, want);
      if (by !== null) partOf(by).extents.set(id, want);
    }
    return parts;
  }

  /** Who promised what is not here of an extent, bases of it included; null if all is here. */
  async #missingOf(
    id: Id,
    { planes, segments }: { planes: number; segments: number },
  ): Promise<PromisedBy | null> {
    let found: PromisedBy | null = null as PromisedBy | null;
    for (let segment = 0; segment < segments; segment++) {
      const need = await this.#shortLink(id, segment, planes);
      if (need === null) continue;
      const by = await this.of(need);
      if (by === null) continue;
      found = { remote: by.remote, bytes: by.bytes + (found?.bytes ?? 0) };
    }
    return found;
  }

  /** The first link of a chain that is not here with the planes that are needed of it. */
  async #shortLink(start: Id, segment: number, wanted: number): Promise<Need | null> {
    const { here } = this.#repo.store;
    let planes = wanted;
    for (let id: Id | null = start; id !== null; ) {
      const entry: SegmentEntry | null = await here.findSegment(id, segment);
      if (entry === null) return { kind: 'extent', id, segment, whole: false };
      const few = Math.min(planes, entry.width);
      if (planesHere(entry, this.absent(entry.set)) < few) {
        return { kind: 'extent', id, segment, whole: true };
      }
      if (entry.base === null) return null;
      // As readers do: they look at heads only where that is worth it.
      const head = wantsHead(entry, few) ? await here.openSegment(id, segment) : null;
      planes = basePlanesOf(entry, head, stopOf(entry, head, few));
      id = entry.base;
    }
    return null;
  }

  async #fetch(remote: string, wants: Part['wants'], bytes: number): Promise<void> {
    const url = (await readRemotes(this.#repo.layout)).urls.get(remote);
    if (url === undefined) {
      throw new RemoteError(`the remote '${remote}', which has what is needed, is not known here`, {
        remote,
        bytes,
        hint: `name its address again: 'dlv remote add ${remote} <url>'`,
      });
    }
    const { bringObjects } = await import('./bring.js');
    const { openReader } = await import('../open-remote.js');
    const { signal, cwd, onFetch, jobs, limitRate, lowSpeed } = this.#options;
    const rate = limitRate === null ? null : parseRate(limitRate);
    const how = {
      cwd,
      cache: new RemoteCache(this.#repo.layout),
      connections: jobs,
      lowSpeed,
      ...(rate === null ? {} : { rate: new RateLimit(rate) }),
      ...(signal ? { signal } : {}),
    };
    onFetch?.(remote, 0);
    let source: Awaited<ReturnType<typeof openReader>>;
    try {
      source = await openReader(url, how);
    } catch (error) {
      throw unreachable(error, { remote, bytes });
    }
    try {
      const onPlan = (planned: number): void => onFetch?.(remote, planned);
      const bringing = { ...this.#options, onPlan, keepsWhole: true };
      await bringObjects(this.#repo, { source, remote }, wants, bringing);
      if (source.sendsWhole && !this.#keepsIncoming) {
        this.#keepsIncoming = true;
        this.#options.onWhole?.(source.shown);
      }
    } catch (error) {
      throw unreachable(error, { remote, bytes });
    } finally {
      await source.close();
    }
  }
}

/** What one remote has to give. */
interface Part {
  wants: { blobs: Id[]; extents: PartialExtents };
  bytes: number;
}

type PartialExtents = Map<Id, { planes: number; segments: number }>;

/** All planes of any extent. */
export const WHOLE = WIDTH_MAX;

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

function nameOf(need: Need): string {
  if (need.kind === 'blob') return `object '${need.id.slice(0, 16)}…'`;
  const what = `extent '${need.id.slice(0, 16)}…'`;
  return need.whole ? `what is missing of ${what}` : what;
}

/** An error of the line that says what for, and how much it is about. */
function unreachable(error: unknown, { remote, bytes }: PromisedBy): unknown {
  if (!(error instanceof RemoteError)) return error;
  const size = bytes > 0 ? `${bytes} bytes` : 'objects';
  return new RemoteError(
    `${size} that are needed are at the remote '${remote}' alone, and it cannot be read: ${error.message}`,
    {
      ...error.data,
      remote,
      bytes,
      hint: `make '${remote}' reachable, then run the command again`,
    },
  );
}
