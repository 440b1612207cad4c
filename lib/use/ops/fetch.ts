/** `dlv fetch`: brings versions of a remote here; work files and own branches stay. */
import { openReader, shownUrl } from '../../storage/exchange/open-remote.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { readRemotes } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { type FetchReport, fetchRefs } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { findRemote, type NamedRemote, remoteNamed } from '../tracking/remotes.js';

export interface FetchOptions extends LineSettings {
  /** Name of a remote, or an address; default: that of the current branch, else origin. */
  remote?: string;
  /** Branches (`model/branch`) or models; default: all branches. */
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
  /** Only says what would come. */
  dryRun?: boolean;
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

async function fetchOne(
  repo: Repository,
  { name, url }: NamedRemote,
  options: FetchOptions,
  context: OpContext,
): Promise<FetchResult> {
  const source = await openReader(url, lineOf(repo, options, context));
  try {
    const { branches, tags = 'auto', dryRun = false } = options;
    const how = {
      ...(branches === undefined ? {} : { only: branches }),
      tags,
      dryRun,
      prune: options.prune === true,
      force: options.force === true,
      forgotten: options.forgotten === true,
    };
    const report = await fetchRefs(repo, { source, remote: name }, how, context);
    return { remote: name, url: shownUrl(url), dryRun, ...report };
  } finally {
    await source.close();
  }
}
