/** `dlv rm`: takes files out of the next version and, unless told otherwise, out of the work tree. */
import nodePath from 'node:path';
import { ConflictError, NotFoundError } from '../../base/errors.js';
import {
  removeEmptyFolder,
  removeFile,
  statOrNull,
  syncDirectory,
} from '../../base/files/files.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { holdsFolder, LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import { currentLine } from '../history/lines/lines.js';
import type { Repository } from '../repository.js';
import { WorkStates } from '../worktree/changes.js';
import { PathInput } from '../worktree/path-input.js';

export interface RmOptions {
  paths: string[];
  model?: string;
  /** Keeps the work files. */
  cached?: boolean;
  /** Removes whole folders. */
  recursive?: boolean;
  /** Removes files whose content is in no version. */
  force?: boolean;
}

export interface RmResult {
  model: string;
  removed: string[];
}

/** @throws {NotFoundError} for a path that is not tracked; {ConflictError} if content would be lost. */
export async function rm(
  repo: Repository,
  options: RmOptions,
  context: OpContext,
): Promise<RmResult> {
  const { staging, writtenNs } = await readStaging(repo.layout);
  const line = await currentLine(repo, staging, options.model);
  const entries = staging.entries(line.model);
  const chosen = new Map<string, StagedEntry>();
  for (const text of options.paths) {
    const input = new PathInput(repo.layout, context.cwd, text);
    const found = input.select(entries.map((entry) => entry.path));
    const isFolder = found.size > 0;
    if (!options.recursive) {
      for (const [path, how] of found) if (how === 'below') found.delete(path);
    }
    if (found.size === 0) {
      if (!isFolder && input.path !== null) staging.checkOwner(line.model, input.path);
      throw notTracked(text, line.model, isFolder);
    }
    for (const path of found.keys()) chosen.set(path, staging.entry(path) as StagedEntry);
  }
  if (!options.cached && !options.force) await checkNothingLost();
  const removed = [...chosen.keys()].sort(comparePaths);
  // Files go first: rm that was interrupted finds them tracked still, and is run again.
  if (!options.cached) await removeWorkFiles(repo, removed, context);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    for (const path of removed)
      if (now.staging.ownerOf(path) === line.model) now.staging.remove(path);
    await writeStaging(lock, now.staging);
  });
  return { model: line.model, removed };

  async function checkNothingLost(): Promise<void> {
    const staged = new Set(
      (await stagedChanges(repo, line, [...chosen.values()]))
        .filter((change) => change.status !== 'deleted')
        .map((change) => change.path),
    );
    const states = new WorkStates(repo, writtenNs, context.signal);
    for (const entry of chosen.values()) {
      const { status, odd } = await states.of(entry);
      if (odd !== null) {
        throw new ConflictError(`'${entry.path}' ${odd.says}`, {
          path: entry.path,
          hint: 'stop tracking it with --cached, or remove what stands there with --force',
        });
      }
      if (status === 'modified' || (status === 'same' && staged.has(entry.path))) {
        throw new ConflictError(`'${entry.path}' has content that is in no version`, {
          path: entry.path,
          hint: 'commit it first, keep the file with --cached, or lose it with --force',
        });
      }
    }
  }
}

function notTracked(text: string, model: string, isFolder: boolean): NotFoundError {
  const message = isFolder
    ? `'${text}' is a folder`
    : `'${text}' is not tracked in model '${model}'`;
  return new NotFoundError(message, {
    kind: 'path',
    name: text,
    hint: isFolder ? 'use -r to remove a folder' : "'dlv show' lists the files of the last version",
  });
}

/**
 * Removes work files and the folders that become empty; they are gone from the disk when this returns.
 * Links are never followed.
 */
export async function removeWorkFiles(
  repo: Repository,
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
