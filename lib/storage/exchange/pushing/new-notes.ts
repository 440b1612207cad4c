/** Which notes travel with a push: those that the remote lacks about the versions that are pushed, or were. */
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { readNotes } from '../../repo/refs/refs.js';
import { decodeNote } from '../../repo/version/note.js';
import { RECALL_NOTE, TOMBSTONE_NOTE } from '../../repo/version/tombstone.js';
import type { PushEnds } from './push-ends.js';

/** Of versions that the remote has: all tombstones and recalls, or recalls alone, which bring content there. */
export type PushedTombstones = 'all' | 'recalls';

/** What the other side has. */
export interface NotesThere {
  /** Versions that both sides have. */
  readonly versions: ReadonlySet<Id>;
  /** Notes of the remote, by version. */
  readonly notes: ReadonlyMap<Id, readonly Id[]>;
}

/** Notes that the remote gets, by version. @param tombstones  default: none of versions that it has. */
export async function newNotes(
  { repo, had = [] }: PushEnds,
  tips: readonly Id[],
  there: NotesThere,
  tombstones?: PushedTombstones,
): Promise<Map<Id, Id[]>> {
  const found = new Map<Id, Id[]>();
  const met = new Set<Id>();
  const queue = [...tips];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const isThere = there.versions.has(id);
    if (met.has(id) || (had.length > 0 && isThere)) continue;
    met.add(id);
    pushAll(queue, (await repo.version(id)).parents);
    const here = await readNotes(repo.layout, id);
    let fresh = here.filter((note) => !there.notes.get(id)?.includes(note));
    if (isThere && tombstones !== 'all') fresh = await withoutTombstones(repo, fresh, tombstones);
    if (fresh.length > 0) found.set(id, fresh);
  }
  return found;
}

/** What was given up here may stay where it is already. */
async function withoutTombstones(
  { blobs }: PushEnds['repo'],
  notes: readonly Id[],
  tombstones: 'recalls' | undefined,
): Promise<Id[]> {
  const kept: Id[] = [];
  for (const id of notes) {
    const { kind } = decodeNote(await blobs.readBlob(id, 'note'), `note ${id}`);
    const stays = kind === TOMBSTONE_NOTE || kind === RECALL_NOTE;
    const isRecall = kind === RECALL_NOTE && tombstones === 'recalls';
    if (!stays || isRecall) kept.push(id);
  }
  return kept;
}
