/** `dlv branch`: lists, makes, renames and deletes branches of model lines. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, ExistsError, NotFoundError } from '../../base/errors.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { branchRefName, parseRefName, remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, type Ref, readRef, updateRef } from '../../storage/repo/refs/refs.js';
import {
  changeRemotes,
  parseBranchTitle,
  readRemotes,
  type Upstream,
} from '../../storage/repo/remotes.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import {
  type BranchName,
  checkModel,
  findBranch,
  knownModels,
  listBranchTips,
  newBranchName,
  noBranch,
  readBranch,
} from '../history/lines/branches.js';
import { currentLine, needTip } from '../history/lines/lines.js';
import { deletionReason, moveReason, renamingReason } from '../history/lines/moves.js';
import { containsTest, nameTest } from '../history/lines/name-filters.js';
import { lossOf } from '../history/lines/reach.js';
import { resolveId } from '../history/lines/resolve.js';
import { moveTogether, readLines } from '../history/lines/together.js';
import { Describer, formatMoment } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { type Followed, followed, upstreamTitle } from '../tracking/ahead-behind.js';
import { branchTitle, remoteNamed } from '../tracking/remotes.js';

export interface BranchEntry {
  /** Remote at which it was seen; null for a branch of this repository. */
  remote: string | null;
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
  /** The branch of a remote that it follows, and how far it is from it; null if it follows none. */
  upstream: Followed | null;
}

export interface BranchListOptions {
  /** Branches of remotes instead, as they were seen last. */
  remotes?: boolean;
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
  // Most branches follow none; the list is read once for all.
  const { upstreams } = await readRemotes(repo.layout);
  const entries: BranchEntry[] = [];
  const tips = options.remotes
    ? await listRemoteTips(repo)
    : (await listBranchTips(repo, onlyModel)).map((tip) => ({ ...tip, remote: null }));
  for (const { remote, model, branch, version } of tips) {
    if (options.remotes && onlyModel !== undefined && options.model !== undefined) {
      if (model !== onlyModel) continue;
    }
    const isHead =
      remote === null && head.kind === 'branch' && head.model === model && head.branch === branch;
    if ((options.current && !isHead) || !isMeant(branch, `${model}/${branch}`)) continue;
    if (!(await holds(version))) continue;
    const { number, name } = await describer.called(version);
    const { message, time, tzMinutes } = await repo.version(version);
    entries.push({
      remote,
      model,
      branch,
      current: isHead,
      version,
      number,
      name,
      message,
      time: formatMoment(time, tzMinutes),
      upstream:
        remote === null && upstreams.has(branchTitle({ model, branch }))
          ? await followed(repo, { model, branch }, version, context.signal)
          : null,
    });
  }
  return entries;
}

/** Branches of remotes as they were seen last. */
async function listRemoteTips(
  repo: Repository,
): Promise<(BranchName & { remote: string; version: Id })[]> {
  const tips: (BranchName & { remote: string; version: Id })[] = [];
  for (const { name, id } of await listRefs(repo.layout, 'refs/remotes')) {
    const place = parseRefName(name);
    const branch = place?.kind === 'remote' ? parseBranchTitle(place.rest) : null;
    if (place?.kind === 'remote' && branch !== null) {
      tips.push({ remote: place.remote, ...branch, version: id });
    }
  }
  return tips;
}

/** What a branch follows from now on. */
export interface UpstreamChange extends BranchName {
  action: 'follows' | 'follows nothing';
  /** `remote/model/branch`; null if it follows nothing. */
  upstream: string | null;
}

/**
 * Makes a branch follow one of a remote, or (`upstream` null) none.
 * @param options.upstream  `<remote>/<model>/<branch>`, or `<remote>/<branch>` of the same model.
 * @throws {NotFoundError} if there is no such remote or branch.
 */
export async function setUpstream(
  repo: Repository,
  options: { name?: string; model?: string; upstream: string | null },
  _context: OpContext,
): Promise<UpstreamChange> {
  const head = await readHead(repo.layout);
  const name = options.name ?? (head.kind === 'branch' ? head.branch : null);
  if (name === null) throw await noBranch(repo, 'HEAD', [], 'HEAD is on no branch: name one');
  const own = { model: head.model, branch: name };
  // Before its first version a branch has no ref, and may follow one all the same.
  const isUnborn = options.name === undefined && (await readBranch(repo, own)) === null;
  const place = isUnborn ? own : (await existing(repo, name, options.model)).place;
  const title = `${place.model}/${place.branch}`;
  const upstream =
    options.upstream === null ? null : await readUpstream(repo, options.upstream, place);
  await repo.locked((lock) =>
    changeRemotes(lock, ({ upstreams }) => {
      if (upstream === null) upstreams.delete(title);
      else upstreams.set(title, upstream);
    }),
  );
  const action = upstream === null ? 'follows nothing' : 'follows';
  return { action, ...place, upstream: upstream && upstreamTitle(upstream) };
}

async function readUpstream(repo: Repository, text: string, place: BranchName): Promise<Upstream> {
  const at = text.indexOf('/');
  const rest = text.slice(at + 1);
  const { name: remote } = remoteNamed(
    await readRemotes(repo.layout),
    text.slice(0, Math.max(0, at)),
  );
  for (const title of [rest, `${place.model}/${rest}`]) {
    const branch = parseBranchTitle(title);
    if (branch === null || remote === null) continue;
    const seen = await readRef(repo.layout, remoteRefName(remote, branch.model, branch.branch));
    if (seen !== null) return { remote, ...branch };
  }
  throw new NotFoundError(`no branch '${rest}' was seen at '${remote}'`, {
    kind: 'branch',
    name: text,
    hint: `'dlv fetch ${remote}' looks again, 'dlv branch -r' lists what was seen; 'dlv push -u' makes it there`,
  });
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
  const given =
    options.start === undefined ? null : await resolveId(repo, options.start, { old: true });
  // A model that was deleted comes back with a branch at one of its versions.
  if (given !== null) models.add((await repo.version(given)).model);
  const to = newBranchName(options.name, options.model ?? head.model, models);
  if ((await readBranch(repo, to)) !== null) throw exists(to);
  const start = given ?? needTip(await currentLine(repo, staging, to.model));
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
  const { place, tip } = await existing(repo, options.name, options.model);
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
  return { action: 'deleted', ...place, version: tip, from: null, lost, derived, detached };
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
  const { place, tip } = await existing(repo, from, options.model);
  const to = newBranchName(options.to, place.model, new Set([place.model]));
  // As git does, and as a run finds it that was cut short and whose move was ended since.
  if (to.branch === place.branch) {
    return { action: 'renamed', ...to, version: tip, from: place.branch };
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
  return { action: 'renamed', ...to, version: tip, from: place.branch };
}
