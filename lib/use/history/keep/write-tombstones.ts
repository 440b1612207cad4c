/** Writes the notes that give files up, or take that back. */

import type { Id } from '../../../base/bytes/hash.js';
import { maxOf } from '../../../base/bytes/many.js';
import { ConflictError } from '../../../base/errors.js';
import type { PackSession } from '../../../storage/objects/session.js';
import { type NoteReader, notesOf } from '../../../storage/objects/tiers.js';
import { requireWriteFlag, TOMBSTONES_FLAG } from '../../../storage/repo/format.js';
import { currentAuthor, currentMoment } from '../../../storage/repo/settings/author.js';
import type { BlobWriter } from '../../../storage/repo/version/blobs.js';
import { encodeNote } from '../../../storage/repo/version/note.js';
import {
  packRecallBody,
  packTombstoneBody,
  RECALL_NOTE,
  TOMBSTONE_NOTE,
} from '../../../storage/repo/version/tombstone.js';
import type { StoreAccess } from '../access.js';
import { type Lines, moveTogether } from '../lines/together.js';

/** Files of versions that are given up, by recipe. */
export type GivenUp = ReadonlyMap<Id, ReadonlySet<Id>>;

/** Stores tombstones. @param reader  of the notes that they are added to. @returns the id of each version's. */
export async function storeTombstones(
  repo: StoreAccess,
  { files, why }: { files: GivenUp; why: string },
  writer: BlobWriter,
  reader: NoteReader = repo,
): Promise<Map<Id, Id>> {
  const author = await currentAuthor(repo.config, repo.layout.workTree);
  const moment = currentMoment();
  const ids = new Map<Id, Id>();
  for (const [version, recipes] of files) {
    const body = packTombstoneBody({ why, recipes: [...recipes] });
    // One that was recalled must not be made again.
    const time = Math.max(moment.time, (await lastChange(reader, version)) + 1);
    const note = encodeNote({ version, kind: TOMBSTONE_NOTE, author, ...moment, time, body });
    ids.set(version, await writer.writeBlob('note', note));
  }
  return ids;
}

/** When files of a version were given up or recalled last; milliseconds since 1970. */
async function lastChange(reader: NoteReader, version: Id): Promise<number> {
  const notes = await notesOf(reader, version);
  const own = notes.filter(({ kind }) => kind === TOMBSTONE_NOTE || kind === RECALL_NOTE);
  return maxOf(
    own.map(({ time }) => time),
    -1,
  );
}

/** Stores notes that tombstones count no more. @returns the id of each version's. */
export async function storeRecalls(
  repo: StoreAccess,
  tombstones: ReadonlyMap<Id, readonly Id[]>,
  writer: BlobWriter,
): Promise<Map<Id, Id>> {
  const author = await currentAuthor(repo.config, repo.layout.workTree);
  const moment = currentMoment();
  const ids = new Map<Id, Id>();
  for (const [version, own] of tombstones) {
    const body = packRecallBody(own);
    const note = encodeNote({ version, kind: RECALL_NOTE, author, ...moment, body });
    ids.set(version, await writer.writeBlob('note', note));
  }
  return ids;
}

/**
 * Makes notes of the open session count, all or none.
 * @throws {ConflictError} if a ref, HEAD or staging changed since `lines` was read, or garbage was collected.
 */
export async function publishNotes(
  repo: StoreAccess,
  session: PackSession,
  { lines, ids, reason }: { lines: Lines; ids: ReadonlyMap<Id, Id | Id[]>; reason: string },
): Promise<void> {
  await session.flush();
  const notes = [...ids].map(([version, own]) => ({ version, ids: [own].flat() }));
  await moveTogether(repo, lines, { refs: [], notes, reason }, async (lock) => {
    if (!(await session.isUndisturbed())) {
      throw new ConflictError('garbage was collected while notes were written', {
        hint: 'run the command again',
      });
    }
    await requireWriteFlag(lock, TOMBSTONES_FLAG);
  });
}
