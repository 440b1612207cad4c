/** Writes the notes of rewritten versions again, with the new ids. */

import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { notesOf } from '../../../storage/objects/tiers.js';
import { listNotedVersions } from '../../../storage/repo/refs/refs.js';
import type { BlobWriter } from '../../../storage/repo/version/blobs.js';
import {
  encodeNote,
  type Note,
  packTierBody,
  unpackTierBody,
} from '../../../storage/repo/version/note.js';
import {
  packRecallBody,
  RECALL_NOTE,
  unpackRecallBody,
} from '../../../storage/repo/version/tombstone.js';
import type { RewrittenVersion } from './rewrite-versions.js';

/** Stores the notes and says which versions get which. @throws {CorruptError} for one that is damaged. */
export async function rewriteNotes(
  repo: ReadAccess,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
  writer: BlobWriter,
): Promise<{ version: Id; ids: Id[] }[]> {
  const made: { version: Id; ids: Id[] }[] = [];
  for (const old of await listNotedVersions(repo.layout)) {
    const version = rewritten.get(old)?.becomes ?? null;
    if (version === null) continue;
    const notes = new Map((await notesOf(repo, old)).map((note) => [note.id, note]));
    const ids = new Map<Id, Id>();
    const rewrite = async (id: Id): Promise<Id> => {
      const known = ids.get(id);
      const note = notes.get(id);
      if (known !== undefined || note === undefined) return known ?? id;
      // Its own id stands for it meanwhile: notes that replace one another in a circle end here.
      ids.set(id, id);
      const made = await writer.writeBlob(
        'note',
        encodeNote(await rewriteNote(note, version, rewrite)),
      );
      ids.set(id, made);
      return made;
    };
    for (const id of notes.keys()) await rewrite(id);
    if (ids.size > 0) made.push({ version, ids: [...ids.values()] });
  }
  return made;
}

async function rewriteNote(
  note: Note & { file: string },
  version: Id,
  rewrite: (id: Id) => Promise<Id>,
): Promise<Note> {
  const { kind, author, time, tzMinutes, file } = note;
  let { body } = note;
  if (kind === 'tier') {
    const tier = unpackTierBody(body, file);
    const replaces: Id[] = [];
    for (const id of tier.replaces) replaces.push(await rewrite(id));
    body = packTierBody({ ...tier, replaces });
  }
  if (kind === RECALL_NOTE) {
    const tombstones: Id[] = [];
    for (const id of unpackRecallBody(body, file)) tombstones.push(await rewrite(id));
    body = packRecallBody(tombstones);
  }
  return { version, kind, author, time, tzMinutes, body };
}
