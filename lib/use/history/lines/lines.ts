/**
 * Model lines as ops use them: which line a command works on, its tip, the files of the tip.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { ConflictError, NotFoundError } from '../../../base/errors.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { branchRefName, checkModelName } from '../../../storage/repo/refs/ref-name.js';
import { listRefs, readRef } from '../../../storage/repo/refs/refs.js';
import type { Staging } from '../../../storage/repo/staging/staging.js';
import type { FileEntry, Snapshot } from '../../../storage/repo/version/file-page.js';
import type { KnownFiles } from '../../../storage/repo/version/file-tree.js';
import type { LineAccess } from '../access.js';

/** A model and the branch that its next version goes to; null for a version without a branch. */
export interface Line {
  model: string;
  branch: string | null;
  /** The version that the line is at, or null before its first. */
  tip: Id | null;
}

/**
 * The line of `model` (default: HEAD's): HEAD's branch, else the staged one, else `main`. That of staging
 * for one branch is that branch.
 */
export async function currentLine(
  repo: LineAccess,
  staging: Staging,
  model?: string,
): Promise<Line> {
  if (staging.only !== null) {
    const { only } = staging;
    return { ...only, tip: await readRef(repo.layout, branchRefName(only.model, only.branch)) };
  }
  const head = await readHead(repo.layout);
  const name = checkModelName(model ?? head.model);
  if (head.model === name && head.kind === 'detached')
    return { model: name, branch: null, tip: head.id };
  const branch =
    head.model === name && head.kind === 'branch'
      ? head.branch
      : (staging.get(name)?.branch ?? repo.config.get('init.branch'));
  return { model: name, branch, tip: await readRef(repo.layout, branchRefName(name, branch)) };
}

/** Files of a version with the step of the snapshot they belong to. @param known  see `tree` of VersionAccess. */
export async function filesWithSteps(
  repo: LineAccess,
  version: Id,
  known: KnownFiles = [],
): Promise<{ entry: FileEntry; step: number | null; snapshot: Snapshot | null }[]> {
  const tree = await repo.tree(version, known);
  const byPath = new Map<string, Snapshot>();
  for (const snapshot of tree.snapshots) {
    for (const member of snapshot.members) byPath.set(member, snapshot);
  }
  return tree.files.map((entry) => {
    const snapshot = byPath.get(entry.path) ?? null;
    return { entry, step: snapshot?.step ?? null, snapshot };
  });
}

/** Tips of other lines that are asked for bases when a line has no version yet. */
const FOREIGN_TIPS_MAX = 8;

/**
 * Stored files in which a new file of the line may find bases: its tip's, else those of other lines.
 * @param known  what is staged for the line, if that is at hand.
 */
export async function baseCandidates(
  repo: LineAccess,
  line: Line,
  known: KnownFiles = [],
): Promise<{ entry: FileEntry; step: number | null }[]> {
  if (line.tip !== null) return filesWithSteps(repo, line.tip, known);
  const tips = new Set((await listRefs(repo.layout, 'refs/heads')).map((ref) => ref.id));
  const found: { entry: FileEntry; step: number | null }[] = [];
  for (const tip of [...tips].slice(-FOREIGN_TIPS_MAX))
    pushAll(found, await filesWithSteps(repo, tip));
  return found;
}

/**
 * Checks that the staged files of a line belong to its tip.
 *
 * A commit writes staging before it moves the branch. If it was killed in between, the staged files
 * come from a version whose parent is the tip: that version was never acknowledged, and its files are
 * simply what is staged.
 * @throws {ConflictError} if they were taken from another version.
 */
export async function checkBase(repo: LineAccess, staging: Staging, line: Line): Promise<void> {
  const staged = staging.get(line.model);
  if (staged === undefined || staged.base === line.tip) return;
  if (staged.base !== null && (await repo.store.findBlob(staged.base)) !== null) {
    const { model, parents } = await repo.version(staged.base);
    const isNext = line.tip === null ? model === line.model : parents[0] === line.tip;
    if (isNext) {
      staged.otherParents = parents.filter((id) => id !== line.tip);
      return;
    }
    // A commit --amend that was killed there: its version has the parents of the tip.
    const tip = line.tip === null ? null : await repo.version(line.tip);
    if (tip?.model === model && tip.parents.join() === parents.join()) {
      staged.otherParents = [];
      return;
    }
  }
  const from = staged.base?.slice(0, 10) ?? 'no version';
  throw new ConflictError(
    `the files of '${line.model}' come from ${from}, but its branch is at ${line.tip?.slice(0, 10) ?? 'no version'}`,
    {
      model: line.model,
      hint: `another command moved the branch: run 'dlv reset --soft ${line.branch ?? 'HEAD'}' to keep your files, then commit again`,
    },
  );
}

/** @throws {NotFoundError} if HEAD's line has no version. */
export function needTip(line: Line): Id {
  if (line.tip !== null) return line.tip;
  throw new NotFoundError(`model '${line.model}' has no version yet`, {
    kind: 'version',
    name: line.model,
    hint: "run 'dlv add' and 'dlv commit' first",
  });
}
