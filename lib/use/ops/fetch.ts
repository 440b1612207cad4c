/** `dlv fetch`: brings versions of a remote here; work files and own branches stay. */
import { UsageError } from '../../base/errors.js';
import { WIDTH_MAX } from '../../base/limits.js';
import { checkPlanes } from '../../pure/tensor/prefix.js';
import { firstMissingPack } from '../../storage/exchange/collect/missing-packs.js';
import { openReader, shownUrl } from '../../storage/exchange/open-remote.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import {
  type PartialFilter,
  type PromisedOfRemote,
  readPromisedOf,
} from '../../storage/repo/promised.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { readFetchNames } from '../tracking/fetch-names.js';
import { type FetchReport, fetchRefs, trafficOf } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { refine } from '../tracking/refine.js';
import { findRemote, type NamedRemote, remoteNamed } from '../tracking/remotes.js';

export interface FetchOptions extends LineSettings {
  /** Name of a remote, or an address; default: that of the current branch, else origin. */
  remote?: string;
  /** Branches (`model/branch`, or those of HEAD's model), models and tags; default: all branches. */
  branches?: string[];
  /** From all remotes. */
  all?: boolean;
  /** auto: tags of versions that are here then. Default. */
  tags?: 'auto' | 'all' | 'none';
  /** Forgets branches that the remote has no more. */
  prune?: boolean;
  /** Moves tags that name another version here. */
  force?: boolean;
  /** Also versions that were forgotten here. */
  forgotten?: boolean;
  /** Gives up here what the remote gave up. */
  tombstones?: boolean;
  /** Only says what would come. */
  dryRun?: boolean;
  /** In a partial clone: leading planes of floats from now on, of what is here too; 'all' makes them exact. */
  planes?: number | 'all';
  /** The same for the versions of each branch whose files are here. */
  depth?: number | 'all';
  /** The same for files: globs of more of them, or 'all'. */
  only?: string[] | 'all';
}

export interface FetchResult extends FetchReport {
  /** Null if an address was given. */
  remote: string | null;
  url: string;
  dryRun: boolean;
}

/** What each remote brought. @throws {RemoteError} {NotFoundError} {CorruptError} */
export async function fetch(
  repo: Repository,
  options: FetchOptions,
  context: OpContext,
): Promise<FetchResult[]> {
  const results: FetchResult[] = [];
  for (const remote of await remotesOf(repo, options)) {
    results.push(await fetchOne(repo, remote, options, context));
  }
  return results;
}

async function remotesOf(repo: Repository, options: FetchOptions): Promise<NamedRemote[]> {
  const remotes = await readRemotes(repo.layout);
  if (options.all) return [...remotes.urls.keys()].map((name) => remoteNamed(remotes, name));
  const head = await readHead(repo.layout);
  return [await findRemote(repo, options.remote, head.kind === 'branch' ? head : null)];
}

/** What is taken from now on. @throws {UsageError} if that would be less than what is here. */
function fetchFilter(known: PartialFilter, { planes, depth, only }: FetchOptions): PartialFilter {
  const filter = { ...known };
  if (planes !== undefined) filter.planes = planes === 'all' ? null : checkPlanes(planes);
  if (depth !== undefined) filter.depth = depth === 'all' ? null : depth;
  if (only === 'all') filter.only = [];
  else if (only !== undefined && known.only.length > 0) {
    filter.only = [...new Set([...known.only, ...only])];
  }
  const isLess =
    (filter.planes ?? WIDTH_MAX) < (known.planes ?? WIDTH_MAX) ||
    (filter.depth ?? Number.POSITIVE_INFINITY) < (known.depth ?? Number.POSITIVE_INFINITY);
  if (!isLess) return filter;
  throw new UsageError('a fetch brings more and frees nothing', {
    option: '--planes',
    hint: "'dlv detach --planes <k> --to <remote>' frees low planes here",
  });
}

/** @throws {UsageError} if more is asked of a remote that promised nothing, in a repository that is not whole. */
function refuseUnpromised(repo: Repository, shown: string, options: FetchOptions): void {
  const { planes, depth, only, all } = options;
  const [other] = repo.promises?.byRemote.keys() ?? [];
  const asked = { '--planes': planes, '--depth': depth, '--only': only };
  const [first] = Object.entries(asked).filter(([, value]) => value !== undefined);
  if (other === undefined || all || first === undefined) return;
  const [option, given] = first;
  const value = Array.isArray(given) ? `'${given.join("' --only '")}'` : given;
  throw new UsageError(`what is not here was left at '${other}', not at '${shown}'`, {
    option,
    hint:
      `'dlv fetch ${other} ${option} ${value}' brings it; if '${other}' is gone for good, ` +
      `'dlv remote set-url ${other} <url>' puts a whole copy in its place`,
  });
}

/** True if more is wanted than what is here was taken with. */
function isWider(known: PromisedOfRemote | null, { planes, depth, only }: PartialFilter): boolean {
  const isThin = planes === null && (known?.thin.size ?? 0) > 0;
  return (
    isThin ||
    planes !== (known?.filter.planes ?? null) ||
    depth !== (known?.filter.depth ?? null) ||
    only.length !== (known?.filter.only.length ?? 0)
  );
}

/** Says that a remote of which nothing had to be read could not give it. */
async function warnOfMissing(
  source: RemoteReader,
  remote: string | null,
  context: OpContext,
): Promise<void> {
  const first = await firstMissingPack(source, context.signal ? { signal: context.signal } : {});
  if (first === null) return;
  const show = remote === null ? '' : `: 'dlv remote show ${remote}' lists what is missing`;
  context.warn(
    `the remote '${source.shown}' is damaged: '${first}' is not there. Push from a repository that is whole, to a ` +
      `new address${show}`,
    'last',
  );
}

async function fetchOne(
  repo: Repository,
  { name, url }: NamedRemote,
  options: FetchOptions,
  context: OpContext,
): Promise<FetchResult> {
  const source = await openReader(url, lineOf(repo, options, context));
  try {
    const { branches, tags = 'auto', dryRun = false } = options;
    const known = name === null ? null : await readPromisedOf(repo.layout, name);
    if (known === null) refuseUnpromised(repo, name ?? shownUrl(url), options);
    const filter = known === null ? null : fetchFilter(known.filter, options);
    const { model } = await readHead(repo.layout);
    const names = branches === undefined ? null : readFetchNames(source, branches, model);
    const lines = names?.lines ?? (filter?.lines.length ? filter.lines : undefined);
    const how = {
      ...(lines === undefined || lines.length === 0 ? {} : { only: lines }),
      ...(names === null ? {} : { namedTags: names.tags }),
      ...(filter === null ? {} : { filter }),
      tags,
      dryRun,
      prune: options.prune === true,
      force: options.force === true,
      forgotten: options.forgotten === true,
      tombstones: options.tombstones === true,
    };
    const report = await fetchRefs(repo, { source, remote: name }, how, context);
    if (name !== null && filter !== null && isWider(known, filter)) {
      const added = await refine(repo, { source, remote: name }, { filter, dryRun }, context);
      Object.assign(report, trafficOf(source), { bytes: report.bytes + added });
    }
    if (report.versions === 0) await warnOfMissing(source, name, context);
    return { remote: name, url: shownUrl(url), dryRun, ...report };
  } finally {
    await source.close();
  }
}
