/** `dlv branch`: lists, makes, renames and deletes branches of model lines. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, ExistsError } from '../../base/errors.js';
import { branchRefName } from '../../storage/repo/layout.js';
import { type Head, readHead, writeHead } from '../../storage/repo/refs/head.js';
import { lastReason } from '../../storage/repo/refs/reflog.js';
import { listRefs, updateRef } from '../../storage/repo/refs/refs.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import {
  type BranchName,
  checkModel,
  findBranch,
  knownModels,
  listBranchTips,
  makeBranch,
  newBranchName,
  noBranch,
  readBranch,
  wasMadeFor,
} from '../history/lines/branches.js';
import { currentLine, needTip } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { containsTest, nameTest } from '../history/lines/name-filters.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer, formatMoment } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface BranchEntry {
  model: string;
  branch: string;
  /** True for the branch that HEAD names. */
  current: boolean;
  version: Id;
  number: number;
  /** A revision that names the version whatever HEAD is on: `model@number` where that does. */
  name: string;
  message: string;
  time: string;
}

export interface BranchListOptions {
  /** Default: HEAD's. */
  model?: string;
  /** Branches of all models. */
  all?: boolean;
  /** Only branches whose names, or `model/branch`, one of these globs matches. */
  patterns?: string[];
  /** Only branches of versions that are this one or derive from it. */
  contains?: string;
  /** Only the branch that HEAD names. */
  current?: boolean;
}

/** Branches with their tips, by model and name. @throws {UsageError} for a bad model name. */
export async function listBranchEntries(
  repo: Repository,
  options: BranchListOptions,
  context: OpContext,
): Promise<BranchEntry[]> {
  const isMeant = nameTest(options.patterns ?? []);
  const holds = await containsTest(repo, options.contains, context.signal);
  const head = await readHead(repo.layout);
  const onlyModel = options.all ? undefined : (options.model ?? head.model);
  const describer = new Describer(repo);
  const entries: BranchEntry[] = [];
  for (const { model, branch, version } of await listBranchTips(repo, onlyModel)) {
    const isHead = head.kind === 'branch' && head.model === model && head.branch === branch;
    if ((options.current && !isHead) || !isMeant(branch, `${model}/${branch}`)) continue;
    if (!(await holds(version))) continue;
    const { number, name } = await describer.called(version);
    const { message, time, tzMinutes } = await repo.version(version);
    const moment = formatMoment(time, tzMinutes);
    entries.push({ model, branch, current: isHead, version, number, name, message, time: moment });
  }
  return entries;
}

export interface BranchChange {
  action: 'created' | 'deleted' | 'renamed';
  model: string;
  branch: string;
  /** Version that the branch names, or named. */
  version: Id;
  /** Name before a renaming, or null. */
  from: string | null;
}

/** Makes a branch; HEAD stays. @throws {ExistsError} {NotFoundError} {UsageError} */
export async function createBranch(
  repo: Repository,
  options: { name: string; start?: string; model?: string },
  _context: OpContext,
): Promise<BranchChange> {
  const { staging } = await readStaging(repo.layout);
  const head = await readHead(repo.layout);
  const models = await knownModels(repo, staging);
  const to = newBranchName(options.name, options.model ?? head.model, models);
  if ((await readBranch(repo, to)) !== null) throw exists(to);
  const start =
    options.start === undefined
      ? needTip(await currentLine(repo, staging, to.model))
      : await resolveId(repo, options.start);
  await checkModel(repo, start, to, options.start ?? to.model);
  const why = await moveReason(repo, `branch: created from ${options.start ?? 'HEAD'}`);
  await repo.locked((lock) =>
    updateRef(lock, { name: branchRefName(to.model, to.branch), before: null, after: start, why }),
  );
  return { action: 'created', ...to, version: start, from: null };
}

function exists(name: BranchName): ExistsError {
  return new ExistsError(`branch '${name.model}/${name.branch}' exists already`, {
    kind: 'branch',
    name: name.branch,
    hint: 'choose another name, or delete it first with -d',
  });
}

async function existing(
  repo: Repository,
  name: string,
  model: string | undefined,
): Promise<{ place: BranchName; tip: Id }> {
  const place = await findBranch(repo, name, model ?? (await readHead(repo.layout)).model);
  const tip = place === null ? null : await readBranch(repo, place);
  if (place === null || tip === null) throw await noBranch(repo, name);
  return { place, tip };
}

/**
 * Deletes a branch.
 * @throws {ConflictError} for the branch that HEAD or the files of its model are on; unless
 *   forced, also if some version would be on no branch and no tag any more.
 */
export async function deleteBranch(
  repo: Repository,
  options: { name: string; model?: string; force?: boolean },
  _context: OpContext,
): Promise<BranchChange> {
  const { place, tip } = await existing(repo, options.name, options.model);
  const { model, branch } = place;
  const name = branchRefName(model, branch);
  await repo.locked(async (lock) => {
    const head = await readHead(repo.layout);
    const { staging } = await readStaging(repo.layout);
    const isHead = head.kind === 'branch' && head.model === model && head.branch === branch;
    if (isHead || staging.get(model)?.branch === branch) {
      throw new ConflictError(`cannot delete '${model}/${branch}': you are on it`, {
        name: `${model}/${branch}`,
        hint: `go to another branch of '${model}' first: 'dlv switch <branch>'`,
      });
    }
    if (!options.force && !(await isReachable(repo, tip, name))) {
      throw new ConflictError(
        `'${model}/${branch}' has versions that are on no other branch or tag`,
        {
          name: `${model}/${branch}`,
          version: tip,
          hint: 'delete it all the same with -D, or tag its version first',
        },
      );
    }
    await updateRef(lock, {
      name,
      before: tip,
      after: null,
      why: await moveReason(repo, 'branch: deleted'),
    });
  });
  return { action: 'deleted', ...place, version: tip, from: null };
}

/** True if a version is, or is an ancestor of, what a ref other than `except` names. */
async function isReachable(repo: Repository, version: Id, except: string): Promise<boolean> {
  const head = await readHead(repo.layout);
  const queue: Id[] = head.kind === 'detached' ? [head.id] : [];
  for (const { name, id } of await listRefs(repo.layout)) if (name !== except) queue.push(id);
  const seen = new Set<Id>();
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (id === version) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    queue.push(...(await repo.version(id)).parents);
  }
  return false;
}

const RENAMED = 'branch: renamed from ';

/**
 * Renames a branch within its model; HEAD and staged files go with it. The new branch is made first and
 * the old one deleted last; a run that was interrupted in between is finished by the next one.
 */
export async function renameBranch(
  repo: Repository,
  options: { from?: string; to: string; model?: string },
  _context: OpContext,
): Promise<BranchChange> {
  const head = await readHead(repo.layout);
  let from = options.from ?? (head.kind === 'branch' ? head.branch : null);
  if (from === null) throw await noBranch(repo, 'HEAD', [], 'HEAD is on no branch: name one');
  // HEAD may have gone to the new name already.
  if (options.from === undefined) from = (await renamedFrom(repo, head, options.to)) ?? from;
  const { place, tip } = await existing(repo, from, options.model);
  const to = newBranchName(options.to, place.model, new Set([place.model]));
  if (to.branch === place.branch) throw exists(to);
  const why = await moveReason(repo, `${RENAMED}${place.branch}`);
  await repo.locked(async (lock) => {
    const now = await readHead(repo.layout);
    const { staging } = await readStaging(repo.layout);
    const there = await readBranch(repo, to);
    const isOurs = there === tip && (await wasMadeFor(repo, to, tip, why.reason));
    if (there !== null && !isOurs) throw exists(to);
    if (isOurs) await makeBranch(lock, to, tip, why);
    else
      await updateRef(lock, {
        name: branchRefName(to.model, to.branch),
        before: null,
        after: tip,
        why,
      });
    const line = staging.get(to.model);
    if (line?.branch === place.branch) {
      line.branch = to.branch;
      await writeStaging(lock, staging);
    }
    if (now.kind === 'branch' && now.model === place.model && now.branch === place.branch) {
      await writeHead(lock, { kind: 'branch', ...to });
    }
    await updateRef(lock, {
      name: branchRefName(place.model, place.branch),
      before: tip,
      after: null,
      why,
    });
  });
  return { action: 'renamed', ...to, version: tip, from: place.branch };
}

/** The branch that HEAD's branch `to` is being renamed from, if that still stands beside it; else null. */
async function renamedFrom(repo: Repository, head: Head, to: string): Promise<string | null> {
  if (head.kind !== 'branch' || head.branch !== to) return null;
  const tip = await readBranch(repo, head);
  if (tip === null) return null;
  const reason = await lastReason(repo.layout, branchRefName(head.model, to), tip);
  if (reason === null || !reason.startsWith(RENAMED)) return null;
  const old = reason.slice(RENAMED.length);
  return (await readBranch(repo, { model: head.model, branch: old })) === tip ? old : null;
}
