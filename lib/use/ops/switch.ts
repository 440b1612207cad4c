/** `dlv switch`: switches to another model or branch, or creates a branch and switches to it. */

import { type Id, isId } from '../../base/bytes/hash.js';
import { AmbiguousError, ExistsError, NotFoundError, UsageError } from '../../base/errors.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { type Head, readHead } from '../../storage/repo/refs/head.js';
import { currentBranch } from '../../storage/repo/refs/ref-candidates.js';
import { branchRefName, parseRefName } from '../../storage/repo/refs/ref-name.js';
import { NOT_A_VERSION, readReflog } from '../../storage/repo/refs/reflog.js';
import { resolveHead } from '../../storage/repo/refs/revision.js';
import { changeRemotes, parseBranchTitle } from '../../storage/repo/remotes.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { checkoutVersion } from '../checkout/checkout-version.js';
import type { OpContext } from '../context.js';
import { checkUnchanged, moveLine, stagedEntriesOf } from '../history/commit/staged-version.js';
import {
  type BranchName,
  checkModel,
  findBranch,
  knownModels,
  listBranches,
  makeBranch,
  newBranchName,
  noBranch,
  readBranch,
  wasMadeFor,
} from '../history/lines/branches.js';
import { findFormerModel, findFormerRef } from '../history/lines/former-refs.js';
import { currentLine } from '../history/lines/lines.js';
import { checkHead, moveHead, moveReason, previousPlace } from '../history/lines/moves.js';
import { takeIn } from '../history/lines/open-staging.js';
import { resolve } from '../history/lines/resolve.js';
import type { Repository } from '../repository.js';
import { upstreamTitle } from '../tracking/ahead-behind.js';
import { branchTitle, branchToFollow, upstreamToFollow } from '../tracking/remotes.js';
import { commonFolder, shownPath } from '../worktree/operands/shown-folder.js';

export interface SwitchOptions {
  /** A model, a branch of HEAD's model, or `<model>/<branch>`; null: where HEAD was before. */
  name: string | null;
  /** Makes the branch. */
  create?: boolean;
  /** Where a new branch starts; default: where its line stands. */
  start?: string;
  /**
   * True: the branch made follows the one of a remote that it starts at; without `create`, that is `name`, and the new
   * branch is called like it. False: the branch made follows none.
   */
  track?: boolean;
}

export interface SwitchResult {
  model: string;
  /** null if the model is at a version without a branch. */
  branch: string | null;
  /** Version that it is at; null before the first. */
  version: Id | null;
  /** True if the branch was made. */
  created: boolean;
  /** `remote/model/branch` that a new branch follows; null if it follows none. */
  upstream: string | null;
  /** Where HEAD was before. */
  before: { model: string; branch: string | null };
  written: string[];
  removed: string[];
  /** Paths whose changes were left as they are. */
  carried: string[];
}

/** @throws {NotFoundError} {ConflictError} over uncommitted changes; {ExistsError} {UsageError} */
export async function switchTo(
  repo: Repository,
  options: SwitchOptions,
  context: OpContext,
): Promise<SwitchResult> {
  const head = await readHead(repo.layout);
  const { staging } = await readStaging(repo.layout);
  const job: Job = { repo, head, staging, context };
  const { name } = options;
  if (name === null) return goBack(job, options);
  if (options.create) {
    const to = newBranchName(name, head.model, await knownModels(repo, staging));
    return createBranch(job, name, { to, from: options.start, track: options.track });
  }
  if (options.track) return trackBranch(job, name);
  if (options.start !== undefined) {
    throw new UsageError('a starting point is given, but no new branch', { hint: 'use -c' });
  }
  const branch = await findBranch(repo, name, head.model);
  const models = await knownModels(repo, staging);
  if (branch !== null && models.has(name)) {
    throw new AmbiguousError(`'${name}' is a model and a branch of '${branch.model}'`, {
      kind: 'branch',
      name,
      candidates: [`${branch.model}/${branch.branch}`, `${name}/…`],
      hint: `write ${branch.model}/${name} for the branch`,
    });
  }
  if (branch !== null) return goToBranch(job, branch, (await readBranch(repo, branch)) as Id);
  if (models.has(name)) return goToModel(job, name);
  if (head.kind === 'branch' && head.branch === name) return report(job, head, null, {});
  const followed = await branchToFollow(repo, name, head.model);
  if (followed !== null) {
    const { model, branch } = followed;
    const from = upstreamTitle(followed);
    return createBranch(job, name, { to: { model, branch }, from, track: options.track });
  }
  throw await unknownName(job, name, models);
}

/** Makes a branch that is called like one of a remote and follows it. */
async function trackBranch(job: Job, name: string): Promise<SwitchResult> {
  const { ref } = await resolve(job.repo, name);
  const place = ref === null ? null : parseRefName(ref);
  const to = place?.kind === 'remote' ? parseBranchTitle(place.rest) : null;
  const track = true;
  return createBranch(job, name, { to: to ?? { model: '', branch: name }, from: name, track });
}

interface Job {
  repo: Repository;
  head: Head;
  staging: Staging;
  context: OpContext;
}

async function unknownName(job: Job, name: string, models: Iterable<string>): Promise<Error> {
  const error = await noBranch(job.repo, name, models);
  const to =
    (await findFormerModel(job.repo, name)) ?? (await findFormerRef(job.repo, name))?.to ?? null;
  const version = to === null ? await resolve(job.repo, name).catch(() => null) : null;
  const place = version?.ref ? parseRefName(version.ref) : null;
  if (place?.kind === 'remote') {
    error.message = `'${name}' is a branch of a remote`;
    error.data.hint =
      `'dlv switch -t ${name}' makes a branch here that follows it, 'dlv checkout ${name}' goes to ` +
      'that version and to no branch';
    return error;
  }
  if (version !== null) error.data.hint = `'dlv checkout ${name}' goes to that version`;
  error.message = `there is no branch or model '${name}'`;
  return error;
}

function report(
  job: Job,
  head: Head,
  version: Id | null,
  done: Partial<Pick<SwitchResult, 'created' | 'upstream' | 'written' | 'removed' | 'carried'>>,
): SwitchResult {
  const { head: before } = job;
  return {
    model: head.model,
    branch: head.kind === 'branch' ? head.branch : null,
    version,
    created: false,
    upstream: null,
    before: { model: before.model, branch: before.kind === 'branch' ? before.branch : null },
    written: [],
    removed: [],
    carried: [],
    ...done,
  };
}

/**
 * Moves HEAD, and the branch that a line's files belong to; touches no file.
 * @param first runs under the lock before.
 */
async function moveOnly(
  job: Job,
  { head, version }: { head: Head; version: Id | null },
  reason: string,
  first?: (lock: RepositoryLock, staging: Staging) => Promise<void>,
): Promise<void> {
  const { repo, staging } = job;
  const before = { head: job.head, id: await resolveHead(repo.layout) };
  const why = await moveReason(repo, reason);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, head.model);
    await checkHead(repo.layout, job.head);
    await first?.(lock, now.staging);
    const line = now.staging.get(head.model);
    const branch = head.kind === 'branch' ? head.branch : null;
    if (line !== undefined && (line.branch !== branch || first !== undefined)) {
      line.branch = branch;
      if (head.kind === 'branch') await takeIn(repo, lock, now.staging, head);
      await writeStaging(lock, now.staging);
    }
    await moveHead(lock, before, { head, id: version }, why);
  });
}

async function goToBranch(job: Job, to: BranchName, tip: Id): Promise<SwitchResult> {
  const head: Head = { kind: 'branch', ...to };
  const reason = `switch: moving to ${to.model}/${to.branch}`;
  if (job.staging.get(to.model)?.base === tip) {
    await moveOnly(job, { head, version: tip }, reason);
    return report(job, head, tip, {});
  }
  const { context } = job;
  const { written, removed, carried } = await checkoutVersion(job.repo, tip, head, {
    force: false,
    context,
    reason,
  });
  return report(job, head, tip, { written, removed, carried });
}

/** Goes to a model where it stands: HEAD moves, no file is touched. */
async function goToModel(job: Job, model: string): Promise<SwitchResult> {
  const { repo, staging } = job;
  const reason = `switch: moving to ${model}`;
  if (model === job.head.model) return report(job, job.head, await resolveHead(repo.layout), {});
  const line = staging.get(model);
  if (line !== undefined) {
    const { branch, base } = line;
    const head: Head =
      branch === null && base !== null
        ? { kind: 'detached', model, id: base }
        : { kind: 'branch', model, branch: branch ?? repo.config.get('init.branch') };
    await moveOnly(job, { head, version: base }, reason);
    return report(job, head, base, {});
  }
  const branch = await currentBranch({ layout: repo.layout, branchOf: async () => null }, model);
  if (branch === null) {
    const candidates = (await listBranches(repo, model)).map((b) => `${b.model}/${b.branch}`);
    throw new AmbiguousError(`model '${model}' has several branches`, {
      kind: 'branch',
      name: model,
      candidates,
      hint: `name one: ${candidates.slice(0, 4).join(', ')}`,
    });
  }
  const tip = (await readBranch(repo, { model, branch })) as Id;
  const entries = await stagedEntriesOf(repo, await repo.tree(tip), staging);
  for (const { path } of entries) staging.checkOwner(model, path);
  const head: Head = { kind: 'branch', model, branch };
  await moveOnly(job, { head, version: tip }, reason, async (_lock, now) => {
    moveLine(now, model, { version: tip, branch, entries });
  });
  if (entries.length > 0) {
    const folder = shownPath(repo, commonFolder(entries.map(({ path }) => path)), job.context);
    job.context.warn(
      `the files of '${model}' are not in the work tree yet: 'dlv restore ${folder}' writes them`,
    );
  }
  return report(job, head, tip, {});
}

/** Goes to where HEAD was before: a branch, or a version. */
async function goBack(job: Job, options: SwitchOptions): Promise<SwitchResult> {
  if (options.create || options.start !== undefined) {
    throw new UsageError("'-' means where HEAD was before: it cannot name a new branch");
  }
  const { repo, head, context } = job;
  const place = await previousPlace(repo.layout);
  if (place === null) {
    throw new NotFoundError('HEAD was on no other branch before', {
      kind: 'branch',
      hint: "'dlv branch --all' lists the branches",
    });
  }
  if (!isId(place)) {
    const branch = await findBranch(repo, place, head.model);
    if (branch === null) throw await noBranch(repo, place);
    return goToBranch(job, branch, (await readBranch(repo, branch)) as Id);
  }
  const { model } = await repo.version(place);
  const to: Head = { kind: 'detached', model, id: place };
  const reason = `switch: moving to ${place.slice(0, 10)}`;
  const { written, removed, carried } = await checkoutVersion(repo, place, to, {
    force: false,
    context,
    reason,
  });
  return report(job, to, place, { written, removed, carried });
}

/** What the reflog of HEAD says of a run that made a branch. */
function entering({ model, branch }: BranchName): string {
  return `switch: moving to new branch ${model}/${branch}`;
}

/**
 * True if HEAD went to a branch when it was made, and on from there. The last line of its reflog may be of a run
 * that was interrupted before HEAD moved.
 */
async function wasEntered(repo: Repository, to: BranchName, tip: Id): Promise<boolean> {
  const name = branchRefName(to.model, to.branch);
  const [made] = (await readReflog(repo.layout, name, tip)).entries;
  const { entries } = await readReflog(repo.layout, 'HEAD', NOT_A_VERSION);
  const isEntry = (reason: string): boolean => `${reason},`.startsWith(`${entering(to)},`);
  return entries
    .slice(0, -1)
    .some(({ reason, time }) => isEntry(reason) && time >= (made?.time ?? 0));
}

/** Makes a branch and goes there; one that starts at a branch of a remote follows that. */
async function createBranch(
  job: Job,
  given: string,
  { to, from, track }: { to: BranchName; from: string | undefined; track: boolean | undefined },
): Promise<SwitchResult> {
  const { repo, staging, context } = job;
  const why = await moveReason(repo, `switch: created from ${from ?? 'HEAD'}`);
  const there = await readBranch(repo, to);
  const named = from === undefined ? null : await resolve(repo, from, { old: true });
  const start = named === null ? (await currentLine(repo, staging, to.model)).tip : named.id;
  const ref = named?.ref ?? null;
  const upstream = upstreamToFollow({ ref, shown: from ?? 'HEAD' }, to, track);
  const { head: now } = job;
  const isOnIt = now.kind === 'branch' && now.model === to.model && now.branch === to.branch;
  // A run that was interrupted before HEAD moved may have made the branch.
  const isOurs =
    !isOnIt &&
    there === start &&
    there !== null &&
    (await wasMadeFor(repo, to, there, why.reason)) &&
    !(await wasEntered(repo, to, there));
  if (there !== null && !isOurs) {
    throw new ExistsError(`branch '${to.model}/${to.branch}' exists already`, {
      kind: 'branch',
      name: given,
      hint: `'dlv switch ${given}' goes there`,
    });
  }
  const head: Head = { kind: 'branch', ...to };
  const reason = entering(to);
  if (start === null) {
    // A line before its first version has no branch to leave: only its name changes.
    if (to.model !== job.head.model) throw noStart(to.model);
    await moveOnly(job, { head, version: null }, reason);
    return report(job, head, null, { created: true });
  }
  await checkModel(repo, start, to, from ?? to.model);
  const create = async (lock: RepositoryLock): Promise<void> => {
    await makeBranch(lock, to, start, why);
    if (upstream === null) return;
    await changeRemotes(lock, ({ upstreams }) => void upstreams.set(branchTitle(to), upstream));
  };
  const made = { created: true, upstream: upstream === null ? null : upstreamTitle(upstream) };
  if (staging.get(to.model)?.base === start) {
    await moveOnly(job, { head, version: start }, reason, create);
    return report(job, head, start, made);
  }
  const how = { force: false, context, reason, first: create };
  const { written, removed, carried } = await checkoutVersion(repo, start, head, how);
  return report(job, head, start, { ...made, written, removed, carried });
}

function noStart(model: string): NotFoundError {
  return new NotFoundError(`model '${model}' has no version to start from`, {
    kind: 'version',
    name: model,
  });
}
