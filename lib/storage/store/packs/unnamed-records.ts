/**
 * Records that are in the files of a set before the id of their extent is known, which it is when all of it was
 * read. Each has room for its header and head; it is named in the order in which it was written, with no other
 * segment in between, or all are taken back.
 */
import { assert } from '../../../base/errors.js';
import type { PlaneClass, SegmentPlace } from '../types.js';
import type { SegmentSizes } from './segment-record.js';

/** Sizes of the files of each class; 0 for a file that is not there. */
export type FileEnds = Readonly<Record<PlaneClass, number>>;

/** A record without a name: what its header will say but for the id. */
export interface UnnamedRecord {
  readonly place: Omit<SegmentPlace, 'id'>;
  readonly sizes: SegmentSizes;
  readonly headBytes: number;
  /** Where it is in `.hi`. */
  readonly offset: number;
  readonly places: { readonly mid: number; readonly low: number };
}

export class UnnamedRecords {
  #waiting: UnnamedRecord[] = [];
  #ends: FileEnds = { hi: 0, mid: 0, low: 0 };

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @param ends  of the files before it was written. */
  add(record: UnnamedRecord, ends: FileEnds): void {
    if (this.isEmpty) this.#ends = ends;
    this.#waiting.push(record);
  }

  /** Says that this one is named: the oldest. */
  take(record: UnnamedRecord): void {
    assert(this.#waiting.shift() === record, 'records are named in the order of writing');
  }

  /** Forgets all that wait. @returns what the files have without them, or null if none waits. */
  drop(): FileEnds | null {
    if (this.isEmpty) return null;
    this.#waiting = [];
    return this.#ends;
  }
}
