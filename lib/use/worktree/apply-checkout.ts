/**
 * Carries out a checkout plan: files first, then staging and HEAD under the lock.
 *
 * A process that dies on the way leaves whole files, old or new, and the old staging: running the
 * command again goes on from there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileStat, sameStat, statOrNull } from '../../base/files/files.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { nowNs, type StagedEntry } from '../../storage/repo/staging/staging.js';
import type { OpContext } from '../context.js';
import type { CheckoutPlan } from './checkout-plan.js';
import { FilePlacer } from './place-files.js';

/** A file whose time stamp is younger than this may change without its time changing. */
const RACY_MS = 20;

/** What a checkout did to the work tree. */
export interface Applied {
  /** State of the files that were written or found to be right, by path. */
  states: Map<string, { stat: FileStat; stagedAtNs: string }>;
  written: string[];
  removed: string[];
}

/** Writes and removes what the plan says. @throws {CorruptError} {ConflictError} {IoError} */
export async function applyPlan(
  repo: ReadAccess,
  plan: CheckoutPlan,
  context: OpContext,
): Promise<Applied> {
  const applied: Applied = { states: new Map(plan.kept), written: [], removed: [] };
  if (plan.writes.length === 0 && plan.removes.length === 0) return applied;
  const reader = await registerReader(repo.layout, repo.store.generation);
  const placer = new FilePlacer(repo, repo.layout.workTree, context);
  const written = new Map<string, FileStat>();
  context.progress.start('checking out', plan.bytes);
  try {
    const early = await placer.writeAll(plan.writes.filter(({ late }) => !late));
    for (const [path, stat] of early) written.set(path, stat);
    for (const path of plan.removes) {
      await placer.remove(path);
      applied.removed.push(path);
    }
    for (const { entry, seen, late } of plan.writes) {
      if (!late) continue;
      await placer.removeFolder(entry.path);
      for (const [path, stat] of await placer.writeAll([{ entry, seen }])) written.set(path, stat);
    }
    await placer.sync();
  } finally {
    context.progress.finish();
    await placer.close();
    await reader.close();
  }
  await settle(repo, written, applied);
  applied.written.push(...written.keys());
  return applied;
}

/**
 * Notes the state of files that were just written. They are looked at again when the clock of the
 * file system has moved on, so that `status` need not read them: a later change shows in their times.
 */
async function settle(
  repo: ReadAccess,
  written: ReadonlyMap<string, FileStat>,
  applied: Applied,
): Promise<void> {
  if (written.size === 0) return;
  await sleep(RACY_MS);
  for (const [path, stat] of written) {
    const there = await statOrNull(repo.layout.workFile(path));
    if (there !== null && sameStat(there.stat, stat)) {
      applied.states.set(path, { stat: there.stat, stagedAtNs: nowNs() });
    }
  }
}

/** Entries with the states that a checkout left. */
export function withStates(entries: readonly StagedEntry[], applied: Applied): StagedEntry[] {
  return entries.map((entry) => ({ ...entry, ...applied.states.get(entry.path) }));
}
