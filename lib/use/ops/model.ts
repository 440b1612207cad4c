/** `dlv model`: lists, renames and deletes models. */

import type { Id } from '../../base/bytes/hash.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { ConflictError, ExistsError, NotFoundError } from '../../base/errors.js';
import type { Head } from '../../storage/repo/refs/head.js';
import { parseRefName, shownRef } from '../../storage/repo/refs/ref-name.js';
import type { Ref } from '../../storage/repo/refs/refs.js';
import { changeRemotes, parseBranchTitle } from '../../storage/repo/remotes.js';
import type { OpContext } from '../context.js';
import { stagedChanges } from '../history/commit/staged-changes.js';
import { checkNewModel, knownModels } from '../history/lines/branches.js';
import { deletionReason, previousPlace } from '../history/lines/moves.js';
import { lossOf } from '../history/lines/reach.js';
import { type Lines, moveTogether, readLines } from '../history/lines/together.js';
import { rewriteHistory, versionsOfLines } from '../history/rewrite/rewrite-history.js';
import type { Repository } from '../repository.js';

export interface ModelEntry {
  model: string;
  /** True for HEAD's. */
  current: boolean;
  /** Its branches, by name; none before its first version. */
  branches: string[];
}

/** Models that have versions or staged files, and HEAD's, by name. */
export async function listModelEntries(
  repo: Repository,
  _options: object,
  _context: OpContext,
): Promise<ModelEntry[]> {
  const lines = await readLines(repo);
  const models = await knownModels(repo, lines.staging);
  return [...models].sort().map((model) => ({
    model,
    current: lines.head.model === model,
    branches: branchesOf(lines, model).map(({ name }) => name.split('/').slice(3).join('/')),
  }));
}

function branchesOf({ refs }: Lines, model: string): Ref[] {
  return refs.filter(({ name }) => name.startsWith(`refs/heads/${model}/`));
}

async function checkKnown(repo: Repository, lines: Lines, model: string): Promise<void> {
  const models = await knownModels(repo, lines.staging);
  if (models.has(model)) return;
  throw new NotFoundError(`there is no model '${model}'`, {
    kind: 'model',
    name: model,
    ...suggestNames(model, models, "'dlv model' lists the models"),
  });
}

export interface ModelRenaming {
  action: 'renamed';
  dryRun: boolean;
  model: string;
  /** Name before. */
  from: string;
  branches: string[];
  /** Versions of it, which have new ids: the name of its model is part of a version. */
  versions: number;
  /** Versions of other models that have new ids, since they derive from those. */
  derived: number;
  /** Branches and tags that moved. */
  refs: { name: string; before: Id | null; after: Id | null }[];
}

/**
 * Gives a model another name; old ids and names lead to the new ones.
 * @throws {NotFoundError} {ExistsError} {UsageError}
 */
export async function renameModel(
  repo: Repository,
  options: { from: string; to: string; dryRun?: boolean },
  context: OpContext,
): Promise<ModelRenaming> {
  const { from, to, dryRun = false } = options;
  const lines = await readLines(repo);
  await checkKnown(repo, lines, from);
  if ((await knownModels(repo, lines.staging)).has(to)) {
    throw new ExistsError(`model '${to}' exists already`, {
      kind: 'model',
      name: to,
      hint: 'choose another name',
    });
  }
  await checkNewModel(repo, lines.staging, to);
  const branches = branchesOf(lines, from).map(({ name }) => name.split('/').slice(3).join('/'));
  const versions = await versionsOfLines(repo, lines, context.signal);
  const own = [...versions.values()].filter(({ model }) => model === from).length;
  const { rewritten, refs } = await rewriteHistory(
    repo,
    {
      lines,
      versions,
      changeOf: async (_id, { model }) => (model === from ? { model: to } : null),
      rename: { from, to },
      force: false,
      reason: `model: renamed ${from} to ${to}`,
      dryRun,
    },
    context,
  );
  if (!dryRun) await moveUpstreams(repo, from, to);
  return {
    action: 'renamed',
    dryRun,
    model: to,
    from,
    branches,
    versions: own,
    derived: rewritten.size - own,
    refs: refs.map(({ name, before, after }) => ({ name: shownRef(name), before, after })),
  };
}

/** Branches of a model follow those of its new name; with no new name, they follow none. */
async function moveUpstreams(repo: Repository, from: string, to: string | null): Promise<void> {
  await repo.locked((lock) =>
    changeRemotes(lock, ({ upstreams }) => {
      for (const [title, upstream] of [...upstreams]) {
        const place = parseBranchTitle(title);
        if (place?.model !== from) continue;
        upstreams.delete(title);
        if (to === null) continue;
        // Versions of a model can only stand in branches of its name.
        const model = upstream.model === from ? to : upstream.model;
        upstreams.set(`${to}/${place.branch}`, { ...upstream, model });
      }
    }),
  );
}

export interface ModelDeletion {
  action: 'deleted';
  dryRun: boolean;
  model: string;
  branches: { branch: string; version: Id }[];
  /** Versions that no ref names any more; reflogs keep them from gc for a while. */
  lost: Id[];
  /** Branches of other models and tags that are or derive from its versions. They stay. */
  derived: string[];
  /** Its files, which stay in the work tree and which no model tracks now. */
  untracked: string[];
  /** Where HEAD is then: `model/branch`, or null if it did not move. */
  head: string | null;
}

/**
 * Deletes all branches of a model, and stops tracking its files.
 * @throws {NotFoundError}; {ConflictError} unless forced, if versions or staged changes would be lost.
 */
export async function deleteModel(
  repo: Repository,
  options: { name: string; force?: boolean; dryRun?: boolean },
  context: OpContext,
): Promise<ModelDeletion> {
  const { name: model, force = false, dryRun = false } = options;
  const lines = await readLines(repo);
  await checkKnown(repo, lines, model);
  const stashed = lines.refs.filter(({ name }) => name.startsWith(`refs/stash/${model}/`));
  const going = new Set([...branchesOf(lines, model), ...stashed]);
  const { head, staging, refs } = lines;
  const { lost, derived } = await lossOf(
    repo,
    {
      going: [...going],
      staying: {
        refs: refs.filter((ref) => !going.has(ref)),
        versions: head.kind === 'detached' && head.model !== model ? [head.id] : [],
      },
    },
    (_id, version) => version.model === model,
    context.signal,
  );
  // A dry run says what would be lost, with or without --force.
  if (!force && !dryRun) await checkNothingLost(repo, lines, model, lost);
  const untracked = staging.entries(model).map(({ path }) => path);
  const to = head.model === model ? await nextHead(repo, lines, model) : null;
  staging.drop(model);
  const result: ModelDeletion = {
    action: 'deleted',
    dryRun,
    model,
    branches: branchesOf(lines, model).map(({ name, id }) => {
      return { branch: name.split('/').slice(3).join('/'), version: id };
    }),
    lost,
    derived,
    untracked,
    head: to === null ? null : to.kind === 'branch' ? `${to.model}/${to.branch}` : to.id,
  };
  if (dryRun) return result;
  await moveTogether(repo, lines, {
    refs: [...going].map(({ name, id }) => {
      const what = name.startsWith('refs/stash/') ? 'stash' : 'branch';
      return { name, before: id, after: null, reason: deletionReason(what, shownRef(name)) };
    }),
    ...(to === null ? {} : { head: to }),
    reason: `model: deleted ${model}`,
  });
  await moveUpstreams(repo, model, null);
  return result;
}

async function checkNothingLost(
  repo: Repository,
  lines: Lines,
  model: string,
  lost: readonly Id[],
): Promise<void> {
  const { staging } = lines;
  const hint = "delete it anyway with --force; 'dlv model delete --dry-run' says what stays";
  if (lost.length > 0) {
    const what = lost.length === 1 ? 'a version that is' : `${lost.length} versions that are`;
    throw new ConflictError(`'${model}' has ${what} on no branch of another model and no tag`, {
      model,
      versions: lost,
      hint: `${hint}; 'dlv tag <name> ${model}' keeps its last version`,
    });
  }
  const { branch = null, base = null } = staging.get(model) ?? {};
  const at = { model, branch, tip: base };
  const changes = await stagedChanges(repo, at, staging.entries(model));
  const paths = changes.filter(({ status }) => status !== 'deleted').map(({ path }) => path);
  if (paths.length === 0) return;
  throw new ConflictError(`'${model}' has staged files that are in no version`, {
    model,
    paths,
    hint,
  });
}

/** Where HEAD goes when its model is deleted: where it was before, or to another model, or it stays. */
async function nextHead(repo: Repository, lines: Lines, model: string): Promise<Head> {
  const heads = lines.refs
    .map(({ name }) => parseRefName(name))
    .filter((place) => place?.kind === 'head')
    .filter((place) => place.model !== model);
  const before = await previousPlace(repo.layout);
  const staged = lines.staging.models().filter((line) => line.model !== model);
  const found =
    heads.find((place) => `${place.model}/${place.branch}` === before) ??
    heads.find((p) => staged.some((line) => line.model === p.model && line.branch === p.branch)) ??
    heads[0];
  if (found !== undefined) return { kind: 'branch', model: found.model, branch: found.branch };
  return { kind: 'branch', model, branch: repo.config.get('init.branch') };
}
