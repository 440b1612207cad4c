/**
 * Brings single objects of a remote here, with as many planes as are wanted, and lists them in front of what is
 * here: a record of more planes hides the one of fewer.
 */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { RemoteError } from '../../../base/errors.js';
import type { SupplyWants } from '../../objects/stored/bring.js';
import { PROMISED_FLAG, requireReadFlag } from '../../repo/format.js';
import type { RepositoryLock } from '../../repo/processes/lock.js';
import {
  leavesOut,
  type PartialFilter,
  readPromisedOf,
  wholeFilter,
  writePromised,
} from '../../repo/promised.js';
import { ObjectStore } from '../../store/object-store.js';
import { removeSealed } from '../../store/packs/rolling-writer.js';
import type { PlaneClass, SealedSet, SetId, SetInfo } from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { checkArrived } from '../fetching/arrival.js';
import { checkUndisturbed, type FetchRun, whileItChanges } from '../fetching/disturbed.js';
import type { FetchParts } from '../fetching/parts.js';
import { Incoming } from '../incoming.js';
import { RemoteCache } from '../remote/remote-cache.js';
import { RemoteBackend, remoteFile } from '../remote/remote-store.js';
import type { TransferOptions } from '../transports/transport.js';
import { Announced } from './announced.js';
import type { PartlyDownloaded } from './copy-arrived.js';
import { downloadPartly, type PartialOptions } from './partial-download.js';
import { type NamedSource, waitingSets } from './waiting.js';

/** Indexes that are asked for at once. */
const AHEAD = 8;

export interface BringOptions extends PartialOptions {
  /** Leaves files that came whole, though parts were asked for, to the next call of this process. */
  keepsWhole?: boolean;
}

/** @throws {CorruptError} if the remote is damaged; {RemoteError} {ConflictError} */
export async function bringObjects(
  repo: FetchingRepository,
  from: NamedSource,
  wants: SupplyWants,
  options: BringOptions = {},
): Promise<PartlyDownloaded> {
  return whileItChanges(
    repo.store,
    from.source,
    () => bringOnce(repo, from, wants, options),
    options,
  );
}

function bringOnce(
  repo: FetchingRepository,
  from: NamedSource,
  wants: SupplyWants,
  options: BringOptions,
): FetchRun<PartlyDownloaded> {
  const { announced, watched } = announce(options);
  let incoming: Incoming | null = null;
  const run = async (): Promise<PartlyDownloaded> => {
    const opened = await Incoming.open(repo.layout, from.source, watched);
    incoming = opened;
    try {
      const done = await bring(repo, from, wants, { ...watched, incoming: opened });
      announced.end();
      if (!(options.keepsWhole && from.source.sendsWhole)) await opened.remove();
      return done;
    } finally {
      await opened.close();
    }
  };
  const forgetTorn = async (): Promise<boolean> => {
    // What an earlier run left may have been torn by a power cut.
    if (incoming === null || incoming.resumedBytes === 0) return false;
    await incoming.remove();
    return true;
  };
  return { run, forgetTorn };
}

/** Options whose bytes end at the total that `onPlan` tells. */
function announce(options: PartialOptions) {
  const announced = new Announced(options.onBytes);
  const onPlan = (bytes: number): void => {
    options.onPlan?.(bytes);
    announced.start(bytes);
  };
  return { announced, watched: { ...options, onPlan, onBytes: announced.add } };
}

/** Bytes of records that `bringObjects` would bring; heads arrive all the same, and stay for it. */
export async function bytesToBring(
  repo: FetchingRepository,
  from: NamedSource,
  wants: SupplyWants,
  options: TransferOptions = {},
): Promise<number> {
  const incoming = await Incoming.open(repo.layout, from.source, options);
  try {
    const parts = await openParts(repo, from, incoming, options);
    let bytes = 0;
    const onPlan = (planned: number): void => {
      bytes = planned;
    };
    await downloadPartly(parts, wants, { ...options, isDryRun: true, onPlan });
    return bytes;
  } finally {
    await incoming.close();
  }
}

async function bring(
  repo: FetchingRepository,
  from: NamedSource,
  wants: SupplyWants,
  { incoming, ...options }: PartialOptions & { incoming: Incoming },
): Promise<PartlyDownloaded> {
  const { store } = repo;
  const { source } = from;
  const seen = store.sets().map(({ id }) => id);
  const parts = await openParts(repo, from, incoming, options);
  const done = await downloadPartly(parts, wants, options);
  try {
    const { sealed, thin, blobs, extents } = done;
    const arrived = { sealed, whole: [], needed: { blobs, extents }, thin };
    // Its bytes were counted as they arrived.
    const { signal } = options;
    await checkArrived(repo, arrived, { shown: source.shown, ...(signal ? { signal } : {}) });
    await repo.locked(async (lock) => {
      await checkUndisturbed(store, seen);
      await listPartly(lock, store, done, { ...from, sets: parts.sets, filter: null });
    });
    await keepIndexes(repo, parts);
    await repo.readPromises?.();
    return done;
  } finally {
    await removeSealed(store.backend, done.sealed);
  }
}

/**
 * The sets of a remote as a store, the indexes that are not known here fetched at once. Behind them, those that it
 * promised under its name and lists no more.
 */
export async function openParts(
  repo: FetchingRepository,
  from: NamedSource,
  incoming: Incoming,
  options: TransferOptions & Pick<PartialOptions, 'replaces'>,
): Promise<FetchParts> {
  const { store } = repo;
  const cache = new RemoteCache(repo.layout);
  const { source } = from;
  const holdings = await source.holdings(options);
  const waiting = new Map(
    (await waitingSets(repo.layout, from, options)).map((info) => [info.id, info]),
  );
  const { notes } = holdings;
  const listed = new Set(options.replaces ? [] : store.sets().map(({ id }) => id));
  const isSeen = async (info: SetInfo): Promise<boolean> => (await cache.index(info)) !== null;
  await forEachLimit([...holdings.sets, ...waiting.values()], AHEAD, async (info) => {
    if (listed.has(info.id) || (await isSeen(info)) || info.bytes.idx === 0) return;
    try {
      await incoming.need(remoteFile(info, 'idx'), [{ start: 0, end: info.bytes.idx }]);
    } catch (error) {
      // Garbage may go at any moment.
      const isGone = error instanceof RemoteError && error.data.missing === true;
      if (!isGone || !waiting.delete(info.id)) throw error;
    }
  });
  const sets = [...holdings.sets, ...waiting.values()];
  // Files of the same name here are damaged where that is why they are asked for.
  const trusted = options.replaces ? [] : store.sets();
  const places = { local: store.backend, listed: trusted, cache, incoming };
  const remote = await ObjectStore.open(new RemoteBackend(sets, places));
  return { repo, remote, sets, notes, incoming, shown: source.shown, isSeen };
}

/** What a remote promised from now on. */
interface Promising {
  readonly remote: string;
  /** Sets of the remote. */
  readonly sets: readonly SetInfo[];
  /** What is taken of it from now on; null: as before. */
  readonly filter: PartialFilter | null;
  /** True if planes that are here are given up. */
  readonly gives?: boolean;
}

/** Lists sets of which planes may be missing, in front, once it is written down who has these. */
export async function listPartly(
  lock: RepositoryLock,
  store: ObjectStore,
  { sealed, thin }: { sealed: readonly SealedSet[]; thin: ReadonlyMap<SetId, PlaneClass[]> },
  promising: Promising,
): Promise<void> {
  const { remote } = promising;
  const before =
    (await readPromisedOf(lock.layout, remote))?.thin ?? new Map<SetId, PlaneClass[]>();
  const listed = new Set(store.sets().map(({ id }) => id));
  // A set of the same records has the same name: one that is whole here stays whole.
  const isNew = ([id]: [SetId, PlaneClass[]]): boolean => !listed.has(id) || before.has(id);
  const added = promising.gives ? thin : new Map([...thin].filter(isNew));
  const kept = new Map([...added].filter(([id]) => promising.gives || !before.has(id)));
  await notePromised(lock, store, kept, promising);
  const fresh = new Set(sealed.map(({ info }) => info.id));
  await store.publish(sealed, (sets) => [
    ...sets.filter(({ id }) => fresh.has(id)),
    ...sets.filter(({ id }) => !fresh.has(id)),
  ]);
  // Sets that have more of their planes now: said once these are here.
  const fuller = [...fresh].filter((id) => before.has(id) && !kept.has(id));
  const now = fuller.length > 0 ? await readPromisedOf(lock.layout, remote) : null;
  if (now === null) return;
  for (const id of fuller) {
    const left = added.get(id);
    if (left === undefined) now.thin.delete(id);
    else now.thin.set(id, left);
  }
  await writePromised(lock, remote, now);
}

/** Writes down what a remote has, before it is missing here. */
export async function notePromised(
  lock: RepositoryLock,
  store: ObjectStore,
  thin: ReadonlyMap<SetId, PlaneClass[]>,
  { remote, sets, filter }: Promising,
): Promise<void> {
  // An address without a name promises nothing.
  if (remote === '') return;
  const before = await readPromisedOf(lock.layout, remote);
  const listed = new Set(store.sets().map(({ id }) => id));
  const kept = [...(before?.thin ?? [])].filter(([id]) => listed.has(id));
  const now = {
    filter: filter ?? before?.filter ?? wholeFilter(),
    sets: [...sets],
    thin: new Map([...kept, ...thin]),
  };
  const isPlain = !leavesOut(now.filter) && now.filter.lines.length === 0 && now.thin.size === 0;
  if (isPlain && before === null) return;
  await requireReadFlag(lock, PROMISED_FLAG);
  await writePromised(lock, remote, now);
}

/** Keeps the indexes that arrived: they tell what the remote has. */
async function keepIndexes(
  { layout, store }: FetchingRepository,
  { sets, incoming }: FetchParts,
): Promise<void> {
  const cache = new RemoteCache(layout);
  const listed = new Set(store.sets().map(({ id }) => id));
  for (const info of sets) {
    const file = remoteFile(info, 'idx');
    if (listed.has(info.id) || !incoming.has(file) || !(await incoming.isWhole(file))) continue;
    await cache.keepIndex(info.id, await incoming.read(file, 0, file.size));
  }
}
