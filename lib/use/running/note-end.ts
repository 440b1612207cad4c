/** The note about the last version of a run that says how it ended: it goes where the version goes. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import { addNotes } from '../../storage/repo/refs/refs.js';
import type { RunRecord } from '../../storage/repo/runs/run-record.js';
import { currentAuthor } from '../../storage/repo/settings/author.js';
import { encodeNote, noteId } from '../../storage/repo/version/note.js';
import type { StoreAccess } from '../history/access.js';
import { RUN_TAG } from './run-facts.js';

const FORM = 1;

/** @returns the version that has the note; null if the run made none. @throws {ConflictError} {IoError} */
export async function noteEnd(repo: StoreAccess, record: RunRecord): Promise<Id | null> {
  const last = [...record.checkpoints].reverse().find(({ version }) => version !== null);
  const version = last?.version ?? null;
  if (version === null || (await repo.store.findBlob(version)) === null) return null;
  const { process: _, child: __, metrics: ___, ...told } = record;
  const bytes = encodeNote({
    version,
    kind: RUN_TAG,
    author: await currentAuthor(repo.config, repo.layout.workTree),
    time: record.ended ?? record.updated,
    tzMinutes: 0,
    body: [FORM, JSON.stringify(told)],
  });
  const id = noteId(bytes);
  await withSession(repo, async (session) => {
    await session.putBlob('note', bytes);
    await session.flush();
  });
  await repo.locked(async (lock) => {
    await repo.store.reload();
    if (!(await repo.store.hasBlob(id))) {
      throw new ConflictError('the note was collected as garbage meanwhile', {
        id,
        hint: 'run the command again',
      });
    }
    await addNotes(lock, version, [id]);
  });
  return version;
}
