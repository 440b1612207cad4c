/** Discards changes of files, in the work tree or in staging. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { FileEntry, FilePage } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import {
  asSeen,
  checkUnchanged,
  sameFile,
  stagedEntriesOf,
} from '../history/commit/staged-version.js';
import { currentLine, type Line } from '../history/lines/lines.js';
import { openStaging, reopenStaging } from '../history/lines/open-staging.js';
import { PathInput } from '../worktree/operands/path-input.js';
import { selectPaths } from '../worktree/operands/select-paths.js';
import { planCheckout } from './checkout-plan.js';
import { applyPlan, withStates } from './place-files.js';
import { checkPlaceable } from './portable-places.js';

/** Which files, and where. */
export interface RestoreFiles {
  /** Paths, folders and globs, relative to the context's folder. */
  paths: string[];
  /** Restores what is staged (from HEAD's version) instead of the work tree. */
  staged?: boolean;
  /** Restores the work tree; the default unless `staged` is set. */
  worktree?: boolean;
  /** Replaces a link to a folder in which files belong by a folder; else that is a conflict. */
  replaceLinks?: boolean;
  /** Version to take the files from instead. */
  source?: Id;
  /** `model/branch` whose staged files are meant, wherever HEAD is. */
  branch?: string;
  /** Model whose files are meant; default: the source's, else HEAD's. */
  model?: string;
}

/** What was restored. */
export interface Restored {
  model: string;
  /** Version that the files came from; null if from what is staged. */
  source: Id | null;
  /** Paths whose staged state changed. */
  staged: string[];
  /** Work files written. */
  written: string[];
  /** Work files removed: tracked ones that the source does not have. */
  removed: string[];
  /** Bytes of the files written. */
  bytes: number;
}

const NO_FILES: FilePage = { files: [], snapshots: [] };

/** @throws {NotFoundError} for a path that is neither in the source nor tracked; {UsageError} */
export async function restoreFiles(
  repo: ChangeAccess,
  options: RestoreFiles,
  context: OpContext,
): Promise<Restored> {
  if (options.paths.length === 0) {
    throw new UsageError('no path given', { hint: "name files, or '.' for all" });
  }
  const source = options.source ?? null;
  const opened = await openStaging(repo, options);
  const { staging, writtenNs } = opened;
  const ofSource = source === null ? undefined : (await repo.version(source)).model;
  const model = opened.model ?? ofSource;
  const line = await currentLine(repo, staging, model);
  const worktree = options.worktree ?? !options.staged;
  if (worktree && staging.only !== null) {
    throw new UsageError('the files of the work tree are not those of that branch', {
      option: '--branch',
      hint: "use it only with --staged; 'dlv checkout <rev> <paths>' writes files of a version",
    });
  }
  const result: Restored = {
    model: line.model,
    source,
    staged: [],
    written: [],
    removed: [],
    bytes: 0,
  };
  const job = { repo, line, staging, writtenNs, options, context, result };
  const from = options.staged ? (source ?? line.tip) : source;
  result.source = from;
  const tree = from === null ? NO_FILES : await repo.tree(from);
  // Without a version, what is staged is the source of the work files.
  const files = from === null && !options.staged ? staging.entries(line.model) : tree.files;
  const chosen = await choose(job, files);
  if (worktree) await restoreWork(job, files, chosen);
  if (options.staged) await restoreStaged(job, tree, chosen);
  return result;
}

interface Job {
  repo: ChangeAccess;
  line: Line;
  staging: Staging;
  writtenNs: bigint;
  options: RestoreFiles;
  context: OpContext;
  result: Restored;
}

/** The paths that the user means, of those that the source has or that are tracked. */
async function choose(job: Job, files: readonly FileEntry[]): Promise<Set<string>> {
  const { repo, line, staging, options, context } = job;
  const known = new Set(files.map((file) => file.path));
  for (const { path } of staging.entries(line.model)) known.add(path);
  const others = staging
    .models()
    .filter(({ model }) => model !== line.model)
    .flatMap(({ model }) => staging.entries(model).map((entry) => entry.path));
  const chosen = new Set<string>();
  for (const input of options.paths) {
    const pick = (paths: Iterable<string>): Set<string> =>
      selectPaths(
        { layout: repo.layout, cwd: context.cwd },
        [input],
        [...paths],
        `model '${line.model}'`,
      );
    try {
      for (const path of pick(known)) chosen.add(path);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      await refuseRemoved(job, input, pick);
      if (others.length === 0) throw error;
      // A file of another model is told apart from one that is not tracked at all.
      const [path] = pick(others);
      throw new ConflictError(`'${path}' belongs to model '${staging.ownerOf(path as string)}'`, {
        path,
        hint: `'dlv restore --model ${staging.ownerOf(path as string)} ${path}' restores it`,
      });
    }
  }
  return chosen;
}

/** @throws {NotFoundError} that names the way back of files of the version that are staged as removed. */
async function refuseRemoved(
  { repo, line, options }: Job,
  input: string,
  pick: (paths: Iterable<string>) => Set<string>,
): Promise<void> {
  if (options.staged || options.source !== undefined || line.tip === null) return;
  const { files } = await repo.tree(line.tip);
  try {
    pick(files.map(({ path }) => path));
  } catch (error) {
    if (error instanceof NotFoundError) return;
    throw error;
  }
  throw new NotFoundError(`'${input}' is staged as removed`, {
    kind: 'path',
    name: input,
    hint: `'dlv restore --staged --worktree ${input}' brings it back`,
  });
}

async function restoreWork(
  job: Job,
  files: readonly FileEntry[],
  chosen: ReadonlySet<string>,
): Promise<void> {
  const { repo, line, staging, writtenNs, options, context, result } = job;
  const target = files.filter((file) => chosen.has(file.path));
  const kept = new Set(target.map((file) => file.path));
  const entries = staging.entries(line.model).filter((entry) => chosen.has(entry.path));
  await checkPlaceable(repo.layout.workTree, [...kept]);
  const named = new Set(
    options.paths.map((text) => new PathInput(repo.layout, context.cwd, text).path),
  );
  const plan = await planCheckout(
    repo,
    {
      staging,
      writtenNs,
      model: line.model,
      target,
      removes: entries.filter((entry) => !kept.has(entry.path)),
      committed: new Map(),
      force: true,
      carries: false,
      replaceLinks: options.replaceLinks === true,
      isWrittenOver: (path) => options.replaceLinks === true || named.has(path),
    },
    context,
  );
  const applied = await applyPlan(repo, plan, context);
  result.written = applied.written;
  result.removed = applied.removed;
  result.bytes = plan.bytes;
  if (applied.written.length === 0) return;
  const targets = new Map(target.map((file) => [file.path, file]));
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    // Only what is still staged as it was written is known to match its work file.
    const same = now.staging.entries(line.model).filter((entry) => {
      const file = targets.get(entry.path);
      return file !== undefined && sameFile(file, entry);
    });
    for (const entry of withStates(same, applied)) now.staging.put(line.model, entry);
    await writeStaging(lock, now.staging);
  });
}

async function restoreStaged(job: Job, tree: FilePage, chosen: ReadonlySet<string>): Promise<void> {
  const { repo, line, result } = job;
  const { staging: planned } = await reopenStaging(repo, job.staging);
  const part = {
    files: tree.files.filter((file) => chosen.has(file.path)),
    snapshots: tree.snapshots,
  };
  const ofVersion = await stagedEntriesOf(repo, part, planned);
  const isApart = job.staging.only !== null;
  const entries = isApart ? ofVersion : asSeen(ofVersion, planned, line.model);
  const wanted = new Map<string, StagedEntry>(entries.map((entry) => [entry.path, entry]));
  const changed = (path: string, staging: Staging): boolean => {
    const before = staging.entry(path);
    const after = wanted.get(path);
    return before === null || after === undefined
      ? (before === null) !== (after === undefined)
      : !sameFile(before, after);
  };
  await repo.locked(async (lock) => {
    const now = await reopenStaging(repo, job.staging);
    checkUnchanged(planned, now.staging, line.model);
    result.staged = [...chosen].filter((path) => changed(path, now.staging)).sort();
    if (result.staged.length === 0) return;
    for (const path of chosen) if (!wanted.has(path)) now.staging.remove(path);
    for (const entry of entries) now.staging.put(line.model, entry);
    const staged = now.staging.open(line.model, line.branch);
    if (planned.get(line.model) === undefined) staged.base = line.tip;
    await writeStaging(lock, now.staging);
  });
}
