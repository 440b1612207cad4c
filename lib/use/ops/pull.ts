/** `dlv pull`: fetches, then moves the current branch and its files on to where the remote's is. */
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { openReader, shownUrl } from '../../storage/exchange/open-remote.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import { readPromisedOf } from '../../storage/repo/promised.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import { changeRemotes, parseBranchTitle } from '../../storage/repo/remotes.js';
import { moveBranchOn } from '../checkout/move-branch-on.js';
import type { OpContext } from '../context.js';
import type { BranchName } from '../history/lines/branches.js';
import type { Repository } from '../repository.js';
import { countApart } from '../tracking/ahead-behind.js';
import type { FetchSource } from '../tracking/fetch-names.js';
import { type FetchReport, fetchRefs } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { branchTitle, findRemote, upstreamOf } from '../tracking/remotes.js';

export interface PullOptions extends LineSettings {
  /** Name of a remote, or an address; default: that which the current branch follows, else origin. */
  remote?: string;
  /** Branch of the remote; default: the one that is followed, else that of the same name. */
  branch?: string;
  prune?: boolean;
  /** Also versions that were forgotten here. */
  forgotten?: boolean;
}

export interface PullResult extends FetchReport {
  remote: string | null;
  url: string;
  model: string;
  branch: string;
  /** Versions of the branch before and after. */
  before: Id | null;
  after: Id;
  written: string[];
  removed: string[];
  /** Paths whose changes were left as they are. */
  carried: string[];
}

/**
 * @throws {ConflictError} if the two branches have each a version that the other has not, or over uncommitted
 *   changes; {RemoteError} {NotFoundError}
 */
export async function pull(
  repo: Repository,
  options: PullOptions,
  context: OpContext,
): Promise<PullResult> {
  const head = await readHead(repo.layout);
  if (head.kind !== 'branch') {
    throw new UsageError('HEAD is on no branch', {
      hint: "'dlv switch <branch>' goes to one; 'dlv fetch' brings versions without moving anything",
    });
  }
  const line: BranchName = { model: head.model, branch: head.branch };
  const { name, url } = await findRemote(repo, options.remote, line);
  const source = await openReader(url, lineOf(repo, options, context));
  try {
    const from = await branchOf(repo, { source, remote: name }, options.branch, line);
    const filter =
      name === null ? null : ((await readPromisedOf(repo.layout, name))?.filter ?? null);
    const lines = filter?.lines ?? [];
    const title = branchTitle(from);
    const isOfLines = lines.some((one) => one === title || one === from.model);
    const how = {
      tags: 'auto' as const,
      ...(filter === null ? {} : { filter }),
      ...(lines.length === 0 ? {} : { only: isOfLines ? lines : [...lines, title] }),
      // Of an address that has no name here, only what is pulled is fetched.
      ...(name === null ? { only: [branchTitle(from)] } : {}),
      prune: options.prune === true,
      force: false,
      forgotten: options.forgotten === true,
      dryRun: false,
    };
    const report = await fetchRefs(repo, { source, remote: name }, how, context);
    const tip = fetchedTip(report, source, from);
    const moved = await moveOn(
      repo,
      { line, tip, from: `${source.shown} ${branchTitle(from)}` },
      context,
    );
    if (name !== null && (await upstreamOf(repo, line)) === null) {
      await repo.locked((lock) =>
        changeRemotes(lock, ({ upstreams }) => {
          upstreams.set(branchTitle(line), { remote: name, ...from });
        }),
      );
    }
    return { remote: name, url: shownUrl(url), ...line, ...moved, ...report };
  } finally {
    await source.close();
  }
}

/** The branch of the remote that is pulled. @throws {NotFoundError} if it has none such. */
async function branchOf(
  repo: Repository,
  { source: { state, shown }, remote }: FetchSource,
  given: string | undefined,
  line: BranchName,
): Promise<BranchName> {
  const upstream = await upstreamOf(repo, line);
  const followed = upstream !== null && upstream.remote === remote ? upstream : line;
  const named = given?.includes('/') ? given : `${line.model}/${given}`;
  const place = given === undefined ? followed : parseBranchTitle(named);
  if (place === null || !state.refs.has(branchRefName(place.model, place.branch))) {
    const title = place === null ? (given ?? '') : branchTitle(place);
    throw new NotFoundError(`'${shown}' has no branch '${title}'`, {
      kind: 'branch',
      name: title,
      hint: "'dlv fetch' brings all branches, 'dlv branch -r' lists them; 'dlv push' makes this one there",
    });
  }
  if (place.model === line.model) return { model: place.model, branch: place.branch };
  throw new UsageError(
    `'${branchTitle(place)}' is a branch of another model than '${line.model}'`,
    {
      hint: `run 'dlv fetch', then 'dlv switch ${place.model}'`,
    },
  );
}

/** @throws {ConflictError} if the branch was not fetched. */
function fetchedTip({ refs }: FetchReport, { state }: RemoteReader, from: BranchName): Id {
  const ref = refs.find(({ kind, name }) => kind === 'branch' && name === branchTitle(from));
  if (ref?.status === 'rejected') {
    throw new ConflictError(`'${branchTitle(from)}' was not fetched: ${ref.reason}`, {
      name: branchTitle(from),
    });
  }
  return state.refs.get(branchRefName(from.model, from.branch)) as Id;
}

/** Moves a branch on to a version that derives from its own, and HEAD's files with it. */
async function moveOn(
  repo: Repository,
  { line, tip, from }: { line: BranchName; tip: Id; from: string },
  context: OpContext,
): Promise<Pick<PullResult, 'before' | 'after' | 'written' | 'removed' | 'carried'>> {
  const name = branchRefName(line.model, line.branch);
  const before = await readRef(repo.layout, name);
  const stays = { before, after: before ?? tip, written: [], removed: [], carried: [] };
  if (before === tip) return stays;
  if (before !== null) {
    const { ahead, behind } = await countApart(repo, before, tip, context.signal);
    if (behind === 0) return stays;
    if (ahead > 0) throw diverged(line, { ahead, behind, tip });
  }
  const place = { line, before, after: tip, reason: `pull: from ${from}` };
  return { before, after: tip, ...(await moveBranchOn(repo, place, context)) };
}

function diverged(
  line: BranchName,
  { ahead, behind, tip }: { ahead: number; behind: number; tip: Id },
): ConflictError {
  const title = branchTitle(line);
  const short = tip.slice(0, 10);
  return new ConflictError(
    `'${title}' cannot simply move on: it has ${ahead} of its own beside ${behind} of the remote`,
    {
      name: title,
      ahead,
      behind,
      theirs: tip,
      hint:
        `keep both: 'dlv merge ${short}' joins the lines; take theirs: 'dlv branch mine' keeps yours, then ` +
        `'dlv reset --hard ${short}'`,
    },
  );
}
