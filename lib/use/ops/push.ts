/** `dlv push`: brings versions to a remote and moves its branches and tags. */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { NotFoundError } from '../../base/errors.js';
import { openWritable, shownUrl } from '../../storage/exchange/open-remote.js';
import { type Pushed, pushVersions } from '../../storage/exchange/push-objects.js';
import type { Remote } from '../../storage/exchange/remote/remote.js';
import { RemoteCache } from '../../storage/exchange/remote/remote-cache.js';
import type { RemoteState } from '../../storage/exchange/remote/remote-file.js';
import { makeMoves } from '../../storage/repo/moves/carry-out.js';
import { type NumberMarks, readNumbers } from '../../storage/repo/numbers.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { branchRefName, remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, readRef } from '../../storage/repo/refs/refs.js';
import { changeRemotes, parseBranchTitle, type Upstream } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import type { BranchName } from '../history/lines/branches.js';
import { moveReason } from '../history/lines/moves.js';
import type { Repository } from '../repository.js';
import { upstreamTitle } from '../tracking/ahead-behind.js';
import type { TrafficReport } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import {
  judgePush,
  movedRefs,
  type PushedRef,
  type PushRules,
  type PushTarget,
} from '../tracking/push-refs.js';
import { prunedTargets, pushTargets } from '../tracking/push-targets.js';
import { branchTitle, findRemote } from '../tracking/remotes.js';

export interface PushOptions extends LineSettings {
  /** Name of a remote, or an address; default: that of the current branch, else origin. */
  remote?: string;
  /**
   * What is pushed: `[+]<here>`, `[+]<here>:<there>`, or `:<there>`, which deletes. Default: the current branch.
   * @see push-targets.ts
   */
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
  /** Branches, `model/branch`, that follow one of the remote, `remote/model/branch`, from now on. */
  upstream: { branch: string; upstream: string }[];
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
  if (options.setUpstream && name === null) throw cannotFollow();
  const cache = new RemoteCache(repo.layout);
  const remote = await openWritable(url, { ...lineOf(repo, options, context), cache });
  try {
    const created = remote.isNew;
    const wasSeen =
      name !== null && (await listRefs(repo.layout, `refs/remotes/${name}`)).length > 0;
    const place = { remote: name, there: remote.state.refs };
    const targets = await pushTargets(repo, options, place);
    if (options.prune) {
      pushAll(targets, await prunedTargets(repo, place, targets, options.all === true));
    }
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

function cannotFollow(): NotFoundError {
  return new NotFoundError('a branch can only follow one of a remote that has a name', {
    kind: 'remote',
    hint: "give it one with 'dlv remote add <name> <url>'",
  });
}

/** Notes where the branches of the remote are now, and which branches follow them. */
async function remember(
  { repo, rules, targets }: PushJob,
  refs: readonly PushedRef[],
  setUpstream: boolean,
): Promise<PushResult['upstream']> {
  const { remote } = rules;
  if (remote === null) return [];
  const why = await moveReason(repo, `push: to ${remote}`);
  const followed: PushResult['upstream'] = [];
  await repo.locked(async (lock) => {
    const moves = [];
    const follows = new Map<string, Upstream>();
    for (const { kind, name, after, status } of refs) {
      const place = kind === 'branch' ? parseBranchTitle(name) : null;
      if (place === null || status === 'rejected') continue;
      const ref = remoteRefName(remote, place.model, place.branch);
      const before = await readRef(repo.layout, ref);
      if (before !== after) moves.push({ name: ref, before, after });
      const pushedRef = branchRefName(place.model, place.branch);
      const from = targets.find((target) => target.ref === pushedRef)?.from ?? null;
      if (from !== null && after !== null) follows.set(branchTitle(from), { remote, ...place });
    }
    if (moves.length > 0) {
      await makeMoves(lock, { ...why, refs: moves, head: null, notes: [], gone: [] }, null);
    }
    if (!setUpstream) return;
    await changeRemotes(lock, ({ upstreams }) => {
      for (const [branch, upstream] of follows) {
        upstreams.set(branch, upstream);
        followed.push({ branch, upstream: upstreamTitle(upstream) });
      }
    });
  });
  return followed;
}
