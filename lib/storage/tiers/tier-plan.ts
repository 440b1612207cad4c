/**
 * Decides what a tier replaces: the extents that the named versions alone refer to and whose values
 * are floats of more bits. Everything that anything else needs stays exact, at no cost.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { Tier } from '../../pure/tensor/tier.js';
import type { ReadAccess, SettingAccess } from '../objects/access.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import { readStaging } from '../repo/staging/staging-file.js';
import type { FileEntry } from '../repo/version/file-page.js';
import { segmentCount, storedBytes } from '../store/types.js';
import { findReachable, withBases } from '../upkeep/needed.js';
import { refuseBroken } from '../upkeep/reachable.js';
import { tierExtents } from './tier-files.js';
import type { TierExtent } from './tiered-planes.js';

/** A file of a named version with extents to be replaced. */
export interface TierCandidate {
  /** As it can be read now: of an earlier tier, perhaps. */
  entry: FileEntry;
  /** Recipe that the version names. */
  recipe: Id;
  /** Extents of it that are to be replaced, each once. */
  extents: Id[];
}

/** What a tier would replace. */
export interface TierPlan {
  /** Candidates of each version, versions in the order given. */
  versions: { version: Id; files: TierCandidate[] }[];
  extents: Map<Id, TierExtent>;
  /** Extents that could be replaced and stay, since something else needs them. */
  shared: Set<Id>;
  /** Extents that anything but the named versions needs. */
  needed: ReadonlyMap<Id, number>;
  /** Extents that are bases of other deltas: their bytes are free once those are re-encoded. */
  bases: Set<Id>;
}

/**
 * Plans a tier. Reads recipes, no data.
 * @throws {CorruptError} if something that anything names is damaged: what is shared is not known then.
 */
export async function planTier(
  repo: ReadAccess & SettingAccess,
  tier: Tier,
  versions: readonly Id[],
  signal?: AbortSignal,
): Promise<TierPlan> {
  const { staging } = await readStaging(repo.layout);
  const graceMs = repo.config.get('gc.graceDays') * 24 * 60 * 60 * 1000;
  const others = await findReachable(repo, {
    staging,
    reflogSince: Date.now() - graceMs,
    without: new Set(versions),
    onBroken: (link) => refuseBroken('cannot replace anything', link),
    ...(signal ? { signal } : {}),
  });
  const plan: TierPlan = {
    versions: [],
    extents: new Map(),
    shared: new Set(),
    needed: others.extents,
    bases: (await withBases(repo, others)).extents,
  };
  const blocked = new Set<Id>();
  for (const version of versions) {
    const files: TierCandidate[] = [];
    for (const entry of (await repo.tree(version)).files) {
      if (entry.recipe.kind === 'blob' || entry.tombstone !== undefined) continue;
      const extents: Id[] = [];
      for (const [id, extent] of tierExtents(await openStoredFile(repo, entry), tier)) {
        const known = plan.extents.get(id);
        // Views of another dtype elsewhere would read other values out of what replaces it.
        if (extent === null || (known && known.dtype !== extent.dtype)) blocked.add(id);
        else if (others.extents.has(id)) plan.shared.add(id);
        else {
          plan.extents.set(id, extent);
          extents.push(id);
        }
      }
      const recipe = entry.tier?.exactRecipe ?? entry.recipe.id;
      if (extents.length > 0) files.push({ entry, recipe, extents });
    }
    plan.versions.push({ version, files });
  }
  for (const id of blocked) plan.extents.delete(id);
  for (const { files } of plan.versions) {
    for (const file of files) file.extents = file.extents.filter((id) => plan.extents.has(id));
  }
  return plan;
}

/** Bytes of packs that extents take. */
export async function extentBytes(
  repo: ReadAccess,
  ids: Iterable<Id>,
  extents: ReadonlyMap<Id, TierExtent>,
): Promise<number> {
  let bytes = 0;
  for (const id of ids) {
    const { count } = extents.get(id) as TierExtent;
    for (let segment = 0; segment < segmentCount(count); segment++) {
      const entry = await repo.store.here.findSegment(id, segment);
      if (entry !== null) bytes += storedBytes(entry);
    }
  }
  return bytes;
}
