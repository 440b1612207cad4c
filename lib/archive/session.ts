/**
 * A pack session: one writer's new pack sets, from the first new object to the manifest.
 *
 * Everything put into a session is readable through it at once (bases may stand earlier in the same
 * set) and by others after `flush`. Adding packs needs no lock; the swap of the manifest takes it for
 * milliseconds. An aborted or killed session leaves only files under tmp/.
 */
import { type BlobKind, type Id, objectId } from '../bytes/hash.js';
import { encodeBlob } from '../codec/blob-coder.js';
import { assert, ConflictError } from '../errors.js';
import { CHAIN_DEPTH_MAX } from '../limits.js';
import type { ObjectStore } from '../store/object-store.js';
import type { PackSetWriter } from '../store/pack-writer.js';
import {
  type BlobRecord,
  type PlaneClass,
  type SegmentRecord,
  type SetId,
  type SetInfo,
  storedBytes,
} from '../store/types.js';
import type { ChainLink } from './bases.js';
import { Blobs } from './blobs.js';
import { Extents } from './extents.js';

/** How a session reaches the disk; the repository gives these. */
export interface SessionHost {
  store: ObjectStore;
  /** Folder under tmp/ that belongs to this process. */
  createWriter(): Promise<PackSetWriter>;
  /** Runs `action` under the repository's lock. */
  locked<T>(action: () => Promise<T>): Promise<T>;
  /** Longest chain of deltas that a writer makes. */
  chainDepth: number;
}

export class PackSession {
  readonly blobs: Blobs;
  readonly extents: Extents;
  /** Sets of this session that the manifest lists, in order. */
  readonly published: SetInfo[] = [];
  readonly #host: SessionHost;
  #writer: PackSetWriter | null = null;
  /** Segments of the open set. */
  readonly #links = new Map<string, ChainLink>();
  /** Bases of the open set that stand in listed sets. */
  readonly #bases = new Map<string, { id: Id; segment: number | null }>();
  /** Sets that were listed at some time while this session looked things up. */
  readonly #seen = new Set<SetId>();
  #seenGeneration = -1;

  constructor(host: SessionHost) {
    this.#host = host;
    this.blobs = new Blobs(this);
    this.extents = new Extents(this);
  }

  async readBlob(id: Id): Promise<BlobRecord | null> {
    this.#see();
    return (await this.#writer?.readBlob(id)) ?? this.#host.store.readBlob(id);
  }

  async readSegment(id: Id, segment: number, classes: PlaneClass[]): Promise<SegmentRecord | null> {
    return (
      (await this.#writer?.readSegment(id, segment, classes)) ??
      this.#host.store.readSegment(id, segment, classes)
    );
  }

  /** One link of the chain of a segment, live or of this session's open set; null if it is nowhere. */
  async chainLink(id: Id, segment: number): Promise<ChainLink | null> {
    this.#see();
    const own = this.#links.get(`${id}/${segment}`);
    if (own) return own;
    const entry = await this.#host.store.findSegment(id, segment);
    return entry === null ? null : { base: entry.base, bytes: storedBytes(entry) };
  }

  async hasBlob(id: Id): Promise<boolean> {
    this.#see();
    return this.#writer?.hasBlob(id) || this.#host.store.hasBlob(id);
  }

  /** True if every segment is stored. */
  async hasExtent(id: Id, segments: number): Promise<boolean> {
    this.#see();
    if (this.#writer) {
      let inWriter = 0;
      while (inWriter < segments && this.#writer.hasSegment(id, inWriter)) inWriter++;
      if (inWriter === segments) return true;
      // An extent whose segments are spread over the roll-over of a set.
      if (inWriter > 0 || this.#writer.hasSegment(id, segments - 1)) {
        for (let s = 0; s < segments; s++) {
          if (!this.#writer.hasSegment(id, s) && !(await this.#host.store.findSegment(id, s)))
            return false;
        }
        return true;
      }
    }
    return this.#host.store.hasExtent(id);
  }

  /**
   * Stores a blob unless it is there.
   * @param shuffleWidth  element width of its content.
   * @param base          a stored blob of equal length that is close to it.
   */
  async putBlob(
    kind: BlobKind,
    bytes: Uint8Array,
    shuffleWidth = 1,
    base: Id | null = null,
  ): Promise<Id> {
    const id = objectId(kind, bytes);
    if (await this.hasBlob(id)) return id;
    let coded = await encodeBlob(bytes, shuffleWidth);
    let chosenBase: Id | null = null;
    let depth = 0;
    if (base !== null) {
      const record = await this.readBlob(base);
      if (
        record !== null &&
        record.rawBytes === bytes.length &&
        record.depth < this.#host.chainDepth
      ) {
        const delta = await encodeBlob(
          bytes,
          shuffleWidth,
          await this.blobs.readBlob(base, record.kind),
        );
        if (delta.payload.length + 33 < coded.payload.length) {
          coded = delta;
          chosenBase = base;
          depth = record.depth + 1;
        }
      }
    }
    const writer = await this.#open();
    if (chosenBase !== null && !writer.hasBlob(chosenBase)) this.#relyOn(chosenBase, null);
    await writer.addBlob({
      id,
      kind,
      codec: coded.codec,
      base: chosenBase,
      depth,
      rawBytes: bytes.length,
      payload: coded.payload,
    });
    await this.#rollOver();
    return id;
  }

  async putSegment(record: SegmentRecord): Promise<void> {
    assert(record.depth <= CHAIN_DEPTH_MAX, `a chain of ${record.depth} links`);
    const writer = await this.#open();
    const before = writer.totalBytes;
    if (record.base !== null && !writer.hasSegment(record.base, record.segment)) {
      this.#relyOn(record.base, record.segment);
    }
    await writer.addSegment(record);
    const bytes = writer.totalBytes - before;
    this.#links.set(`${record.id}/${record.segment}`, { base: record.base, bytes });
    await this.#rollOver();
  }

  async #open(): Promise<PackSetWriter> {
    this.#writer ??= await this.#host.createWriter();
    return this.#writer;
  }

  async #rollOver(): Promise<void> {
    if (this.#writer?.isFull) await this.flush();
  }

  /** Makes everything stored so far durable and lists it in the manifest. */
  async flush(): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    if (writer.isEmpty) {
      await this.abort();
      return;
    }
    const sealed = await writer.finish();
    await this.#host.locked(async () => {
      await this.#checkBases();
      await this.#host.store.publish([sealed]);
    });
    this.published.push(sealed.info);
    this.#writer = null;
    this.#links.clear();
    this.#bases.clear();
  }

  #relyOn(id: Id, segment: number | null): void {
    this.#bases.set(`${id}/${segment}`, { id, segment });
  }

  /** Remembers the sets in which the session is about to find things. */
  #see(): void {
    const { store } = this.#host;
    if (store.generation === this.#seenGeneration) return;
    this.#seenGeneration = store.generation;
    for (const info of store.sets()) this.#seen.add(info.id);
  }

  /**
   * True if all that this session found stored still is: no set has gone from the manifest since.
   * Reads the manifest again; the caller holds the lock if the answer is to last.
   */
  async isUndisturbed(): Promise<boolean> {
    this.#see();
    const { store } = this.#host;
    await store.reload();
    const listed = new Set(store.sets().map((info) => info.id));
    return [...this.#seen].every((id) => listed.has(id));
  }

  /**
   * Every base of the new set must be live when the set is listed.
   * @throws {ConflictError} if garbage collection took one: the command has to store it anew.
   */
  async #checkBases(): Promise<void> {
    if (await this.isUndisturbed()) return;
    const { store } = this.#host;
    for (const { id, segment } of this.#bases.values()) {
      const found = segment === null ? store.findBlob(id) : store.findSegment(id, segment);
      if ((await found) !== null) continue;
      throw new ConflictError(
        'an object that new ones build on was collected as garbage meanwhile',
        {
          id,
          hint: 'run the command again',
        },
      );
    }
  }

  /** Removes what was not flushed. */
  async abort(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.abort();
  }
}
