/** `dlv clone`: makes a repository of what a remote holds, and checks its branch out. */
import type { Id } from '../../base/bytes/hash.js';
import { ExistsError } from '../../base/errors.js';
import { listDirectory, makeDirectory, statOrNull } from '../../base/files/files.js';
import { leadsTo } from '../../base/files/places/user-paths.js';
import { missingNeeds } from '../../storage/exchange/fetch-objects.js';
import { keptUrl, openReader, shownUrl } from '../../storage/exchange/open-remote.js';
import { notePromised } from '../../storage/exchange/partial/bring.js';
import { PartialTaking } from '../../storage/exchange/partial/taking.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import type { Traffic } from '../../storage/exchange/transports/transport.js';
import { Layout, REPOSITORY_DIR } from '../../storage/repo/layout.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { leavesOut, type PartialFilter, wholeFilter } from '../../storage/repo/promised.js';
import { type Head, readHead, writeHead } from '../../storage/repo/refs/head.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, readRef, updateRef } from '../../storage/repo/refs/refs.js';
import { changeRemotes, readRemotes } from '../../storage/repo/remotes.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { checkoutPaths, checkoutVersion } from '../checkout/checkout-version.js';
import type { OpContext } from '../context.js';
import { moveLine, stagedEntriesOf } from '../history/commit/staged-version.js';
import { collectVersions } from '../history/lines/ancestry.js';
import type { BranchName } from '../history/lines/branches.js';
import { moveReason } from '../history/lines/moves.js';
import { Repository } from '../repository.js';
import { branchOf, ownBranches } from '../tracking/clone-branches.js';
import { checkBranches } from '../tracking/fetch-names.js';
import { type FetchReport, fetchRefs } from '../tracking/fetch-refs.js';
import { checkLine, type LineSettings, lineOf } from '../tracking/line.js';
import { checkRemoteName, DEFAULT_REMOTE } from '../tracking/remotes.js';
import { newFolder } from '../worktree/operands/new-folder.js';

export interface CloneOptions extends LineSettings {
  /** Address of the remote. */
  url: string;
  /** Folder of the new repository; default: the last part of the address. */
  dir?: string;
  /** Branch to check out, `<branch>` or `<model>/<branch>`; default: that of the remote. */
  branch?: string;
  /** Name of the remote; default: origin. */
  origin?: string;
  /** Writes no work files. */
  noCheckout?: boolean;
  /** Only this model, or only the branch that is checked out. */
  model?: string;
  singleBranch?: boolean;
  /** Files of so many versions of each branch, from its tip; older ones are fetched when they are needed. */
  depth?: number;
  /** Globs: only files that match, and others when they are needed. */
  only?: string[];
  /** Only so many leading planes of floats, and others when they are needed. No work files are written. */
  planes?: number;
}

export interface CloneResult extends FetchReport {
  /** The folder that holds .dlv. */
  path: string;
  remote: string;
  url: string;
  /** Where HEAD is; the version is null if the remote is empty. */
  model: string;
  branch: string;
  version: Id | null;
  /** Work files. */
  written: string[];
}

/** @throws {ExistsError} if the folder holds something; {RemoteError} {CorruptError} */
export async function clone(context: OpContext, options: CloneOptions): Promise<CloneResult> {
  const remote = checkRemoteName(options.origin ?? DEFAULT_REMOTE);
  const url = keptUrl(options.url, context.cwd);
  checkLine(options);
  const dir = await newFolder(context, options.dir ?? folderOf(url));
  await checkFree(dir, remote, url);
  const signal = context.signal ? { signal: context.signal } : {};
  // Asked before anything is made: a wrong address leaves nothing behind.
  const first = await openReader(url, { cwd: context.cwd, cache: null, ...signal });
  await first.close();
  // A clone has nothing yet.
  if (first.needs.length > 0) throw missingNeeds(first.shown, first.needs);
  const start = branchOf(first, options, first.state.head);
  if (options.model !== undefined) checkBranches(first, [options.model]);
  await makeDirectory(dir);
  if (!(await hasFormat(dir))) {
    await (await Repository.init(dir, start?.model)).close();
  }
  const repo = await Repository.open(dir, { ...signal, warn: (text) => context.warn(text) });
  try {
    await repo.locked((lock) => changeRemotes(lock, ({ urls }) => void urls.set(remote, url)));
    const source = await openReader(url, lineOf(repo, options, context));
    addTraffic(source.traffic, first.traffic);
    try {
      return await fill(repo, source, { remote, url, options, context: { ...context, cwd: dir } });
    } finally {
      await source.close();
    }
  } catch (error) {
    context.warn(
      `what has arrived is kept in '${dir}': the same command goes on from there`,
      'last',
    );
    throw error;
  } finally {
    await repo.close();
  }
}

/** Counts what an earlier connection carried with what this one does. */
function addTraffic(traffic: Traffic, earlier: Traffic): void {
  traffic.requests += earlier.requests;
  traffic.receivedBytes += earlier.receivedBytes;
  traffic.sentBytes += earlier.sentBytes;
}

/** The folder that a clone of an address makes. */
function folderOf(url: string): string {
  const last =
    url
      .replace(/[?#].*$/, '')
      .split(/[\\/]/)
      .filter(Boolean)
      .at(-1) ?? 'clone';
  const name = decodeName(last).replace(/\.dlv$/, '');
  return name === '' || name === '..' || /[/\\\p{Cc}]/u.test(name) ? 'clone' : name;
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @throws {ExistsError} unless a folder is empty, or a clone of this address that was interrupted. */
async function checkFree(dir: string, remote: string, url: string): Promise<void> {
  const there = await leadsTo(dir);
  if (there === null) return;
  if (there === 'folder') {
    const names = await listDirectory(dir);
    const isBare = names.every((name) => name === REPOSITORY_DIR);
    // An init that was killed, if anything: it is run again, and judges what is there.
    if (isBare && !(await hasFormat(dir))) return;
    if (await isInterrupted(dir, { remote, url, isBare })) return;
  }
  throw new ExistsError(`'${dir}' exists and is not empty`, {
    path: dir,
    hint: 'name another folder: dlv clone <url> <dir>',
  });
}

/** True if there is a repository whose making has ended: its format is written last. */
async function hasFormat(dir: string): Promise<boolean> {
  return (await statOrNull(new Layout(dir).format)) !== null;
}

/**
 * True if a folder holds a repository of this remote without a branch of its own, or, where nothing stands
 * beside it, one that was just made: a clone is killed before it has noted the remote, too.
 */
async function isInterrupted(
  dir: string,
  { remote, url, isBare }: { remote: string; url: string; isBare: boolean },
): Promise<boolean> {
  if (!(await hasFormat(dir))) return false;
  const layout = new Layout(dir);
  const { urls } = await readRemotes(layout);
  if (isBare && urls.size === 0) return (await listRefs(layout)).length === 0;
  return urls.get(remote) === url && (await listRefs(layout, 'refs/heads')).length === 0;
}

interface Filling {
  readonly remote: string;
  readonly url: string;
  readonly options: CloneOptions;
  readonly context: OpContext;
}

async function fill(
  repo: Repository,
  source: RemoteReader,
  { remote, url, options, context }: Filling,
): Promise<CloneResult> {
  const head = await headOf(repo, source, options);
  const filter = filterOf(options, head);
  const isWhole = !leavesOut(filter) && filter.lines.length === 0;
  const how = {
    tags: isWhole ? ('all' as const) : ('auto' as const),
    ...(isWhole ? {} : { filter, only: filter.lines }),
    ...{ prune: false, force: false, forgotten: false, dryRun: false },
  };
  const report = await fetchRefs(repo, { source, remote }, how, context);
  if (!isWhole) await notePartial(repo, source, { remote, filter });
  const place = { path: repo.layout.workTree, remote, url: shownUrl(url), ...head, ...report };
  const version = source.state.refs.get(branchRefName(head.model, head.branch)) ?? null;
  if (version === null) {
    await repo.locked((lock) => writeHead(lock, { kind: 'branch', ...head }));
    context.warn(`'${source.shown}' has no versions yet`);
    return { ...place, version, written: [] };
  }
  const there = source.state.head;
  const isAsked = options.branch !== undefined || options.model !== undefined;
  if (
    there !== null &&
    !isAsked &&
    !source.state.refs.has(branchRefName(there.model, there.branch))
  ) {
    context.warn(
      `HEAD of '${source.shown}' is on '${there.model}/${there.branch}', which has no versions yet: ` +
        `the clone is on '${head.model}/${head.branch}'`,
    );
  }
  if (filter.lines.length > 0 && !leavesOut(filter)) await warnOfOthers(repo, version, context);
  const reason = `clone: from ${shownUrl(url)}`;
  const why = await moveReason(repo, reason);
  const make = async (lock: RepositoryLock): Promise<void> => {
    for (const branch of ownBranches(source, head, filter.lines)) {
      const name = branchRefName(branch.model, branch.branch);
      const after = source.state.refs.get(name) as Id;
      if ((await readRef(repo.layout, name)) === null) {
        await updateRef(lock, { name, before: null, after, why });
      }
      await changeRemotes(lock, ({ upstreams }) => {
        upstreams.set(`${branch.model}/${branch.branch}`, { remote, ...branch });
      });
    }
  };
  const to: Head = { kind: 'branch', ...head };
  const { only = [], planes } = options;
  if (only.length > 0) await warnUnmatched(repo, { version, head, only }, context);
  if (options.noCheckout || only.length > 0 || planes !== undefined) {
    const { staging } = await readStaging(repo.layout);
    const entries = await stagedEntriesOf(repo, await repo.tree(version), staging);
    await repo.locked(async (lock) => {
      moveLine(staging, head.model, { version, branch: head.branch, entries });
      await writeStaging(lock, staging);
      await writeHead(lock, to);
      // Written last: a folder that has a branch counts as a finished repository, which the same command does not continue.
      await make(lock);
    });
    if (options.noCheckout || planes !== undefined) return { ...place, version, written: [] };
    const taking = new PartialTaking({ ...wholeFilter(), only });
    const { files } = await repo.tree(version);
    const paths = files.map(({ path: file }) => file).filter((file) => taking.takes(version, file));
    if (paths.length === 0) return { ...place, version, written: [] };
    const how = { paths, force: false, acceptTier: false };
    const some = await checkoutPaths(repo, version, how, context);
    return { ...place, version, written: some.written };
  }
  const done = await checkoutVersion(repo, version, to, {
    force: false,
    context,
    reason,
    first: make,
  });
  return { ...place, version, written: done.written };
}

/** Says that files of other models came, too: those of the versions that the cloned ones derive from. */
async function warnOfOthers(repo: Repository, version: Id, context: OpContext): Promise<void> {
  const { model } = await repo.version(version);
  const counts = new Map<string, number>();
  for (const one of (await collectVersions(repo, [version], {})).values()) {
    if (one.model !== model) counts.set(one.model, (counts.get(one.model) ?? 0) + 1);
  }
  if (counts.size === 0) return;
  const whose = [...counts].map(([name, count]) => `${count} of '${name}'`).join(', ');
  context.warn(
    `'${model}' derives from versions of other models, whose files came too (${whose}): with '--depth 1' they ` +
      'stay at the remote until they are needed',
    'last',
  );
}

/** Says which globs match nothing of what would be checked out: most likely they are mistyped. */
async function warnUnmatched(
  repo: Repository,
  { version, head, only }: { version: Id; head: BranchName; only: readonly string[] },
  context: OpContext,
): Promise<void> {
  const { files } = await repo.tree(version);
  for (const glob of only) {
    const taking = new PartialTaking({ ...wholeFilter(), only: [glob] });
    if (files.some(({ path: file }) => taking.takes(version, file))) continue;
    context.warn(`--only '${glob}' matches no file of '${head.model}/${head.branch}'`);
  }
}

/** What is taken of the remote, now and by later fetches. */
function filterOf(
  { depth, planes, only = [], model, singleBranch }: CloneOptions,
  head: BranchName,
): PartialFilter {
  const lines = singleBranch
    ? [`${head.model}/${head.branch}`]
    : model === undefined
      ? []
      : [model];
  return { depth: depth ?? null, planes: planes ?? null, only, lines };
}

/** Writes down what later fetches take, where the first has left out nothing. */
async function notePartial(
  repo: Repository,
  source: RemoteReader,
  { remote, filter }: { remote: string; filter: PartialFilter },
): Promise<void> {
  if (leavesOut(filter)) return;
  const { sets } = await source.holdings();
  await repo.locked((lock) => notePromised(lock, repo.store, new Map(), { remote, sets, filter }));
}

/** The branch that HEAD will name. */
async function headOf(
  repo: Repository,
  source: RemoteReader,
  options: CloneOptions,
): Promise<BranchName> {
  const found = branchOf(source, options, source.state.head);
  if (found !== null) return found;
  const now = await readHead(repo.layout);
  return { model: now.model, branch: now.kind === 'branch' ? now.branch : 'main' };
}
