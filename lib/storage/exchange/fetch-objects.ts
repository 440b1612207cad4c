/**
 * Brings versions of a remote here: plans, downloads, checks what has arrived, and lists it together
 * with the refs that name it.
 *
 * Start at `fetchVersions`. A run that is killed leaves .dlv/incoming, from which the next one goes on; nothing
 * is visible before `publish`.
 */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import type { RepositoryLock } from '../repo/processes/lock.js';
import { leavesOut, type PartialFilter } from '../repo/promised.js';
import { shortId } from '../repo/version/short-id.js';
import { ObjectStore } from '../store/object-store.js';
import { removeSealed } from '../store/packs/rolling-writer.js';
import type { SealedSet, SetId } from '../store/types.js';
import { type FetchingRepository, type FetchPlan, planFetch } from './fetch-plan.js';
import { checkArrived } from './fetching/arrival.js';
import { checkUndisturbed, type FetchRun, whileItChanges } from './fetching/disturbed.js';
import { checkRoom, download } from './fetching/download.js';
import { keepIndexes } from './fetching/keep-indexes.js';
import { knownVersions, newNotes } from './fetching/known-here.js';
import type { FetchParts } from './fetching/parts.js';
import { isWholly } from './fetching/places.js';
import { Incoming } from './incoming.js';
import { type FetchedNumbers, joinNumbers, raiseNumbers } from './numbers.js';
import { Announced } from './partial/announced.js';
import { listPartly } from './partial/bring.js';
import { downloadPartly } from './partial/partial-download.js';
import { waitingSets } from './partial/waiting.js';
import type { RemoteReader } from './remote/remote.js';
import { RemoteCache } from './remote/remote-cache.js';
import { addRemoteFlags } from './remote/remote-flags.js';
import { RemoteBackend } from './remote/remote-store.js';
import type { TransferOptions } from './transports/transport.js';

export interface FetchOptions extends TransferOptions {
  /** Begins a piece of work of so many bytes. */
  onStart?(what: 'plan' | 'fetch' | 'check', bytes: number): void;
  /** Only says what would be fetched. */
  dryRun?: boolean;
  /** What of the versions is taken, and the remote that promises the rest. */
  partial?: { readonly remote: string; readonly filter: PartialFilter };
  /** Asked once the versions that will come are known; throws to refuse them. */
  checkVersions?(
    versions: ReadonlySet<Id>,
    parentsOf: (version: Id) => Promise<readonly Id[]>,
  ): Promise<void>;
}

/** What a fetch brought, or would bring. */
export interface Fetched {
  versions: number;
  /** Bytes of packs that were wanted, and of them those that an earlier run had brought. */
  bytes: number;
  resumedBytes: number;
  /** Pack sets taken as they are, and those of which some records were copied. */
  wholeSets: number;
  partialSets: number;
}

/** Notes about a version that the remote has and that are not listed here. */
export interface NewNotes {
  /** True if the version was here before. */
  isKnown: boolean;
  version: Id;
  ids: Id[];
}

/** Under the lock, once everything is listed: moves refs, and adds notes to those of their versions. */
export type MoveRefs = (lock: RepositoryLock, notes: NewNotes[]) => Promise<void>;

/** Versions that are wanted, and what is done once they are here. */
export interface FetchedTips {
  readonly tips: readonly Id[];
  readonly moveRefs: MoveRefs;
}

/**
 * Fetches what `tips` need and is not here, then moves refs.
 * @throws {CorruptError} if the remote is damaged; {ConflictError} if gc was at work here: run it again.
 */
export async function fetchVersions(
  repo: FetchingRepository,
  source: RemoteReader,
  { tips, moveRefs }: FetchedTips,
  options: FetchOptions = {},
): Promise<Fetched> {
  const begin = (): FetchRun<Fetched> => {
    const fetch = new Fetch(repo, source, options);
    return {
      run: () => fetch.run(tips, moveRefs),
      forgetTorn: () => fetch.forgetTorn(),
    };
  };
  return whileItChanges(repo.store, source, begin, options);
}

/** What follows once what is taken is here. */
interface PartlyFetched {
  readonly tips: readonly Id[];
  /** Sets that were here when it was planned. */
  readonly seen: ReadonlySet<SetId>;
  readonly notes: NewNotes[];
  readonly moveRefs: MoveRefs;
}

class Fetch {
  readonly #repo: FetchingRepository;
  readonly #source: RemoteReader;
  readonly #options: FetchOptions;
  readonly #cache: RemoteCache;
  /** The bytes that arrive. */
  readonly #announced: Announced;
  #incoming: Incoming | null = null;

  constructor(repo: FetchingRepository, source: RemoteReader, options: FetchOptions) {
    this.#repo = repo;
    this.#source = source;
    this.#options = options;
    this.#announced = new Announced(options.onBytes);
    this.#cache = new RemoteCache(repo.layout);
  }

  /** What an earlier run left may have been torn by a power cut: it is fetched anew. */
  async forgetTorn(): Promise<boolean> {
    if ((this.#incoming?.resumedBytes ?? 0) === 0) return false;
    await this.#incoming?.remove();
    return true;
  }

  async run(tips: readonly Id[], moveRefs: MoveRefs): Promise<Fetched> {
    const { signal } = this.#options;
    const transfer = { ...(signal ? { signal } : {}), onBytes: this.#announced.add };
    const incoming = await Incoming.open(this.#repo.layout, this.#source, transfer);
    this.#incoming = incoming;
    try {
      const fetched = await this.#fetch(incoming, tips, moveRefs);
      if (this.#options.dryRun) await incoming.close();
      else await incoming.remove();
      return fetched;
    } finally {
      await incoming.close();
    }
  }

  async #fetch(incoming: Incoming, tips: readonly Id[], moveRefs: MoveRefs): Promise<Fetched> {
    const { signal, onStart, dryRun, checkVersions } = this.#options;
    const { store } = this.#repo;
    onStart?.('plan', 0);
    const seen = new Set<SetId>(store.sets().map(({ id }) => id));
    const parts = await this.#parts(incoming);
    const known = await knownVersions(this.#repo, tips, signal);
    if (tips.length > 0) this.#checkNeeds(known);
    const noted = await newNotes(parts, known);
    const isKnown = (id: Id): boolean => known.has(id) && !noted.has(id);
    const roots = [...tips, ...noted.keys()];
    const { partial: choice } = this.#options;
    const isPartial = choice !== undefined && leavesOut(choice.filter);
    const plan = await planFetch(parts, roots, isKnown, {
      ...(signal ? { signal } : {}),
      ...(isPartial ? { partial: choice.filter } : {}),
    });
    const parentsOf = async (id: Id) => (await plan.readVersion(id)).parents;
    await checkVersions?.(plan.needed.versions, parentsOf);
    const rest = { tips, seen, notes: notesAbout(parts, plan, noted), moveRefs };
    if (isPartial) return this.#fetchPartly(parts, plan, rest);
    const whole = plan.sets.filter((set) => set.wanted > 0 && isWholly(set));
    const partial = plan.sets.filter((set) => set.wanted > 0 && !isWholly(set));
    const fetched: Fetched = {
      versions: plan.needed.versions.size,
      bytes: plan.bytes,
      resumedBytes: 0,
      wholeSets: whole.length,
      partialSets: partial.length,
    };
    if (dryRun) return fetched;
    await checkRoom(this.#repo.layout.dir, plan);
    const arrived = await download(parts, store.backend, plan, {
      announced: this.#announced,
      onStart: (bytes) => onStart?.('fetch', bytes),
      signal,
    });
    fetched.resumedBytes = incoming.resumedBytes;
    const sealed = [...arrived.whole, ...arrived.copied];
    try {
      onStart?.(
        'check',
        plan.sets.reduce((sum, { wantedBytes }) => sum + wantedBytes, 0),
      );
      const how = { ...this.#options, shown: this.#source.shown };
      const { needed, readAt } = plan;
      await checkArrived(this.#repo, { sealed, whole: arrived.whole, needed, readAt }, how);
      const numbers = await joinNumbers(this.#repo, plan.readVersion, tips);
      const notes = notesAbout(parts, plan, noted);
      await arrived.synced;
      await this.#publish(sealed, { seen, numbers }, (lock) => moveRefs(lock, notes));
    } finally {
      await Promise.allSettled([arrived.synced]);
      await removeSealed(store.backend, arrived.copied);
    }
    const infos = whole.map(({ info }) => info);
    await keepIndexes(parts, this.#cache, infos);
    return fetched;
  }

  /** As `#fetch`, where only some of what the versions need is taken. */
  async #fetchPartly(
    parts: FetchParts,
    plan: FetchPlan,
    { tips, seen, notes, moveRefs }: PartlyFetched,
  ): Promise<Fetched> {
    const { dryRun, onStart, partial } = this.#options;
    const { store } = this.#repo;
    const { incoming } = parts;
    const fetched = { versions: plan.needed.versions.size, bytes: 0, resumedBytes: 0 };
    const sets = { wholeSets: 0, partialSets: parts.sets.length };
    const extents = new Map<Id, { planes: number; segments: number }>();
    for (const [id, segments] of plan.needed.extents) {
      extents.set(id, { planes: plan.planesOf(id), segments });
    }
    const wants = { blobs: plan.needed.blobs.keys(), extents };
    incoming.resumedBytes = 0;
    const options = {
      ...this.#options,
      isDryRun: dryRun === true,
      onBytes: this.#announced.add,
      onPlan: (bytes: number) => {
        fetched.bytes = bytes;
        if (dryRun) return;
        onStart?.('fetch', bytes);
        this.#announced.start(bytes);
      },
    };
    const done = await downloadPartly(parts, wants, options);
    this.#announced.end();
    fetched.resumedBytes = incoming.resumedBytes;
    if (dryRun) return { ...fetched, ...sets };
    try {
      onStart?.('check', fetched.bytes);
      const needed = { blobs: done.blobs, extents: done.extents };
      const arrived = { sealed: done.sealed, whole: [], needed, thin: done.thin };
      await checkArrived(this.#repo, arrived, { ...this.#options, shown: this.#source.shown });
      const numbers = await joinNumbers(this.#repo, plan.readVersion, tips);
      const { remote, filter } = partial as NonNullable<typeof partial>;
      const waiting = await waitingSets(this.#repo.layout, { source: this.#source, remote });
      await this.#repo.locked(async (lock) => {
        await checkUndisturbed(store, seen);
        await addRemoteFlags(lock, this.#source.format);
        await listPartly(lock, store, done, { remote, filter, sets: [...parts.sets, ...waiting] });
        await raiseNumbers(lock, numbers, this.#source.state.numbers);
        await moveRefs(lock, notes);
      });
    } finally {
      await removeSealed(store.backend, done.sealed);
    }
    await keepIndexes(parts, this.#cache, []);
    await this.#repo.readPromises?.();
    return { ...fetched, ...sets };
  }

  async #parts(incoming: Incoming): Promise<FetchParts> {
    const { store } = this.#repo;
    const { sets, notes } = await this.#source.holdings(this.#options);
    const places = { local: store.backend, listed: store.sets(), cache: this.#cache, incoming };
    const remote = await ObjectStore.open(new RemoteBackend(sets, places));
    const isSeen = async (info: SealedSet['info']): Promise<boolean> =>
      (await this.#cache.index(info)) !== null;
    return { repo: this.#repo, remote, sets, notes, incoming, shown: this.#source.shown, isSeen };
  }

  /** @throws {NotFoundError} if the source holds only what came after versions that are not here. */
  #checkNeeds(known: ReadonlySet<Id>): void {
    const { needs, shown } = this.#source;
    const missing = needs.filter((id) => !known.has(id));
    if (missing.length > 0) throw missingNeeds(shown, missing);
  }

  /** Lists the sets and moves refs, under one lock. @throws {ConflictError} */
  async #publish(
    sealed: readonly SealedSet[],
    { seen, numbers }: { seen: ReadonlySet<SetId>; numbers: FetchedNumbers },
    moveRefs: (lock: RepositoryLock) => Promise<void>,
  ): Promise<void> {
    const { store } = this.#repo;
    await this.#repo.locked(async (lock) => {
      await checkUndisturbed(store, seen);
      await addRemoteFlags(lock, this.#source.format);
      if (sealed.length > 0) await store.publish(sealed);
      await raiseNumbers(lock, numbers, this.#source.state.numbers);
      await moveRefs(lock);
    });
  }
}

/** That a source continues what is not here. */
export function missingNeeds(shown: string, missing: readonly Id[]): NotFoundError {
  const few = missing.slice(0, 3).map(shortId).join(', ');
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return new NotFoundError(
    `'${shown}' holds only what came after versions that are not here: ${few}${more}`,
    {
      ...{ kind: 'version', file: shown, missing: [...missing] },
      hint: 'first import the bundle that was made before it, or ask for a whole one',
    },
  );
}

/** The notes that come with the versions of a plan. */
function notesAbout(parts: FetchParts, plan: FetchPlan, noted: ReadonlyMap<Id, Id[]>): NewNotes[] {
  const found: NewNotes[] = [];
  for (const version of plan.needed.versions) {
    const ids = noted.get(version) ?? [...(parts.notes.get(version) ?? [])];
    if (ids.length > 0) found.push({ isKnown: noted.has(version), version, ids });
  }
  return found;
}
