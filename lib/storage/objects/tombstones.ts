/**
 * Tombstones of versions: which files of a version were given up, as its notes say. Their content is garbage then.
 *
 * A version keeps naming these files, with their sizes and their sha256: its id stays.
 * @see docs/format/tombstone.md
 */
import type { Id } from '../../base/bytes/hash.js';
import { GivenUpError } from '../../base/errors.js';
import type { FileEntry, FileTombstone } from '../repo/version/file-page.js';
import type { Note } from '../repo/version/note.js';
import {
  RECALL_NOTE,
  TOMBSTONE_NOTE,
  unpackRecallBody,
  unpackTombstoneBody,
} from '../repo/version/tombstone.js';

/** Notes about one version, of any kinds. */
type Notes = readonly (Note & { id: Id; file: string })[];

/** What the tombstones of one version say together. */
export class Tombstones {
  /** Those that count, in the order of their ids. */
  readonly notes: readonly (Note & { id: Id; why: string })[];
  readonly #files = new Map<Id, FileTombstone>();

  /** @throws {CorruptError} */
  constructor(notes: Notes) {
    const recalled = new Set<Id>();
    for (const { kind, body, file } of notes) {
      if (kind === RECALL_NOTE) for (const id of unpackRecallBody(body, file)) recalled.add(id);
    }
    const counting: (Note & { id: Id; why: string })[] = [];
    for (const note of notes) {
      if (note.kind !== TOMBSTONE_NOTE || recalled.has(note.id)) continue;
      const { why, recipes } = unpackTombstoneBody(note.body, note.file);
      counting.push({ ...note, why });
      for (const recipe of recipes) {
        const known = this.#files.get(recipe);
        // The content may be gone since the first of them.
        if (known !== undefined && known.time <= note.time) continue;
        this.#files.set(recipe, { note: note.id, time: note.time, why });
      }
    }
    this.notes = counting;
  }

  /** True if no file was given up. */
  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  /** What says that the file of a recipe was given up; null: it was not. */
  of(recipe: Id): FileTombstone | null {
    return this.#files.get(recipe) ?? null;
  }
}

/** The day, as messages show it. */
export function dayOf({ time }: Pick<FileTombstone, 'time'>): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** @throws {GivenUpError} for a file of which nothing can be read. */
export function checkKept({ path, tombstone }: Pick<FileEntry, 'path' | 'tombstone'>): void {
  if (tombstone === undefined) return;
  const { why } = tombstone;
  throw new GivenUpError(`'${path}' was given up on ${dayOf(tombstone)} (${why})`, {
    paths: [path],
    why,
    hint: "'dlv keep --recall <version>' brings files back until gc has deleted them; with --from, a remote that has them",
  });
}
