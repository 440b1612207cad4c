/** How many stored bytes models, versions and paths need, and how many only they need. */
import type { Id } from '../../../base/bytes/hash.js';
import type { VersionCatalog } from '../../../knowledge/catalog/version-catalog.js';
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import { type CalledVersion, Describer } from '../versions.js';
import { type GroupBytes, type StoredSizes, Tally } from './sizes.js';

export interface ModelBytes extends GroupBytes {
  model: string;
  versions: number;
  /** Sum of the sizes of the files of its versions. */
  logicalBytes: number;
}

export interface VersionBytes extends GroupBytes, CalledVersion {
  logicalBytes: number;
}

export interface PathBytes extends GroupBytes {
  path: string;
  versions: number;
  logicalBytes: number;
}

/** Adds all that a version needs. */
async function addVersion(tally: Tally, sizes: StoredSizes, id: Id): Promise<void> {
  tally.add(await sizes.record(id));
  for (const file of await sizes.files(id)) tally.add(await sizes.file(file));
}

/** What is known of versions, and which objects they need, without reading all of them. */
export type KnownVersions = Pick<VersionCatalog, 'facts' | 'needs'>;

/**
 * Adds all that versions need that are together: what a version has of its parent is counted with the parent.
 * A version one of whose files is replaced needs others than it names, so it is read as it is, and so are its children.
 */
async function addTogether(
  tally: Tally,
  sizes: StoredSizes,
  known: KnownVersions,
  ids: readonly Id[],
): Promise<void> {
  const together = new Set(ids);
  for (const id of ids) {
    const [parent = null] = (await known.facts(id)).parents;
    const isByParent =
      (parent === null || (together.has(parent) && !(await sizes.hasTier(parent)))) &&
      !(await sizes.hasTier(id));
    const needs = isByParent
      ? await known.needs(id, async () => {
          const added = await sizes.added(id, parent);
          return added?.map((object) => sizes.need(object)) ?? null;
        })
      : null;
    if (needs === null) await addVersion(tally, sizes, id);
    else tally.add(needs.map((need) => sizes.number(need)));
  }
}

/** What is needed beside the versions that a list shows: what deleting one of those does not free. */
export interface OtherNeeds {
  /** Objects of all other versions. */
  versions: readonly number[];
  /** By model, objects of files that are staged and in no version. */
  staged: ReadonlyMap<string, readonly number[]>;
}

const NO_OTHERS: OtherNeeds = { versions: [], staged: new Map() };

/** @param all every version that is kept; `chosen` those of the list. */
export async function otherNeeds(
  repo: ReadAccess,
  sizes: StoredSizes,
  all: ReadonlyMap<string, Id[]>,
  chosen: ReadonlyMap<string, Id[]>,
): Promise<OtherNeeds> {
  const shown = new Set([...chosen.values()].flat());
  const versions = new Set<number>();
  for (const id of [...all.values()].flat()) {
    if (shown.has(id)) continue;
    for (const object of await sizes.version(id)) versions.add(object);
  }
  return { versions: [...versions], staged: await stagedNeeds(repo, sizes, all) };
}

/** By model, objects of files that are staged and in no version. */
async function stagedNeeds(
  repo: ReadAccess,
  sizes: StoredSizes,
  all: ReadonlyMap<string, Id[]>,
): Promise<Map<string, number[]>> {
  const staged = new Map<string, number[]>();
  const { staging } = await readStaging(repo.layout);
  for (const { model } of staging.models()) {
    const left = new Map(staging.entries(model).map((entry) => [entry.recipe.id, entry]));
    // Most of what is staged is in the newest version of the model: others are looked at for the rest alone.
    const lines = [
      all.get(model) ?? [],
      ...[...all].filter(([name]) => name !== model).map(([, ids]) => ids),
    ];
    for (const id of lines.flat()) {
      if (left.size === 0) break;
      for (const { recipe } of await sizes.files(id)) left.delete(recipe.id);
    }
    const objects = new Set<number>();
    for (const entry of left.values()) {
      for (const object of await sizes.file(entry)) objects.add(object);
    }
    staged.set(model, [...objects]);
  }
  return staged;
}

/** Ends a tally with a last group, of what the list does not show. @returns the groups of the list, and all together. */
async function finishWith(
  tally: Tally,
  { versions, staged }: OtherNeeds,
  isCounted: (model: string) => boolean,
): Promise<{ groups: GroupBytes[]; totalBytes: number }> {
  tally.next();
  tally.add(versions);
  for (const [model, objects] of staged) if (!isCounted(model)) tally.add(objects);
  const { groups, totalBytes } = await tally.finish();
  return { groups: groups.slice(0, -1), totalBytes };
}

/** The rows with their bytes, those that need most first. */
function withBytes<T>(rows: readonly T[], bytes: readonly GroupBytes[]): (T & GroupBytes)[] {
  return rows
    .map((row, i) => ({ ...row, ...(bytes[i] as GroupBytes) }))
    .sort((a, b) => b.storedBytes - a.storedBytes);
}

/**
 * By model, those that need most first; what is staged for a model belongs to it.
 * @returns also the bytes of all that was counted, `others` included.
 */
export async function modelBytes(
  known: KnownVersions,
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
  others = NO_OTHERS,
): Promise<{ models: ModelBytes[]; totalBytes: number }> {
  const tally = new Tally(sizes);
  const rows: Omit<ModelBytes, keyof GroupBytes>[] = [];
  for (const [model, ids] of chosen) {
    tally.next();
    let logicalBytes = 0;
    for (const id of ids) logicalBytes += (await known.facts(id)).bytes;
    await addTogether(tally, sizes, known, ids);
    tally.add(others.staged.get(model) ?? []);
    rows.push({ model, versions: ids.length, logicalBytes });
  }
  const { groups, totalBytes } = await finishWith(tally, others, (model) => chosen.has(model));
  return { models: withBytes(rows, groups), totalBytes };
}

/** By version, those that need most first. */
export async function versionBytes(
  { repo, known }: { repo: ReadAccess; known: KnownVersions },
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
  others: OtherNeeds,
): Promise<VersionBytes[]> {
  const tally = new Tally(sizes);
  const describer = new Describer(repo, undefined, (id) => known.facts(id));
  const rows: Omit<VersionBytes, keyof GroupBytes>[] = [];
  for (const ids of chosen.values()) {
    for (const id of ids) {
      tally.next();
      await addVersion(tally, sizes, id);
      const called = await describer.called(id);
      rows.push({ ...called, logicalBytes: (await known.facts(id)).bytes });
    }
  }
  return withBytes(rows, (await finishWith(tally, others, () => false)).groups);
}

/** By path, those that need most first; of equals, in order. */
export async function pathBytes(
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
  others: OtherNeeds,
): Promise<PathBytes[]> {
  const contents = new Map<
    string,
    { versions: number; logicalBytes: number; objects: Set<number> }
  >();
  for (const id of [...chosen.values()].flat()) {
    for (const file of await sizes.files(id)) {
      const row = contents.get(file.path) ?? { versions: 0, logicalBytes: 0, objects: new Set() };
      row.versions++;
      row.logicalBytes += file.size;
      for (const object of await sizes.file(file)) row.objects.add(object);
      contents.set(file.path, row);
    }
  }
  const tally = new Tally(sizes);
  const rows = [...contents].sort(([a], [b]) => comparePaths(a, b));
  for (const [, { objects }] of rows) {
    tally.next();
    tally.add([...objects]);
  }
  return withBytes(
    rows.map(([path, { versions, logicalBytes }]) => ({ path, versions, logicalBytes })),
    (await finishWith(tally, others, () => false)).groups,
  );
}
