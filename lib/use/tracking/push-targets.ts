/**
 * What a push is asked to move, as users write it:
 *
 *     [+] here [':' there] | ':' there | 'tag' name
 *
 * `here` is a branch, a tag, HEAD, or, with `there`, any revision. '+' forces this one ref.
 */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { branchRefName, parseRefName, tagRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, readRef } from '../../storage/repo/refs/refs.js';
import { parseBranchTitle } from '../../storage/repo/remotes.js';
import {
  type BranchName,
  findBranch,
  listBranchTips,
  noBranch,
} from '../history/lines/branches.js';
import { resolveId } from '../history/lines/resolve.js';
import type { PushTarget } from './push-refs.js';
import { branchTitle, upstreamOf } from './remotes.js';

/** What is to be pushed, in the words of the user. */
export interface WantedPush {
  refs?: string[];
  /** All branches. */
  all?: boolean;
  /** All tags as well. */
  tags?: boolean;
  /** Deletes the refs named, at the remote. */
  delete?: boolean;
}

/** Where it is pushed to. */
export interface PushPlace {
  /** Name of the remote here; null if an address was given. */
  readonly remote: string | null;
  /** Refs of the remote. */
  readonly there: ReadonlyMap<string, Id>;
}

/** @throws {UsageError} {NotFoundError} for what names nothing that can be pushed. */
export async function pushTargets(
  repo: ReadAccess,
  wanted: WantedPush,
  place: PushPlace,
): Promise<PushTarget[]> {
  const { refs = [], all = false, tags = false } = wanted;
  if (all && refs.length > 0)
    throw new UsageError('--all pushes all branches: name none beside it');
  const head = await readHead(repo.layout);
  const line = head.kind === 'branch' ? { model: head.model, branch: head.branch } : null;
  const reader = new SpecReader(repo, { ...place, model: head.model, line });
  const targets: PushTarget[] = [];
  for (const spec of withTags(refs)) {
    targets.push(await (wanted.delete ? reader.deletion(spec) : reader.read(spec)));
  }
  if (all) {
    for (const { model, branch, version } of await listBranchTips(repo)) {
      const from = { model, branch };
      targets.push({ kind: 'branch', ref: branchRefName(model, branch), to: version, from });
    }
  }
  if (tags) {
    for (const { name, id } of await listRefs(repo.layout, 'refs/tags')) {
      targets.push({ kind: 'tag', ref: name, to: id, from: null });
    }
  }
  return targets.length > 0 || all || tags ? targets : [await reader.read('HEAD')];
}

/** `tag v1` is one ref, as in git. */
function withTags(refs: readonly string[]): string[] {
  const specs: string[] = [];
  for (let at = 0; at < refs.length; at++) {
    const next = refs[at + 1];
    if (refs[at] !== 'tag' || next === undefined) specs.push(refs[at] as string);
    else {
      specs.push(`refs/tags/${next}`);
      at++;
    }
  }
  return specs;
}

interface Surroundings extends PushPlace {
  /** HEAD's. */
  readonly model: string;
  /** HEAD's branch; null if it is on none. */
  readonly line: BranchName | null;
}

class SpecReader {
  readonly #repo: ReadAccess;
  readonly #around: Surroundings;

  constructor(repo: ReadAccess, around: Surroundings) {
    this.#repo = repo;
    this.#around = around;
  }

  async read(given: string): Promise<PushTarget> {
    const isForced = given.startsWith('+');
    const spec = isForced ? given.slice(1) : given;
    if (spec.includes('*')) {
      throw new UsageError(`'${given}' is a pattern, and a push takes names`, {
        hint: '--all pushes all branches, --tags all tags',
      });
    }
    const at = spec.indexOf(':');
    const [here, there] = at < 0 ? [spec, null] : [spec.slice(0, at), spec.slice(at + 1)];
    const target =
      here === '' && there !== null ? this.deletion(there) : await this.#target(here, there);
    return isForced ? { ...target, force: true } : target;
  }

  /** A ref of the remote that shall be deleted. */
  deletion(there: string): PushTarget {
    const refs = this.#around.there;
    const tag = /^(?:refs\/)?tags\/(.+)$/s.exec(there)?.[1];
    const place = tag === undefined ? this.#placeThere(there, this.#around.model) : null;
    if (place !== null) {
      const ref = branchRefName(place.model, place.branch);
      const isTag = !refs.has(ref) && refs.has(tagRefName(there));
      if (!isTag) return { kind: 'branch', ref, to: null, from: null };
    }
    return { kind: 'tag', ref: checkedTag(tag ?? there), to: null, from: null };
  }

  async #target(here: string, there: string | null): Promise<PushTarget> {
    const repo = this.#repo;
    const tag = /^(?:refs\/)?tags\/(.+)$/s.exec(here)?.[1];
    const branch = tag === undefined ? await this.#branchHere(here, there) : null;
    if (branch !== null) {
      const to = await readRef(repo.layout, branchRefName(branch.model, branch.branch));
      if (to === null) throw noVersionYet(branch);
      if (there === null) return branchTarget(await this.#followed(branch), to, branch);
      return this.#targetThere(here, there, { to, branch });
    }
    const ref = tagRefName(tag ?? here);
    const tagged = parseRefName(ref) === null ? null : await readRef(repo.layout, ref);
    if (tagged !== null && (there === null || !isBranchRef(there))) {
      const name = there === null ? ref : checkedTag(there.replace(/^(?:refs\/)?tags\//, ''));
      return { kind: 'tag', ref: name, to: tagged, from: null };
    }
    if (there === null) throw await this.#notHere(here);
    return this.#targetThere(here, there, { to: await resolveId(repo, here), branch: null });
  }

  /** A version that a ref of the remote with a name of its own shall name. */
  async #targetThere(
    here: string,
    there: string,
    { to, branch }: { to: Id; branch: BranchName | null },
  ): Promise<PushTarget> {
    const tag = /^(?:refs\/)?tags\/(.+)$/s.exec(there)?.[1];
    if (tag !== undefined) return { kind: 'tag', ref: checkedTag(tag), to, from: null };
    const { model } = await this.#repo.version(to);
    const place = this.#placeThere(there, model);
    if (place.model === model) return branchTarget(place, to, branch);
    const what = branch === null ? 'a version' : 'a branch';
    throw new UsageError(`'${here}' is ${what} of '${model}', not of '${place.model}'`, {
      hint: `'dlv copy ${here} ${place.model}' begins a model of that name`,
    });
  }

  /** The branch here that a name means; null if it means something else. */
  async #branchHere(here: string, there: string | null): Promise<BranchName | null> {
    const { line, model } = this.#around;
    if (here === 'HEAD' || here === '@') {
      if (line !== null) return line;
      if (there !== null) return null;
      throw new UsageError('HEAD is on no branch', {
        hint: 'name the branch to push, or where HEAD goes there, as in HEAD:main',
      });
    }
    return findBranch(this.#repo, here.replace(/^(?:refs\/)?heads\//, ''), model);
  }

  async #notHere(here: string): Promise<Error> {
    const id = await resolveId(this.#repo, here).catch(() => null);
    if (id === null) return noBranch(this.#repo, here);
    return new UsageError(`'${here}' is no branch and no tag`, {
      hint: `say which branch there shall name it, as in '${here}:main'`,
    });
  }

  /**
   * A branch at the remote: of `model`, unless its first part is a model that is there or HEAD's.
   * @throws {UsageError}
   */
  #placeThere(text: string, model: string): BranchName {
    const plain = text.replace(/^(?:refs\/)?heads\//, '');
    const first = plain.split('/')[0] as string;
    const isModel =
      plain.includes('/') &&
      (first === model ||
        first === this.#around.model ||
        [...this.#around.there.keys()].some((ref) => ref.startsWith(`refs/heads/${first}/`)));
    const place = parseBranchTitle(isModel ? plain : `${model}/${plain}`);
    if (place !== null) return place;
    throw new UsageError(`'${text}' is not a valid branch name`, {
      hint: 'write <branch> or <model>/<branch>',
    });
  }

  /** Where a branch is pushed to: to the one that it follows there, else to one of its name. */
  async #followed(branch: BranchName): Promise<BranchName> {
    const upstream = await upstreamOf(this.#repo, branch);
    return upstream?.remote === this.#around.remote && upstream.model === branch.model
      ? { model: upstream.model, branch: upstream.branch }
      : branch;
  }
}

function branchTarget(there: BranchName, to: Id, from: BranchName | null): PushTarget {
  return { kind: 'branch', ref: branchRefName(there.model, there.branch), to, from };
}

function isBranchRef(text: string): boolean {
  return /^(?:refs\/)?heads\//.test(text);
}

/** @throws {UsageError} */
function checkedTag(name: string): string {
  const ref = tagRefName(name);
  if (parseRefName(ref) !== null) return ref;
  throw new UsageError(`'${name}' is not a valid tag name`, { name });
}

function noVersionYet(branch: BranchName): NotFoundError {
  return new NotFoundError(`'${branchTitle(branch)}' has no version yet`, {
    kind: 'branch',
    name: branchTitle(branch),
    hint: "'dlv add' and 'dlv commit' make the first one",
  });
}

/** Branches of the remote that are not here: of the models that are pushed, or of all. */
export async function prunedTargets(
  repo: ReadAccess,
  { there }: Pick<PushPlace, 'there'>,
  targets: readonly PushTarget[],
  all: boolean,
): Promise<PushTarget[]> {
  const here = new Set((await listRefs(repo.layout, 'refs/heads')).map(({ name }) => name));
  const meant = new Set(targets.map(({ ref }) => ref));
  const models = new Set(targets.map(({ ref }) => ref.split('/')[2]));
  const gone: PushTarget[] = [];
  for (const ref of there.keys()) {
    const place = parseRefName(ref);
    if (place?.kind !== 'head' || here.has(ref) || meant.has(ref)) continue;
    if (!all && !models.has(place.model)) continue;
    gone.push({ kind: 'branch', ref, to: null, from: null });
  }
  return gone;
}
