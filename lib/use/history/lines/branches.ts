/** Branches of model lines, by the names that people type: `<branch>`, `<model>/<branch>`. */

import type { Id } from '../../../base/bytes/hash.js';
import { suggestNames } from '../../../base/bytes/words/closest.js';
import { AmbiguousError, ExistsError, NotFoundError, UsageError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import {
  branchRefName,
  checkModelName,
  checkNewBranchName,
  checkNewModelName,
  parseRefName,
  refNameProblem,
  tagRefName,
} from '../../../storage/repo/refs/ref-name.js';
import {
  appendReflog,
  isUnlogged,
  lastReason,
  type MoveReason,
} from '../../../storage/repo/refs/reflog.js';
import {
  listModels,
  listRefNames,
  listRefs,
  type Ref,
  readRef,
  updateRef,
} from '../../../storage/repo/refs/refs.js';
import type { Staging } from '../../../storage/repo/staging/staging.js';
import { findFormerModel, findFormerRef } from './former-refs.js';

/** A branch of a model. */
export interface BranchName {
  model: string;
  branch: string;
}

/** A branch of a model and the version that it names. */
export interface BranchTip extends BranchName {
  version: Id;
}

/** All branches with their tips, by model and name. @throws {CorruptError} for a damaged ref. */
export async function listBranchTips(repo: ReadAccess, model?: string): Promise<BranchTip[]> {
  const prefix = model === undefined ? 'refs/heads' : `refs/heads/${checkModelName(model)}`;
  return branchTips(await listRefs(repo.layout, prefix));
}

/** The branches among refs, with their tips. */
export function branchTips(refs: readonly Ref[]): BranchTip[] {
  const tips: BranchTip[] = [];
  for (const { name, id } of refs) {
    const place = parseRefName(name);
    if (place?.kind !== 'head') continue;
    tips.push({ model: place.model, branch: place.branch, version: id });
  }
  return tips;
}

/** All branches, by model and name. */
export async function listBranches(repo: ReadAccess, model?: string): Promise<BranchName[]> {
  const prefix = model === undefined ? 'refs/heads' : `refs/heads/${checkModelName(model)}`;
  const branches: BranchName[] = [];
  for (const name of await listRefNames(repo.layout, prefix)) {
    const place = parseRefName(name);
    if (place?.kind === 'head') branches.push({ model: place.model, branch: place.branch });
  }
  return branches;
}

/** Models that have a branch or staged files, and HEAD's. */
export async function knownModels(repo: ReadAccess, staging: Staging): Promise<Set<string>> {
  const models = new Set(await listModels(repo.layout));
  for (const { model } of staging.models()) models.add(model);
  models.add((await readHead(repo.layout)).model);
  return models;
}

/**
 * Sees to it that a model of this name may begin, if there is none yet.
 * @throws {UsageError} for a name that reads as another revision; {ExistsError} for that of a tag.
 */
export async function checkNewModel(
  repo: ReadAccess,
  staging: Staging,
  name: string,
): Promise<void> {
  if ((await knownModels(repo, staging)).has(name)) return;
  const version = await readRef(repo.layout, tagRefName(checkNewModelName(name)));
  if (version === null) return;
  throw new ExistsError(`there is a tag '${name}': it and a model of that name would be one`, {
    kind: 'tag',
    name,
    version,
    hint: 'choose another name for the model, or delete the tag first with -d',
  });
}

/**
 * True if a command that gives `reason` made a branch at `tip` and was interrupted before it could note
 * anything else: run again, it goes on.
 */
export async function wasMadeFor(
  repo: ReadAccess,
  { model, branch }: BranchName,
  tip: Id,
  reason: string,
): Promise<boolean> {
  const name = branchRefName(model, branch);
  return (
    (await lastReason(repo.layout, name, tip)) === reason ||
    (await isUnlogged(repo.layout, name, tip))
  );
}

/** Makes a branch, or ends its making: one at `tip` was made by an interrupted run (`wasMadeFor`). */
export async function makeBranch(
  lock: RepositoryLock,
  { model, branch }: BranchName,
  tip: Id,
  why: MoveReason,
): Promise<void> {
  const name = branchRefName(model, branch);
  if ((await readRef(lock.layout, name)) !== tip)
    await updateRef(lock, { name, before: null, after: tip, why });
  else if (await isUnlogged(lock.layout, name, tip)) {
    await appendReflog(lock, name, { before: null, after: tip, ...why });
  }
}

/** Tip of a branch, or null if there is none. */
export function readBranch(repo: ReadAccess, name: BranchName): Promise<Id | null> {
  return readRef(repo.layout, branchRefName(name.model, name.branch));
}

/**
 * The branch that a new name means: of `model`, unless it begins with the name of a known model.
 * @throws {UsageError} for a name that no branch can have.
 */
export function newBranchName(
  name: string,
  model: string,
  models: ReadonlySet<string>,
): BranchName {
  const at = name.indexOf('/');
  const first = name.slice(0, Math.max(0, at));
  if (at > 0 && models.has(first)) {
    return { model: first, branch: checkNewBranchName(name.slice(at + 1)) };
  }
  return { model: checkModelName(model), branch: checkNewBranchName(name) };
}

/**
 * The existing branch that a name means: of `model`, or `<model>/<branch>`; null if there is none.
 * @throws {AmbiguousError} if both exist.
 */
export async function findBranch(
  repo: ReadAccess,
  name: string,
  model: string,
): Promise<BranchName | null> {
  if (refNameProblem(name) !== null) return null;
  const at = name.indexOf('/');
  const candidates: BranchName[] = [{ model, branch: name }];
  if (at > 0) candidates.push({ model: name.slice(0, at), branch: name.slice(at + 1) });
  const found: BranchName[] = [];
  for (const candidate of candidates) {
    const ref = branchRefName(candidate.model, candidate.branch);
    if (parseRefName(ref) !== null && (await readRef(repo.layout, ref)) !== null) {
      found.push(candidate);
    }
  }
  if (found.length > 1) {
    throw new AmbiguousError(`'${name}' names more than one branch`, {
      kind: 'branch',
      name,
      candidates: found.map((branch) => `${branch.model}/${branch.branch}`),
      hint: `write ${model}/${name} for the branch of '${model}'`,
    });
  }
  return found[0] ?? null;
}

/** A branch that has to be there, and its tip. @param model  default: HEAD's. @throws {NotFoundError} */
export async function existingBranch(
  repo: ReadAccess,
  name: string,
  model?: string,
): Promise<{ place: BranchName; tip: Id }> {
  const place = await findBranch(repo, name, model ?? (await readHead(repo.layout)).model);
  const tip = place === null ? null : await readBranch(repo, place);
  if (place === null || tip === null) throw await noBranch(repo, name);
  return { place, tip };
}

/** The error for a branch that is not there, with the nearest names. */
export async function noBranch(
  repo: ReadAccess,
  name: string,
  others: Iterable<string> = [],
  remedy = "'dlv branch --all' lists the branches",
): Promise<NotFoundError> {
  const names = new Set(others);
  const head = await readHead(repo.layout);
  for (const { model, branch } of await listBranches(repo)) {
    if (model === head.model) names.add(branch);
    names.add(`${model}/${branch}`);
  }
  const became = await whatBecame(repo, name);
  return new NotFoundError(`there is no branch '${name}'`, {
    kind: 'branch',
    name,
    ...suggestNames(name, names, remedy),
    ...(became === null ? {} : { hint: became }),
  });
}

/** What became of a branch or model of that name, and how it comes back; null if nothing is known. */
async function whatBecame(repo: ReadAccess, name: string): Promise<string | null> {
  const model = await findFormerModel(repo, name);
  if (model !== null) return `model '${name}' was renamed: write '${model.model}'`;
  const former = await findFormerRef(repo, name);
  if (former === null || former.kind !== 'branch') return null;
  if (former.to !== null) return `it was renamed: write '${former.to}'`;
  const { version } = former;
  if (version === null || (await repo.store.findBlob(version)) === null) return null;
  return `it was deleted: 'dlv branch ${former.name} ${version.slice(0, 10)}' brings it back`;
}

/** @throws {UsageError} if a branch would hold a version of another model. */
export async function checkModel(
  repo: ReadAccess,
  version: Id,
  to: BranchName,
  revision: string,
): Promise<void> {
  const { model } = await repo.version(version);
  if (model === to.model) return;
  throw new UsageError(`'${revision}' is a version of '${model}', not of '${to.model}'`, {
    model,
    hint: `'dlv copy ${revision} <name>' starts a new model there`,
  });
}
