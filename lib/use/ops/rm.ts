/** `dlv rm`: removes files from the next version and, unless told otherwise, from the work tree. */
import { NotFoundError } from '../../base/errors.js';
import type { StagedEntry } from '../../storage/repo/staging/staging.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import { currentLine } from '../history/lines/lines.js';
import type { Repository } from '../repository.js';
import { PathInput } from '../worktree/operands/path-input.js';
import { untrackFiles } from '../worktree/untrack-files.js';

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
  /** Those of them that the last version does not have: that they were added is taken back. */
  unstaged: string[];
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
  const removed = await untrackFiles(repo, { line, writtenNs }, [...chosen.values()], {
    ...options,
    context,
  });
  const before = line.tip === null ? [] : (await repo.tree(line.tip)).files;
  const committed = new Set(before.map(({ path }) => path));
  return { model: line.model, removed, unstaged: removed.filter((path) => !committed.has(path)) };
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
