/** Which remote a command means, and which branch of it a branch here follows. */

import { closestNames } from '../../base/bytes/words/closest.js';
import { AmbiguousError, NotFoundError, UsageError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { modelNameProblem, parseRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import {
  parseBranchTitle,
  type Remotes,
  readRemotes,
  type Upstream,
} from '../../storage/repo/remotes.js';
import type { BranchName } from '../history/lines/branches.js';

/** A remote that a command works with. */
export interface NamedRemote {
  /** Null if only an address was given: no branches of it are remembered. */
  name: string | null;
  url: string;
}

/** The remote that a clone comes from, and the one that is meant where none is named. */
export const DEFAULT_REMOTE = 'origin';

/** `model/branch`. */
export function branchTitle({ model, branch }: BranchName): string {
  return `${model}/${branch}`;
}

/** Gives the name of a remote that is to be made back. @throws {UsageError} */
export function checkRemoteName(name: string): string {
  const problem = modelNameProblem(name);
  if (problem === null) return name;
  throw new UsageError(`'${name}' ${problem}`, {
    name,
    hint: 'choose another name for the remote, such as origin',
  });
}

/** @throws {NotFoundError} if there is no remote of that name. */
export function remoteNamed({ urls }: Remotes, name: string): NamedRemote {
  const url = urls.get(name);
  if (url !== undefined) return { name, url };
  const near = closestNames(name, new Set(urls.keys()));
  throw new NotFoundError(`there is no remote '${name}'`, {
    kind: 'remote',
    name,
    candidates: near,
    hint:
      near.length > 0
        ? `did you mean ${near.join(' or ')}?`
        : "'dlv remote add <name> <url>' adds one, 'dlv remote -v' lists them",
  });
}

/** True if a text is an address rather than the name of a remote. */
function isAddress(text: string): boolean {
  return /[/\\:]|\.dlv$/.test(text) || text === '.' || text === '..';
}

/**
 * The remote that is meant: the one named, an address, that which the branch follows, `origin`, the only one.
 * @throws {NotFoundError} {UsageError} if none or several could be meant.
 */
export async function findRemote(
  repo: Pick<ReadAccess, 'layout'>,
  given: string | undefined,
  line: BranchName | null,
): Promise<NamedRemote> {
  const remotes = await readRemotes(repo.layout);
  if (given !== undefined && !remotes.urls.has(given) && isAddress(given)) {
    return { name: null, url: given };
  }
  if (given !== undefined) return remoteNamed(remotes, given);
  const upstream = line === null ? undefined : remotes.upstreams.get(branchTitle(line));
  if (upstream !== undefined && remotes.urls.has(upstream.remote)) {
    return remoteNamed(remotes, upstream.remote);
  }
  if (remotes.urls.has(DEFAULT_REMOTE)) return remoteNamed(remotes, DEFAULT_REMOTE);
  const names = [...remotes.urls.keys()];
  if (names.length === 1) return remoteNamed(remotes, names[0] as string);
  if (names.length === 0) {
    throw new NotFoundError('there is no remote yet', {
      kind: 'remote',
      hint: "'dlv remote add origin <folder or address>' adds one",
    });
  }
  throw new UsageError('there are several remotes: name the one that is meant', {
    candidates: names,
    hint: `one of ${names.slice(0, 4).join(', ')}`,
  });
}

/** The branch that a branch follows; null if it follows none. */
export async function upstreamOf(
  repo: Pick<ReadAccess, 'layout'>,
  line: BranchName,
): Promise<Upstream | null> {
  return (await readRemotes(repo.layout)).upstreams.get(branchTitle(line)) ?? null;
}

/**
 * What a new branch follows: the branch of a remote that it starts at.
 * @param start  the ref that the starting point names, if any, and the point as it was given.
 * @param track  true: it has to be a branch of a remote; false: the branch follows none even so.
 * @throws {UsageError} if it has to follow one and cannot.
 */
export function upstreamToFollow(
  { ref, shown }: { ref: string | null; shown: string },
  { model }: BranchName,
  track: boolean | undefined,
): Upstream | null {
  if (track === false) return null;
  const upstream = upstreamOfRef(ref, model);
  if (upstream !== null || track === undefined) return upstream;
  throw new UsageError(`'${shown}' is not a branch of a remote, so no branch can follow it`, {
    option: '--track',
    hint: "name one as origin/main; 'dlv branch -r' lists them",
  });
}

/** The branch of a remote that a ref is, if it is one of `model`: what a branch that starts there follows. */
export function upstreamOfRef(ref: string | null, model: string): Upstream | null {
  const seen = ref === null ? null : parseRefName(ref);
  const place = seen?.kind === 'remote' ? parseBranchTitle(seen.rest) : null;
  if (seen?.kind !== 'remote' || place === null || place.model !== model) return null;
  return { remote: seen.remote, ...place };
}

/**
 * The branch of a remote that a new branch shall follow because it is named like it: a branch of `model`,
 * `<model>/<branch>`, or a model that only remotes have.
 * @throws {AmbiguousError} if several remotes have it.
 */
export async function branchToFollow(
  repo: Pick<ReadAccess, 'layout'>,
  name: string,
  model: string,
): Promise<Upstream | null> {
  const { urls } = await readRemotes(repo.layout);
  const found: Upstream[] = [];
  for (const remote of urls.keys()) {
    const seen = (await listRefs(repo.layout, `refs/remotes/${remote}`)).flatMap((ref) => {
      const place = parseBranchTitle(ref.name.split('/').slice(3).join('/'));
      return place === null ? [] : [{ remote, ...place }];
    });
    const ofModel = seen.filter((one) => one.model === name);
    const main = ofModel.find(({ branch }) => branch === 'main') ?? ofModel[0];
    const exact = seen.find((one) => one.model === model && one.branch === name);
    const titled = seen.find((one) => branchTitle(one) === name);
    const one = exact ?? titled ?? main;
    if (one !== undefined) found.push(one);
  }
  if (found.length < 2) return found[0] ?? null;
  const candidates = found.map((one) => `${one.remote}/${branchTitle(one)}`);
  throw new AmbiguousError(`several remotes have a branch '${name}'`, {
    kind: 'branch',
    name,
    candidates,
    hint: `choose one: 'dlv switch -c ${name} ${candidates[0]}'`,
  });
}
