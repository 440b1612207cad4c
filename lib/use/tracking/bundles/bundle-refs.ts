/** What a bundle is to hold: branches and tags that revisions mean, and the versions that its reader has already. */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { branchRefName, parseRefName, tagRefName } from '../../../storage/repo/refs/ref-name.js';
import { listModels, listRefs, readRef } from '../../../storage/repo/refs/refs.js';
import { collectVersions } from '../../history/lines/ancestry.js';
import { type BranchName, findBranch, listBranchTips } from '../../history/lines/branches.js';
import { parseRange } from '../../history/lines/ranges.js';
import { resolve, resolveId } from '../../history/lines/resolve.js';
import { derivesFrom } from '../ahead-behind.js';

/** What a user asks for. */
export interface BundleChoice {
  /** Models, branches, tags, other revisions, and ranges `a..b`. */
  readonly revisions: readonly string[];
  readonly all: boolean;
  /** Revisions whose versions are left out, with all that they derive from. */
  readonly since: readonly string[];
  /** Tags of versions that the bundle holds. */
  readonly tags: boolean;
}

/** What a bundle holds. */
export interface BundleRefs {
  /** Full names of branches and tags → versions. */
  readonly refs: ReadonlyMap<string, Id>;
  /** Versions that its reader has to have already. */
  readonly needs: Id[];
  /** The versions that it holds. */
  readonly versions: ReadonlySet<Id>;
}

/** @throws {NotFoundError} {UsageError} {AmbiguousError}; {ConflictError} if two revisions mean one branch. */
export async function bundleRefs(
  repo: ReadAccess,
  choice: BundleChoice,
  signal?: AbortSignal,
): Promise<BundleRefs> {
  const { revisions, all, since, tags } = choice;
  if (all && revisions.length > 0) {
    throw new UsageError('--all exports everything: name nothing beside it', {
      hint: "leave out what is old with '--since <rev>'",
    });
  }
  if (!all && revisions.length === 0) {
    throw new UsageError('what is to be exported?', {
      hint: 'name models, branches, tags or versions, or write --all',
    });
  }
  const refs = new Map<string, Id>();
  const had: Id[] = [];
  for (const text of since) had.push(await resolveId(repo, text));
  if (all) for (const { name, id } of await listRefs(repo.layout, 'refs/heads')) refs.set(name, id);
  for (const text of revisions) {
    const range = parseRange(text);
    if (range?.common) {
      throw new UsageError(`'${text}' is no range of a bundle`, { hint: 'write <old>..<new>' });
    }
    if (range !== null) had.push(await resolveId(repo, range.from));
    for (const [name, id] of await refsOf(repo, range?.to ?? text, signal)) {
      const other = refs.get(name);
      if (other !== undefined && other !== id) {
        throw new ConflictError(`two of the revisions mean '${name}', at different versions`, {
          name,
          hint: 'name the newer one alone: it holds what it derives from',
        });
      }
      refs.set(name, id);
    }
  }
  const before = new Set((await collectVersions(repo, had, { signal })).keys());
  const whole = await collectVersions(repo, [...refs.values()], { signal });
  if (tags) {
    for (const { name, id } of await listRefs(repo.layout, 'refs/tags')) {
      if (all && !whole.has(id)) {
        for (const [more, version] of await collectVersions(repo, [id], { signal })) {
          whole.set(more, version);
        }
      }
      if (whole.has(id)) refs.set(name, id);
    }
  }
  const versions = new Set([...whole.keys()].filter((id) => !before.has(id)));
  const needs = new Set([...refs.values()].filter((id) => before.has(id)));
  for (const id of versions) {
    for (const parent of whole.get(id)?.parents ?? []) if (before.has(parent)) needs.add(parent);
  }
  if (versions.size === 0) throw nothingNew(refs.size === 0);
  return { refs, needs: [...needs].sort(), versions };
}

function nothingNew(isEmpty: boolean): NotFoundError {
  return new NotFoundError('there is nothing to export', {
    kind: 'version',
    hint: isEmpty
      ? "the repository has no versions yet: 'dlv commit' makes one"
      : 'all that is named is, or comes before, what is left out',
  });
}

/** The refs that a revision means. */
async function refsOf(
  repo: ReadAccess,
  text: string,
  signal: AbortSignal | undefined,
): Promise<[string, Id][]> {
  const { model } = await readHead(repo.layout);
  const branch = await findBranch(repo, text, model);
  if (branch !== null) return [await tipOf(repo, branch)];
  if ((await listModels(repo.layout)).includes(text)) {
    const tips = await listBranchTips(repo, text);
    if (tips.length > 0) {
      return tips.map(({ model: of, branch: name, version }) => [branchRefName(of, name), version]);
    }
  }
  const { id, ref } = await resolve(repo, text);
  const place = ref === null ? null : parseRefName(ref);
  if (ref !== null && (place?.kind === 'head' || place?.kind === 'tag')) return [[ref, id]];
  return [[await lineOf(repo, id, signal), id]];
}

async function tipOf(repo: ReadAccess, { model, branch }: BranchName): Promise<[string, Id]> {
  const name = branchRefName(model, branch);
  return [name, (await readRef(repo.layout, name)) as Id];
}

/** The branch that a version lies on: HEAD's, else another of its model; else a tag of its id. */
async function lineOf(repo: ReadAccess, id: Id, signal: AbortSignal | undefined): Promise<string> {
  const { model } = await repo.version(id);
  const head = await readHead(repo.layout);
  const tips = await listBranchTips(repo, model);
  const isHead = ({ branch }: BranchName): boolean =>
    head.kind === 'branch' && head.model === model && head.branch === branch;
  const isMain = ({ branch }: BranchName): boolean => branch === 'main';
  const rank = (tip: BranchName): number => (isHead(tip) ? 0 : isMain(tip) ? 1 : 2);
  for (const tip of [...tips].sort((a, b) => rank(a) - rank(b))) {
    if (await derivesFrom(repo, tip.version, id, signal)) return branchRefName(model, tip.branch);
  }
  return tagRefName(`version-${id.slice(0, 10)}`);
}
