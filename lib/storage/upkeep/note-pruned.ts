/** Keeps what is said of versions that gc drops: their names, their fate, the numbers they had. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import { countNumbers } from '../objects/count-numbers.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../repo/format.js';
import { readNumbers, writeNumbers } from '../repo/numbers.js';
import { type GoneVersion, noteGone } from '../repo/refs/gone.js';
import type { DropOptions } from './drop-plan.js';
import type { CollectedRepository } from './merge-small-sets.js';

/**
 * Notes that versions are about to be dropped, so that an error can say so if one is named later. The note is
 * read only for versions that are not here, so it does no harm if the run is interrupted before it drops them.
 */
export async function notePruned(
  repo: CollectedRepository,
  versions: readonly Id[],
  options: DropOptions,
): Promise<void> {
  const reason = options.pruneNow ? 'gc --prune=now' : 'gc';
  const gone: GoneVersion[] = [];
  for (const id of versions) {
    throwIfAborted(options.signal);
    // Garbage may be damaged: then its model is not known.
    const version = await repo.version(id).catch((error: unknown) => {
      if (isUnreadable(error)) return null;
      throw error;
    });
    const { model = '?', number = null } = version ?? {};
    const name = number === null ? model : `${model}@${number}`;
    const when = { who: 'dlv gc', time: Date.now() };
    gone.push({ id, becomes: null, fate: 'pruned', name, reason, ...when });
  }
  if (gone.length === 0) return;
  // A repository of an older dlv counts numbers from the versions that are there: what goes now has to count on.
  const counted = (await readNumbers(repo.layout)) === null ? await countNumbers(repo) : null;
  await repo.locked(async (lock) => {
    if (counted !== null && (await readNumbers(repo.layout)) === null) {
      await writeNumbers(lock, counted);
      await requireWriteFlag(lock, NUMBERS_FLAG);
    }
    await noteGone(lock, gone);
  });
}
