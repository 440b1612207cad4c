/**
 * Sees to it that what is about to be read is here, where remotes promised some of it: at once, and not object
 * by object as readers would ask for it.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import type { FileEntry } from '../../repo/version/file-page.js';
import { planesHere } from '../../store/promised.js';
import { segmentCount } from '../../store/types.js';
import type { ReadAccess } from '../access.js';
import { floatExtents, knownOf } from '../planes/leading-planes.js';
import { namedObjects, openStoredFile, type StoredFile } from './stored-file.js';
import type { StoredTensor } from './tensors.js';

/** Objects that are wanted here: blobs, and leading planes of extents. */
export interface SupplyWants {
  readonly blobs: Iterable<Id>;
  readonly extents: ReadonlyMap<Id, { readonly planes: number; readonly segments: number }>;
}

/** Where what is promised comes from. */
export interface Supply {
  /** Leading planes that are taken where nobody asks for more; null: all. */
  readonly planes: number | null;
  /** @param what  for messages. @throws {PromisedError} {RemoteError} */
  bringAll(wants: SupplyWants, what: string): Promise<void>;
}

/** What is read with, and what brings what is missing. */
export type SuppliedReader = ReadAccess & { readonly promises?: Supply | null };

/** Brings what files are rebuilt from. @param planes  of floats; default: all. */
export async function bringFiles(
  repo: SuppliedReader,
  entries: readonly Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>[],
  planes = WIDTH_MAX,
): Promise<void> {
  const supply = repo.promises ?? null;
  if (supply === null || entries.length === 0) return;
  const what = entries.length === 1 ? `content of '${entries[0]?.path}'` : 'content of files';
  const recipes = entries.map(({ recipe }) => recipe.id);
  await supply.bringAll({ blobs: recipes, extents: new Map() }, what);
  const files: StoredFile[] = [];
  for (const entry of entries) files.push(await openStoredFile(repo, entry));
  const blobs = new Set<Id>();
  const extents = new Map<Id, { planes: number; segments: number }>();
  for (const file of files) {
    const floats = floatExtents(file);
    for (const { kind, id, count = 0 } of namedObjects(file)) {
      if (kind === 'blob') blobs.add(id);
      else {
        const few = floats.has(id) ? planes : WIDTH_MAX;
        const known = extents.get(id)?.planes ?? 0;
        extents.set(id, { planes: Math.max(known, few), segments: segmentCount(count) });
      }
    }
  }
  await supply.bringAll({ blobs, extents }, what);
}

/** Leading planes of a tensor that are here; null if all are, or if it is no extent. */
export async function leadingHere(
  { store }: Pick<ReadAccess, 'store'>,
  { home }: StoredTensor,
): Promise<number | null> {
  const { promised } = store;
  if (promised === null || home.kind !== 'extent') return null;
  let planes = home.width;
  for (let segment = 0; segment < segmentCount(home.count); segment++) {
    const entry = await store.here.findSegment(home.id, segment);
    if (entry !== null) planes = Math.min(planes, planesHere(entry, promised.absent(entry.set)));
  }
  return planes < home.width ? planes : null;
}

/** Brings what tensors are read from. @param planes  of floats; default: all. */
export async function bringTensors(
  repo: SuppliedReader,
  tensors: Iterable<StoredTensor>,
  planes = WIDTH_MAX,
): Promise<void> {
  const supply = repo.promises ?? null;
  if (supply === null) return;
  const blobs = new Set<Id>();
  const extents = new Map<Id, { planes: number; segments: number }>();
  for (const { home, dtype } of tensors) {
    if (home.kind === 'literal') blobs.add(home.id);
    if (home.kind !== 'extent') continue;
    const known = extents.get(home.id)?.planes ?? 0;
    const few = knownOf({ dtype, planes }, home.width);
    extents.set(home.id, { planes: Math.max(known, few), segments: segmentCount(home.count) });
  }
  await supply.bringAll({ blobs, extents }, 'content of tensors');
}
