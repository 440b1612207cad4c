/** `dlv push`: brings versions to a remote and moves its branches and tags. */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { openWritable, shownUrl } from '../../storage/exchange/open-remote.js';
import { type Pushed, pushVersions } from '../../storage/exchange/push-objects.js';
import type { Remote } from '../../storage/exchange/remote.js';
import { RemoteCache } from '../../storage/exchange/remote-cache.js';
import type { RemoteState } from '../../storage/exchange/remote-file.js';
import { makeMoves } from '../../storage/repo/moves/carry-out.js';
import { type NumberMarks, readNumbers } from '../../storage/repo/numbers.js';
import { readHead } from '../../storage/repo/refs/head.js';
import {
  branchRefName,
  parseRefName,
  remoteRefName,
  tagRefName,
} from '../../storage/repo/refs/ref-name.js';
import { listRefs, readRef } from '../../storage/repo/refs/refs.js';
import { changeRemotes, parseBranchTitle } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import {
  type BranchName,
  findBranch,
  listBranchTips,
  noBranch,
} from '../history/lines/branches.js';
import { moveReason } from '../history/lines/moves.js';
import type { Repository } from '../repository.js';
import type { TrafficReport } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import {
  judgePush,
  movedRefs,
  type PushedRef,
  type PushRules,
  type PushTarget,
} from '../tracking/push-refs.js';
import { branchTitle, findRemote, upstreamOf } from '../tracking/remotes.js';

export interface PushOptions extends LineSettings {
  /** Name of a remote, or an address; default: that of the current branch, else origin. */
  remote?: string;
  /** Branches and tags, `<here>` or `<here>:<there>`; `:<there>` deletes. Default: the current branch. */
  refs?: string[];
  /** All branches. */
  all?: boolean;
  /** All tags as well. */
  tags?: boolean;
  /** Deletes the refs named, at the remote. */
  delete?: boolean;
  force?: boolean;
  /** As `force`, if the branch there is where it was seen last. */
  forceWithLease?: boolean;
  /** Deletes branches there that are not here, of all models or of those that are pushed. */
  prune?: boolean;
  /** Makes the branches pushed follow those there. */
  setUpstream?: boolean;
  /** Also gives up there what was given up here. */
  tombstones?: boolean;
  /** Only says what would be pushed. */
  dryRun?: boolean;
}

export interface PushResult extends Pushed, TrafficReport {
  /** Null if an address was given. */
  remote: string | null;
  url: string;
  /** True if there was no remote at that address before. */
  created: boolean;
  refs: PushedRef[];
  /** Branches that follow one of the remote from now on. */
  upstream: string[];
  dryRun: boolean;
}

/** @throws {RemoteError} {UsageError} {NotFoundError} {ConflictError} */
export async function push(
  repo: Repository,
  options: PushOptions,
  context: OpContext,
): Promise<PushResult> {
  const head = await readHead(repo.layout);
  const line = head.kind === 'branch' ? { model: head.model, branch: head.branch } : null;
  const { name, url } = await findRemote(repo, options.remote, line);
  const targets = await targetsOf(repo, options, line, name);
  const cache = new RemoteCache(repo.layout);
  const remote = await openWritable(url, { ...lineOf(repo, options, context), cache });
  try {
    const created = remote.isNew;
    const wasSeen =
      name !== null && (await listRefs(repo.layout, `refs/remotes/${name}`)).length > 0;
    if (options.prune) targets.push(...(await pruned(repo, remote, options, targets)));
    const rules: PushRules = {
      remote: name,
      force: options.force === true,
      lease: options.forceWithLease === true,
      signal: context.signal,
    };
    const job: PushJob = { repo, remote, cache, targets, rules, line, context };
    const { pushed, refs } = await send(job, options);
    const upstream = options.dryRun ? [] : await remember(job, refs, options.setUpstream === true);
    const { requests, receivedBytes, sentBytes } = remote.traffic;
    const traffic = { requests, receivedBytes, sentBytes };
    const dryRun = options.dryRun === true;
    if (created && !dryRun && name !== null && wasSeen) warnOfNew(name, remote.shown, context);
    return {
      remote: name,
      url: shownUrl(url),
      created,
      refs,
      upstream,
      dryRun,
      ...pushed,
      ...traffic,
    };
  } finally {
    await remote.close();
  }
}

/** A remote whose branches were seen was made anew: a drive that is not mounted, mostly. */
function warnOfNew(name: string, shown: string, context: OpContext): void {
  context.warn(
    `branches of '${name}' were seen before, and nothing was at '${shown}': a new remote was made there. If its ` +
      'drive is not mounted, remove what was made, mount it, and push again',
    'last',
  );
}

interface PushJob {
  readonly repo: Repository;
  readonly remote: Remote;
  readonly cache: RemoteCache;
  readonly targets: readonly PushTarget[];
  readonly rules: PushRules;
  /** HEAD's branch. */
  readonly line: BranchName | null;
  readonly context: OpContext;
}

const NOTHING: Pushed = { versions: 0, notes: 0, bytes: 0, recoded: 0 };

async function send(
  { repo, remote, cache, targets, rules, line, context }: PushJob,
  { dryRun = false, tombstones = false }: Pick<PushOptions, 'dryRun' | 'tombstones'>,
): Promise<{ pushed: Pushed; refs: PushedRef[] }> {
  let refs = await judgePush(repo, remote.state, targets, rules);
  const isMove = ({ status }: PushedRef): boolean => status !== 'same' && status !== 'rejected';
  // Notes may be new where no branch moves.
  if (refs.length === 0 || refs.every(({ status }) => status === 'rejected')) {
    return { pushed: NOTHING, refs };
  }
  const tips = new Set<Id>();
  for (const { after, status } of refs)
    if (after !== null && status !== 'rejected') tips.add(after);
  const move = async (state: RemoteState) => {
    refs = await judgePush(repo, state, targets, rules);
    return movedRefs(state, refs, line);
  };
  const numbers = await numbersOf(repo, refs);
  const pushed = await pushVersions(
    { repo, remote, cache },
    { tips: [...tips], move, numbers, isNothing: () => !refs.some(isMove) },
    {
      ...(context.signal ? { signal: context.signal } : {}),
      dryRun,
      ...(tombstones ? { tombstones: 'all' as const } : {}),
      onStart: (what, bytes) =>
        context.progress.start(
          what === 'plan' ? 'looking for what the remote lacks' : `pushing to ${remote.shown}`,
          bytes,
        ),
      onBytes: (bytes) => context.progress.advance(bytes),
    },
  );
  return { pushed, refs };
}

/** Highest numbers of the models whose branches are pushed. */
async function numbersOf(repo: Repository, refs: readonly PushedRef[]): Promise<NumberMarks> {
  const marks: NumberMarks = new Map();
  const all = (await readNumbers(repo.layout)) ?? new Map();
  for (const { after, status } of refs) {
    if (after === null || status === 'rejected') continue;
    const { model } = await repo.version(after);
    const mark = all.get(model);
    if (mark !== undefined) marks.set(model, mark);
  }
  return marks;
}

/** What is to be pushed, as the user named it. */
async function targetsOf(
  repo: Repository,
  options: PushOptions,
  line: BranchName | null,
  remote: string | null,
): Promise<PushTarget[]> {
  const { refs = [], all = false, tags = false } = options;
  if (all && refs.length > 0)
    throw new UsageError('--all pushes all branches: name none beside it');
  const targets: PushTarget[] = [];
  for (const text of refs) {
    const spec = options.delete ? `:${text}` : text;
    targets.push(await targetOf(repo, spec, remote));
  }
  if (all) {
    for (const { model, branch, version } of await listBranchTips(repo)) {
      targets.push({ kind: 'branch', ref: branchRefName(model, branch), to: version });
    }
  }
  if (tags) {
    for (const { name, id } of await listRefs(repo.layout, 'refs/tags')) {
      targets.push({ kind: 'tag', ref: name, to: id });
    }
  }
  if (targets.length > 0 || all || tags) return targets;
  if (line === null) {
    throw new UsageError('HEAD is on no branch', { hint: 'name the branch to push' });
  }
  return [await targetOf(repo, branchTitle(line), remote)];
}

/** Reads `<here>`, `<here>:<there>` or `:<there>`. */
async function targetOf(
  repo: Repository,
  spec: string,
  remote: string | null,
): Promise<PushTarget> {
  const at = spec.indexOf(':');
  const [here, there] = at < 0 ? [spec, null] : [spec.slice(0, at), spec.slice(at + 1)];
  const model = (await readHead(repo.layout)).model;
  if (here === '') return deletionOf(there ?? '', model);
  const branch = await findBranch(repo, here, model);
  if (branch === null) {
    const tag =
      parseRefName(tagRefName(here)) === null ? null : await readRef(repo.layout, tagRefName(here));
    if (tag === null) throw await noBranch(repo, here);
    return { kind: 'tag', ref: tagRefName(there ?? here), to: tag };
  }
  const to = (await readRef(repo.layout, branchRefName(branch.model, branch.branch))) as Id;
  const target =
    there === null ? await followedBy(repo, branch, remote) : placeOf(there, branch.model);
  if (target.model !== branch.model) {
    throw new UsageError(`'${here}' is a branch of '${branch.model}', not of '${target.model}'`, {
      hint: `'dlv copy ${here} ${target.model}' begins a model of that name`,
    });
  }
  return { kind: 'branch', ref: branchRefName(target.model, target.branch), to };
}

function deletionOf(there: string, model: string): PushTarget {
  const tag = /^(?:refs\/tags\/|tags\/)(.+)$/.exec(there)?.[1];
  if (tag !== undefined && parseRefName(tagRefName(tag)) !== null) {
    return { kind: 'tag', ref: tagRefName(tag), to: null };
  }
  const place = placeOf(there, model);
  return { kind: 'branch', ref: branchRefName(place.model, place.branch), to: null };
}

/** A branch at the remote: `<model>/<branch>`, or a branch of `model`. @throws {UsageError} */
function placeOf(text: string, model: string): BranchName {
  const place = text.includes('/')
    ? parseBranchTitle(text.replace(/^refs\/heads\//, ''))
    : parseBranchTitle(`${model}/${text}`);
  if (place !== null) return place;
  throw new UsageError(`'${text}' is no name of a branch`, { hint: 'write <model>/<branch>' });
}

/** Where a branch is pushed to: to the one that it follows there, else to one of its name. */
async function followedBy(
  repo: Repository,
  branch: BranchName,
  remote: string | null,
): Promise<BranchName> {
  const upstream = await upstreamOf(repo, branch);
  return upstream !== null && upstream.remote === remote && upstream.model === branch.model
    ? upstream
    : branch;
}

/** Branches of the remote that are not here. */
async function pruned(
  repo: Repository,
  remote: Remote,
  options: PushOptions,
  targets: readonly PushTarget[],
): Promise<PushTarget[]> {
  const here = new Set((await listRefs(repo.layout, 'refs/heads')).map(({ name }) => name));
  const meant = new Set(targets.map(({ ref }) => ref));
  const models = new Set(targets.map(({ ref }) => ref.split('/')[2]));
  const gone: PushTarget[] = [];
  for (const ref of remote.state.refs.keys()) {
    const place = parseRefName(ref);
    if (place?.kind !== 'head' || here.has(ref) || meant.has(ref)) continue;
    if (!options.all && !models.has(place.model)) continue;
    gone.push({ kind: 'branch', ref, to: null });
  }
  return gone;
}

/** Notes where the branches of the remote are now, and which branches follow them. */
async function remember(
  { repo, rules, targets }: PushJob,
  refs: readonly PushedRef[],
  setUpstream: boolean,
): Promise<string[]> {
  const { remote } = rules;
  if (remote === null) {
    if (setUpstream) {
      throw new NotFoundError('a branch can only follow one of a remote that has a name', {
        kind: 'remote',
        hint: "give it one with 'dlv remote add <name> <url>'",
      });
    }
    return [];
  }
  const why = await moveReason(repo, `push: to ${remote}`);
  const followed: string[] = [];
  await repo.locked(async (lock) => {
    const moves = [];
    for (const { kind, name, after, status } of refs) {
      const place = kind === 'branch' ? parseBranchTitle(name) : null;
      if (place === null || status === 'rejected') continue;
      const ref = remoteRefName(remote, place.model, place.branch);
      const before = await readRef(repo.layout, ref);
      if (before !== after) moves.push({ name: ref, before, after });
    }
    if (moves.length > 0) {
      await makeMoves(lock, { ...why, refs: moves, head: null, notes: [], gone: [] }, null);
    }
    if (!setUpstream) return;
    await changeRemotes(lock, ({ upstreams }) => {
      for (const { ref, to } of targets) {
        const place = parseRefName(ref);
        if (place?.kind !== 'head' || to === null) continue;
        const title = `${place.model}/${place.branch}`;
        upstreams.set(title, { remote, model: place.model, branch: place.branch });
        followed.push(title);
      }
    });
  });
  return followed;
}
