/**
 * The materializer: rebuilds extents, or their leading planes, from chains of encoded segments.
 *
 * Start here: `readPlanes` gives the leading planes of one segment; `verifiedPlanes` also checks them
 * against the extent id by the run hashes that the head of segment 0 carries.
 */
import type { Id } from '../bytes/hash.js';
import { decodeSegment } from '../codec/segment.js';
import { decodeTags, TAG_CODEC, TAG_RUN_HASHES, TAG_SKETCH } from '../codec/tags.js';
import { CorruptError, NotFoundError } from '../errors.js';
import { CHAIN_DEPTH_MAX, RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../limits.js';
import type { PlaneClass, SegmentRecord } from '../store/types.js';
import { idOfHashes, runCount, runHash } from '../tensor/extent-id.js';
import { mergePlanes } from '../tensor/planes.js';

/** Where segment records come from: the object store, or a pack session that also sees its own sets. */
export interface SegmentRecords {
  readSegment(id: Id, segment: number, classes: PlaneClass[]): Promise<SegmentRecord | null>;
}

/** Elements of segment `segment` of an extent of `count`. */
export function segmentElements(count: number, segment: number): number {
  return Math.min(SEGMENT_ELEMENTS, count - segment * SEGMENT_ELEMENTS);
}

/** Plane classes that hold the leading `planes` planes of elements of `width` bytes. */
export function classesFor(width: number, planes: number): PlaneClass[] {
  if (width <= 2 || planes <= 2) return ['hi'];
  if (planes <= (width === 4 ? 3 : 4)) return ['hi', 'mid'];
  return ['hi', 'mid', 'low'];
}

export class Extents {
  readonly #records: SegmentRecords;
  /** Run hashes of the extents read last; 128 bytes per MiB of fp32, so this stays small. */
  readonly #hashes = new Map<Id, Uint8Array[]>();

  constructor(records: SegmentRecords) {
    this.#records = records;
  }

  /**
   * Leading planes of one segment, exact, not yet checked against the extent id.
   * @param wanted  1 … width planes.
   * @throws {NotFoundError} if a link of the chain is nowhere; {CorruptError}.
   */
  async readPlanes(id: Id, segment: number, wanted: number): Promise<Uint8Array[]> {
    const chain: SegmentRecord[] = [];
    let next: Id | null = id;
    while (next !== null) {
      if (chain.length > CHAIN_DEPTH_MAX)
        throw new CorruptError(`chain of extent '${id}' does not end`, { id });
      const record: SegmentRecord | null = await this.#readRecord(next, segment, wanted, chain[0]);
      chain.push(record);
      next = record.base;
    }
    let planes: Uint8Array[] | null = null;
    for (let link = chain.length - 1; link >= 0; link--) {
      const record = chain[link] as SegmentRecord;
      const file = `extent ${record.id}`;
      const tags = decodeTags(record.head, [TAG_CODEC, TAG_RUN_HASHES, TAG_SKETCH], file);
      const head = tags.get(TAG_CODEC);
      if (!head) throw new CorruptError(`'${file}' has no codec field`, { file });
      planes = await decodeSegment(
        { head, hi: record.hi, mid: record.mid, low: record.low },
        record.width,
        segmentElements(record.count, segment),
        wanted,
        planes,
        file,
      );
    }
    return planes as Uint8Array[];
  }

  async #readRecord(
    id: Id,
    segment: number,
    wanted: number,
    child?: SegmentRecord,
  ): Promise<SegmentRecord> {
    // The width of a base equals the child's; only the first lookup has to ask for it.
    const classes = child
      ? classesFor(child.width, wanted)
      : await this.#classes(id, segment, wanted);
    const record = await this.#records.readSegment(id, segment, classes);
    if (record === null) {
      throw new NotFoundError(`extent '${id}' is not in the repository`, {
        kind: 'extent',
        name: id,
        hint: "run 'dlv fsck'",
      });
    }
    if (child && (record.width !== child.width || record.count !== child.count)) {
      throw new CorruptError(`base '${id}' of extent '${child.id}' has another size`, { id });
    }
    return record;
  }

  async #classes(id: Id, segment: number, wanted: number): Promise<PlaneClass[]> {
    if (wanted <= 2) return ['hi'];
    const record = await this.#records.readSegment(id, segment, []);
    return record === null ? ['hi'] : classesFor(record.width, wanted);
  }

  /** Leading planes of one segment, checked against the extent id. @throws {CorruptError} */
  async verifiedPlanes(id: Id, segment: number, wanted: number): Promise<Uint8Array[]> {
    const planes = await this.readPlanes(id, segment, wanted);
    await this.#verify(id, segment, planes);
    return planes;
  }

  /** Little-endian bytes of one segment, checked against the extent id. @throws {CorruptError} */
  async verifiedBytes(id: Id, segment: number, width: number): Promise<Uint8Array> {
    const planes = await this.verifiedPlanes(id, segment, width);
    const bytes = new Uint8Array(width * (planes[0] as Uint8Array).length);
    mergePlanes(planes, width, bytes);
    return bytes;
  }

  /** @throws {CorruptError} if `planes` of segment `segment` do not have the hashes the id stands for. */
  async #verify(id: Id, segment: number, planes: readonly Uint8Array[]): Promise<void> {
    const hashes = await this.runHashes(id);
    const first = (segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
    for (const [k, plane] of planes.entries()) {
      const known = hashes[k] as Uint8Array;
      for (let run = 0; run * RUN_ELEMENTS < plane.length; run++) {
        const found = runHash(plane.subarray(run * RUN_ELEMENTS, (run + 1) * RUN_ELEMENTS));
        const at = 32 * (first + run);
        if (Buffer.compare(found, known.subarray(at, at + 32)) !== 0) {
          throw new CorruptError(`extent '${id}' is damaged in plane ${k}, run ${first + run}`, {
            id,
            hint: "run 'dlv fsck'",
          });
        }
      }
    }
  }

  /** Run hashes of every plane of an extent, checked against its id. @throws {CorruptError} */
  async runHashes(id: Id): Promise<Uint8Array[]> {
    const hit = this.#hashes.get(id);
    if (hit) return hit;
    const record = await this.#records.readSegment(id, 0, []);
    if (record === null) {
      throw new NotFoundError(`extent '${id}' is not in the repository`, {
        kind: 'extent',
        name: id,
      });
    }
    const file = `extent ${id}`;
    const packed = decodeTags(record.head, [TAG_CODEC, TAG_RUN_HASHES, TAG_SKETCH], file).get(
      TAG_RUN_HASHES,
    );
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
    this.#hashes.set(id, hashes);
    if (this.#hashes.size > 256) this.#hashes.delete(this.#hashes.keys().next().value as Id);
    return hashes;
  }
}
