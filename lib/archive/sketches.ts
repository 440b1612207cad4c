/**
 * Sketches of the whole repository: which stored extents are close to one, whatever they are called.
 *
 * Extents of equal width and count are compared by the sketch that the head of their first segment
 * carries (codec/sketch.ts); no planes are read. The sets are looked at when a group is first asked
 * for. Start at `nearest`.
 */
import { isMissing } from '../bytes/files.js';
import type { Id } from '../bytes/hash.js';
import { sketchBytes, sketchDistances, sketchSamples } from '../codec/sketch.js';
import { isDamage, NotFoundError } from '../errors.js';
import type { ObjectStore } from '../store/object-store.js';
import { packName } from '../store/pack-format.js';
import { readSegmentAt } from '../store/read-records.js';
import type { SegmentEntry, SegmentRecord, SetId, SetInfo } from '../store/types.js';
import { decodeSegmentHead } from './segment-head.js';

/** A stored extent near a sketch. */
export interface Neighbour {
  id: Id;
  /** Mean bit length of the differences: about the bits that an element of a delta takes. */
  distance: number;
}

/** Extents of one width and count, and their sketches, one after another. */
class Group {
  readonly ids: Id[] = [];
  #rows = new Uint8Array(0);
  readonly #stride: number;

  constructor(stride: number) {
    this.#stride = stride;
  }

  add(id: Id, sketch: Uint8Array): void {
    const at = this.ids.length * this.#stride;
    if (at + this.#stride > this.#rows.length) {
      const more = new Uint8Array(Math.max(16 * this.#stride, 2 * this.#rows.length));
      more.set(this.#rows);
      this.#rows = more;
    }
    this.#rows.set(sketch, at);
    this.ids.push(id);
  }

  get rows(): Uint8Array {
    return this.#rows.subarray(0, this.ids.length * this.#stride);
  }
}

/** Groups by width and count. */
type Groups = Map<string, Group>;

function groupKey(width: number, count: number): string {
  return `${width}:${count}`;
}

function addTo(groups: Groups, id: Id, width: number, count: number, sketch: Uint8Array): void {
  if (sketch.length !== sketchBytes(width, count) || sketch.length === 0) return;
  const key = groupKey(width, count);
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = new Group(sketch.length)));
  group.add(id, sketch);
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

/** Extents of one width and count that are compared, those stored last: a hundredth of a second. */
const ROWS_MAX = 1 << 18;

/** Puts a neighbour into its place behind those that are as near, unless it is there. */
function insert(best: Neighbour[], neighbour: Neighbour, limit: number): void {
  if (best.some(({ id }) => id === neighbour.id)) return;
  const at = best.findIndex(({ distance }) => distance > neighbour.distance);
  best.splice(at < 0 ? best.length : at, 0, neighbour);
  if (best.length > limit) best.pop();
}

/** True for a set that is damaged or that another process has just merged away. */
function isUnreadable(error: unknown): boolean {
  return isDamage(error) || isMissing(error) || error instanceof NotFoundError;
}

export class Sketches {
  readonly #store: ObjectStore;
  readonly #sets = new Map<SetId, Promise<Groups>>();
  /** Extents of this process that no listed set holds yet. */
  readonly #fresh: Groups = new Map();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The sketch of a stored extent, or null if it has none. @throws {CorruptError} */
  async sketchOf(id: Id): Promise<Uint8Array | null> {
    const record = await this.#store.readSegmentHead(id, 0);
    return record === null ? null : sketchOfHead(record);
  }

  /** Makes an extent that is not listed yet a neighbour of later ones. */
  add(id: Id, width: number, count: number, sketch: Uint8Array): void {
    addTo(this.#fresh, id, width, count, sketch);
  }

  /**
   * Stored extents of the same width and count, nearest first; of equal distance, those stored last.
   * @param limit  most that are given.
   */
  async nearest(
    sketch: Uint8Array,
    width: number,
    count: number,
    limit: number,
  ): Promise<Neighbour[]> {
    const samples = sketchSamples(width, count);
    if (samples === 0 || sketch.length !== samples * width) return [];
    const best: Neighbour[] = [];
    const sets: Groups[] = [];
    for (const info of this.#store.sets()) sets.push(await this.#groupsOf(info));
    let left = ROWS_MAX;
    for (const groups of [this.#fresh, ...sets.reverse()]) {
      const group = groups.get(groupKey(width, count));
      if (group === undefined || left === 0) continue;
      const first = Math.max(0, group.ids.length - left);
      left -= group.ids.length - first;
      const rows = group.rows.subarray(first * sketch.length);
      const sums = sketchDistances(sketch, width, rows, sketch.length);
      for (let i = sums.length - 1; i >= 0; i--) {
        const distance = (sums[i] as number) / samples;
        if (best.length < limit || distance < (best.at(-1) as Neighbour).distance) {
          insert(best, { id: group.ids[first + i] as Id, distance }, limit);
        }
      }
    }
    return best;
  }

  #groupsOf(info: SetInfo): Promise<Groups> {
    let groups = this.#sets.get(info.id);
    if (groups === undefined) {
      groups = this.#readSet(info);
      this.#sets.set(info.id, groups);
    }
    return groups;
  }

  /** Sketches of a listed set from the heads of its records; one that cannot be read gives no bases. */
  async #readSet(info: SetInfo): Promise<Groups> {
    const groups: Groups = new Map();
    try {
      const firsts: SegmentEntry[] = [];
      for await (const entry of this.#store.segmentsOf(info)) {
        if (entry.segment === 0) firsts.push(entry);
      }
      for (const entry of firsts.sort((a, b) => a.offset - b.offset)) {
        const sketch = await this.#readSketch(info, entry);
        if (sketch !== null) addTo(groups, entry.id, entry.width, entry.count, sketch);
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    return groups;
  }

  async #readSketch(info: SetInfo, entry: SegmentEntry): Promise<Uint8Array | null> {
    try {
      const { backend } = this.#store;
      return sketchOfHead(await readSegmentAt(backend, (c) => packName(info.id, c), entry, []));
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }
}
