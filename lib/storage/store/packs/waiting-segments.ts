/**
 * Segments of a set that is still small: they wait in memory, because a set that ends small puts all of its plane
 * classes into `.hi`, and that is known only at its end.
 */
import type { Id } from '../../../base/bytes/hash.js';
import {
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SegmentRecord,
  segmentHeaderBytes,
  segmentKey,
  UNNAMED_SET,
} from '../types.js';
import type { SegmentHeadAt } from './read-records.js';

/** Records, heads included, may take this many times what their planes may. */
const WAITING_FACTOR = 4;

export class WaitingSegments {
  readonly #records = new Map<string, SegmentRecord>();
  /** Bytes of planes from which a set is large. */
  readonly #smallSetBytes: number;
  #bytes = 0;
  #planes = 0;

  constructor(smallSetBytes: number) {
    this.#smallSetBytes = smallSetBytes;
  }

  /** Bytes that they will take in `.hi`. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#records.size;
  }

  /** Keeps a copy. @returns false if the set is large with this one: then none waits any longer. */
  add(record: SegmentRecord): boolean {
    this.#bytes += recordBytes(record);
    this.#planes += planeBytes(record);
    // Heads are bounded as well: a palette or a mask may be all there is of a segment.
    const isLarge =
      this.#planes >= this.#smallSetBytes || this.#bytes >= WAITING_FACTOR * this.#smallSetBytes;
    if (!isLarge) this.#records.set(segmentKey(record.id, record.segment), withOwnMemory(record));
    return !isLarge;
  }

  has(id: Id, segment: number): boolean {
    return this.#records.has(segmentKey(id, segment));
  }

  /** One that waits, with the classes that are asked for and the others empty; undefined if it does not. */
  read(id: Id, segment: number, classes: readonly PlaneClass[]): SegmentRecord | undefined {
    const found = this.#records.get(segmentKey(id, segment));
    return found && { ...found, ...unasked(classes) };
  }

  /** Its entry, without its places in files, which it does not have yet. */
  entry(id: Id, segment: number): SegmentEntry | undefined {
    const found = this.#records.get(segmentKey(id, segment));
    return found && entryOf(found);
  }

  open(id: Id, segment: number): SegmentHeadAt | undefined {
    const found = this.#records.get(segmentKey(id, segment));
    if (found === undefined) return undefined;
    const record = { ...found, ...unasked([]) };
    return { entry: entryOf(found), record, crcs: { hi: 0, mid: 0, low: 0 } };
  }

  /** All, in the order in which they came. */
  all(): SegmentRecord[] {
    return [...this.#records.values()];
  }
}

function recordBytes(record: SegmentRecord): number {
  return segmentHeaderBytes(record.base !== null, true) + record.head.length + planeBytes(record);
}

function entryOf({ head, hi, mid, low, ...place }: SegmentRecord): SegmentEntry {
  const bytes = { hiBytes: hi.length, midBytes: mid.length, lowBytes: low.length };
  const where = { set: UNNAMED_SET, offset: 0, inline: true, midOffset: 0, lowOffset: 0, crc: 0 };
  return { ...place, headBytes: head.length, ...bytes, ...where };
}

function withOwnMemory(record: SegmentRecord): SegmentRecord {
  const copy = { ...record, head: new Uint8Array(record.head) };
  for (const plane of PLANE_CLASSES) copy[plane] = new Uint8Array(record[plane]);
  return copy;
}

function planeBytes({ hi, mid, low }: SegmentRecord): number {
  return hi.length + mid.length + low.length;
}

/** The classes that a reader did not ask for, empty. */
function unasked(classes: readonly PlaneClass[]): Partial<Record<PlaneClass, Uint8Array>> {
  const others = PLANE_CLASSES.filter((plane) => !classes.includes(plane));
  return Object.fromEntries(others.map((plane) => [plane, new Uint8Array(0)]));
}
