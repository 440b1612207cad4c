/** `dlv remote show <name>`: asks a remote what it has, beside what was seen of it and what follows it. */
import type { Id } from '../../base/bytes/hash.js';
import { missingPacks } from '../../storage/exchange/collect/missing-packs.js';
import { openReader, shownUrl } from '../../storage/exchange/open-remote.js';
import { parseRefName, remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, readRef } from '../../storage/repo/refs/refs.js';
import { parseBranchTitle, readRemotes } from '../../storage/repo/remotes.js';
import { setBytes } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { readBranch } from '../history/lines/branches.js';
import type { Repository } from '../repository.js';
import { countApart } from '../tracking/ahead-behind.js';
import { type TrafficReport, trafficOf } from '../tracking/fetch-refs.js';
import { type LineSettings, lineOf } from '../tracking/line.js';
import { branchTitle, remoteNamed } from '../tracking/remotes.js';

/** A branch here that follows one of a remote. */
export interface Follower {
  /** `model/branch`. */
  branch: string;
  /** Versions that only it has, and that only the other has; null where one of the two is not here. */
  ahead: number | null;
  behind: number | null;
}

/** A branch of a remote, as it is now and as it was seen. */
export interface RemoteBranch {
  /** `model/branch`. */
  name: string;
  /** Version that it names there; null if it is gone there. */
  version: Id | null;
  /** Version at which it was seen last; null if it was not. */
  seen: Id | null;
  status: 'new' | 'moved' | 'same' | 'gone';
  followers: Follower[];
}

export interface RemoteDescription extends TrafficReport {
  name: string;
  url: string;
  /** The branch that a clone checks out, `model/branch`; null if it has none yet. */
  head: string | null;
  branches: RemoteBranch[];
  tags: { name: string; version: Id; status: 'new' | 'moved' | 'same' }[];
  /** Pack sets that it lists, and their bytes. */
  sets: number;
  bytes: number;
  /** Pack files that it lists and that are not there, or have other sizes. */
  missing: string[];
}

/** @throws {NotFoundError} for a name that no remote has; {RemoteError} {CorruptError} */
export async function describeRemote(
  repo: Repository,
  options: LineSettings & { name: string },
  context: OpContext,
): Promise<RemoteDescription> {
  const { name } = options;
  const remotes = await readRemotes(repo.layout);
  const { url } = remoteNamed(remotes, name);
  const signal = context.signal ? { signal: context.signal } : {};
  const source = await openReader(url, lineOf(repo, options, context));
  try {
    const { head, refs } = source.state;
    const { sets } = await source.holdings(signal);
    const branches = new Map<string, RemoteBranch>();
    const blank = (title: string): RemoteBranch => ({
      name: title,
      version: null,
      seen: null,
      status: 'gone',
      followers: [],
    });
    const tags: RemoteDescription['tags'] = [];
    for (const [ref, version] of refs) {
      const place = parseRefName(ref);
      if (place?.kind === 'head') {
        const title = branchTitle(place);
        const seen = await readRef(repo.layout, remoteRefName(name, place.model, place.branch));
        const status = seen === null ? 'new' : seen === version ? 'same' : 'moved';
        branches.set(title, { ...blank(title), version, seen, status });
      }
      if (place?.kind === 'tag') {
        const here = await readRef(repo.layout, ref);
        const status = here === null ? 'new' : here === version ? 'same' : 'moved';
        tags.push({ name: place.tag, version, status });
      }
    }
    for (const { name: ref, id } of await listRefs(repo.layout, `refs/remotes/${name}`)) {
      const title = ref.split('/').slice(3).join('/');
      if (!branches.has(title)) branches.set(title, { ...blank(title), seen: id });
    }
    for (const [title, upstream] of remotes.upstreams) {
      const followed = branchTitle(upstream);
      if (upstream.remote !== name) continue;
      const entry = branches.get(followed) ?? blank(followed);
      branches.set(followed, entry);
      entry.followers.push(await followerOf(repo, title, entry.version, context.signal));
    }
    return {
      name,
      url: shownUrl(url),
      head: head === null ? null : branchTitle(head),
      branches: [...branches.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      tags: tags.sort((a, b) => (a.name < b.name ? -1 : 1)),
      sets: sets.length,
      bytes: sets.reduce((sum, set) => sum + setBytes(set), 0),
      missing: await missingPacks(source, signal),
      ...trafficOf(source),
    };
  } finally {
    await source.close();
  }
}

async function followerOf(
  repo: Repository,
  title: string,
  version: Id | null,
  signal: AbortSignal | undefined,
): Promise<Follower> {
  const place = parseBranchTitle(title);
  const tip = place === null ? null : await readBranch(repo, place);
  const isHere = version !== null && (await repo.store.hasBlob(version));
  if (tip === null || !isHere) return { branch: title, ahead: null, behind: null };
  return { branch: title, ...(await countApart(repo, tip, version, signal)) };
}
