/** `dlv branch` without a name: lists branches, here or as they were seen at remotes. */
import type { Id } from '../../base/bytes/hash.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import { parseBranchTitle, readRemotes } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import { type BranchName, listBranchTips } from '../history/lines/branches.js';
import { containsTest, nameTest } from '../history/lines/name-filters.js';
import { Describer, formatMoment } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { type Followed, followed } from '../tracking/ahead-behind.js';
import { branchTitle } from '../tracking/remotes.js';

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
  /** Branches of all models, and then those of remotes. */
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
  const isAll = options.all === true;
  const own = isAll || options.remotes ? undefined : head.model;
  const onlyModel = options.model ?? own;
  const describer = new Describer(repo);
  // Most branches follow none; the list is read once for all.
  const { upstreams } = await readRemotes(repo.layout);
  const entries: BranchEntry[] = [];
  const here = isAll || !options.remotes ? await listBranchTips(repo, onlyModel) : [];
  const there = isAll || options.remotes ? await listRemoteTips(repo) : [];
  const tips = [...here.map((tip) => ({ ...tip, remote: null })), ...there];
  for (const { remote, model, branch, version } of tips) {
    if (onlyModel !== undefined && model !== onlyModel) continue;
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
