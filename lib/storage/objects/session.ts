/**
 * A pack session: one writer's new pack sets, from the first new object to the manifest.
 *
 * Everything put into a session is readable through it at once (bases may stand earlier in the same
 * set) and by others after `flush`. Adding packs needs no lock; the swap of the manifest takes it for
 * milliseconds. An aborted or killed session leaves only files under tmp/.
 */

import { type BlobKind, type Id, objectId } from '../../base/bytes/hash.js';
import { AbortedError, assert, ConflictError, isUnreadable } from '../../base/errors.js';
import { CHAIN_DEPTH_MAX } from '../../base/limits.js';
import { encodeBlob } from '../../pure/codec/blob-coder.js';
import type { LockWait } from '../repo/processes/lock.js';
import type { PackSetWriter } from '../store/packs/pack-writer.js';
import type { SegmentHeadAt } from '../store/packs/read-records.js';
import { RollingWriter } from '../store/packs/rolling-writer.js';
import type { UnnamedRecord } from '../store/packs/unnamed-records.js';
import {
  type BlobRecord,
  type LentPayloads,
  type PlaneClass,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
  type SetInfo,
  UNNAMED_SET,
  type UnnamedSegment,
} from '../store/types.js';
import { Blobs } from './blobs.js';
import { ChainReader } from './planes/chain-reader.js';
import type { PlaneReader, SegmentRecords } from './planes/plane-reader.js';
import { RunHashes } from './planes/run-hashes.js';
import { decodeSegmentHead } from './planes/segment-head.js';
import { ReliedBases, SeenSets, WholeChains } from './session-checks.js';
import type { SessionHost } from './session-host.js';
import { Sketches, sketchOfHead } from './sketches/sketches.js';
import type { Readers } from './stored/stored-file.js';

export class PackSession implements Readers, SegmentRecords {
  readonly blobs: Blobs;
  readonly planes: PlaneReader;
  readonly hashes: RunHashes;
  /** Neighbours of new extents: those of the listed sets, and those it was told of. */
  readonly sketches: Sketches;
  /** Sets of this session that the manifest lists, in order. */
  readonly published: SetInfo[] = [];
  readonly #host: SessionHost;
  readonly #writer: RollingWriter;
  /** Bases of each set that is not listed yet, where another set has them. */
  readonly #bases = new ReliedBases();
  readonly #seen: SeenSets;
  readonly #chains: WholeChains;
  /** What readers of the open set must know. */
  readonly #flags = new Set<string>();
  #wait: LockWait = {};

  constructor(host: SessionHost) {
    this.#host = host;
    this.#seen = new SeenSets(host.store);
    this.#chains = new WholeChains(host.store);
    this.#writer = new RollingWriter({
      backend: host.store.backend,
      tmpName: host.tmpName,
      onSealed: (sealed, set) => this.#publish(sealed, set),
      overlaps: true,
      ...(host.fullBytes === undefined ? {} : { fullBytes: host.fullBytes }),
    });
    this.blobs = new Blobs(this);
    this.planes = new ChainReader(this, host.signal ? { signal: host.signal } : {});
    this.hashes = new RunHashes(this);
    this.sketches = host.sketches ?? new Sketches(host.store);
  }

  async readBlob(id: Id): Promise<BlobRecord | null> {
    this.#seen.see();
    const own = await this.#readOwn((set) => set.readBlob(id));
    return own ?? this.#host.store.here.readBlob(id);
  }

  async readSegment(id: Id, segment: number, classes: PlaneClass[]): Promise<SegmentRecord | null> {
    const own = await this.#readOwn((set) => set.readSegment(id, segment, classes));
    return own ?? this.#host.store.here.readSegment(id, segment, classes);
  }

  /** The sketch of an extent, stored or of this session's open set; null if it has none. */
  async sketchOf(id: Id): Promise<Uint8Array | null> {
    const record = await this.#head(id, 0);
    return record === null ? null : sketchOfHead(record);
  }

  /** True if something is done to the base of a segment before it is a delta of it. */
  async isDerived(id: Id, segment: number): Promise<boolean> {
    const record = await this.#head(id, segment);
    return record !== null && decodeSegmentHead(record).operation !== undefined;
  }

  /** Header and head of a segment, which may have been read before; null if it is nowhere. */
  async #head(id: Id, segment: number): Promise<SegmentRecord | null> {
    const entry = await this.findSegment(id, segment);
    if (entry === null) return null;
    if (entry.set === UNNAMED_SET) return this.readSegment(id, segment, []);
    try {
      return await this.sketches.heads.of(entry);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return this.readSegment(id, segment, []);
    }
  }

  /** The entry of a segment, live or of this session's open set; null if it is nowhere. */
  async findSegment(id: Id, segment: number): Promise<SegmentEntry | null> {
    this.#seen.see();
    for (const set of this.#writer.unlisted) {
      const own = set.findSegment(id, segment);
      if (own !== null) return own;
    }
    return this.#host.store.here.findSegment(id, segment);
  }

  /** What a set has that is not listed yet. One that is listed meanwhile is read in the store: its files have other names. */
  async #readOwn<T>(read: (set: PackSetWriter) => Promise<T | null>): Promise<T | null> {
    for (const set of this.#writer.unlisted) {
      try {
        const found = await read(set);
        if (found !== null) return found;
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        await this.#writer.behind();
        if (this.#writer.unlisted.includes(set)) throw error;
      }
    }
    return null;
  }

  async openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null> {
    const own = await this.#readOwn((set) => set.openSegment(id, segment));
    if (own) return own;
    const { here } = this.#host.store;
    const entry = await here.findSegment(id, segment);
    return (entry && this.sketches.heads.known(entry)) ?? here.openSegment(id, segment);
  }

  async readPlanes(head: SegmentHeadAt, classes: PlaneClass[]): Promise<SegmentRecord | null> {
    const { id, segment, set } = head.entry;
    if (set === UNNAMED_SET) return this.readSegment(id, segment, classes);
    return this.#host.store.here.readPlanes(head, classes);
  }

  async lendPayloads(head: SegmentHeadAt, classes: PlaneClass[]): Promise<LentPayloads | null> {
    if (head.entry.set === UNNAMED_SET) {
      return this.#readOwn((set) => set.lendPayloads(head, classes));
    }
    return this.#host.store.lendPayloads(head, classes);
  }

  async hasBlob(id: Id): Promise<boolean> {
    this.#seen.see();
    if (this.#writer.unlisted.some((set) => set.hasBlob(id))) return true;
    return (await this.#host.store.hasBlob(id)) && (await this.#chains.isWhole(id, null));
  }

  /** True if every segment is stored. */
  async hasExtent(id: Id, segments: number): Promise<boolean> {
    this.#seen.see();
    const own = this.#writer.unlisted;
    const isOwn = (s: number): boolean => own.some((set) => set.hasSegment(id, s));
    let inOwn = 0;
    while (inOwn < segments && isOwn(inOwn)) inOwn++;
    if (inOwn === segments) return true;
    // An extent whose segments are spread over the roll-over of a set.
    if (inOwn > 0 || isOwn(segments - 1)) {
      for (let s = 0; s < segments; s++) {
        if (!isOwn(s) && !(await this.#host.store.here.findSegment(id, s))) return false;
      }
      return true;
    }
    if (!(await this.#host.store.hasExtent(id))) return false;
    for (let s = 0; s < segments; s++) if (!(await this.#chains.isWhole(id, s))) return false;
    return true;
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
      const found = await this.#baseBlob(base, bytes.length);
      const delta = found === null ? null : await encodeBlob(bytes, shuffleWidth, found.bytes);
      if (delta !== null && delta.payload.length + 33 < coded.payload.length) {
        coded = delta;
        chosenBase = base;
        depth = (found as { depth: number }).depth + 1;
      }
    }
    const { codec, payload } = coded;
    const record = { id, kind, codec, base: chosenBase, depth, rawBytes: bytes.length, payload };
    await this.#writer.write(async (set) => {
      if (record.base !== null && !set.hasBlob(record.base))
        this.#bases.add(set, record.base, null);
      await set.addBlob(record);
    });
    return id;
  }

  /** A base of equal length; null if there is none, if it is damaged, or if its chain is as long as may be. */
  async #baseBlob(id: Id, length: number): Promise<{ bytes: Uint8Array; depth: number } | null> {
    try {
      const record = await this.readBlob(id);
      if (record === null || record.rawBytes !== length) return null;
      if (record.depth >= this.#host.chainDepth) return null;
      return { bytes: await this.blobs.readBlob(id, record.kind), depth: record.depth };
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }

  async putSegment(record: SegmentRecord): Promise<void> {
    const { depth, segment, base } = record;
    assert(depth <= CHAIN_DEPTH_MAX, `a chain of ${depth} links`);
    await this.#writer.write(async (set) => {
      if (base !== null && !set.hasSegment(base, segment)) this.#bases.add(set, base, segment);
      await set.addSegment(record);
    });
  }

  /**
   * Stores a segment whose extent has no id yet. Before any other segment is put, all such ones are named in this
   * order or taken back.
   */
  async putUnnamed(record: UnnamedSegment): Promise<UnnamedRecord> {
    const { depth, segment, base } = record;
    assert(depth <= CHAIN_DEPTH_MAX, `a chain of ${depth} links`);
    let unnamed: UnnamedRecord | undefined;
    await this.#writer.write(async (set) => {
      if (base !== null && !set.hasSegment(base, segment)) this.#bases.add(set, base, segment);
      unnamed = await set.addUnnamed(record);
    });
    return unnamed as UnnamedRecord;
  }

  /** @param head  of the length that it was put with. */
  nameSegment(unnamed: UnnamedRecord, id: Id, head: Uint8Array): Promise<void> {
    return this.#writer.write((set) => set.nameRecord(unnamed, id, head));
  }

  /** Takes back segments that have no name. */
  dropUnnamed(): Promise<void> {
    return this.#writer.write((set) => set.dropUnnamed());
  }

  /** True if the set that is being written has this segment. */
  isOpen(id: Id, segment: number): boolean {
    return this.#writer.open?.hasSegment(id, segment) ?? false;
  }

  /** Says that what is stored from now on needs a flag of `format`; before it is stored. */
  needsFlag(flag: string): void {
    this.#flags.add(flag);
  }

  /** Waits until no full set is being listed. @throws what that failed with. */
  settle(): Promise<void> {
    return this.#writer.settle();
  }

  /** Makes everything stored so far durable and lists it in the manifest. */
  flush(how: LockWait = {}): Promise<void> {
    this.#wait = how;
    return this.#writer.flush();
  }

  async #publish(sealed: SealedSet, set: PackSetWriter): Promise<void> {
    const { info } = sealed;
    await this.#host.locked(async (requireFlag) => {
      await this.#checkBases(set);
      for (const flag of this.#flags) await requireFlag(flag);
      const inFront = (sets: readonly SetInfo[]) => [info, ...sets.filter((s) => s.id !== info.id)];
      await this.#host.store.publish([sealed], this.#chains.foundBroken ? inFront : undefined);
    }, this.#wait);
    this.published.push(info);
  }

  /**
   * True if all that this session found stored still is: no set has gone from the manifest since, none of its own failed.
   * Reads the manifest again; the caller holds the lock if the answer is to last.
   */
  async isUndisturbed(): Promise<boolean> {
    return (await this.#seen.areListed()) && !this.#writer.hasLost;
  }

  /**
   * Every base of the new set must be live when the set is listed.
   * @throws {ConflictError} if garbage collection took one: the command has to store it again; what its set failed
   *   with if it is not there for that.
   */
  async #checkBases(set: PackSetWriter): Promise<void> {
    const { store } = this.#host;
    const generation = store.generation;
    const undisturbed = await this.isUndisturbed();
    // In front of others even a set that another process added meanwhile could be hidden.
    if (undisturbed && !(this.#chains.foundBroken && store.generation !== generation)) return;
    if (this.#chains.foundBroken) {
      throw new ConflictError('another command stored objects while lost ones were stored again', {
        hint: 'run the command again',
      });
    }
    const id = await this.#bases.missing(set, store);
    if (id === null) return;
    if (this.#writer.firstFailure !== null) throw this.#writer.firstFailure.error;
    throw new ConflictError('an object that new ones build on was collected as garbage meanwhile', {
      id,
      hint: 'run the command again',
    });
  }

  /**
   * Why an action on this session failed: what follows from a set that was not written, such as a base that is not there,
   * is said less well by `error` than by what that set failed with.
   */
  causeOf(error: unknown): unknown {
    return error instanceof AbortedError ? error : (this.#writer.firstFailure?.error ?? error);
  }

  /** Removes what was not flushed. */
  abort(): Promise<void> {
    return this.#writer.abort();
  }
}
