/** `dlv stash`: sets unfinished work aside and brings it back. */

import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { bringBack } from '../stashing/bring-back.js';
import { type SetAsideOptions, type StashedWork, setAside } from '../stashing/set-aside.js';
import {
  deleteStash,
  describeStash,
  findStash,
  type StashEntry,
  stashRefs,
} from '../stashing/stashes.js';

export type { StashEntry };

export type StashPushOptions = SetAsideOptions;

export interface StashResult extends StashedWork {
  action: 'pushed' | 'applied' | 'popped' | 'dropped';
}

/** Stashes of HEAD's model, the newest first. */
export async function listStashes(
  repo: Repository,
  _options: object,
  _context: OpContext,
): Promise<StashEntry[]> {
  const { model } = await repo.head();
  const entries: StashEntry[] = [];
  for (const ref of await stashRefs(repo, model)) {
    entries.push(await describeStash(repo, ref, entries.length));
  }
  return entries;
}

/**
 * Puts the changes of the line aside: the work files become those of its version.
 * @throws {ConflictError} if nothing changed.
 */
export async function pushStash(
  repo: Repository,
  options: StashPushOptions,
  context: OpContext,
): Promise<StashResult> {
  return { action: 'pushed', ...(await setAside(repo, options, context)) };
}

/** One stash and its changes. @throws {NotFoundError} */
export function showStash(
  repo: Repository,
  { index = 0 }: { index?: number },
  _context: OpContext,
): Promise<StashEntry> {
  return findStash(repo, index);
}

/**
 * Brings the changes of a stash back into the work tree.
 * @param options.drop  deletes the stash then.
 * @throws {ConflictError} if a file changed since, in what is staged or in the work tree.
 */
export async function applyStash(
  repo: Repository,
  { index = 0, drop = false }: { index?: number; drop?: boolean },
  context: OpContext,
): Promise<StashResult> {
  const stash = await findStash(repo, index);
  const done = await bringBack(repo, stash, context);
  if (drop) await deleteStash(repo, stash);
  return { action: drop ? 'popped' : 'applied', stash, ...done };
}

/** Deletes a stash; reflogs keep its version from gc for a while. @throws {NotFoundError} */
export async function dropStash(
  repo: Repository,
  { index = 0 }: { index?: number },
  _context: OpContext,
): Promise<StashResult> {
  const stash = await findStash(repo, index);
  await deleteStash(repo, stash);
  return { action: 'dropped', stash, written: [], removed: [] };
}

/** Deletes all stashes of HEAD's model, the newest first. @returns those. */
export async function clearStashes(
  repo: Repository,
  _options: object,
  context: OpContext,
): Promise<StashEntry[]> {
  const stashes = await listStashes(repo, {}, context);
  for (const stash of stashes) await deleteStash(repo, stash);
  return stashes;
}
