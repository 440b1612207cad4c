/** How far a branch is from the one that it follows. */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { remoteRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import type { Upstream } from '../../storage/repo/remotes.js';
import { collectVersions } from '../history/lines/ancestry.js';
import type { BranchName } from '../history/lines/branches.js';
import { branchTitle, upstreamOf } from './remotes.js';

/** A branch beside the one that it follows, as that was seen last. */
export interface Followed {
  /** `remote/model/branch`. */
  name: string;
  remote: string;
  /** Null if it was not seen, or is gone. */
  version: Id | null;
  /** Versions that only the branch here has, and that only the other has; null if it is not there. */
  ahead: number | null;
  behind: number | null;
}

/** `remote/model/branch`. */
export function upstreamTitle(upstream: Upstream): string {
  return `${upstream.remote}/${branchTitle(upstream)}`;
}

/** Versions that one of two has and the other has not. */
export async function countApart(
  repo: ReadAccess,
  a: Id,
  b: Id,
  signal?: AbortSignal,
): Promise<{ ahead: number; behind: number }> {
  if (a === b) return { ahead: 0, behind: 0 };
  const ofA = await collectVersions(repo, [a], { signal });
  const ofB = await collectVersions(repo, [b], { signal });
  const missing = (from: ReadonlyMap<Id, unknown>, other: ReadonlyMap<Id, unknown>): number =>
    [...from.keys()].filter((id) => !other.has(id)).length;
  return { ahead: missing(ofA, ofB), behind: missing(ofB, ofA) };
}

/** The branch that a branch follows and how far it is; null if it follows none. */
export async function followed(
  repo: ReadAccess,
  line: BranchName,
  tip: Id | null,
  signal?: AbortSignal,
): Promise<Followed | null> {
  const upstream = await upstreamOf(repo, line);
  if (upstream === null) return null;
  const { remote, model, branch } = upstream;
  const version = await readRef(repo.layout, remoteRefName(remote, model, branch));
  const place = { name: upstreamTitle(upstream), remote, version };
  if (version === null || tip === null) return { ...place, ahead: null, behind: null };
  return { ...place, ...(await countApart(repo, tip, version, signal)) };
}

/** True if `ancestor` is a version that another derives from, or that version. */
export async function derivesFrom(
  repo: ReadAccess,
  version: Id,
  ancestor: Id,
  signal?: AbortSignal,
): Promise<boolean> {
  if (version === ancestor) return true;
  return (await collectVersions(repo, [version], { signal })).has(ancestor);
}
