/** Stores work files, if asked, and makes a version of what is staged: one session, one move. */

import type { Id } from '../../base/bytes/hash.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import { type Level, parseLevel } from '../../pure/codec/segment.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import type { PublishedBytes } from '../../storage/objects/stored-bytes.js';
import { bytesAsRead } from '../../storage/repo/staging/staging-bytes.js';
import type { StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { LineAccess, StoreAccess } from '../history/access.js';
import { commitDraft } from '../history/commit/commit-draft.js';
import {
  branchLine,
  checkRemovals,
  countTensors,
  draftVersion,
  type StagedLine,
  type VersionContent,
} from '../history/commit/draft-version.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import type { KeptLog } from '../history/commit/store-logs.js';
import type { Line } from '../history/lines/lines.js';
import { openStaging } from '../history/lines/open-staging.js';
import { Describer } from '../history/versions.js';
import { workChanges } from './changes.js';
import { describedByChanged, describedOtherwise } from './described-files.js';
import { warnOfMissing } from './missing-references.js';
import { planStage, type StageOptions, type StagePlan } from './plan-stage.js';
import {
  applyChanges,
  entryOf,
  type StageTarget,
  storeChanges,
  storeDescribed,
  throwFailures,
  throwForeseen,
  trackedFiles,
} from './stage-files.js';

export interface CommitRequest extends VersionContent {
  /** Model whose line gets the version; default: HEAD's. */
  model?: string;
  /** `model/branch` that the version goes to; where HEAD is and its files stay. */
  branch?: string;
  /** What is stored and staged first: files, or every tracked file that changed. */
  stage?: StageOptions | 'tracked';
  /** The version takes the place of the line's last one, and keeps what is not given. */
  amend?: boolean;
  /** Encoder effort of tracked files; default: the setting codec.level. */
  level?: Level;
}

/** A version that was made. */
export interface CommittedVersion extends PublishedBytes {
  version: Id;
  model: string;
  branch: string;
  number: number;
  /** `model@number`, which names the version for good. */
  name: string;
  files: number;
  tensors: number;
  logicalBytes: number;
  /** Files that differ from the version's first parent. */
  changes: PathChange[];
  /** The version whose place it took; null without `amend`. */
  amended: Id | null;
  /** What was made of each log. */
  logs: KeptLog[];
}

/** What a commit would make. */
export interface CommitPreview {
  dryRun: true;
  model: string;
  branch: string;
  parents: Id[];
  changes: PathChange[];
  files: number;
  logicalBytes: number;
}

/**
 * Makes a version. Nothing is staged if it fails.
 * @throws {ConflictError} if nothing changed or the branch moved; {UsageError}; {NotFoundError}.
 */
export async function commitFiles(
  repo: StoreAccess,
  request: CommitRequest,
  context: OpContext,
): Promise<CommittedVersion> {
  return withSession(repo, async (session) => {
    context.signal?.throwIfAborted();
    const staged = await stageFirst(repo, session, request, context);
    const draft = await draftVersion(repo, staged, request);
    const { made, stored } = await commitDraft(repo, session, draft, context.signal);
    const changed = new Set(draft.changes.map(({ path }) => path));
    await warnOfMissing(
      repo.layout,
      { entries: draft.entries, changed, where: 'in this version' },
      context,
    );
    return {
      ...(await new Describer(repo).called(made.id)),
      branch: draft.line.branch as string,
      files: made.version.tree.count,
      tensors: await countTensors(repo, draft.entries),
      logicalBytes: made.version.tree.bytes,
      changes: draft.changes,
      amended: draft.amended === null ? null : draft.line.tip,
      logs: made.kept,
      ...stored,
    };
  });
}

/** Says what `commitFiles` would make. Nothing is stored. @throws as `commitFiles`. */
export async function previewCommit(
  repo: LineAccess,
  request: CommitRequest & { stage?: 'tracked' },
  context: OpContext,
): Promise<CommitPreview> {
  const onDisk = await openStaging(repo, request);
  const { staging } = onDisk;
  const line = await branchLine(repo, staging, onDisk.model);
  const source = { line, staging, stagingBefore: new Uint8Array(0), amend: request.amend };
  const unstaged =
    request.stage === undefined ? [] : await trackedChanges(repo, line.model, onDisk, context);
  // The message of a version that is not made does not matter, nor that only -a brings a change.
  const allowEmpty = request.allowEmpty === true || unstaged.length > 0;
  const content = { ...request, message: request.message ?? 'none', allowEmpty };
  const draft = await draftVersion(repo, source, content);
  const changes = new Map(draft.changes.map((change) => [change.path, change]));
  const files = new Map(draft.entries.map(({ path, size }) => [path, size]));
  for (const change of unstaged) {
    const { path, status } = change;
    const isNew = changes.get(path)?.status === 'added';
    if (status !== 'deleted') {
      files.set(path, (await statThrough(repo.layout.workFile(path))).stat?.size ?? 0);
      if (!isNew) changes.set(path, change);
      continue;
    }
    files.delete(path);
    if (isNew) changes.delete(path);
    else changes.set(path, change);
  }
  if (!request.allowRemovals) {
    checkRemovals(line.model, files.size, draft.previous?.count ?? 0);
  }
  return {
    dryRun: true,
    model: line.model,
    branch: line.branch,
    parents: draft.parents,
    changes: [...changes.values()].sort((a, b) => comparePaths(a.path, b.path)),
    files: files.size,
    logicalBytes: [...files.values()].reduce((sum, size) => sum + size, 0),
  };
}

/** What storing the tracked files would change: what it leaves out is left out here, and said. */
async function trackedChanges(
  repo: LineAccess,
  model: string,
  onDisk: StagingOnDisk,
  context: OpContext,
): Promise<PathChange[]> {
  const { staging, writtenNs } = onDisk;
  const plan = await planStage(repo, onDisk, trackedFiles(staging, model), context);
  await throwForeseen(repo, plan, context);
  const taken = new Set([...plan.changed, ...plan.missing]);
  const entries = staging.entries(model).filter(({ path }) => taken.has(path));
  const changes: PathChange[] = [];
  const work = await workChanges(repo, entries, writtenNs, context);
  for (const { path, status, became } of work.changes) {
    if (became === undefined) changes.push({ path, status });
    else context.warn(`'${path}' keeps the content that was added last (${became})`);
  }
  return changes;
}

/** Reads staging and puts into it, in memory, what the request stores first. */
export async function stageFirst(
  repo: StoreAccess,
  session: PackSession,
  request: CommitRequest,
  context: OpContext,
): Promise<StagedLine> {
  const onDisk = await openStaging(repo, request);
  const { staging } = onDisk;
  const stagingBefore = bytesAsRead(staging);
  const line = await branchLine(repo, staging, onDisk.model);
  const { stage, level } = request;
  if (stage !== undefined) {
    const options = stage === 'tracked' ? trackedFiles(staging, line.model) : stage;
    if (level !== undefined) options.level = level;
    if (options.paths.length > 0) {
      const changes = await storeChanges({ repo, session }, onDisk, options, context);
      throwFailures(changes, context);
      await applyChanges({ repo, session }, staging, changes, options);
    }
  }
  await restageDescribed({ repo, session }, onDisk, line, context);
  return { line, staging, stagingBefore, amend: request.amend };
}

/** Lays files out anew, in memory, whose description came otherwise than by `add`: by a checkout of it alone, or a merge. */
async function restageDescribed(
  target: StageTarget,
  onDisk: StagingOnDisk,
  line: Line,
  context: OpContext,
): Promise<void> {
  const { repo } = target;
  const { staging } = onDisk;
  const paths = await describedByChanged(repo, onDisk, line);
  if (paths.size === 0) return;
  const described = await describedOtherwise(repo, onDisk, { model: line.model, paths }, context);
  const level = parseLevel(repo.config.get('codec.level'));
  const known = new Map(staging.entries(line.model).map((entry) => [entry.path, entry]));
  const failures: StagePlan['failures'] = [];
  const plan = { line, known, named: new Set<string>(), failures };
  for (const result of await storeDescribed(target, { plan, described, level }, context)) {
    if (result.sha256 === known.get(result.path)?.sha256) staging.put(line.model, entryOf(result));
  }
  // It was added before, and stays laid out as it was.
  for (const { path, error } of failures) {
    context.warn(`'${path}' is skipped: ${(error as Error).message}`);
  }
}
