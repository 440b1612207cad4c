/**
 * Makes a version from the staged files of a line: drafts it, stores it, and moves the branch to
 * it.
 *
 * Everything that the version names is in published packs before the branch moves, and the branch
 * moves only if neither it nor staging has changed since the draft.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../../base/errors.js';
import type { PackSession } from '../../../storage/objects/session.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import { blobWriter, bytesOfSets, publishedSets } from '../../../storage/objects/stored-bytes.js';
import { branchRefName } from '../../../storage/repo/layout.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { appendReflog } from '../../../storage/repo/refs/reflog.js';
import { updateRef } from '../../../storage/repo/refs/refs.js';
import {
  currentAuthor,
  currentMoment,
  formatAuthor,
  type Moment,
} from '../../../storage/repo/settings/author.js';
import { readGitState } from '../../../storage/repo/settings/gitinfo.js';
import type { StagedEntry, Staging } from '../../../storage/repo/staging/staging.js';
import { encodeStaging } from '../../../storage/repo/staging/staging-bytes.js';
import { writeStaging } from '../../../storage/repo/staging/staging-file.js';
import { buildTree, type FileTree } from '../../../storage/repo/version/file-tree.js';
import { makeSnapshots } from '../../../storage/repo/version/snapshots.js';
import {
  type Author,
  type Extension,
  type GitState,
  type Metric,
  type Param,
  type Version,
  writeVersion,
} from '../../../storage/repo/version/version.js';
import type { ChangeAccess, LineAccess } from '../access.js';
import { checkBase, currentLine, type Line } from '../lines/lines.js';
import { reopenStaging } from '../lines/open-staging.js';
import { neededOfSets } from '../sizes/staged-bytes.js';
import { checkLive } from './check-live.js';
import { giveNumber } from './give-number.js';
import { type PathChange, stagedChanges } from './staged-changes.js';
import type { KeptLog } from './store-logs.js';
import { storeNetworks } from './store-networks.js';
import { type GivenKnowledge, tellOf } from './tell.js';

/** What a version says besides its files. */
export interface VersionContent {
  /** May be left out where the version takes the place of another. */
  message?: string;
  params?: readonly Param[];
  metrics?: readonly Metric[];
  /** Files and folders with training logs, read and stored with the version: absolute paths. */
  logs?: readonly string[];
  /** What is said of how it was made. */
  knowledge?: GivenKnowledge;
  /** Training step of the snapshots that changed. */
  step?: number;
  /** Further parents: versions that this one derives from, also of other models. */
  parents?: readonly Id[];
  /** Makes a version even if no file changed. */
  allowEmpty?: boolean;
  /** Makes a version that has less than half of the files of the one before. */
  allowRemovals?: boolean;
  extensions?: readonly Extension[];
  /** Default: whom the environment and the settings name. */
  author?: Author;
  /** Default: now. */
  moment?: Moment;
  /** Default: the state of the git repository around the work tree. */
  git?: GitState | null;
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
  entries: StagedEntry[];
  /** Staged files against the version's first parent. */
  changes: PathChange[];
  parents: Id[];
  previous: FileTree | null;
  /** The version whose place it takes, or null. */
  amended: Version | null;
}

/** A version that was stored. */
export interface MadeVersion {
  id: Id;
  version: Version;
  /** What was made of its logs. */
  kept: KeptLog[];
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

/** Stores the version in the session. Flush the session, then `publishVersion`. */
export async function storeVersion(
  repo: ChangeAccess,
  session: PackSession,
  draft: Draft,
  signal?: AbortSignal,
): Promise<MadeVersion> {
  const { content, line, amended } = draft;
  const writer = blobWriter(session);
  const snapshots = makeSnapshots(withStep(draft));
  const tree = await buildTree(draft.entries, snapshots, writer, draft.previous);
  const told = await tellOf(repo, session, draft, signal);
  const version: Version = {
    model: line.model,
    number: await giveNumber(repo, line.model, numberedAfter(draft)),
    parents: draft.parents,
    author:
      content.author ?? amended?.author ?? (await currentAuthor(repo.config, repo.layout.workTree)),
    ...(content.moment ?? currentMoment()),
    message: content.message,
    tree,
    params: told.params,
    metrics: told.metrics,
    logs: told.logs,
    network: await storeNetworks(repo, session, { ...draft, snapshots }, signal),
    git: content.git === undefined ? await readGitState(repo.layout.workTree, signal) : content.git,
    extensions: [...(content.extensions ?? []), ...told.extensions],
  };
  return { id: await writeVersion(version, writer), version, kept: told.kept };
}

/** Versions whose numbers are below the new one's: its parents, and the one whose place it takes. */
function numberedAfter({ line, parents }: Draft): Id[] {
  return line.tip === null ? parents : [...parents, line.tip];
}

/** The user's step holds for the files that changed. */
function withStep({ content, entries, changes }: Draft): StagedEntry[] {
  const { step } = content;
  if (step === undefined) return entries;
  const changed = new Set(changes.map(({ path }) => path));
  return entries.map((entry) => (changed.has(entry.path) ? { ...entry, step } : entry));
}

/**
 * Moves the branch to the new version and brings staging up to it, under the lock.
 * @returns bytes of pack files written for the version since its parent, whichever command wrote them, without what
 *   was staged and is not in the version.
 * @throws {ConflictError} if the branch or staging changed since the draft.
 */
export async function publishVersion(
  repo: ChangeAccess,
  session: PackSession,
  draft: Draft,
  { id, version }: { id: Id; version: Version },
): Promise<{ storedBytes: number; metadataBytes: number }> {
  const { line, staging, content, entries, changes } = draft;
  const changed = new Set(changes.map(({ path }) => path));
  const files = entries.filter(({ path }) => changed.has(path));
  const sets = await neededOfSets(repo, staging.get(line.model)?.sets ?? [], files);
  return repo.locked(async (lock) => {
    const now = encodeStaging((await reopenStaging(repo, staging)).staging);
    const tip = (await currentLine(repo, staging, line.model)).tip;
    if (Buffer.compare(now, draft.stagingBefore) !== 0 || tip !== line.tip) {
      throw new ConflictError(`'${line.model}' changed while it was committed`, {
        hint: 'another command staged or committed at the same time; run the command again',
      });
    }
    await checkNamed(session, draft, version, id);
    const why = {
      who: formatAuthor(version.author),
      time: version.time,
      reason: `commit${draft.amended ? ' (amend)' : ''}: ${version.message.split('\n', 1)[0]}`,
    };
    const model = staging.open(line.model, line.branch);
    const stored = bytesOfSets([...publishedSets(session), ...sets]);
    model.base = id;
    model.branch = line.branch;
    model.sets = [];
    model.otherParents = [];
    if (content.step !== undefined) {
      for (const entry of withStep(draft)) staging.put(line.model, entry);
    }
    // Staging goes first: a branch that has moved is an acknowledged version (see checkBase).
    await writeStaging(lock, staging);
    await updateRef(lock, {
      name: branchRefName(line.model, line.branch as string),
      before: line.tip,
      after: id,
      why,
    });
    const head = await readHead(repo.layout);
    if (head.kind === 'branch' && head.model === line.model && head.branch === line.branch) {
      await appendReflog(lock, 'HEAD', { before: line.tip, after: id, ...why });
    }
    return stored;
  });
}

/**
 * Checks, under the lock, that everything the version names is live.
 * @throws {ConflictError} if something was collected; running the command again stores it again.
 */
async function checkNamed(
  session: PackSession,
  draft: Draft,
  version: Version,
  id: Id,
): Promise<void> {
  if (await session.isUndisturbed()) return;
  const named = [id, ...version.tree.pages.map((page) => page.id), ...draft.parents];
  for (const log of version.logs) named.push(log.id);
  if (version.network !== null) named.push(version.network);
  for (const blob of named) {
    if (await session.hasBlob(blob)) continue;
    throw new ConflictError('an object of the new version was collected as garbage meanwhile', {
      id: blob,
      hint: 'run the command again',
    });
  }
  await checkLive(session, draft.entries);
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
