/** `dlv list`: the models of a repository, or their versions that fit. */

import type { Id } from '../../base/bytes/hash.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { NotFoundError } from '../../base/errors.js';
import type { VersionFacts } from '../../knowledge/catalog/facts.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../storage/repo/refs/refs.js';
import type { OpContext } from '../context.js';
import { branchTips } from '../history/lines/branches.js';
import { listedRoots, StoredSizes, versionRoots, versionsByModel } from '../history/sizes/sizes.js';
import { modelBytes } from '../history/sizes/usage.js';
import { Describer, type Lineage, openCatalog, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';

/** What models are listed by: bytes in packs, bytes of files, count of versions, time of the last. */
export type ListOrder = 'name' | 'stored' | 'logical' | 'versions' | 'time';

export interface ListOptions {
  /** Only this model. */
  model?: string;
  /** Only versions whose message holds this text, whatever its case. */
  message?: string;
  /** Order of the models; default: by name. The largest, or the newest, is the first. */
  sort?: ListOrder;
  /** How many of the last versions of each model to list; 0 lists none. Default 1. */
  last?: number;
}

/** One model. */
export interface ListedModel {
  model: string;
  /** True if HEAD is at it. */
  current: boolean;
  branches: { branch: string; version: Id }[];
  /** Versions that its branches, tags and branches of remotes name or derive from. */
  versions: number;
  /** Versions of other models that it derives from. */
  lineage: Lineage[];
  /** Those of them that merges alone brought, such as an adapter that was folded in. */
  merged: Id[];
  logicalBytes: number;
  /** Bytes in packs of all that it needs, and of what no other model needs. */
  storedBytes: number;
  uniqueBytes: number;
  /** The last versions that fit, newest first. */
  latest: VersionSummary[];
}

/** Models, by name; those with no version that fits are left out. @throws {NotFoundError} */
export async function list(
  repo: Repository,
  options: ListOptions,
  context: OpContext,
): Promise<ListedModel[]> {
  const { last = 1, message } = options;
  const head = await repo.head();
  const tips = new Map<string, { branch: string; version: Id }[]>();
  const refs = await listRefs(repo.layout);
  for (const { model, branch, version } of branchTips(refs)) {
    const rows = tips.get(model) ?? [];
    rows.push({ branch, version });
    tips.set(model, rows);
  }
  const catalog = openCatalog(repo, { needs: true });
  const factsOf = (id: Id): Promise<VersionFacts> => catalog.facts(id);
  const lines = await versionsByModel(factsOf, await listedRoots(repo, refs));
  if (options.model !== undefined) checkExists(options.model, [...lines.keys()]);
  const sizes = new StoredSizes(repo, context.signal);
  const all = await versionsByModel(factsOf, await versionRoots(repo, refs));
  const bytes = new Map(
    (await modelBytes(catalog, sizes, all)).models.map((row) => [row.model, row]),
  );
  await catalog.save();
  const describer = new Describer(repo, refs, factsOf);
  const models: ListedModel[] = [];
  const times = new Map<string, number>();
  for (const [model, ids] of lines) {
    if (options.model !== undefined && model !== options.model) continue;
    const lineage = new Map<Id, Lineage>();
    const origins = new Set<Id>();
    const latest: VersionSummary[] = [];
    let fits = 0;
    for (const id of ids) {
      const version = await factsOf(id);
      times.set(model, Math.max(times.get(model) ?? 0, version.time));
      const isWanted =
        message === undefined || version.message.toLowerCase().includes(message.toLowerCase());
      for (const parent of await describer.lineage(version)) lineage.set(parent.version, parent);
      if (version.parents[0] !== undefined) origins.add(version.parents[0]);
      if (!isWanted) continue;
      fits++;
      if (latest.length < last) latest.push(await describer.describe(id));
    }
    if (fits === 0) continue;
    const size = bytes.get(model);
    models.push({
      model,
      current: head.model === model,
      branches: tips.get(model) ?? [],
      versions: ids.length,
      lineage: [...lineage.values()],
      merged: [...lineage.keys()].filter((id) => !origins.has(id)),
      logicalBytes: size?.logicalBytes ?? 0,
      storedBytes: size?.storedBytes ?? 0,
      uniqueBytes: size?.uniqueBytes ?? 0,
      latest,
    });
  }
  return order(models, times, options.sort ?? 'name');
}

function order(
  models: ListedModel[],
  times: ReadonlyMap<string, number>,
  by: ListOrder,
): ListedModel[] {
  const keys: Record<Exclude<ListOrder, 'name'>, (model: ListedModel) => number> = {
    stored: (model) => model.storedBytes,
    logical: (model) => model.logicalBytes,
    versions: (model) => model.versions,
    time: (model) => times.get(model.model) ?? 0,
  };
  if (by === 'name') return models;
  return models.sort((a, b) => keys[by](b) - keys[by](a));
}

function checkExists(name: string, models: readonly string[]): void {
  if (models.includes(checkModelName(name))) return;
  throw new NotFoundError(`there is no model '${name}'`, {
    kind: 'model',
    name,
    ...suggestNames(name, models, "'dlv list' shows the models"),
  });
}
