/** `dlv du`: what takes up space, by model, version, path and kind of pack file. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { listDirectory, statOrNull } from '../../base/files/files.js';
import { checkModelName } from '../../storage/repo/refs/ref-name.js';
import { FILE_CLASSES, type FileClass, type PlaneClass } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { listedRoots, StoredSizes, versionRoots, versionsByModel } from '../history/sizes/sizes.js';
import {
  type ModelBytes,
  modelBytes,
  otherNeeds,
  type PathBytes,
  pathBytes,
  type VersionBytes,
  versionBytes,
} from '../history/sizes/usage.js';
import { openCatalog } from '../history/versions.js';
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

export interface DuResult {
  models: ModelBytes[];
  /** null unless asked for. */
  versions: VersionBytes[] | null;
  paths: PathBytes[] | null;
  /** Bytes of all pack files on disk, by class; in small sets, `hi` has the planes of all classes. */
  packs: Record<FileClass, number> & { sets: number };
  /** Bytes of coded planes on disk, by class: of fp32, `hi` is the first two, `mid` the third, `low` the last. */
  planes: Record<PlaneClass, number>;
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
  const catalog = openCatalog(repo, { needs: true });
  const factsOf = (id: Id): ReturnType<typeof catalog.facts> => catalog.facts(id);
  const all = await versionsByModel(factsOf, await versionRoots(repo));
  const listed = new Set(
    [...(await versionsByModel(factsOf, await listedRoots(repo))).values()].flat(),
  );
  const chosen = await choose(repo, all, options);
  const others = await otherNeeds(repo, sizes, all, chosen);
  const { models, totalBytes: liveBytes } = await modelBytes(catalog, sizes, chosen, others);
  await catalog.save();
  // A stash takes space like a version, and is counted and listed only by its name.
  const isNamed = (options.revisions?.length ?? 0) > 0;
  const isListed = (id: Id): boolean => isNamed || listed.has(id);
  const shown = new Map([...chosen].map(([model, ids]) => [model, ids.filter(isListed)]));
  const versions = options.versions
    ? await versionBytes(
        { repo, known: catalog },
        sizes,
        shown,
        await otherNeeds(repo, sizes, all, shown),
      )
    : null;
  const paths = options.paths ? await pathBytes(sizes, chosen, others) : null;
  const packs = packBytes(repo);
  const trashBytes = await folderBytes(repo.layout.trash);
  const records = packs.blob + packs.hi + packs.mid + packs.low;
  return {
    models: models.map((row) => ({ ...row, versions: shown.get(row.model)?.length ?? 0 })),
    versions,
    paths,
    packs,
    planes: await planeBytes(repo, context.signal),
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

function packBytes(repo: Repository): DuResult['packs'] {
  const packs = { blob: 0, hi: 0, mid: 0, low: 0, idx: 0, sets: 0 };
  const { promised } = repo.store;
  for (const { id, bytes } of repo.store.sets()) {
    packs.sets++;
    const absent: readonly FileClass[] = promised?.absent(id) ?? [];
    for (const kind of FILE_CLASSES) if (!absent.includes(kind)) packs[kind] += bytes[kind];
  }
  return packs;
}

/** What the indexes say of the planes in all sets, without those that a remote keeps. */
async function planeBytes(
  { store }: Repository,
  signal: AbortSignal | undefined,
): Promise<DuResult['planes']> {
  const planes = { hi: 0, mid: 0, low: 0 };
  for (const info of store.sets()) {
    const absent: readonly FileClass[] = store.promised?.absent(info.id) ?? [];
    for await (const { hiBytes, midBytes, lowBytes } of store.segmentsOf(info)) {
      throwIfAborted(signal);
      planes.hi += hiBytes;
      if (!absent.includes('mid')) planes.mid += midBytes;
      if (!absent.includes('low')) planes.low += lowBytes;
    }
  }
  return planes;
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
