/**
 * Places files of versions in a folder: each is rebuilt in a temporary place, compared with its
 * sha256, and renamed.
 *
 * A checkout first writes all its files here, and then staging and HEAD, under the lock. If a file
 * cannot be rebuilt, the old file is kept. A process that dies leaves whole files, old or new, and
 * the old staging: running the command again resumes. A large file that is being placed exists
 * twice; so do a few small ones, and files that are rebuilt together because they share stored
 * data.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { pushAll } from '../../base/bytes/many.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { CorruptError, isDamage, NotFoundError } from '../../base/errors.js';
import {
  type FileStat,
  removeFile,
  sameStat,
  statOrNull,
  type WriteFile,
} from '../../base/files/files.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { bringFiles, type SuppliedReader } from '../../storage/objects/stored/bring.js';
import { fitsGroup, type GroupMember, weightOf } from '../../storage/objects/stored/file-groups.js';
import { rebuildFiles } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile, type StoredFile } from '../../storage/objects/stored/stored-file.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import { changedEntry, nowNs, type StagedEntry } from '../../storage/repo/staging/staging.js';
import type { OpContext } from '../context.js';
import type { CheckoutPlan } from './checkout-plan.js';
import { PlaceQueue } from './place-queue.js';
import { type UnfinishedFile, type WantedFile, WorkFolder } from './work-folder.js';

/** A file whose time stamp is younger than this may change without its time changing. */
const RACY_MS = 20;

/** What is nowhere although a version names it is damage, unlike a name that somebody wrote. */
const STORED_KINDS: ReadonlySet<unknown> = new Set(['blob', 'extent']);

/** What a checkout did to the work tree. */
export interface Applied {
  /** State of the files that were written or found to be right, by path. */
  states: Map<string, { stat: FileStat; stagedAtNs: string }>;
  written: string[];
  removed: string[];
}

/** Writes and removes what the plan says. @throws {CorruptError} {ConflictError} {IoError} */
export async function applyPlan(
  repo: SuppliedReader,
  plan: CheckoutPlan,
  context: OpContext,
): Promise<Applied> {
  const applied: Applied = { states: new Map(plan.kept), written: [], removed: [] };
  if (plan.writes.length === 0 && plan.removes.length === 0) return applied;
  await bringFiles(
    repo,
    plan.writes.map(({ entry }) => entry),
  );
  const reader = await registerReader(repo.layout, repo.store.generation);
  const folder = new WorkFolder(repo.layout, repo.layout.workTree, context.cwd);
  const written = new Map<string, FileStat>();
  context.progress.start('checking out', plan.bytes);
  try {
    const early = await writeFiles(
      repo,
      folder,
      plan.writes.filter(({ late }) => !late),
      context,
    );
    for (const [path, stat] of early) written.set(path, stat);
    for (const path of plan.removes) {
      await folder.remove(path);
      applied.removed.push(path);
    }
    for (const { entry, seen, late } of plan.writes) {
      if (!late) continue;
      await folder.removeFolder(entry.path);
      const [stat] = (await writeFiles(repo, folder, [{ entry, seen }], context)).values();
      written.set(entry.path, stat as FileStat);
    }
    await folder.sync();
  } finally {
    context.progress.finish();
    await folder.close();
    await reader.close();
  }
  await settle(repo, written, applied);
  pushAll(applied.written, written.keys());
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
  return entries.map((entry) => changedEntry(entry, applied.states.get(entry.path)));
}

interface OpenedFile extends WantedFile, GroupMember {}

/**
 * Writes files in place of what is there. Those that share stored data are rebuilt side by side; a
 * file that comes before one that cannot be rebuilt is written all the same, unless they share.
 * @returns  states of the new files by path.
 * @throws {CorruptError} if one cannot be rebuilt; {ConflictError} if a link or folder is in the
 *   way, or a file is not as it was seen.
 */
export async function writeFiles(
  repo: ReadAccess,
  folder: WorkFolder,
  wanted: readonly WantedFile[],
  context: OpContext,
): Promise<Map<string, FileStat>> {
  await folder.checkRoom(wanted);
  const found = new Map<string, FileStat>();
  const queue = new PlaceQueue(folder, (path, stat) => found.set(path, stat));
  let group: OpenedFile[] = [];
  const flush = async (): Promise<void> => {
    const files = group;
    group = [];
    await writeGroup({ repo, folder, queue }, files, context);
  };
  try {
    for (const { entry, seen } of wanted) {
      let stored: StoredFile;
      try {
        stored = await openStoredFile(repo, entry);
      } catch (error) {
        await flush();
        throw await cannotRebuild(repo, [entry.path], error);
      }
      if (!fitsGroup(group, stored)) await flush();
      group.push({ entry, seen, stored, weight: weightOf(stored) });
    }
    await flush();
  } finally {
    await queue.finish();
  }
  return new Map(wanted.map(({ entry }) => [entry.path, found.get(entry.path) as FileStat]));
}

/** Damage of stored data names the files that need it. Other errors pass through. */
async function cannotRebuild(
  repo: ReadAccess,
  paths: readonly string[],
  error: unknown,
): Promise<unknown> {
  const isGone = error instanceof NotFoundError && STORED_KINDS.has(error.data.kind);
  if (!isGone && !isDamage(error)) return error;
  return new CorruptError(`cannot rebuild ${quoteSome(paths)}: ${error.message}`, {
    ...error.data,
    paths: [...paths],
    hint: `run 'dlv fsck' to see what is damaged; to mend it, ${await waysToMend(repo)}`,
  });
}

async function waysToMend({ layout }: ReadAccess): Promise<string> {
  const add = "'dlv add' the original file again";
  const remotes = await readRemotes(layout).catch((error: unknown) => {
    if (!isDamage(error)) throw error;
    return null;
  });
  const names = [...(remotes?.urls.keys() ?? [])];
  const followed = [...(remotes?.upstreams.values() ?? [])].map(({ remote }) => remote);
  const name = followed[0] ?? names.find((one) => one === 'origin') ?? names[0];
  return name === undefined ? add : `'dlv fsck --repair ${name}' if it is there, or ${add}`;
}

/** Rebuilds some files side by side and hands each on as soon as it is whole. */
async function writeGroup(
  { repo, folder, queue }: { repo: ReadAccess; folder: WorkFolder; queue: PlaceQueue },
  group: readonly OpenedFile[],
  { progress, signal }: OpContext,
): Promise<void> {
  const whole = new Set<string>();
  const unfinished = new Map<number, UnfinishedFile>();
  const stored = group.map((file) => file.stored);
  try {
    const begin = async (file: number): Promise<UnfinishedFile> => {
      const known = unfinished.get(file);
      if (known) return known;
      const open = await folder.begin((group[file] as OpenedFile).entry);
      unfinished.set(file, open);
      return open;
    };
    const target = async (file: number): Promise<WriteFile> => (await begin(file)).file;
    for await (const { file, bytes } of rebuildFiles(repo, stored, target, signal && { signal })) {
      if (bytes !== null) {
        progress.advance(bytes);
        continue;
      }
      const job = group[file] as OpenedFile;
      const open = await begin(file);
      whole.add(job.entry.path);
      unfinished.delete(file);
      await queue.add(job, open);
    }
  } catch (error) {
    const paths = group.map(({ entry }) => entry.path).filter((path) => !whole.has(path));
    throw await cannotRebuild(repo, paths, error);
  } finally {
    for (const { file, temporary } of unfinished.values()) {
      await file.close().catch(() => {});
      await removeFile(temporary).catch(() => {});
    }
  }
}
