/** Tombstones that a remote has: what was given up there stays here, unless it is given up here too. */
import type { NewNotes } from '../../storage/exchange/fetch-objects.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { decodeNote } from '../../storage/repo/version/note.js';
import { TOMBSTONE_NOTE, unpackTombstoneBody } from '../../storage/repo/version/tombstone.js';

/** Notes without tombstones of files that are here, and of how many versions those are. */
export async function withoutTombstones(
  repo: Pick<ReadAccess, 'blobs' | 'store'>,
  notes: readonly NewNotes[],
): Promise<{ notes: NewNotes[]; left: number }> {
  const kept: NewNotes[] = [];
  let left = 0;
  for (const { version, ids, isKnown } of notes) {
    const taken = [];
    for (const id of ids) {
      const file = `note ${id}`;
      const { kind, body } = decodeNote(await repo.blobs.readBlob(id, 'note'), file);
      const recipes =
        isKnown && kind === TOMBSTONE_NOTE ? unpackTombstoneBody(body, file).recipes : [];
      let isHere = false;
      for (const recipe of recipes) isHere ||= (await repo.store.findBlob(recipe)) !== null;
      if (!isHere) taken.push(id);
    }
    if (taken.length < ids.length) left++;
    if (taken.length > 0) kept.push({ version, isKnown, ids: taken });
  }
  return { notes: kept, left };
}
