/**
 * Replaces pack sets by new ones: copy, list, verify, and only then retire the old ones.
 *
 * The copies are listed before all other sets. They contain only records that were live, so every
 * key keeps its encoding, and the live delta graph stays the same forest.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, CorruptError } from '../../base/errors.js';
import type { PackAccess } from '../objects/access.js';
import { newWorkName } from '../repo/processes/made-names.js';
import { mergeSets } from '../store/merge.js';
import { RollingWriter, removeSealed } from '../store/packs/rolling-writer.js';
import type { BlobEntry, SealedSet, SegmentEntry, SetId, SetInfo } from '../store/types.js';
import { verifySet } from '../store/verify.js';

/** Which records survive, asked for a live record of a set that is replaced. */
export type Keep = (entry: BlobEntry | SegmentEntry) => boolean;

export interface Replacement {
  /** Sets of the manifest when what is needed was found out. */
  seen: readonly SetInfo[];
  /** Those of them to be replaced. */
  chosen: readonly SetInfo[];
  /** null: every live record is kept. */
  keep: Keep | null;
  /** Under the lock: is `keep` still true of the refs and of staging? */
  stillValid: () => Promise<boolean>;
  signal?: AbortSignal;
}

/** @throws {ConflictError} if another command changed what this one relies on: look again, then retry. */
export async function replaceSets(repo: PackAccess, plan: Replacement): Promise<void> {
  const { backend } = repo.store;
  const sealed: SealedSet[] = [];
  const onSealed = (set: SealedSet): void => {
    sealed.push(set);
  };
  const sink = new RollingWriter({ backend, tmpName: () => newWorkName('gc'), onSealed });
  const known = new Set<SetId>(repo.store.sets().map((info) => info.id));
  try {
    const { keep, signal } = plan;
    const options = { ...(keep ? { keep } : {}), ...(signal ? { signal } : {}) };
    const ids = plan.chosen.map((info) => info.id);
    await mergeSets(repo.store, ids, sink, options);
    await sink.flush();
    await list(repo, plan, known, sealed);
  } finally {
    await sink.abort();
    await removeSealed(backend, sealed);
  }
  const fresh = new Set<SetId>(sealed.map((set) => set.info.id));
  await verifyFresh(repo, sealed, plan.chosen);
  throwIfAborted(plan.signal);
  const gone = plan.chosen.map((info) => info.id).filter((id) => !fresh.has(id));
  await repo.locked(async () => {
    await repo.store.reload();
    checkStillListed(repo, plan.seen);
    if (!(await plan.stillValid())) throw conflict();
    if (plan.keep !== null) await checkNewSets(repo, plan, fresh);
    await repo.store.publish([], (sets) => sets.filter((info) => !gone.includes(info.id)));
    await repo.store.retire(gone);
  });
}

/** Lists the copies in front. @param known  sets of the manifest before the first record was copied. */
async function list(
  repo: PackAccess,
  plan: Replacement,
  known: ReadonlySet<SetId>,
  sealed: readonly SealedSet[],
): Promise<void> {
  if (sealed.length === 0) return;
  const { store } = repo;
  await repo.locked(async () => {
    await store.reload();
    checkStillListed(repo, plan.seen);
    checkNothingInFront(repo, known);
    const fresh = new Set<SetId>(sealed.map((set) => set.info.id));
    await store.publish(sealed, (sets) => [
      ...sealed.map((set) => set.info),
      ...sets.filter((info) => !fresh.has(info.id)),
    ]);
  });
}

/**
 * Reads the new sets back; one that is damaged is taken out again.
 * @throws {CorruptError} then; {ConflictError} if another command has taken it, or files of it, away already.
 */
async function verifyFresh(
  repo: PackAccess,
  sealed: readonly SealedSet[],
  chosen: readonly SetInfo[],
): Promise<void> {
  const { store } = repo;
  const old = new Set<SetId>(chosen.map((info) => info.id));
  for (const { info } of sealed) {
    for await (const problem of verifySet(store.backend, info)) {
      const bad = sealed.map((set) => set.info.id).filter((id) => !old.has(id));
      await repo.locked(async () => {
        await store.renew();
        const isThere = store.sets().some(({ id }) => id === info.id);
        if (!isThere || (store.promised?.absent(info.id) ?? []).length > 0) throw conflict();
        await store.publish([], (sets) => sets.filter((other) => !bad.includes(other.id)));
        await store.retire(bad);
      });
      throw new CorruptError(`a merged pack is damaged: ${problem.message}`, {
        file: problem.file,
        hint: 'the disk may be failing; the old packs are in place and nothing was removed',
      });
    }
  }
}

function conflict(): ConflictError {
  return new ConflictError('another command changed the repository while garbage was collected', {
    hint: 'run dlv gc again',
  });
}

function checkStillListed(repo: PackAccess, seen: readonly SetInfo[]): void {
  const listed = new Set(repo.store.sets().map((info) => info.id));
  if (seen.some((info) => !listed.has(info.id))) throw conflict();
}

/**
 * A set that another command put in front meanwhile holds what was lost and is stored again: the
 * copies, in front of it, would bring back the broken records that it hides.
 */
function checkNothingInFront(repo: PackAccess, known: ReadonlySet<SetId>): void {
  let isNew = false;
  for (const info of repo.store.sets()) {
    if (!known.has(info.id)) isNew = true;
    else if (isNew) throw conflict();
  }
}

/** Deltas in sets that were added meanwhile may need records that are about to go. */
async function checkNewSets(
  repo: PackAccess,
  plan: Replacement,
  fresh: ReadonlySet<SetId>,
): Promise<void> {
  const known = new Set<SetId>([...fresh, ...plan.seen.map((info) => info.id)]);
  if (repo.store.sets().every((info) => known.has(info.id))) return;
  const chosen = new Set(plan.chosen.map((info) => info.id));
  const going = new Set<Id>();
  const bases = new Set<Id>();
  for await (const { entry, live } of repo.store.records()) {
    if (!known.has(entry.set)) {
      if (entry.base !== null) bases.add(entry.base);
    } else if (live && chosen.has(entry.set)) going.add(entry.id);
  }
  // What was copied is live in the new sets, so a record that is live in an old one was dropped.
  for (const id of bases) if (going.has(id)) throw conflict();
}
