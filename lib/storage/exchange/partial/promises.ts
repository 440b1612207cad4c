/**
 * What a repository counts on its remotes to have, and how it gets here when it is needed.
 *
 * Start at `Promises.open`. What is known of it stands in .dlv/promised and in indexes of the remote that are
 * kept here, so it can be told without a line. @see docs/format/promised.md
 */
import type { Id } from '../../../base/bytes/hash.js';
import { Pace } from '../../../base/bytes/pace.js';
import { BugError, DlvError, RemoteError } from '../../../base/errors.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import type { Supply, SupplyWants } from '../../objects/stored/bring.js';
import { type PromisedOfRemote, readPromised, thinSets } from '../../repo/promised.js';
import { readRemotes } from '../../repo/remotes.js';
import { type LowSpeed, parseRate } from '../../repo/settings/rate.js';
import { PACKS_DIR } from '../../store/names.js';
import { ObjectStore } from '../../store/object-store.js';
import {
  type Need,
  neededBytes,
  type Promised,
  type PromisedBy,
  PromisedError,
  planesHere,
  promisedSize,
} from '../../store/promised.js';
import {
  type PlaneClass,
  type SegmentEntry,
  type SetId,
  setBytes,
  storedBytes,
} from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { RemoteCache } from '../remote-cache.js';
import { RemoteBackend } from '../remote-store.js';
import { RateLimit } from '../transports/rate-limit.js';
import type { TransferOptions } from '../transports/transport.js';

/** What is done about something promised: fetched, refused since the user forbade it, or left where it is. */
export type FetchMode = 'fetch' | 'forbidden' | 'left';

/** Share of a set of leading planes that is hidden by what came, from which the set is written again. */
const HIDDEN_SHARE = 0.2;
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
  /** Sets of which no index is here: what they hold cannot be told; and their bytes. */
  readonly unknown: number;
  readonly unknownBytes: number;
}

export class Promises implements Promised, Supply {
  readonly #repo: FetchingRepository;
  readonly #options: PromisesOptions;
  #mode: FetchMode;
  #promised: ReadonlyMap<string, PromisedOfRemote>;
  #thin: ReadonlyMap<SetId, readonly PlaneClass[]>;
  #known: Promise<KnownRemote[]> | null = null;
  readonly #notHere = new Map<string, Promise<number>>();
  #turn: Promise<unknown> = Promise.resolve();
  /** True once files came whole: what else is needed of them stands in .dlv/incoming. */
  #keepsIncoming = false;
  /** True once tensors came: records of fewer of their planes may be here as well. */
  #hasBrought = false;

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
    this.#notHere.clear();
  }

  /** Removes what came and nobody asked for, and frees records of fewer planes than those that came. */
  async close(): Promise<void> {
    if (this.#hasBrought) {
      this.#hasBrought = false;
      const { replaceThinSets } = await import('../../upkeep/thin-sets.js');
      const { signal } = this.#options;
      const how = { share: HIDDEN_SHARE, ...(signal ? { signal } : {}) };
      await replaceThinSets(this.#repo, how).catch((error: unknown) => {
        // What was asked for is done: gc frees it later.
        if (!(error instanceof DlvError) || error instanceof BugError) throw error;
      });
    }
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
        const object = need.kind === 'blob' ? need.id : `${need.id}:${need.segment}`;
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
    const pace = new Pace(this.#options.signal);
    const known = (await (this.#known ?? this.#open())).find(({ name }) => name === remote);
    const seen = new Set<string>();
    let bytes = known?.unknownBytes ?? 0;
    for (const info of known?.store.sets() ?? []) {
      for await (const entry of known?.store.recordsIn(info) ?? []) {
        await pace.step();
        const isSegment = 'segment' in entry;
        const key = isSegment ? `${entry.id}:${entry.segment}` : entry.id;
        if (seen.has(key)) continue;
        seen.add(key);
        if (isSegment) {
          bytes += await this.#absentOf(entry);
        } else if ((await store.findBlob(entry.id)) === null) bytes += storedBytes(entry);
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
      const left = promised.sets.filter((info) => !sets.includes(info));
      const unknownBytes = left.reduce((sum, info) => sum + setBytes(info), 0);
      known.push({ name, promised, store: opened, unknown: left.length, unknownBytes });
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
    for (const [remote, { wants: part, ...sizes }] of parts) {
      const by = { remote, ...sizes };
      const mode = this.#mode;
      if (mode !== 'fetch') {
        const shown = promisedSize(by);
        const size = shown === '' ? '' : ` (${shown})`;
        const why = mode === 'forbidden' ? ', and --no-fetch forbids to fetch it' : '';
        throw new PromisedError(`${what}${size}`, by, why);
      }
      await this.#fetch(by, part);
    }
  }

  /** Parts of what is wanted that are not here, by who promised them. */
  async #byRemote(wants: SupplyWants): Promise<Map<string, Part>> {
    const parts = new Map<string, Part>();
    const partOf = (by: PromisedBy): Part['wants'] => {
      const none: Part = { wants: { blobs: [], extents: new Map() }, bytes: 0 };
      const known = parts.get(by.remote);
      const part = known ?? none;
      if (known !== undefined) delete part.object;
      else if (by.object !== undefined) part.object = by.object;
      part.bytes += by.bytes;
      part.below = (part.below ?? 0) + (by.below ?? 0);
      if (by.bytesMax !== undefined) part.bytesMax = by.bytesMax;
      parts.set(by.remote, part);
      return part.wants;
    };
    const { store } = this.#repo;
    for (const id of wants.blobs) {
      if (await store.hasBlob(id)) continue;
      const by = await this.of({ kind: 'blob', id });
      if (by !== null) partOf(by).blobs.push(id);
    }
    const counted = new Set<string>();
    for (const [id, want] of wants.extents) {
      const by = await this.#missingOf(id, want, counted);
      if (by !== null) partOf(by).extents.set(id, want);
    }
    return parts;
  }

  /** Who promised what is not here of an extent, bases of it included; null if all is here. */
  async #missingOf(
    id: Id,
    { planes, segments }: { planes: number; segments: number },
    counted: Set<string>,
  ): Promise<PromisedBy | null> {
    let found: PromisedBy | null = null as PromisedBy | null;
    for (let segment = 0; segment < segments; segment++) {
      const need = await this.#shortLink(id, segment, planes);
      if (need === null) continue;
      const by = await this.of(need);
      if (by === null) continue;
      const below = await this.#bytesBelow(need, segment, counted);
      found =
        found === null
          ? { ...by, below }
          : {
              remote: by.remote,
              bytes: by.bytes + found.bytes,
              below: below + (found.below ?? 0),
            };
    }
    return found;
  }

  /** Bytes of the links under one that is not here, as far as they are not here either. @param counted  grows. */
  async #bytesBelow({ id: start }: Need, segment: number, counted: Set<string>): Promise<number> {
    const { here } = this.#repo.store;
    const remotes = await (this.#known ?? this.#open());
    const there = async (id: Id): Promise<SegmentEntry | null> => {
      for (const { store } of remotes) {
        const entry = await store.here.findSegment(id, segment);
        if (entry !== null) return entry;
      }
      return null;
    };
    let bytes = 0;
    counted.add(`${start}:${segment}`);
    for (let id = (await there(start))?.base ?? null; id !== null; ) {
      const key = `${id}:${segment}`;
      if (counted.has(key) || (await here.findSegment(id, segment)) !== null) break;
      counted.add(key);
      const entry = await there(id);
      bytes += entry === null ? 0 : storedBytes(entry);
      id = entry?.base ?? null;
    }
    return bytes;
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

  async #fetch(by: PromisedBy, wants: Part['wants']): Promise<void> {
    const { remote } = by;
    const bytes = neededBytes(by);
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
      throw unreachable(error, by);
    }
    try {
      const onPlan = (planned: number): void => onFetch?.(remote, planned);
      const bringing = { ...this.#options, onPlan, keepsWhole: true };
      await bringObjects(this.#repo, { source, remote }, wants, bringing);
      this.#hasBrought ||= wants.extents.size > 0;
      if (source.sendsWhole && !this.#keepsIncoming) {
        this.#keepsIncoming = true;
        this.#options.onWhole?.(source.shown);
      }
    } catch (error) {
      throw unreachable(error, by);
    } finally {
      await source.close();
    }
  }
}

/** What one remote has to give. */
interface Part {
  wants: { blobs: Id[]; extents: PartialExtents };
  bytes: number;
  below?: number;
  bytesMax?: number;
  object?: string;
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
function unreachable(error: unknown, by: PromisedBy): unknown {
  if (!(error instanceof RemoteError)) return error;
  const { remote } = by;
  const bytes = neededBytes(by);
  const size = (bytes > 0 && promisedSize(by)) || 'objects';
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
