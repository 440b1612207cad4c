/**
 * Heads of records of listed sets, each read once: whoever looks for a base asks for the same ones several times, for
 * the sketch, for the operation that is done to the base, for those of each link above, and to decode the one that is taken.
 */
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { HEAD_CACHE_BYTES } from '../../../base/limits.js';
import type { Backend } from '../../store/backends/backend.js';
import { packName } from '../../store/names.js';
import { readSegmentHeadAt, type SegmentHeadAt } from '../../store/packs/read-records.js';
import type { SegmentEntry, SegmentRecord } from '../../store/types.js';

/** What a head weighs besides its bytes. */
const RECORD_BYTES = 512;

export class Heads {
  readonly #backend: Backend;
  /** By set and place, where the same bytes stand for ever. */
  readonly #known = new LruCache<string, SegmentHeadAt>(HEAD_CACHE_BYTES);

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Header and head of an entry of a listed set, verified. @throws {CorruptError}; {IoError} if the set is gone. */
  async of(entry: SegmentEntry): Promise<SegmentRecord> {
    const known = this.known(entry);
    if (known !== undefined) return known.record;
    const head = await readSegmentHeadAt(this.#backend, (c) => packName(entry.set, c), entry);
    this.#known.set(keyOf(entry), head, head.record.head.length + RECORD_BYTES);
    return head.record;
  }

  /** The same if it was read before, with what reading its planes needs. */
  known(entry: SegmentEntry): SegmentHeadAt | undefined {
    return this.#known.get(keyOf(entry));
  }
}

function keyOf({ set, offset }: SegmentEntry): string {
  return `${set} ${offset}`;
}
