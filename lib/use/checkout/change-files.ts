/** Changes some files of a line, in the work tree and in staging: shared by revert, stash and merge. */

import type { Id } from '../../base/bytes/hash.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError } from '../../base/errors.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import type { StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry, FilePage } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import { sameFile, stagedEntriesOf } from '../history/commit/staged-version.js';
import type { Line } from '../history/lines/lines.js';
import { planCheckout } from './checkout-plan.js';
import { applyPlan, withStates } from './place-files.js';
import { checkPlaceable } from './portable-places.js';

/** Files that are written, and paths that are removed. */
export interface FileChanges {
  /** Files with the snapshots that they are of. */
  target: FilePage;
  removes: string[];
}

/** What was done to the work tree, and how the files are in staging then. */
export interface ChangedFiles {
  entries: StagedEntry[];
  written: string[];
  removed: string[];
}

/**
 * What turns `before` into `after`, done to `now`: a file that is neither as before nor as after is a
 * conflict.
 * @param now  what is staged, where that may differ from the version of the line.
 */
export function changesOnto(
  before: readonly FileEntry[],
  after: FilePage,
  now: readonly FileEntry[],
): { changes: FileChanges; conflicts: string[] } {
  const [old, next, present] = [before, after.files, now].map(byPath) as [Files, Files, Files];
  const files: FileEntry[] = [];
  const removes: string[] = [];
  const conflicts: string[] = [];
  for (const path of new Set([...old.keys(), ...next.keys()])) {
    const from = old.get(path);
    const to = next.get(path);
    const is = present.get(path);
    if (isSame(from, to) || isSame(is, to)) continue;
    if (!isSame(is, from)) conflicts.push(path);
    else if (to === undefined) removes.push(path);
    else files.push(to);
  }
  const target = { files, snapshots: after.snapshots };
  return { changes: { target, removes }, conflicts: conflicts.sort() };
}

/**
 * @param present  files that the changes are made to.
 * @throws {ConflictError} if a file and a folder of the same name would be left, which no work tree can hold.
 */
export function checkNoneInTheWay(
  present: readonly FileEntry[],
  { target, removes }: FileChanges,
): void {
  const wanted = new Set([...present, ...target.files].map(({ path }) => path));
  for (const path of removes) wanted.delete(path);
  for (const path of wanted) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const file = path.slice(0, at);
      if (!wanted.has(file)) continue;
      throw new ConflictError(`'${file}' cannot be a file and the folder of '${path}' at once`, {
        paths: [file, path],
        hint: "nothing was changed; move one of them with 'dlv mv' and commit that first",
      });
    }
  }
}

type Files = Map<string, FileEntry>;

function byPath(files: readonly FileEntry[]): Files {
  return new Map(files.map((file) => [file.path, file]));
}

/** True for two files of the same content and mode, or for none. */
export function isSame(a: FileEntry | undefined, b: FileEntry | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameFile(a, b);
}

/** @throws {ConflictError} if something is staged that the line's version does not have. */
export async function checkNothingStaged(
  repo: ChangeAccess,
  line: Line,
  staging: Staging,
  what: string,
): Promise<void> {
  const changes = await stagedChanges(repo, line, staging.entries(line.model));
  if (changes.length === 0 || staging.get(line.model) === undefined) return;
  const paths = changes.map(({ path }) => path);
  throw new ConflictError(`cannot ${what}: changes are staged: ${quoteSome(paths)}`, {
    model: line.model,
    paths,
    hint: "commit them, set them aside with 'dlv stash', or unstage them with 'dlv reset'",
  });
}

/** What is staged, and the version that its line is at, or null. */
export interface StagedTip extends Pick<StagingOnDisk, 'staging' | 'writtenNs'> {
  model: string;
  tip: Id | null;
}

/**
 * Writes and removes work files, unless changes that are in no version would be lost. Staging stays:
 * `stageFiles` puts into it what this answers.
 */
export async function changeWorkFiles(
  repo: ChangeAccess,
  { staging, writtenNs, model, tip }: StagedTip,
  { target, removes }: FileChanges,
  context: OpContext,
): Promise<ChangedFiles> {
  await checkPlaceable(
    repo.layout.workTree,
    target.files.map(({ path }) => path),
  );
  const committed = tip === null ? [] : (await repo.tree(tip)).files;
  const plan = await planCheckout(
    repo,
    {
      staging,
      writtenNs,
      model,
      target: target.files,
      removes: removes.map((path) => staging.entry(path)).filter((entry) => entry !== null),
      committed: byPath(committed),
      force: false,
      discard: "'dlv restore --staged --worktree <paths>', or rm for files that are not tracked,",
      carries: false,
      replaceLinks: false,
      isWrittenOver: () => false,
    },
    context,
  );
  const entries = await stagedEntriesOf(repo, target, staging);
  const applied = await applyPlan(repo, plan, context);
  const { written, removed } = applied;
  return { entries: withStates(entries, applied), written, removed };
}

/** Puts changed files into staging. */
export function stageFiles(
  staging: Staging,
  model: string,
  { removes }: Pick<FileChanges, 'removes'>,
  { entries }: Pick<ChangedFiles, 'entries'>,
): void {
  for (const path of removes) staging.remove(path);
  for (const entry of entries) staging.put(model, entry);
}

/** True if what is staged is the tip with the changes made. */
export function isStaged(
  entries: readonly FileEntry[],
  tip: readonly FileEntry[],
  { target, removes }: FileChanges,
): boolean {
  const wanted = new Map(tip.map((file) => [file.path, file]));
  for (const path of removes) wanted.delete(path);
  for (const file of target.files) wanted.set(file.path, file);
  return (
    entries.length === wanted.size &&
    entries.every((entry) => {
      const file = wanted.get(entry.path);
      return file !== undefined && sameFile(file, entry);
    })
  );
}
