/**
 * Second step of a collection: removes the files of garbage whose grace period is over, batch by batch.
 *
 * What is being removed is noted first, so that no push counts on it, and no more once it is gone. A removal that
 * was interrupted is taken over by the next run, REMOVAL_MS_MAX after it began.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { ConflictError } from '../../../base/errors.js';
import type { ListPart } from '../remote/remote-file.js';
import type { Garbage } from './garbage-file.js';
import type { CollectionParts, GarbageLists } from './garbage-lists.js';
import { filesOf, listedNames } from './garbage-names.js';
import { timeLeft } from './time-left.js';

/** A removal that began so long ago was interrupted: a batch that takes half of that is given up. */
const REMOVAL_MS_MAX = 10 * 60_000;
const BATCH = 1000;

/** A batch that is noted as being removed: its names, and the parts of the list that note it. */
interface Begun {
  readonly names: readonly string[];
  readonly parts: readonly ListPart[];
}

/** What is removed, and when. */
export interface Removal {
  readonly garbage: readonly Garbage[];
  /** Bytes that each name frees. */
  readonly sizes: ReadonlyMap<string, number>;
  /** The remote's clock, in milliseconds. */
  readonly nowMs: number;
}

/** @returns bytes that went. @throws {ConflictError} if a batch takes too long. */
export async function removeGarbage(
  parts: CollectionParts,
  lists: GarbageLists,
  { garbage, sizes, nowMs }: Removal,
): Promise<number> {
  const { remote } = parts.ends;
  const stale = [...(await lists.removing(remote.state)).values()].filter(
    ({ since }) => since * 1000 + REMOVAL_MS_MAX <= nowMs,
  );
  const staleNames = new Set(stale.map(({ name }) => name));
  const all = [...new Map([...stale, ...garbage].map((one) => [one.name, one])).keys()];
  let bytes = 0;
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = new Set(all.slice(at, at + BATCH));
    const begun = await beginRemoval(parts, lists, { batch, stale: staleNames, nowMs });
    if (begun === null) continue;
    bytes += await removeFiles(parts, begun.names, sizes);
    await endRemoval(lists, begun);
  }
  return bytes;
}

/** Notes that a batch is being removed. @returns what of it is, by then, still garbage; null if nothing is. */
async function beginRemoval(
  { ends: { remote }, options }: CollectionParts,
  lists: GarbageLists,
  {
    batch,
    stale,
    nowMs,
  }: { batch: ReadonlySet<string>; stale: ReadonlySet<string>; nowMs: number },
): Promise<Begun | null> {
  let begun: Begun | null = null;
  await lists.publish(async (state) => {
    begun = null;
    const { collection } = state;
    if (collection === null) return null;
    const listed = listedNames(state, (await remote.holdings(options)).sets);
    const garbage = await lists.waiting(state);
    const removing: ListPart[] = [];
    // Of an interrupted removal, what is taken over goes on as part of this one.
    let left: Garbage[] = [];
    for (const part of collection.removing) {
      const entries = await lists.read(part);
      if (entries.every(({ name }) => stale.has(name))) left = [...left, ...entries];
      else removing.push(part);
    }
    const isFree = ({ name }: Garbage): boolean => batch.has(name) && !listed.has(name);
    const isAgain = ({ name, since }: Garbage): boolean =>
      !stale.has(name) && !lists.isOver(since, nowMs);
    const due = [...garbage.filter((one) => !isAgain(one)), ...left].filter(isFree);
    const names = new Set(due.map(({ name }) => name));
    if (names.size === 0) return null;
    const since = await lists.now();
    const parts = await lists.store([...names].map((name) => ({ name, since })));
    begun = { names: [...names], parts };
    const rest = [...garbage, ...left].filter(({ name }) => !names.has(name) && !listed.has(name));
    const next = {
      collected: state.generation + 1,
      garbage: await lists.store(rest),
      removing: [...removing, ...parts],
    };
    return { ...state, collection: next };
  });
  return begun;
}

/** @returns bytes of the files that went. */
async function removeFiles(
  { ends: { remote }, upkeep, options }: CollectionParts,
  names: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Promise<number> {
  const left = timeLeft(REMOVAL_MS_MAX / 2);
  let bytes = 0;
  await forEachLimit(names, remote.concurrency, async (name) => {
    throwIfAborted(options.signal);
    if (left() <= 0) throw late(remote.shown);
    for (const file of filesOf(name)) await upkeep.remove(file, options);
    bytes += sizes.get(name) ?? 0;
    options.onBytes?.(sizes.get(name) ?? 0);
  });
  return bytes;
}

/** Notes that a batch is gone. */
async function endRemoval(lists: GarbageLists, begun: Begun): Promise<void> {
  await lists.publish(async (state) => {
    const { collection } = state;
    if (collection === null) return null;
    const isOther = ({ sha256 }: ListPart): boolean =>
      !begun.parts.some((part) => part.sha256 === sha256);
    return {
      ...state,
      collection: { ...collection, removing: collection.removing.filter(isOther) },
    };
  });
}

/** Others may take over what this run goes on to remove: then a push may have brought it again. */
function late(shown: string): ConflictError {
  return new ConflictError(`removing files from '${shown}' took too long`, {
    url: shown,
    hint: 'run the command again in ten minutes: it goes on where this one ended',
  });
}
