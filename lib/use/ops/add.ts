/** `dlv add`: stores files and stages them for the next version of a model. */

import { steadyMs } from '../../base/bytes/pace.js';
import { UsageError } from '../../base/errors.js';
import { statThrough } from '../../base/files/places/user-paths.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import { writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import { currentLine } from '../history/lines/lines.js';
import { openStaging, reopenStaging } from '../history/lines/open-staging.js';
import type { Repository } from '../repository.js';
import { warnOfMissing } from '../worktree/missing-references.js';
import { selectPaths } from '../worktree/operands/select-paths.js';
import { planStage, type StageOptions } from '../worktree/plan-stage.js';
import {
  applyChanges,
  type StoredChanges,
  storeChanges,
  throwFailures,
  throwForeseen,
  trackedFiles,
} from '../worktree/stage-files.js';

export interface AddOptions extends Omit<StageOptions, 'update'> {
  /** `model/branch` that the files are staged for, wherever HEAD is. */
  branch?: string;
  /** Takes the whole work tree if no path is given. */
  all?: boolean;
  /** Takes tracked files alone, those that the paths name or all of the model. */
  trackedOnly?: boolean;
  /** Only says what would be staged: nothing is read or stored. */
  dryRun?: boolean;
}

export interface AddedFile {
  path: string;
  status: 'added' | 'modified' | 'unchanged' | 'deleted';
  bytes: number;
  format: string | null;
  tensors: number;
}

export interface AddResult {
  model: string;
  /** Branch that they are staged for; null for a version without one. */
  branch: string | null;
  files: AddedFile[];
  /** Bytes of the files that were read. */
  logicalBytes: number;
  /** Bytes of pack files written, without their indexes. */
  storedBytes: number;
  metadataBytes: number;
  /** True if nothing was stored; a file that may have changed counts as modified then. */
  dryRun: boolean;
  seconds: number;
}

/** Adds files. @throws {NotFoundError} {UsageError} {ConflictError} {ChangedError} {IoError} */
export async function add(
  repo: Repository,
  options: AddOptions,
  context: OpContext,
): Promise<AddResult> {
  const started = steadyMs();
  if (options.dryRun) return previewAdd(repo, options, context, started);
  return withSession(repo, async (session) => {
    const { staging, writtenNs, model } = await openStaging(repo, options);
    const asked = { ...options, ...(model === undefined ? {} : { model }) };
    const stage = await stageOptions(repo, staging, asked, context);
    const changes = await storeChanges({ repo, session }, { staging, writtenNs }, stage, context);
    await session.flush();
    let entries: readonly StagedEntry[] = [];
    if (changes.results.length > 0 || changes.plan.missing.length > 0) {
      await repo.locked(async (lock) => {
        const now = (await reopenStaging(repo, staging)).staging;
        await applyChanges({ repo, session }, now, changes, stage);
        await writeStaging(lock, now);
        entries = now.entries(changes.plan.line.model);
      });
    }
    const changed = new Set([...changes.results.map(({ path }) => path), ...changes.plan.missing]);
    await warnOfMissing(repo.layout, { entries, changed, where: 'staged' }, context);
    throwFailures(changes, context);
    return report(changes, session, started);
  });
}

function report(
  { plan, results }: StoredChanges,
  session: PackSession,
  started: number,
): AddResult {
  const files: AddedFile[] = results.map((result) => ({
    path: result.path,
    status: statusOf(plan.known.get(result.path)?.sha256, result.sha256),
    bytes: result.size,
    format: result.format,
    tensors: result.tensors,
  }));
  for (const entry of plan.unchanged) {
    files.push({
      path: entry.path,
      status: 'unchanged',
      bytes: entry.size,
      format: entry.format,
      tensors: 0,
    });
  }
  for (const path of plan.missing) {
    files.push({ path, status: 'deleted', bytes: 0, format: null, tensors: 0 });
  }
  return {
    model: plan.line.model,
    branch: plan.line.branch,
    files,
    logicalBytes: results.reduce((sum, result) => sum + result.size, 0),
    ...publishedBytes(session),
    dryRun: false,
    seconds: (steadyMs() - started) / 1000,
  };
}

function statusOf(before: string | undefined, now: string): AddedFile['status'] {
  if (before === undefined) return 'added';
  return before === now ? 'unchanged' : 'modified';
}

/** What `options` stage. @throws {UsageError} if nothing is named; {NotFoundError} */
async function stageOptions(
  repo: Repository,
  staging: Staging,
  { all, trackedOnly, dryRun: _, branch: _branch, ...stage }: AddOptions,
  context: OpContext,
): Promise<StageOptions> {
  if (trackedOnly) {
    const { model } = await currentLine(repo, staging, stage.model);
    const known = trackedFiles(staging, model);
    if (stage.paths.length === 0) return { ...stage, ...known };
    const where = `model '${model}'`;
    const place = { layout: repo.layout, cwd: context.cwd };
    const paths = selectPaths(place, stage.paths, known.paths, where);
    return { ...stage, ...known, paths: [...paths] };
  }
  if (stage.paths.length > 0) return stage;
  if (all) return { ...stage, paths: [repo.layout.workTree] };
  throw new UsageError('no path given', { hint: "name files, or 'dlv add .' for all" });
}

async function previewAdd(
  repo: Repository,
  options: AddOptions,
  context: OpContext,
  started: number,
): Promise<AddResult> {
  const onDisk = await openStaging(repo, options);
  const { model } = onDisk;
  const asked = { ...options, ...(model === undefined ? {} : { model }) };
  const stage = await stageOptions(repo, onDisk.staging, asked, context);
  const plan = await planStage(repo, onDisk, stage, context);
  await throwForeseen(repo, plan, context);
  const row = (path: string, status: AddedFile['status'], bytes: number): AddedFile => ({
    path,
    status,
    bytes,
    format: null,
    tensors: 0,
  });
  const changed: AddedFile[] = [];
  for (const path of plan.changed) {
    const bytes = (await statThrough(repo.layout.workFile(path))).stat?.size ?? 0;
    changed.push(row(path, plan.known.has(path) ? 'modified' : 'added', bytes));
  }
  return {
    model: plan.line.model,
    branch: plan.line.branch,
    files: [
      ...changed,
      ...plan.unchanged.map(({ path, size }) => row(path, 'unchanged', size)),
      ...plan.missing.map((path) => row(path, 'deleted', 0)),
    ],
    logicalBytes: plan.totalBytes,
    storedBytes: 0,
    metadataBytes: 0,
    dryRun: true,
    seconds: (steadyMs() - started) / 1000,
  };
}
