/** Removes files from the next version and, unless told otherwise, from the work tree. */
import nodePath from 'node:path';
import { ConflictError } from '../../base/errors.js';
import {
  removeEmptyFolder,
  removeFile,
  statOrNull,
  syncDirectory,
} from '../../base/files/files.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { holdsFolder, LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess, LineAccess } from '../history/access.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import type { currentLine } from '../history/lines/lines.js';
import { WorkStates } from './changes.js';
import { warnOfMissing } from './missing-references.js';

export interface UntrackOptions {
  /** Keeps the work files. */
  cached?: boolean;
  /** Removes files whose content is in no version. */
  force?: boolean;
  context: OpContext;
}

/** A line, and when the staging that it was read from was written. */
export interface StagedLine {
  line: Awaited<ReturnType<typeof currentLine>>;
  writtenNs: bigint;
}

/**
 * Takes tracked files out of the next version. Versions that are committed keep them.
 * @returns their paths, in order.
 * @throws {ConflictError} before anything is removed, if content would be lost.
 */
export async function untrackFiles(
  repo: ChangeAccess,
  staged: StagedLine,
  entries: readonly StagedEntry[],
  { cached, force, context }: UntrackOptions,
): Promise<string[]> {
  const { model } = staged.line;
  if (!cached && !force) await checkNothingLost(repo, staged, entries, context);
  const removed = entries.map(({ path }) => path).sort(comparePaths);
  // Files go first: a removal that was interrupted finds them tracked still, and is run again.
  if (!cached) await removeWorkFiles(repo, removed, context);
  const left = await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    for (const path of removed) if (now.staging.ownerOf(path) === model) now.staging.remove(path);
    await writeStaging(lock, now.staging);
    return now.staging.entries(model);
  });
  const changed = new Set(removed);
  await warnOfMissing(repo.layout, { entries: left, changed, where: 'staged' }, context);
  return removed;
}

async function checkNothingLost(
  repo: LineAccess,
  { line, writtenNs }: StagedLine,
  entries: readonly StagedEntry[],
  { signal }: OpContext,
): Promise<void> {
  const changes = await stagedChanges(repo, line, [...entries]);
  const fresh = new Set(
    changes.filter(({ status }) => status !== 'deleted').map(({ path }) => path),
  );
  const states = new WorkStates(repo, writtenNs, signal);
  for (const entry of entries) {
    const { status, odd } = await states.of(entry);
    if (odd !== null) {
      throw new ConflictError(`'${entry.path}' ${odd.says}`, {
        path: entry.path,
        hint: 'stop tracking it with --cached, or remove what is in its place with --force',
      });
    }
    if (status === 'modified' || (status === 'same' && fresh.has(entry.path))) {
      throw new ConflictError(`'${entry.path}' has content that is in no version`, {
        path: entry.path,
        hint: 'commit it first, keep the file with --cached, or discard it with --force',
      });
    }
  }
}

/**
 * Removes work files and the folders that become empty; they are gone from the disk when this returns.
 * Links are never followed.
 */
export async function removeWorkFiles(
  repo: { readonly layout: Layout },
  paths: readonly string[],
  context: OpContext,
): Promise<void> {
  const guard = new LinkGuard(repo.layout.workTree);
  const changed = new Set<string>();
  for (const path of paths) {
    if ((await guard.findLink(path)) !== null) continue;
    const file = repo.layout.workFile(path);
    const there = await statOrNull(file);
    if (there === null || there.isDirectory) continue;
    await removeFile(file);
    let dir = nodePath.dirname(file);
    while (dir !== repo.layout.workTree) {
      if (holdsFolder(dir, context.cwd) || !(await removeEmptyFolder(dir))) break;
      changed.delete(dir);
      dir = nodePath.dirname(dir);
    }
    changed.add(dir);
    guard.forget();
  }
  for (const dir of changed) await syncDirectory(dir);
}
