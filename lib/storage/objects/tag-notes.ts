/** What was said of a version when it got a tag: notes of kind 'tag'. @see docs/format/tier.md */
import type { Id } from '../../base/bytes/hash.js';
import { type Note, unpackTagBody } from '../repo/version/note.js';
import { type NoteReader, notesOf } from './tiers.js';

/** A note of kind 'tag'. */
export interface TagNote extends Note {
  message: string;
}

/**
 * What was said of a version, by tag; of several notes for one tag, the latest.
 * @throws {CorruptError} {NotFoundError}
 */
export async function tagNotes(reader: NoteReader, version: Id): Promise<Map<string, TagNote>> {
  const latest = new Map<string, TagNote>();
  for (const note of await notesOf(reader, version)) {
    if (note.kind !== 'tag') continue;
    const { tag, message } = unpackTagBody(note.body, note.file);
    const known = latest.get(tag);
    // Notes come in the order of their ids, so that all clones choose alike of those of one time.
    if (known === undefined || note.time >= known.time) latest.set(tag, { ...note, message });
  }
  return latest;
}
