/**
 * Planes against the extent that they are said to be of: an extent's id is made of the hashes of its
 * runs, which the head of its first segment carries.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { CorruptError } from '../../../base/errors.js';
import { HASH_CACHE_BYTES, RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { idOfHashes, runCount, runHashes } from '../../../pure/tensor/extent-id.js';
import { missingExtent } from '../chain.js';
import type { PlaneReader, SegmentRecords } from './plane-reader.js';
import { decodeSegmentHead } from './segment-head.js';

export class RunHashes {
  readonly #records: Pick<SegmentRecords, 'readSegment'>;
  readonly #known = new LruCache<Id, Uint8Array[]>(HASH_CACHE_BYTES);

  constructor(records: Pick<SegmentRecords, 'readSegment'>) {
    this.#records = records;
  }

  /** Checks leading planes of a segment. @throws {CorruptError} unless they match the id. */
  async check(id: Id, segment: number, planes: readonly Uint8Array[]): Promise<void> {
    const hashes = await this.of(id);
    const first = (segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
    const length = (planes[0] as Uint8Array).length;
    for (let run = 0; run * RUN_ELEMENTS < length; run++) {
      const from = run * RUN_ELEMENTS;
      const found = await runHashes(planes.map((p) => p.subarray(from, from + RUN_ELEMENTS)));
      const at = 32 * (first + run);
      for (let k = 0; k < planes.length; k++) {
        const known = (hashes[k] as Uint8Array).subarray(at, at + 32);
        if (Buffer.compare(found.subarray(32 * k, 32 * (k + 1)), known) === 0) continue;
        throw new CorruptError(`extent '${id}' is damaged in plane ${k}, run ${first + run}`, {
          id,
          hint: "run 'dlv fsck'",
        });
      }
    }
  }

  /** Run hashes of every plane of an extent, checked against its id. @throws {CorruptError} */
  async of(id: Id): Promise<Uint8Array[]> {
    const hit = this.#known.get(id);
    if (hit) return hit;
    const record = await this.#records.readSegment(id, 0, []);
    if (record === null) throw missingExtent(id);
    const file = `extent ${id}`;
    const { runHashes: packed } = decodeSegmentHead(record);
    const perPlane = 32 * runCount(record.count);
    if (packed?.length !== perPlane * record.width) {
      throw new CorruptError(`'${file}' has no run hashes in its head`, {
        file,
        hint: "run 'dlv fsck'",
      });
    }
    const hashes = Array.from({ length: record.width }, (_, k) =>
      packed.subarray(k * perPlane, (k + 1) * perPlane),
    );
    if (idOfHashes(record.width, record.count, hashes) !== id) {
      throw new CorruptError(`'${file}' is damaged: its run hashes give another id`, {
        file,
        hint: "run 'dlv fsck'",
      });
    }
    this.#known.set(id, hashes, packed.length);
    return hashes;
  }
}

/** What verified planes are read with. */
export interface VerifiedReaders {
  readonly planes: PlaneReader;
  readonly hashes: RunHashes;
}
