/** Merges small pack sets: a look-up asks one set after another. */
import { ConflictError } from '../../base/errors.js';
import { isMissing } from '../../base/files/io.js';
import type { PackAccess, ReadAccess, SettingAccess } from '../objects/access.js';
import { findPinnedSets } from '../store/forest.js';
import { type SetId, type SetInfo, setBytes } from '../store/types.js';
import { dropFromTrash } from './drop-from-trash.js';
import { replaceSets } from './replace-sets.js';

/** What garbage collection is handed of a repository. */
export interface CollectedRepository extends ReadAccess, PackAccess, SettingAccess {
  /** Reads again what remotes promised, after that changed. */
  readPromises?(): Promise<void>;
}

/** Sets below this are merged. */
const SMALL_SET_MAX_BYTES = 32 * 1024 * 1024;

/** True for a set that is merged with others. */
export function isSmall(info: SetInfo): boolean {
  return setBytes(info) < SMALL_SET_MAX_BYTES;
}

/** True if planes of a set are at a remote alone. */
export function isThin({ store }: Pick<CollectedRepository, 'store'>, id: SetId): boolean {
  return (store.promised?.absent(id) ?? []).length > 0;
}

/** As findPinnedSets. @throws {ConflictError} if another command took a set away meanwhile. */
export async function pinnedSets(
  repo: CollectedRepository,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<SetId>> {
  const { store } = repo;
  try {
    return await findPinnedSets(store.backend, store.sets(), signal);
  } catch (error) {
    if (!isMissing(error) || !(await store.reload())) throw error;
    throw new ConflictError('another command merged packs while they were looked through', {
      hint: 'run dlv gc again',
    });
  }
}

/**
 * Merges the small sets if there are more than `gc.autoSets`. Drops nothing that is live, so it needs
 * no walk of the versions; since every record was copied and verified, the old files need no grace
 * period unless another process is reading them.
 */
export async function mergeSmallSets(
  repo: CollectedRepository,
  signal?: AbortSignal,
): Promise<boolean> {
  const limit = repo.config.get('gc.autoSets');
  if (limit === 0 || repo.store.sets().filter(isSmall).length <= limit) return false;
  const pinned = await pinnedSets(repo, signal);
  const small = repo.store
    .sets()
    .filter((info) => isSmall(info) && !pinned.has(info.id) && !isThin(repo, info.id));
  if (small.length <= 1) return false;
  await replaceSets(repo, {
    seen: small,
    chosen: small,
    keep: null,
    stillValid: async () => true,
    ...(signal ? { signal } : {}),
  });
  await dropFromTrash(repo.layout, new Set(small.map(({ id }) => id)));
  return true;
}
