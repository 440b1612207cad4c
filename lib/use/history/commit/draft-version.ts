/** Looks at what is staged for a line, and drafts the version that is made of it. */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../../base/errors.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import {
  changedEntry,
  type StagedEntry,
  type Staging,
} from '../../../storage/repo/staging/staging.js';
import type { FileTree } from '../../../storage/repo/version/file-tree.js';
import type { Version } from '../../../storage/repo/version/version.js';
import type { LineAccess } from '../access.js';
import { checkBase, currentLine, type Line } from '../lines/lines.js';
import { type NewVersion, type VersionFacts, versionFiles } from './make-version.js';
import { type PathChange, stagedChanges } from './staged-changes.js';

/** What is asked of a version that is made of staged files. */
export interface VersionContent extends VersionFacts {
  /** May be left out where the version takes the place of another. */
  message?: string;
  /** Training step of the snapshots that changed. */
  step?: number;
  /** Further parents: versions that this one derives from, also of other models. */
  parents?: readonly Id[];
  /** Makes a version even if no file changed. */
  allowEmpty?: boolean;
  /** Makes a version that has less than half of the files of the one before. */
  allowRemovals?: boolean;
}

/** A line and its staged files, from which a version is made. */
export interface StagedLine {
  line: Line;
  /** The new version takes the place of the tip. */
  amend?: boolean;
  /** Staging, with changes that are not on disk yet. */
  staging: Staging;
  /** Its bytes as they were read. */
  stagingBefore: Uint8Array;
}

/** A version that is about to be made. */
export interface Draft extends StagedLine {
  content: VersionContent & { message: string };
  entries: readonly StagedEntry[];
  /** Staged files against the version's first parent. */
  changes: PathChange[];
  parents: Id[];
  previous: FileTree | null;
  /** The version whose place it takes, or null. */
  amended: Version | null;
}

/** The line of `model` (default: HEAD's), to commit to. @throws {ConflictError} without a branch. */
export async function branchLine(
  repo: LineAccess,
  staging: Staging,
  model?: string,
): Promise<Line & { branch: string }> {
  const line = await currentLine(repo, staging, model);
  const { branch } = line;
  if (branch !== null) return { ...line, branch };
  throw new ConflictError(`HEAD is at a version of '${line.model}', on no branch`, {
    hint: "make a branch for your work first: 'dlv switch -c <name>'",
  });
}

/**
 * Looks at what is staged for a line and what a version of it derives from.
 * @throws {ConflictError} if nothing changed; {NotFoundError} if nothing is staged, or for a parent
 *   that is not in the repository.
 */
export async function draftVersion(
  repo: LineAccess,
  source: StagedLine,
  content: VersionContent,
): Promise<Draft> {
  const { line, staging } = source;
  const staged = staging.get(line.model);
  const entries = staging.entries(line.model);
  if (staged === undefined) {
    throw new NotFoundError(`nothing is staged for model '${line.model}'`, {
      kind: 'staging',
      name: line.model,
      hint:
        line.tip === null
          ? "run 'dlv add <paths>' first"
          : `run 'dlv switch ${line.model}' first, or 'dlv fsck --rebuild' if its staging was lost`,
    });
  }
  await checkBase(repo, staging, line);
  const amended = source.amend ? await tipToAmend(repo, line) : null;
  const before = amended === null ? line.tip : (amended.parents[0] ?? null);
  const changes = await stagedChanges(repo, { ...line, tip: before }, entries);
  const extra = [...staged.otherParents, ...(content.parents ?? [])];
  const first = amended === null ? [line.tip] : amended.parents;
  const parents = [...new Set([...first, ...extra])].filter((id) => id !== null);
  const isNew = line.tip === null || extra.length > 0 || amended !== null;
  if (changes.length === 0 && !content.allowEmpty && !isNew) {
    throw new ConflictError(
      `nothing to commit: '${line.model}' has not changed since its last version`,
      {
        model: line.model,
        hint: "change and 'dlv add' a file, or use --allow-empty",
      },
    );
  }
  for (const id of parents) {
    if ((await repo.store.findBlob(id)) !== null) continue;
    throw new NotFoundError(`parent '${id}' is not in the repository`, {
      kind: 'version',
      name: id,
    });
  }
  const message = content.message ?? amended?.message ?? '';
  if (message.trim() === '') {
    throw new UsageError('no message is given', {
      hint: 'say what this version is with -m <text> or -F <file>',
    });
  }
  const previous = line.tip === null ? null : (await repo.version(line.tip)).tree;
  if (!content.allowRemovals) checkRemovals(line.model, entries.length, previous?.count ?? 0);
  return {
    ...source,
    content: { ...content, message },
    entries,
    changes,
    parents,
    previous,
    amended,
  };
}

/**
 * A version that loses most files of its line is rarely meant.
 * @throws {ConflictError} if less than half as many would be left.
 */
export function checkRemovals(model: string, left: number, before: number): void {
  if (left * 2 >= before) return;
  throw new ConflictError(
    `this would remove most files of '${model}': ${left} of ${before} would be left`,
    {
      model,
      files: left,
      filesBefore: before,
      hint:
        "'dlv status' lists what is gone, 'dlv restore --staged --worktree <paths>' brings it back; " +
        'if that is meant, commit with --allow-removals',
    },
  );
}

/** The version that the new one takes the place of. @throws {NotFoundError} if there is none. */
async function tipToAmend(repo: LineAccess, line: Line): Promise<Version> {
  if (line.tip !== null) return repo.version(line.tip);
  throw new NotFoundError(`'${line.model}' has no version to amend yet`, {
    kind: 'version',
    name: line.model,
    hint: 'make the first one without --amend',
  });
}

/** The version that a draft asks for. */
export function newVersionOf(draft: Draft): NewVersion {
  const { content, line, parents, amended } = draft;
  const { tip: near, model } = line;
  // Those of a version that takes the place of another are told against the parent of both.
  const changes = amended === null ? { changes: draft.changes } : {};
  const files = versionFiles(withStep(draft));
  return { ...content, ...files, ...changes, model, parents, near, amended };
}

/** The staged files; the user's step holds for those that changed. */
export function withStep({ content, entries, changes }: Draft): readonly StagedEntry[] {
  const { step } = content;
  if (step === undefined) return entries;
  const changed = new Set(changes.map(({ path }) => path));
  return entries.map((entry) => (changed.has(entry.path) ? changedEntry(entry, { step }) : entry));
}

/** Tensors of staged files that belong to a checkpoint. */
export async function countTensors(
  repo: LineAccess,
  entries: readonly StagedEntry[],
): Promise<number> {
  let tensors = 0;
  for (const entry of entries) {
    if (entry.hint.roles.length === 0) continue;
    tensors += (await openStoredFile(repo, entry)).skeleton?.tensors.length ?? 0;
  }
  return tensors;
}
