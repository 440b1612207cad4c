/**
 * What many objects take in packs. Few are looked up one by one; for many, each index is read once from
 * beginning to end, which takes a tenth of the time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ID_BYTES, type Id } from '../../../base/bytes/hash.js';
import { bytesHere, type Promised } from '../promised.js';
import { type SetInfo, storedBytes } from '../types.js';
import { baseOfRow, bytesOfRow, INDEX_TABLES, segmentOfRow } from './index-rows.js';
import type { SetIndexes } from './set-indexes.js';

/** An object. */
export interface SizedObject {
  readonly id: Id;
  /** Segments of an extent; 0 for a blob. */
  readonly segments: number;
}

/** What it takes. */
export interface ObjectSize {
  /** Bytes of its records in data files that are here. */
  bytes: number;
  /** Objects that they are deltas against, each once. */
  bases: Id[];
}

/** Missing segments of one extent after which no more of it are looked for: no recipe is to be believed here. */
const MISSING_MAX = 64;
/** Bytes of indexes that are read for one look-up in them. */
const BYTES_A_LOOK_UP = 512;
/** Bytes of an index that are read at once, about; never less than what begins with one byte. */
const STEP_BYTES = 4 * 1024 * 1024;
const LEADS = 256;

/** In the order of the objects; undefined for one that is not here. @throws {CorruptError} */
export async function readSizes(
  indexes: SetIndexes,
  sets: readonly SetInfo[],
  objects: readonly SizedObject[],
  promised: Promised | null,
): Promise<(ObjectSize | undefined)[]> {
  const indexBytes = sets.reduce((sum, { bytes }) => sum + bytes.idx, 0);
  const sizes = new Sizes(objects);
  if (objects.length * BYTES_A_LOOK_UP < indexBytes) {
    for (const object of objects) await lookUp({ indexes, sets, promised }, object, sizes);
  } else await walk({ indexes, sets, promised }, sizes);
  return sizes.found;
}

/** Sizes as they come together. */
class Sizes {
  readonly found: (ObjectSize | undefined)[];
  readonly #objects: readonly SizedObject[];
  readonly #places: Map<string, number>;
  /** Records that were counted of extents with several segments, as '<place>:<segment>'. */
  readonly #counted = new Set<string>();

  constructor(objects: readonly SizedObject[]) {
    this.found = new Array(objects.length).fill(undefined);
    this.#objects = objects;
    this.#places = new Map(objects.map(({ id }, place) => [id, place]));
  }

  /** Where an object stands; undefined if it is not asked for, or its live record was counted. */
  placeOf(id: string, segment: number): number | undefined {
    const place = this.#places.get(id);
    if (place === undefined) return undefined;
    if ((this.#objects[place] as SizedObject).segments < 2) {
      return this.found[place] === undefined ? place : undefined;
    }
    const key = `${place}:${segment}`;
    if (this.#counted.has(key)) return undefined;
    this.#counted.add(key);
    return place;
  }

  add(place: number, bytes: number, base: Id | null): void {
    const size = this.found[place] ?? { bytes: 0, bases: [] };
    size.bytes += bytes;
    if (base !== null && !size.bases.includes(base)) size.bases.push(base);
    this.found[place] = size;
  }
}

/** Where records are looked for. */
interface Places {
  indexes: SetIndexes;
  sets: readonly SetInfo[];
  promised: Promised | null;
}

async function lookUp(
  { indexes, sets, promised }: Places,
  { id, segments }: SizedObject,
  sizes: Sizes,
): Promise<void> {
  if (segments === 0) {
    const entry = await indexes.find(sets, 'blob', id);
    const place = entry === null ? undefined : sizes.placeOf(id, 0);
    if (entry !== null && place !== undefined) sizes.add(place, storedBytes(entry), entry.base);
    return;
  }
  let missing = 0;
  for (let segment = 0; segment < segments && missing <= MISSING_MAX; segment++) {
    const entry = await indexes.find(sets, 'segment', id, segment);
    if (entry === null) missing++;
    const place = entry === null ? undefined : sizes.placeOf(id, segment);
    if (entry !== null && place !== undefined)
      sizes.add(place, bytesHere(promised, entry), entry.base);
  }
}

/** Through all rows: the first set that holds a key has its live record. */
async function walk({ indexes, sets, promised }: Places, sizes: Sizes): Promise<void> {
  for (const info of sets) {
    const absent = promised?.absent(info.id) ?? [];
    const steps = Math.ceil(info.bytes.idx / STEP_BYTES);
    const step = Math.max(1, Math.floor(LEADS / steps));
    // Everything may come from memory: signals are heard only between turns of the event loop.
    await nextTurn();
    for (const table of INDEX_TABLES) {
      for (let lead = 0; lead < LEADS; lead += step) {
        const end = Math.min(LEADS, lead + step);
        for (const row of await indexes.rowsIn(info, table, lead, end)) {
          const segment = table === 'blob' ? 0 : segmentOfRow(row);
          const place = sizes.placeOf(hexOf(row), segment);
          if (place === undefined) continue;
          const base = baseOfRow(table, row);
          sizes.add(
            place,
            bytesOfRow(table, row, absent),
            base === null ? null : (hexOf(base) as Id),
          );
        }
      }
    }
  }
}

/** The digest of the id that bytes begin with. */
function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + 1, ID_BYTES - 1).toString('hex');
}
