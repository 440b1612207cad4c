/**
 * Sketches of the whole repository: which stored extents are close to one, whatever they are called.
 *
 * Extents of equal width and count are compared by the sketch that the head of their first segment
 * carries (codec/sketch.ts); no planes are read. The sets are looked at when a group is first asked
 * for; what is found of a large one is kept in catalog/sketches. Start at `nearest`.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { DlvError, isUnreadable } from '../../../base/errors.js';
import {
  listDirectory,
  makeDirectory,
  readSmallFile,
  removeFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { INDEX_BYTES_MAX } from '../../../base/limits.js';
import { sketchBytes, sketchDistance, sketchDistances } from '../../../pure/codec/sketch.js';
import type { Layout } from '../../repo/layout.js';
import { ROW_BYTES } from '../../store/indexes/index-rows.js';
import type { ObjectStore } from '../../store/object-store.js';
import {
  isSetId,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
  type SetInfo,
} from '../../store/types.js';
import { decodeSegmentHead } from '../planes/segment-head.js';
import { Heads } from './heads.js';
import { type SketchGroup, SketchGroups } from './sketch-groups.js';

/** A stored extent near a sketch. */
export interface Neighbour {
  id: Id;
  /** Mean bit length of the differences: about the bits that an element of a delta takes. */
  distance: number;
  /** Its sketch, not to be changed. */
  sketch: Uint8Array;
}

/** The sketch in the head of a first segment, or null if it has none that fits. @throws {CorruptError} */
export function sketchOfHead(
  record: Pick<SegmentRecord, 'id' | 'width' | 'count' | 'head'>,
): Uint8Array | null {
  const { sketch } = decodeSegmentHead(record);
  if (sketch === undefined || sketch.length !== sketchBytes(record.width, record.count))
    return null;
  return sketch;
}

/** Sets of fewer extents are read again by each command rather than kept in a file. */
const KEPT_EXTENTS_MIN = 64;

/** Those of a set without segments. */
const NO_GROUPS = Promise.resolve(new SketchGroups());

/** Extents of one width and count that are compared, those stored last: a hundredth of a second. */
const ROWS_MAX = 1 << 18;

/** The same where each is compared in JavaScript. */
const COMPARED_MAX = 1 << 12;

/** Puts a neighbour into its place behind those that are as near, unless it is there. */
function insert(best: Neighbour[], neighbour: Neighbour, limit: number): void {
  if (best.some(({ id }) => id === neighbour.id)) return;
  const at = best.findIndex(({ distance }) => distance > neighbour.distance);
  best.splice(at < 0 ? best.length : at, 0, neighbour);
  if (best.length > limit) best.pop();
}

/** True if the samples of a sketch of float32 and of the one that begins at `from` have the same signs. */
function haveSameSigns(sketch: Uint8Array, rows: Uint8Array, from: number): boolean {
  for (let at = 0; at < sketch.length; at += 4) {
    if ((sketch[at]! ^ rows[from + at]!) & 0x80) return false;
  }
  return true;
}

export class Sketches {
  readonly heads: Heads;
  readonly #store: ObjectStore;
  readonly #layout: Layout | null;
  readonly #sets = new Map<SetId, Promise<SketchGroups>>();
  /** Extents of this process that no listed set holds yet. */
  readonly #fresh = new SketchGroups();

  /** @param layout  where what was read of large sets is kept for later commands; null: nowhere. */
  constructor(store: ObjectStore, layout: Layout | null = null) {
    this.heads = new Heads(store.backend);
    this.#store = store;
    this.#layout = layout;
  }

  /** The sketch of a stored extent, or null if it has none. @throws {CorruptError} */
  async sketchOf(id: Id): Promise<Uint8Array | null> {
    const record = await this.#store.readSegmentHead(id, 0);
    return record === null ? null : sketchOfHead(record);
  }

  /**
   * The share of their bits that two stored extents of one width and count have in common, as their
   * sketches tell: 1 for equal ones, about an eighth for unrelated floats, 0 if there are no sketches.
   * @throws {CorruptError}
   */
  async closeness(a: Id, b: Id, width: number): Promise<number> {
    const [x, y] = [await this.sketchOf(a), await this.sketchOf(b)];
    if (x === null || y === null) return 0;
    const distance = sketchDistance(x, y, width);
    return Number.isFinite(distance) ? Math.max(0, 1 - distance / (8 * width)) : 0;
  }

  /** Makes an extent that is not listed yet a neighbour of later ones. */
  add(id: Id, width: number, count: number, sketch: Uint8Array): void {
    this.#fresh.add(id, width, count, sketch);
  }

  /**
   * Stored extents of the same width and count, nearest first; of equal distance, those stored last.
   * @param sketch  the whole of it, or the samples that it begins with: then these alone are compared.
   * @param limit   most that are given.
   */
  async nearest(
    sketch: Uint8Array,
    width: number,
    count: number,
    limit: number,
  ): Promise<Neighbour[]> {
    const samples = sketch.length / width;
    if (samples === 0 || sketch.length > sketchBytes(width, count)) return [];
    const best: Neighbour[] = [];
    let left = ROWS_MAX;
    for (const group of await this.#groups(width, count)) {
      if (left === 0) break;
      const first = Math.max(0, group.rows - left);
      left -= group.rows - first;
      const rows = group.bytes.subarray(first * group.stride);
      const sums = sketchDistances(sketch, width, rows, group.stride);
      for (let i = sums.length - 1; i >= 0; i--) {
        const distance = (sums[i] as number) / samples;
        if (best.length < limit || distance < (best.at(-1) as Neighbour).distance) {
          const row = group.sketch(first + i);
          insert(best, { id: group.id(first + i), distance, sketch: row }, limit);
        }
      }
    }
    return best;
  }

  /** Stored extents of a width and count with their sketches, those stored last first. */
  async *rows(width: number, count: number): AsyncGenerator<Omit<Neighbour, 'distance'>> {
    let left = COMPARED_MAX;
    for (const group of await this.#groups(width, count)) {
      for (let row = group.rows - 1; row >= 0 && left > 0; row--, left--) {
        yield { id: group.id(row), sketch: group.sketch(row) };
      }
    }
  }

  /** True if there are stored extents of a width and count. */
  async has(width: number, count: number): Promise<boolean> {
    return (await this.#groups(width, count)).length > 0;
  }

  /** Groups of a width and count, those stored last first. */
  async #groups(width: number, count: number): Promise<SketchGroup[]> {
    const sets: SketchGroups[] = [];
    for (const info of this.#store.sets()) sets.push(await this.#groupsOf(info));
    return [this.#fresh, ...sets.reverse()].flatMap((groups) => groups.get(width, count) ?? []);
  }

  /**
   * Stored extents of float32 whose samples have the signs of a sketch, those stored last first: what was
   * scaled by positive factors. Only so many are compared that few agree by chance.
   */
  async sameSigns(sketch: Uint8Array, count: number, limit: number): Promise<Id[]> {
    const found = new Set<Id>();
    if (sketch.length === 0 || sketch.length !== sketchBytes(4, count)) return [];
    let left = Math.min(ROWS_MAX, 2 ** (sketch.length / 4 - 2));
    for (const group of await this.#groups(4, count)) {
      const { bytes, stride } = group;
      for (let row = group.rows - 1; row >= 0 && left > 0; row--, left--) {
        if (!haveSameSigns(sketch, bytes, row * stride)) continue;
        found.add(group.id(row));
        if (found.size === limit) return [...found];
      }
    }
    return [...found];
  }

  #groupsOf(info: SetInfo): Promise<SketchGroups> {
    if (info.bytes.hi === 0) return NO_GROUPS;
    let groups = this.#sets.get(info.id);
    if (groups === undefined) {
      groups = this.#openSet(info);
      this.#sets.set(info.id, groups);
    }
    return groups;
  }

  /** Sketches of a listed set: from the catalog, else from the heads of its records. */
  async #openSet(info: SetInfo): Promise<SketchGroups> {
    const mayBeKept = info.bytes.idx >= KEPT_EXTENTS_MIN * ROW_BYTES.segment;
    const kept = this.#layout && mayBeKept ? await this.#readKept(this.#layout, info.id) : null;
    if (kept !== null) return kept;
    const { groups, complete, extents } = await this.#readSet(info);
    if (complete && extents >= KEPT_EXTENTS_MIN && this.#layout !== null) {
      await this.#keep(this.#layout, info.id, groups);
    }
    return groups;
  }

  /** What an earlier command kept, or null. A set never changes, so what is kept is never stale. */
  async #readKept(layout: Layout, id: SetId): Promise<SketchGroups | null> {
    try {
      const file = layout.sketchesOf(id);
      return SketchGroups.decode(await readSmallFile(file, INDEX_BYTES_MAX), layout.nameOf(file));
    } catch {
      // Missing or damaged: it is made again.
      return null;
    }
  }

  /** Best effort: on a full or read-only disk the next command reads the heads again. */
  async #keep(layout: Layout, id: SetId, groups: SketchGroups): Promise<void> {
    try {
      await makeDirectory(layout.catalog);
      await makeDirectory(layout.sketches);
      const listed = new Set<string>(this.#store.sets().map((info) => info.id));
      for (const name of await listDirectory(layout.sketches)) {
        if (isSetId(name) && !listed.has(name)) await removeFile(layout.sketchesOf(name));
      }
      await writeFileAtomic(layout.sketchesOf(id), groups.encode());
    } catch (error) {
      if (!(error instanceof DlvError)) throw error;
    }
  }

  /** Sketches from the heads of records; a set that cannot be read gives no bases. */
  async #readSet(
    info: SetInfo,
  ): Promise<{ groups: SketchGroups; complete: boolean; extents: number }> {
    const groups = new SketchGroups();
    const firsts: SegmentEntry[] = [];
    let complete = true;
    try {
      for await (const entry of this.#store.segmentsOf(info)) {
        if (entry.segment === 0) firsts.push(entry);
      }
      for (const entry of firsts.sort((a, b) => a.offset - b.offset)) {
        const sketch = await this.#readSketch(entry);
        if (sketch === 'unreadable') complete = false;
        else if (sketch !== null) groups.add(entry.id, entry.width, entry.count, sketch);
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      complete = false;
    }
    return { groups, complete, extents: firsts.length };
  }

  async #readSketch(entry: SegmentEntry): Promise<Uint8Array | null | 'unreadable'> {
    try {
      return sketchOfHead(await this.heads.of(entry));
    } catch (error) {
      if (isUnreadable(error)) return 'unreadable';
      throw error;
    }
  }
}
