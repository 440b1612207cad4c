/**
 * Tiers of versions: which files of a version replace exact ones that were given up, as its notes
 * say. Readers of files go through here; `tier-files.ts` makes such files.
 *
 * A version keeps naming its exact files: its id stays, and so does what it says of their sha256.
 * @see docs/format/tier.md
 */
import type { BlobKind, Id } from '../../base/bytes/hash.js';
import type { Packed } from '../../base/bytes/msgpack/msgpack.js';
import { CorruptError, isDamage, isUnreadable } from '../../base/errors.js';
import type { Layout } from '../repo/layout.js';
import { readNotes } from '../repo/refs/refs.js';
import type { FileEntry } from '../repo/version/file-page.js';
import { readPages } from '../repo/version/file-tree.js';
import {
  decodeNote,
  type Note,
  type TierBody,
  type TierFile,
  unpackExactBody,
  unpackTierBody,
} from '../repo/version/note.js';
import { TOMBSTONE_NOTE, unpackTombstoneBody } from '../repo/version/tombstone.js';
import type { Version } from '../repo/version/version.js';
import type { ObjectStore } from '../store/object-store.js';
import type { Blobs } from './blobs.js';
import { namedObjects, openStoredFile } from './stored/stored-file.js';
import { Tombstones } from './tombstones.js';

/** A repository, as far as its notes go. */
export interface NoteReader {
  readonly layout: Layout;
  readBlob(id: Id, kind: BlobKind): Promise<Uint8Array>;
  /** Ids of the notes about a version, where they are not those of `refs/notes` here. */
  noteIds?(version: Id): Promise<Id[]>;
}

/** A note of kind 'tier'. */
export interface TierNote extends Note {
  id: Id;
  tier: TierBody;
}

/** How lists of versions mark one of which files were given up. */
export const GIVEN_UP = 'given-up';

/** Notes about a version, in the order of their ids. @throws {CorruptError} {NotFoundError} */
export async function notesOf(
  reader: NoteReader,
  version: Id,
): Promise<(Note & { id: Id; file: string })[]> {
  const notes: (Note & { id: Id; file: string })[] = [];
  const ids = reader.noteIds?.(version) ?? readNotes(reader.layout, version);
  for (const id of await ids) {
    const file = `note ${id}`;
    const note = decodeNote(await reader.readBlob(id, 'note'), file);
    if (note.version !== version) {
      throw new CorruptError(`'${file}' is about another version than the ref that lists it`, {
        file,
        id,
        hint: "run 'dlv fsck'",
      });
    }
    notes.push({ ...note, id, file });
  }
  return notes;
}

/** Tags that a version was marked exact with; those that still name it keep it from tiers. */
export async function exactTags(reader: NoteReader, version: Id): Promise<Set<string>> {
  const tags = new Set<string>();
  for (const { kind, body, file } of await notesOf(reader, version)) {
    if (kind === 'exact') tags.add(unpackExactBody(body, file));
  }
  return tags;
}

/** What the notes of one version say of files that are not as they were added. */
export class VersionTier {
  /** All of its tier notes, in the order of their ids. */
  readonly notes: readonly TierNote[];
  readonly tombstones: Tombstones;
  readonly #files = new Map<Id, { file: TierFile; note: TierNote }>();

  constructor(notes: readonly TierNote[], tombstones: Tombstones) {
    this.notes = notes;
    this.tombstones = tombstones;
    for (const note of notes) {
      for (const file of note.tier.files) {
        const known = this.#files.get(file.recipe);
        if (known === undefined || supersedes(note, known.note)) {
          this.#files.set(file.recipe, { file, note });
        }
      }
    }
  }

  /** Names of the tiers in use, as lists of versions show them: 'bf16', 'bf16+fixed8'; of tombstones GIVEN_UP. */
  get label(): string {
    const names = [...this.#files.values()].map(({ note }) => note.tier.tier);
    if (!this.tombstones.isEmpty) names.push(GIVEN_UP);
    return [...new Set(names)].sort().join('+');
  }

  /** The file that replaces the one of a recipe, and the note that says so. */
  fileOf(recipe: Id): { file: TierFile; note: TierNote } | null {
    return this.#files.get(recipe) ?? null;
  }

  /**
   * The entry as it can be read now: of another recipe and sha256, and marked, if it was replaced; marked if it was
   * given up.
   */
  entryOf<T extends Pick<FileEntry, 'sha256' | 'recipe' | 'gitSha1' | 'tier' | 'tombstone'>>(
    entry: T,
  ): T {
    const tombstone = this.tombstones.of(entry.recipe.id);
    if (tombstone !== null) return { ...entry, tombstone };
    const found = this.fileOf(entry.recipe.id);
    if (found === null) return entry;
    const { tierRecipe, sha256 } = found.file;
    return {
      ...entry,
      sha256,
      gitSha1: null,
      recipe: { kind: 'recipe', id: tierRecipe },
      tier: { name: found.note.tier.tier, exactSha256: entry.sha256, exactRecipe: entry.recipe.id },
    };
  }
}

/** True if `a` takes the place of `b` where both list a file: as they say, else the later one. */
function supersedes(a: TierNote, b: TierNote): boolean {
  if (a.tier.replaces.includes(b.id)) return true;
  if (b.tier.replaces.includes(a.id)) return false;
  return a.time > b.time || (a.time === b.time && a.id > b.id);
}

/** The tier of a version, or null if all its files are exact. @throws {CorruptError} {NotFoundError} */
export async function readTier(reader: NoteReader, version: Id): Promise<VersionTier | null> {
  const notes: TierNote[] = [];
  const all = await notesOf(reader, version);
  for (const { file, ...note } of all) {
    if (note.kind === 'tier') notes.push({ ...note, tier: unpackTierBody(note.body, file) });
  }
  const tombstones = new Tombstones(all);
  return notes.length === 0 && tombstones.isEmpty ? null : new VersionTier(notes, tombstones);
}

/** What is needed to find notes that no ref lists. */
interface NoteStore extends NoteReader {
  readonly store: ObjectStore;
  version(id: Id): Promise<Version>;
  readonly blobs: Blobs;
}

/**
 * Tier notes and tombstones in packs that the ref of their version does not list although the exact bytes are gone:
 * the ref lost them. A note that never took effect, since its command was killed, is not among them.
 */
export async function findLostNotes(repo: NoteStore): Promise<Map<Id, Id[]>> {
  const lost = new Map<Id, Id[]>();
  for await (const { entry } of repo.store.records()) {
    if (!('kind' in entry) || entry.kind !== 'note') continue;
    try {
      const file = `note ${entry.id}`;
      const { version, kind, body } = decodeNote(await repo.readBlob(entry.id, 'note'), file);
      const known = lost.get(version) ?? [];
      if (known.includes(entry.id)) continue;
      const recipes = recipesOf(kind, body, file);
      if (recipes === null || (await readNotesOrNone(repo, version)).includes(entry.id)) continue;
      if (await isExact(repo, version, recipes)) continue;
      lost.set(version, [...known, entry.id]);
    } catch (error) {
      // What cannot be read is a problem of its own; nothing can be said of it here.
      if (!isUnreadable(error)) throw error;
    }
  }
  return lost;
}

/** The notes that a ref lists; none if it is damaged. */
async function readNotesOrNone(repo: NoteReader, version: Id): Promise<Id[]> {
  try {
    return await readNotes(repo.layout, version);
  } catch (error) {
    if (isDamage(error)) return [];
    throw error;
  }
}

/** Recipes of the exact files that a note takes away; null for notes that take none. */
function recipesOf(kind: string, body: Packed, file: string): ReadonlySet<Id> | null {
  if (kind === TOMBSTONE_NOTE) return new Set(unpackTombstoneBody(body, file).recipes);
  if (kind !== 'tier') return null;
  return new Set(unpackTierBody(body, file).files.map(({ recipe }) => recipe));
}

/** True if every exact file that a note speaks of can be rebuilt. */
async function isExact(repo: NoteStore, version: Id, recipes: ReadonlySet<Id>): Promise<boolean> {
  const { tree } = await repo.version(version);
  for await (const page of readPages(tree, repo)) {
    for (const entry of page.files) {
      if (!recipes.has(entry.recipe.id)) continue;
      if ((await repo.store.findBlob(entry.recipe.id)) === null) return false;
      for (const object of namedObjects(await openStoredFile(repo, entry))) {
        const found =
          object.kind === 'blob'
            ? await repo.store.findBlob(object.id)
            : await repo.store.here.findSegment(object.id, 0);
        if (found === null) return false;
      }
    }
  }
  return true;
}
