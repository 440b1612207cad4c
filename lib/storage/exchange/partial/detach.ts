/**
 * Frees low planes here that a remote keeps: what its branches and tags need as it is now is read from it and
 * compared with the checksums here, and only then given up.
 *
 * A run that is killed has given up nothing, or what it gave up was promised before. The thin records are listed
 * in front of the whole ones; then the sets that hold these are written again without them.
 */
import { readPromised, readPromisedOf, thinSets, wholeFilter } from '../../repo/promised.js';
import { packName } from '../../store/names.js';
import { PLANE_CLASSES, type PlaneClass, type SetId, type SetInfo } from '../../store/types.js';
import { dropFromTrash } from '../../upkeep/drop-from-trash.js';
import { replaceSets } from '../../upkeep/replace-sets.js';
import { readThinRecord, ThinWriters } from '../../upkeep/thin-records.js';
import { replaceThinSets } from '../../upkeep/thin-sets.js';
import type { FetchingRepository } from '../fetch-plan.js';
import { checkUndisturbed } from '../fetching/disturbed.js';
import { Incoming } from '../incoming.js';
import type { Remote } from '../remote/remote.js';
import { listPartly } from './bring.js';
import { compareLeaving } from './compare-leaving.js';
import { checkStillKept, readKept } from './keeper.js';
import { findLeaving, type Leaving, type LeavingOptions, leavingBytes } from './leaving.js';
import { type NamedSource, waitingSets } from './waiting.js';

export interface DetachOptions extends LeavingOptions {
  /** Leading planes that fetches from the remote take from now on, as after a clone of so many. */
  planes: number;
  /** Begins to compare so many bytes with those of the remote. */
  onStart?(bytes: number): void;
  dryRun?: boolean;
}

export interface Detached {
  /** Segments whose low planes are given up, and the bytes of these. */
  segments: number;
  bytes: number;
  /** Bytes of low planes that stay since no branch or tag of the remote has them as they are here. */
  keptBytes: number;
}

/** @throws {CorruptError} if the remote has other bytes; {RemoteError} {ConflictError} */
export async function detachPlanes(
  repo: FetchingRepository,
  from: NamedSource & { readonly source: Remote },
  options: DetachOptions,
): Promise<Detached> {
  const incoming = await Incoming.open(repo.layout, from.source, options);
  try {
    const { store } = repo;
    const seen = store.sets().map(({ id }) => id);
    const keeper = { repo, source: from.source, incoming };
    const kept = await readKept(keeper, options);
    const { leaving, keptBytes } = await findLeaving(store, kept, options);
    const bytes = leaving.reduce((sum, one) => sum + leavingBytes(one), 0);
    const detached = { segments: leaving.length, bytes, keptBytes };
    if (options.dryRun) return detached;
    options.onStart?.(bytes);
    await compareLeaving(keeper, kept, leaving, options);
    let thin: ReadonlyMap<SetId, PlaneClass[]> = new Map();
    if (leaving.length > 0) {
      const compared = leaving.map(({ there }) => there);
      const { sets } = await checkStillKept(keeper, kept, compared, options);
      const waiting = await waitingSets(repo.layout, from, options);
      const promised = { remote: from.remote, sets: [...sets, ...waiting], seen };
      thin = await listThin(repo, { ...promised, planes: options.planes }, leaving);
    }
    await incoming.remove();
    await freeHidden(repo, thin, options);
    await replaceThinSets(repo, options);
    return detached;
  } finally {
    await incoming.close();
  }
}

/** What is given up, and to whom. */
interface Giving {
  remote: string;
  /** Sets of the remote. */
  sets: readonly SetInfo[];
  /** Sets here as they were looked through. */
  seen: readonly SetId[];
  planes: number;
}

/** Lists records without the planes that go, in front of the whole ones, once they are promised. */
async function listThin(
  repo: FetchingRepository,
  { remote, sets, seen, planes }: Giving,
  leaving: readonly Leaving[],
): Promise<ReadonlyMap<SetId, PlaneClass[]>> {
  const { store } = repo;
  const writers = new ThinWriters(store);
  try {
    for (const { entry, classes } of leaving) {
      const before = store.promised?.absent(entry.set) ?? [];
      const gone = PLANE_CLASSES.filter(
        (plane) => classes.some((one) => one === plane) || before.includes(plane),
      );
      const thin = await readThinRecord(store, entry, gone);
      if (thin !== null) await writers.addSegment(thin, gone);
    }
    await writers.flush();
    await repo.locked(async (lock) => {
      await checkUndisturbed(store, seen);
      const before = (await readPromisedOf(lock.layout, remote))?.filter ?? wholeFilter();
      const filter = { ...before, planes: Math.min(before.planes ?? planes, planes) };
      const promising = { remote, sets, filter, gives: true };
      await listPartly(lock, store, writers, promising);
    });
    return writers.thin;
  } finally {
    await writers.abort();
    await writers.removeSealed();
  }
}

/** Writes sets again that hold records which thin ones hide, without these. */
async function freeHidden(
  repo: FetchingRepository,
  thin: ReadonlyMap<SetId, PlaneClass[]>,
  { signal }: DetachOptions,
): Promise<void> {
  const { store } = repo;
  const chosen: SetInfo[] = [];
  // Where a set gave up planes of all its records, the thin one has its name, and its files are too many;
  // but for a set that somebody stored whole meanwhile.
  await repo.locked(async (lock) => {
    const now = thinSets(await readPromised(lock.layout));
    for (const id of thin.keys()) {
      for (const plane of now.get(id) ?? []) await store.backend.remove(packName(id, plane));
    }
  });
  await repo.readPromises?.();
  for (const info of store.sets()) {
    if ((store.promised?.absent(info.id) ?? []).length > 0) continue;
    for await (const { id, segment } of store.segmentsOf(info)) {
      const live = await store.here.findSegment(id, segment);
      if (live === null || live.set === info.id) continue;
      if ((store.promised?.absent(live.set) ?? []).length === 0) continue;
      chosen.push(info);
      break;
    }
  }
  if (chosen.length === 0) return;
  await replaceSets(repo, {
    seen: chosen,
    chosen,
    keep: null,
    stillValid: async () => true,
    ...(signal ? { signal } : {}),
  });
  await dropFromTrash(repo.layout, new Set(chosen.map(({ id }) => id)));
}
