/**
 * Notes: what is said about a version after it was made, as canonical blobs named by their hash.
 *
 * A note is never changed; the set of notes of a version (refs/notes) only grows and is merged by
 * union. Kinds that this release does not know are kept and ignored. @see docs/format/tier.md
 */
import { ID_BYTES, type Id, idBytes, idFromBytes, objectId } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { UsageError } from '../../../base/errors.js';
import { BLOB_BYTES_MAX } from '../../../base/limits.js';
import { damagedNote } from './note-damage.js';
import { RECALL_NOTE, TOMBSTONE_NOTE, unpackRecallBody, unpackTombstoneBody } from './tombstone.js';
import type { Author } from './version.js';

const NOTE_FORMAT = 1;

/** What every note says. */
export interface Note {
  /** The version that it is about. */
  version: Id;
  /** 'tier', 'exact', 'tag', …; decides what `body` holds. */
  kind: string;
  author: Author;
  /** Milliseconds since 1970-01-01 UTC. */
  time: number;
  /** Minutes east of UTC where the author was. */
  tzMinutes: number;
  body: Packed;
}

/** One file whose exact bytes were given up, known by its recipe. */
export interface TierFile {
  /** The recipe that the version names. */
  recipe: Id;
  /** The recipe of its replacement; the size is the same. */
  tierRecipe: Id;
  /** 64 hex digits: sha256 of its replacement. */
  sha256: string;
  /** Extents that were replaced, and their values. */
  extents: number;
  elements: number;
  /** Errors over these values; see lib/pure/tensor/quantize.ts. */
  maxAbs: number;
  rms: number;
  relative: number | null;
}

/** Body of a note of kind 'tier'. */
export interface TierBody {
  /** Canonical text of the tier: lib/pure/tensor/tier.ts. */
  tier: string;
  /** Notes of kind 'tier' about the same version that this one takes the place of. */
  replaces: Id[];
  /** By recipe, each once. */
  files: TierFile[];
}

/** Canonical bytes of a note. @throws {UsageError} DLV_USAGE if they are too many for one object. */
export function encodeNote(note: Note): Uint8Array {
  const bytes = encodeCanonical([
    NOTE_FORMAT,
    idBytes(note.version),
    note.kind,
    [note.author.name, note.author.email],
    note.time,
    note.tzMinutes,
    note.body,
  ]);
  if (bytes.length > BLOB_BYTES_MAX) {
    throw new UsageError(`a note of ${bytes.length} bytes is too long`);
  }
  checkReadable('note', () => {
    const { kind, body } = decodeNote(bytes, 'note');
    if (kind === 'tier') unpackTierBody(body, 'note');
    if (kind === TOMBSTONE_NOTE) unpackTombstoneBody(body, 'note');
    if (kind === RECALL_NOTE) unpackRecallBody(body, 'note');
  });
  return bytes;
}

/** The mirror of encodeNote. @throws {CorruptError} {FormatVersionError} */
export function decodeNote(bytes: Uint8Array, file: string): Note {
  const f = new Fields(decodeCanonical(bytes, file), file);
  f.form('note form', NOTE_FORMAT);
  const version = idFromBytes(f.bytes('version', ID_BYTES), file);
  const kind = f.string('kind');
  const author = new Fields(f.any('author'), file, 2);
  const note = {
    version,
    kind,
    author: { name: author.string('author name'), email: author.string('author email') },
    time: f.count('time'),
    tzMinutes: f.integer('time zone'),
    body: f.any('body'),
  };
  f.end();
  return note;
}

/** Id of a note from its canonical bytes. */
export function noteId(bytes: Uint8Array): Id {
  return objectId('note', bytes);
}

function ascending(ids: readonly Id[]): boolean {
  return ids.every((id, i) => i === 0 || (ids[i - 1] as Id) < id);
}

/** Body of a tier note; its lists may be in any order. */
export function packTierBody(body: TierBody): Packed {
  const files = [...body.files].sort((a, b) => (a.recipe < b.recipe ? -1 : 1));
  return [
    body.tier,
    [...body.replaces].sort().map(idBytes),
    files.map((file) => [
      idBytes(file.recipe),
      idBytes(file.tierRecipe),
      Buffer.from(file.sha256, 'hex'),
      file.extents,
      file.elements,
      file.maxAbs,
      file.rms,
      file.relative,
    ]),
  ];
}

/** The mirror of packTierBody. @throws {CorruptError} DLV_CORRUPT */
export function unpackTierBody(body: Packed, file: string): TierBody {
  const f = new Fields(body, file, 3);
  const tier = f.string('tier');
  const replaces = f.array('replaced notes').map((id) => {
    if (!(id instanceof Uint8Array)) throw damagedNote(file, 'a replaced note is not an id');
    return idFromBytes(id, file);
  });
  const files = f.array('files').map((row): TierFile => {
    const r = new Fields(row, file, 8);
    const tiered: TierFile = {
      recipe: idFromBytes(r.bytes('recipe', ID_BYTES), file),
      tierRecipe: idFromBytes(r.bytes('tier recipe', ID_BYTES), file),
      sha256: Buffer.from(r.bytes('sha256', 32)).toString('hex'),
      extents: r.count('extents'),
      elements: r.count('elements'),
      maxAbs: size(r, 'largest error'),
      rms: size(r, 'mean error'),
      relative: null,
    };
    const relative = r.any('relative error');
    if (relative !== null && !(typeof relative === 'number' && relative >= 0)) {
      throw damagedNote(file, 'the relative error is not a number');
    }
    return { ...tiered, relative };
  });
  if (!ascending(replaces) || !ascending(files.map(({ recipe }) => recipe))) {
    throw damagedNote(file, 'its lists are not in order');
  }
  return { tier, replaces, files };
}

function size(fields: Fields, name: string): number {
  const value = fields.number(name);
  if (!(value >= 0 && Number.isFinite(value))) throw damagedNote(fields.file, `${name} ${value}`);
  return value;
}

/** Body of a note of kind 'exact': the tag that keeps the version byte-exact while it names it. */
export function packExactBody(tag: string): Packed {
  return [tag];
}

/** The mirror of packExactBody. @throws {CorruptError} DLV_CORRUPT */
export function unpackExactBody(body: Packed, file: string): string {
  return new Fields(body, file, 1).string('tag');
}

/** Body of a note of kind 'tag': what somebody said of a version when they gave it a tag. */
export function packTagBody(tag: string, message: string): Packed {
  return [tag, message];
}

/** The mirror of packTagBody. @throws {CorruptError} DLV_CORRUPT */
export function unpackTagBody(body: Packed, file: string): { tag: string; message: string } {
  const f = new Fields(body, file, 2);
  return { tag: f.string('tag'), message: f.string('message') };
}
