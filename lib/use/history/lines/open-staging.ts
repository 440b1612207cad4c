/**
 * Opens the staging that a command works on: that of the work tree, or that of one branch apart
 * from where HEAD is (`--branch`), so that two processes can commit to two branches at the same
 * time. @see docs/format/staging.md
 */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError, isUnreadable, UsageError } from '../../../base/errors.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { branchRefName } from '../../../storage/repo/refs/ref-name.js';
import { DELETED_LOG, readListLog, readReflog } from '../../../storage/repo/refs/reflog.js';
import { listRefs, readRef } from '../../../storage/repo/refs/refs.js';
import { type StagedBranch, Staging } from '../../../storage/repo/staging/staging.js';
import {
  readStaging,
  removeLineStaging,
  type StagingOnDisk,
} from '../../../storage/repo/staging/staging-file.js';
import type { LineAccess } from '../access.js';
import { stagedChanges } from '../commit/staged-changes.js';
import { moveLine, stagedEntriesOf } from '../commit/staged-version.js';
import { type BranchName, findBranch, knownModels, newBranchName, noBranch } from './branches.js';
import { checkBase } from './lines.js';

/** Whose staged files a command works with. */
export interface BranchChoice {
  /** `model/branch`, or a branch of `model`; where HEAD is and the files of the work tree stay. */
  branch?: string;
  /** Default: HEAD's. */
  model?: string;
}

/** Staging, and the model whose line is meant. */
export interface OpenStaging extends StagingOnDisk {
  model: string | undefined;
}

/**
 * What is staged where a command works. For a branch that no files of the work tree are on, what is
 * staged for it alone, brought up to its tip.
 * @throws {NotFoundError} for a branch that is not there; {UsageError} for one of another model.
 */
export async function openStaging(repo: LineAccess, choice: BranchChoice): Promise<OpenStaging> {
  const shared = await readStaging(repo.layout);
  if (choice.branch === undefined) return { ...shared, model: choice.model };
  const place = await chosenBranch(repo, shared.staging, { ...choice, branch: choice.branch });
  if (await isOfWorkTree(repo, shared.staging, place)) return { ...shared, model: place.model };
  return { ...(await openApart(repo, place)), model: place.model };
}

/** Reads again what `before` was read from, under the lock. @throws {ConflictError} if HEAD went there. */
export async function reopenStaging(repo: LineAccess, before: Staging): Promise<StagingOnDisk> {
  const { only } = before;
  const shared = await readStaging(repo.layout, null, only === null ? before : null);
  if (only === null) return shared;
  if (!(await isOfWorkTree(repo, shared.staging, only))) return openApart(repo, only);
  throw new ConflictError(`another command went to '${only.model}/${only.branch}' meanwhile`, {
    model: only.model,
    hint: 'run the command again',
  });
}

async function chosenBranch(
  repo: LineAccess,
  shared: Staging,
  { branch: name, model }: { branch: string; model?: string },
): Promise<BranchName> {
  const head = await readHead(repo.layout);
  const at = name.indexOf('/');
  const found = await findBranch(repo, name, model ?? head.model);
  const place = found ?? (await unborn(repo, shared, name));
  if (place === null) {
    const how = at > 0 ? `'dlv branch ${name}' makes it` : "write it as 'model/branch'";
    throw await noBranch(repo, name, [], how);
  }
  if (model === undefined || model === place.model) return place;
  throw new UsageError(`'${name}' is a branch of '${place.model}', not of '${model}'`, {
    option: '--branch',
    hint: 'leave out --model',
  });
}

/**
 * A branch that has no version yet: the one that HEAD or the work tree is on, or the first of a model that is new or has
 * none.
 */
async function unborn(repo: LineAccess, shared: Staging, name: string): Promise<BranchName | null> {
  const head = await readHead(repo.layout);
  const known = await knownModels(repo, shared);
  const model = name.slice(0, Math.max(0, name.indexOf('/')));
  const place: BranchName =
    known.has(model) || model === ''
      ? newBranchName(name, head.model, known)
      : newBranchName(name, model, new Set([model]));
  if (await isOfWorkTree(repo, shared, place)) return place;
  return known.has(place.model) && (await hasBranches(repo, place.model)) ? null : place;
}

async function hasBranches({ layout }: LineAccess, model: string): Promise<boolean> {
  return (await listRefs(layout, `refs/heads/${model}`)).length > 0;
}

/** True if files of the work tree belong to a branch: then it has no staged files apart. */
export async function isOfWorkTree(
  repo: LineAccess,
  shared: Staging,
  { model, branch }: BranchName,
): Promise<boolean> {
  const head = await readHead(repo.layout);
  if (head.model === model) return head.kind === 'branch' && head.branch === branch;
  return shared.get(model)?.branch === branch;
}

/** What is staged for a branch apart, on top of its tip: what was staged on an earlier one is carried on. */
async function openApart(repo: LineAccess, only: StagedBranch): Promise<StagingOnDisk> {
  const { model, branch } = only;
  const read = await readStaging(repo.layout, only);
  const tip = await readRef(repo.layout, branchRefName(model, branch));
  const line = read.staging.get(model);
  if (line !== undefined && line.base === tip) return read;
  if (line !== undefined && (await wasCutShort(repo, read.staging, tip))) return read;
  const staging = new Staging(only);
  const tree = tip === null ? { files: [], snapshots: [] } : await repo.tree(tip);
  const entries = await stagedEntriesOf(repo, tree, read.staging);
  moveLine(staging, model, { version: tip, branch, entries });
  if (line !== undefined) await carryOn(repo, read.staging, staging, line.base);
  return { staging, writtenNs: read.writtenNs };
}

/** True if a commit was killed after it wrote staging and before it moved the branch: see `checkBase`. */
async function wasCutShort(repo: LineAccess, staging: Staging, tip: Id | null): Promise<boolean> {
  const { model, branch } = staging.only as StagedBranch;
  const base = staging.get(model)?.base ?? null;
  const name = branchRefName(model, branch);
  const { entries } = await readReflog(repo.layout, name, tip);
  if (base === null || entries.some(({ after }) => after === base)) return false;
  // A branch that was deleted and made again had that version: its commit was not cut short.
  const deleted = await readListLog(repo.layout, DELETED_LOG);
  if (deleted.some(({ after }) => after === base)) return false;
  try {
    await checkBase(repo, staging, { model, branch, tip });
    return true;
  } catch (error) {
    if (!(error instanceof ConflictError) && !isUnreadable(error)) throw error;
    return false;
  }
}

/** Puts what was staged against `base` into staging of the same model. */
async function carryOn(
  repo: LineAccess,
  from: Staging,
  to: Staging,
  base: Id | null,
): Promise<void> {
  const { model, branch } = from.only as StagedBranch;
  const entries = from.entries(model);
  // A base that is gone was of a branch that is: what was staged on it means nothing any more.
  const changes = await stagedChanges(repo, { tip: base }, entries).catch((error: unknown) => {
    if (!isUnreadable(error)) throw error;
    return [];
  });
  const line = to.open(model, branch);
  line.sets = [...(from.get(model)?.sets ?? [])];
  for (const { path, status } of changes) {
    if (status === 'deleted') to.remove(path);
    else {
      const entry = from.entry(path);
      if (entry !== null) to.put(model, entry);
    }
  }
}

/**
 * Takes what is staged for a branch apart into the staging of the work tree, whose files are on that
 * branch from now on. Under the lock, which also forgets it.
 * @throws {ConflictError} if a path belongs to another model.
 */
export async function takeIn(
  repo: LineAccess,
  lock: RepositoryLock,
  shared: Staging,
  only: StagedBranch,
): Promise<void> {
  const { model } = only;
  const { staging } = await readStaging(repo.layout, only);
  const line = staging.get(model);
  if (line === undefined) return;
  const changes = await stagedChanges(repo, { ...only, tip: line.base }, staging.entries(model));
  for (const { path, status } of changes) {
    if (status !== 'deleted') shared.checkOwner(model, path);
  }
  if (changes.length === 0) return;
  await carryOn(repo, staging, shared, line.base);
  await removeLineStaging(lock, only);
}
