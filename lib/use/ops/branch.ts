/** `dlv branch`: makes, renames and deletes branches of model lines. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, ExistsError } from '../../base/errors.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { type Ref, updateRef } from '../../storage/repo/refs/refs.js';
import { changeRemotes } from '../../storage/repo/remotes.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import {
  type BranchName,
  checkModel,
  existingBranch,
  knownModels,
  newBranchName,
  noBranch,
  readBranch,
} from '../history/lines/branches.js';
import { currentLine, needTip } from '../history/lines/lines.js';
import { deletionReason, moveReason, renamingReason } from '../history/lines/moves.js';
import { lossOf } from '../history/lines/reach.js';
import { resolve } from '../history/lines/resolve.js';
import { moveTogether, readLines } from '../history/lines/together.js';
import type { Repository } from '../repository.js';
import { upstreamTitle } from '../tracking/ahead-behind.js';
import { branchTitle, upstreamToFollow } from '../tracking/remotes.js';

export interface BranchChange {
  action: 'created' | 'deleted' | 'renamed';
  model: string;
  branch: string;
  /** Version that the branch names, or named. */
  version: Id;
  /** Name before a renaming, or null. */
  from: string | null;
  /** `remote/model/branch` that a new branch follows; null if it follows none. */
  upstream: string | null;
}

export interface BranchCreation {
  name: string;
  start?: string;
  model?: string;
  /** True: `start` has to be a branch of a remote; false: the branch follows none even so. */
  track?: boolean;
}

/**
 * Makes a branch; HEAD stays. One that starts at a branch of a remote follows that.
 * @throws {ExistsError} {NotFoundError} {UsageError}
 */
export async function createBranch(
  repo: Repository,
  options: BranchCreation,
  _context: OpContext,
): Promise<BranchChange> {
  const { staging } = await readStaging(repo.layout);
  const head = await readHead(repo.layout);
  const models = await knownModels(repo, staging);
  const given =
    options.start === undefined ? null : await resolve(repo, options.start, { old: true });
  // A model that was deleted comes back with a branch at one of its versions.
  if (given !== null) models.add((await repo.version(given.id)).model);
  const to = newBranchName(options.name, options.model ?? head.model, models);
  if ((await readBranch(repo, to)) !== null) throw exists(to);
  const start = given?.id ?? needTip(await currentLine(repo, staging, to.model));
  await checkModel(repo, start, to, options.start ?? to.model);
  const ref = given?.ref ?? null;
  const follows = upstreamToFollow({ ref, shown: options.start ?? 'HEAD' }, to, options.track);
  const why = await moveReason(repo, `branch: created from ${options.start ?? 'HEAD'}`);
  await repo.locked(async (lock) => {
    const name = branchRefName(to.model, to.branch);
    await updateRef(lock, { name, before: null, after: start, why });
    if (follows === null) return;
    await changeRemotes(lock, ({ upstreams }) => void upstreams.set(branchTitle(to), follows));
  });
  const upstream = follows === null ? null : upstreamTitle(follows);
  return { action: 'created', ...to, version: start, from: null, upstream };
}

function exists(name: BranchName): ExistsError {
  return new ExistsError(`branch '${name.model}/${name.branch}' exists already`, {
    kind: 'branch',
    name: name.branch,
    hint: 'choose another name, or delete it first with -d',
  });
}

/** A branch that was deleted. */
export interface BranchDeletion extends BranchChange {
  /** Versions that no ref names any more; the reflog keeps them from gc for a while. */
  lost: Id[];
  /** Branches and tags that derive from the branch's version. They stay. */
  derived: string[];
  /** True if HEAD was on the branch: it names the version now, and no file changed. */
  detached: boolean;
}

/**
 * Deletes a branch, also that of HEAD if forced, which then names its version.
 * @throws {ConflictError} unless forced, if HEAD is on it, or some version would be on no branch and no tag any more.
 */
export async function deleteBranch(
  repo: Repository,
  options: { name: string; model?: string; force?: boolean },
  context: OpContext,
): Promise<BranchDeletion> {
  const lines = await readLines(repo);
  const { place, tip } = await existingBranch(repo, options.name, options.model);
  const { model, branch } = place;
  const { head, staging, refs } = lines;
  const name = branchRefName(model, branch);
  const isGoing = (ref: Ref): boolean => ref.name === name;
  const versions = head.kind === 'detached' ? [head.id] : [];
  const { lost, derived } = await lossOf(
    repo,
    {
      going: refs.filter(isGoing),
      staying: { refs: refs.filter((ref) => !isGoing(ref)), versions },
    },
    (id) => id === tip,
    context.signal,
  );
  const title = `${model}/${branch}`;
  if (lost.length > 0 && !options.force) {
    const what = lost.length === 1 ? 'a version that is' : `${lost.length} versions that are`;
    throw new ConflictError(`'${title}' has ${what} on no other branch or tag`, {
      name: title,
      version: tip,
      versions: lost,
      hint: `delete it anyway with -D, or keep its version with 'dlv tag <name> ${title}' first`,
    });
  }
  const line = staging.get(model);
  if (line?.branch === branch) line.branch = null;
  const detached = head.kind === 'branch' && head.model === model && head.branch === branch;
  if (detached && !options.force) {
    throw new ConflictError(`HEAD is on '${title}'`, {
      name: title,
      version: tip,
      hint: "go to another branch first with 'dlv switch <branch>'; -D deletes it, and HEAD then names its version",
    });
  }
  const reason = deletionReason('branch', title);
  await moveTogether(
    repo,
    lines,
    {
      refs: [{ name, before: tip, after: null }],
      ...(detached ? { head: { kind: 'detached', model, id: tip } } : {}),
      reason,
    },
    (lock) => changeRemotes(lock, ({ upstreams }) => void upstreams.delete(title)),
  );
  return {
    action: 'deleted',
    ...place,
    version: tip,
    from: null,
    upstream: null,
    lost,
    derived,
    detached,
  };
}

/** Renames a branch within its model; HEAD and staged files go with it. */
export async function renameBranch(
  repo: Repository,
  options: { from?: string; to: string; model?: string },
  _context: OpContext,
): Promise<BranchChange> {
  const lines = await readLines(repo);
  const { head, staging } = lines;
  const from = options.from ?? (head.kind === 'branch' ? head.branch : null);
  if (from === null) throw await noBranch(repo, 'HEAD', [], 'HEAD is on no branch: name one');
  const { place, tip } = await existingBranch(repo, from, options.model);
  const to = newBranchName(options.to, place.model, new Set([place.model]));
  // As git does, and as a run finds it that was cut short and whose move was ended since.
  if (to.branch === place.branch) {
    return { action: 'renamed', ...to, version: tip, from: place.branch, upstream: null };
  }
  if ((await readBranch(repo, to)) !== null) throw exists(to);
  const line = staging.get(to.model);
  if (line?.branch === place.branch) line.branch = to.branch;
  const isHead =
    head.kind === 'branch' && head.model === place.model && head.branch === place.branch;
  const old = `${place.model}/${place.branch}`;
  await moveTogether(
    repo,
    lines,
    {
      refs: [
        { name: branchRefName(to.model, to.branch), before: null, after: tip },
        {
          name: branchRefName(place.model, place.branch),
          before: tip,
          after: null,
          reason: renamingReason('branch', old, `${to.model}/${to.branch}`),
        },
      ],
      ...(isHead ? { head: { kind: 'branch', ...to } } : {}),
      reason: `branch: renamed from ${old}`,
    },
    (lock) =>
      changeRemotes(lock, ({ upstreams }) => {
        const upstream = upstreams.get(old);
        upstreams.delete(old);
        if (upstream !== undefined) upstreams.set(`${to.model}/${to.branch}`, upstream);
      }),
  );
  return { action: 'renamed', ...to, version: tip, from: place.branch, upstream: null };
}
