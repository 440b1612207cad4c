/** What models, versions and paths take in packs: all that each needs, and what only it needs. */
import type { Id } from '../../base/bytes/hash.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import { type GroupBytes, type StoredSizes, Tally } from './sizes.js';
import { type CalledVersion, Describer } from './versions.js';

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

/** By model: rows in the order of `chosen`. */
export async function modelBytes(
  repo: ReadAccess,
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
): Promise<ModelBytes[]> {
  const tally = new Tally(sizes);
  const rows: Omit<ModelBytes, keyof GroupBytes>[] = [];
  for (const [model, ids] of chosen) {
    tally.next();
    let logicalBytes = 0;
    for (const id of ids) {
      await addVersion(tally, sizes, id);
      logicalBytes += (await repo.version(id)).tree.bytes;
    }
    rows.push({ model, versions: ids.length, logicalBytes });
  }
  const bytes = tally.finish();
  return rows.map((row, i) => ({ ...row, ...(bytes[i] as GroupBytes) }));
}

/** By version. */
export async function versionBytes(
  repo: ReadAccess,
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
): Promise<VersionBytes[]> {
  const tally = new Tally(sizes);
  const describer = new Describer(repo);
  const rows: Omit<VersionBytes, keyof GroupBytes>[] = [];
  for (const ids of chosen.values()) {
    for (const id of ids) {
      tally.next();
      await addVersion(tally, sizes, id);
      const called = await describer.called(id);
      rows.push({ ...called, logicalBytes: (await repo.version(id)).tree.bytes });
    }
  }
  const bytes = tally.finish();
  return rows.map((row, i) => ({ ...row, ...(bytes[i] as GroupBytes) }));
}

/** By path, in order. */
export async function pathBytes(
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
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
  const bytes = tally.finish();
  return rows.map(([path, { versions, logicalBytes }], i) => ({
    path,
    versions,
    logicalBytes,
    ...(bytes[i] as GroupBytes),
  }));
}

/** Bytes of all that refs and staging need, deltas' bases included. */
export async function neededBytes(
  repo: ReadAccess,
  sizes: StoredSizes,
  all: ReadonlyMap<string, Id[]>,
): Promise<number> {
  const tally = new Tally(sizes);
  tally.next();
  for (const id of [...all.values()].flat()) await addVersion(tally, sizes, id);
  const { staging } = await readStaging(repo.layout);
  for (const { model } of staging.models()) {
    for (const entry of staging.entries(model)) tally.add(await sizes.file(entry));
  }
  return tally.totalBytes;
}
