/** Bodies of notes of the kinds 'tombstone' and 'recall'. @see docs/format/tombstone.md */
import { ID_BYTES, type Id, idBytes, idFromBytes } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import type { Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { damagedNote } from './note-damage.js';

export const TOMBSTONE_NOTE = 'tombstone';
export const RECALL_NOTE = 'recall';

/** Body of a note of kind 'tombstone': files of the version whose content was given up. */
export interface TombstoneBody {
  /** Why, as people read it: 'keep: last 5, best 3 by loss'. */
  why: string;
  /** Recipes that the version names; each once. */
  recipes: Id[];
}

/** The lists may be in any order. */
export function packTombstoneBody({ why, recipes }: TombstoneBody): Packed {
  return [why, [...recipes].sort().map(idBytes)];
}

/** The mirror of packTombstoneBody. @throws {CorruptError} DLV_CORRUPT */
export function unpackTombstoneBody(body: Packed, file: string): TombstoneBody {
  const f = new Fields(body, file, 2);
  const why = f.string('reason');
  return { why, recipes: idsOf(f.array('recipes'), file) };
}

/** Body of a note of kind 'recall': tombstones of the version that count no more. */
export function packRecallBody(tombstones: readonly Id[]): Packed {
  return [[...tombstones].sort().map(idBytes)];
}

/** The mirror of packRecallBody. @throws {CorruptError} DLV_CORRUPT */
export function unpackRecallBody(body: Packed, file: string): Id[] {
  return idsOf(new Fields(body, file, 1).array('tombstones'), file);
}

function idsOf(packed: readonly Packed[], file: string): Id[] {
  const ids = packed.map((id) => {
    if (!(id instanceof Uint8Array) || id.length !== ID_BYTES) {
      throw damagedNote(file, 'a member of its list is not an id');
    }
    return idFromBytes(id, file);
  });
  if (ids.some((id, i) => i > 0 && (ids[i - 1] as Id) >= id)) {
    throw damagedNote(file, 'its list is not in order');
  }
  return ids;
}
