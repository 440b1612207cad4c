/** `dlv du`: where the bytes are, by model, version, path and kind of pack file. */

import { listDirectory, statOrNull } from '../../base/bytes/files.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import { FILE_CLASSES, type FileClass } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/resolve.js';
import {
  type GroupBytes,
  StoredSizes,
  Tally,
  versionRoots,
  versionsByModel,
} from '../history/sizes.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface DuOptions {
  /** Only these versions; default: all that a ref names or derives from. */
  revisions?: string[];
  /** Only this model. */
  model?: string;
  /** Also tells the versions apart. */
  versions?: boolean;
  /** Also tells the paths apart. */
  paths?: boolean;
}

export interface ModelBytes extends GroupBytes {
  model: string;
  versions: number;
  /** Sum of the sizes of the files of its versions. */
  logicalBytes: number;
}

export interface VersionBytes extends GroupBytes {
  version: Id;
  model: string;
  number: number;
  logicalBytes: number;
}

export interface PathBytes extends GroupBytes {
  path: string;
  versions: number;
  logicalBytes: number;
}

export interface DuResult {
  models: ModelBytes[];
  /** null unless asked for. */
  versions: VersionBytes[] | null;
  paths: PathBytes[] | null;
  /** Bytes of all pack files on disk, by class. */
  packs: Record<FileClass, number> & { sets: number };
  /** Bytes of records that versions and staging need, and of those that they do not. */
  liveBytes: number;
  garbageBytes: number;
  /** Bytes that wait in trash. */
  trashBytes: number;
  /** Sum over all versions, and what they take on disk with indexes and trash. */
  logicalBytes: number;
  diskBytes: number;
}

/** @throws {NotFoundError} {UsageError} {AmbiguousError} */
export async function du(
  repo: Repository,
  options: DuOptions,
  context: OpContext,
): Promise<DuResult> {
  const sizes = new StoredSizes(repo, context.signal);
  const all = await versionsByModel(repo, await versionRoots(repo));
  const chosen = await choose(repo, all, options);
  const models = await byModel(repo, sizes, chosen);
  const versions = options.versions ? await byVersion(repo, sizes, chosen) : null;
  const paths = options.paths ? await byPath(sizes, chosen) : null;
  const liveBytes = await live(repo, sizes, all);
  const packs = packBytes(repo);
  const trashBytes = await folderBytes(repo.layout.trash);
  const records = packs.blob + packs.hi + packs.mid + packs.low;
  return {
    models,
    versions,
    paths,
    packs,
    liveBytes,
    garbageBytes: Math.max(0, records - liveBytes),
    trashBytes,
    logicalBytes: models.reduce((sum, model) => sum + model.logicalBytes, 0),
    diskBytes: records + packs.idx + trashBytes,
  };
}

async function choose(
  repo: Repository,
  all: ReadonlyMap<string, Id[]>,
  options: DuOptions,
): Promise<Map<string, Id[]>> {
  let chosen = new Map(all);
  if ((options.revisions?.length ?? 0) > 0) {
    chosen = new Map();
    for (const revision of new Set(options.revisions)) {
      const id = await resolveId(repo, revision);
      const { model } = await repo.version(id);
      const line = chosen.get(model) ?? [];
      if (!line.includes(id)) line.push(id);
      chosen.set(model, line);
    }
  }
  if (options.model === undefined) return chosen;
  const line = chosen.get(checkModelName(options.model));
  if (line === undefined) {
    throw new NotFoundError(`there is no version of a model '${options.model}'`, {
      kind: 'model',
      name: options.model,
      candidates: [...all.keys()],
      hint: "'dlv list' shows the models",
    });
  }
  return new Map([[options.model, line]]);
}

/** Adds all that a version needs. */
async function addVersion(tally: Tally, sizes: StoredSizes, id: Id): Promise<void> {
  tally.add(await sizes.record(id));
  for (const file of await sizes.files(id)) tally.add(await sizes.file(file));
}

async function byModel(
  repo: Repository,
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

async function byVersion(
  repo: Repository,
  sizes: StoredSizes,
  chosen: ReadonlyMap<string, Id[]>,
): Promise<VersionBytes[]> {
  const tally = new Tally(sizes);
  const describer = new Describer(repo);
  const rows: Omit<VersionBytes, keyof GroupBytes>[] = [];
  for (const [model, ids] of chosen) {
    for (const id of ids) {
      tally.next();
      await addVersion(tally, sizes, id);
      const number = await describer.number(id);
      rows.push({ version: id, model, number, logicalBytes: (await repo.version(id)).tree.bytes });
    }
  }
  const bytes = tally.finish();
  return rows.map((row, i) => ({ ...row, ...(bytes[i] as GroupBytes) }));
}

async function byPath(sizes: StoredSizes, chosen: ReadonlyMap<string, Id[]>): Promise<PathBytes[]> {
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
async function live(
  repo: Repository,
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

function packBytes(repo: Repository): DuResult['packs'] {
  const packs = { blob: 0, hi: 0, mid: 0, low: 0, idx: 0, sets: 0 };
  for (const { bytes } of repo.store.sets()) {
    packs.sets++;
    for (const kind of FILE_CLASSES) packs[kind] += bytes[kind];
  }
  return packs;
}

async function folderBytes(dir: string): Promise<number> {
  let total = 0;
  for (const name of await listDirectory(dir)) {
    const there = await statOrNull(`${dir}/${name}`);
    if (there?.isDirectory) total += await folderBytes(`${dir}/${name}`);
    else total += there?.stat.size ?? 0;
  }
  return total;
}
