/**
 * Ingest: one file → recipe, extents and literals in a pack session.
 *
 * The file is read once from start to end: its sha256 (and git's sha1), the hashes of every extent,
 * the literals. An extent up to KEPT_EXTENT_BYTES that turns out to be new is encoded from memory; a longer
 * one is read again and hashed again, so that what is stored is what was hashed. Every encoded
 * segment is decoded and compared before it counts (invariant 9).
 *
 * The main thread hashes the file and splits planes; reads, run hashes and coding go on beside it on
 * Node's pool. What is in flight is bounded by bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { cutChunk } from '../../base/bytes/chunker.js';
import type { Id } from '../../base/bytes/hash.js';
import { assert, BugError, ChangedError, isUnreadable, LimitError } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import {
  CDC_MAX_BYTES,
  ENCODED_AHEAD_BYTES,
  FILE_BYTES_MAX,
  GIT_SHA1_BYTES_MAX,
  INGEST_PLANES_BYTES,
  KEPT_EXTENT_BYTES,
  LITERAL_BLOB_BYTES,
  RUN_ELEMENTS,
  SEGMENT_ELEMENTS,
} from '../../base/limits.js';
import { splitFast } from '../../pure/codec/planes.js';
import { type CodecLevel, encodeSegment, verifySegment } from '../../pure/codec/segment.js';
import { Sketcher } from '../../pure/codec/sketch.js';
import { ExtentHasher, type ExtentHashes } from '../../pure/tensor/extent-id.js';
import type { FileParts, PlacedPart } from '../../pure/tensor/file-parts.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import { type ChunkRef, dataBlobLengths, type Part } from '../../pure/tensor/recipe.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import { lendWhole } from '../objects/planes/plane-reader.js';
import { encodeSegmentHead, segmentElements } from '../objects/planes/segment-head.js';
import type { PackSession } from '../objects/session.js';
import { segmentCount } from '../store/types.js';
import { type BaseFinder, type FittedBase, tensorKey } from './bases.js';
import { BaseChooser } from './choose-base.js';
import { FileFeed } from './file-feed.js';
import { splitNext } from './split-next.js';
import { storeRecipe } from './store-recipe.js';
import { WorkInFlight, type Write } from './work-in-flight.js';

/** What ingest says about a file. */
export interface IngestedFile {
  size: number;
  /** Hex sha256 of the file, no domain: the oid of LFS and Hugging Face. */
  sha256: string;
  /** git's blob sha1 for files up to GIT_SHA1_BYTES_MAX. */
  gitSha1: string | null;
  /** A whole file that is one blob, or a recipe blob. */
  recipe: { kind: 'blob' | 'recipe'; id: Id };
  extents: number;
  tensors: number;
}

export interface IngestOptions {
  bases: BaseFinder;
  /** Longest chain in links, and its cost as a multiple of the materialized bytes. */
  chainDepth: number;
  chainCost: number;
  level: CodecLevel;
  /** False for extents that must not become bases; default: all may. */
  isUsable?: (id: Id) => boolean;
  /** Called with the bytes read since the last call. */
  onBytes?: (count: number) => void;
  signal?: AbortSignal;
}

const READ_BYTES = 4 * 1024 * 1024;
/** Chunks of unknown bytes being coded at once, on Node's pool. */
const CHUNKS_IN_FLIGHT = 8;

/**
 * Stores one file.
 * @param file  the source, cut by `cutFile`; its layout is not needed any more and should not be held.
 * @throws {ChangedError} if it changes meanwhile; nothing of it is listed then.
 */
export async function ingestFile(
  session: PackSession,
  source: ReadFile,
  file: FileParts,
  options: IngestOptions,
): Promise<IngestedFile> {
  if (source.size > FILE_BYTES_MAX) {
    throw new LimitError(`'${source.name}' has ${source.size} bytes, more than ${FILE_BYTES_MAX}`, {
      file: source.name,
      limit: 'FILE_BYTES_MAX',
      value: source.size,
      max: FILE_BYTES_MAX,
    });
  }
  return new FileIngest(session, source, file, options).run();
}

/** An extent that was read: its hashes and its sketch. */
interface ReadExtent extends ExtentHashes {
  sketch: Uint8Array;
}

/** The part of a file that an extent is. */
interface ExtentPlace {
  width: number;
  count: number;
  byteSwap: boolean;
  offset: number;
}

interface DataStream {
  ids: Id[];
  /** The blob that is being filled. */
  pending: GatheredBytes;
  /** Length of each blob, from the skeleton's parts. */
  lengths: number[];
}

/** Many short pieces of a file in one piece of memory of a length that is known before. */
class GatheredBytes {
  readonly bytes: Uint8Array;
  #used = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  get isFull(): boolean {
    return this.#used === this.bytes.length;
  }

  /** Memory for the next `length` bytes. */
  next(length: number): Uint8Array {
    this.#used += length;
    assert(this.#used <= this.bytes.length, 'parts give the lengths of their streams');
    return this.bytes.subarray(this.#used - length, this.#used);
  }
}

/** Bytes of all parts of one kind. */
function bytesOfKind(file: FileParts, kind: Part['kind']): number {
  return file.parts.reduce((sum, { part, length }) => sum + (part.kind === kind ? length : 0), 0);
}

class FileIngest {
  readonly #session: PackSession;
  readonly #source: ReadFile;
  readonly #file: FileParts;
  readonly #options: IngestOptions;
  readonly #fileHash: Hash = createHash('sha256');
  readonly #gitHash: Hash | null;
  readonly #feed: FileFeed;
  readonly #fixed: GatheredBytes;
  readonly #variable: GatheredBytes;
  readonly #variableLengths: number[] = [];
  readonly #data = new Map<number, DataStream>();
  readonly #extents: Id[] = [];
  readonly #chunks: ChunkRef[][] = [];
  readonly #partKeys = new Map<number, string[]>();
  readonly #work = new WorkInFlight();
  #run = new Uint8Array(0);
  readonly #started = new Set<Id>();
  readonly #chooser: BaseChooser;

  constructor(session: PackSession, source: ReadFile, file: FileParts, options: IngestOptions) {
    this.#session = session;
    this.#source = source;
    this.#file = file;
    this.#options = options;
    this.#chooser = new BaseChooser(session, options);
    this.#gitHash =
      source.size <= GIT_SHA1_BYTES_MAX ? createHash('sha1').update(`blob ${source.size}\0`) : null;
    this.#feed = new FileFeed(source, (block) => {
      throwIfAborted(options.signal);
      this.#fileHash.update(block);
      this.#gitHash?.update(block);
      options.onBytes?.(block.length);
    });
    this.#fixed = new GatheredBytes(bytesOfKind(file, 'fixed'));
    this.#variable = new GatheredBytes(bytesOfKind(file, 'variable'));
    for (const tensor of file.tensors) {
      // Only extents have bases of their own.
      if (file.parts[tensor.part]?.part.kind !== 'extent') continue;
      const keys = this.#partKeys.get(tensor.part) ?? [];
      keys.push(tensorKey(tensor.role, tensor.name));
      this.#partKeys.set(tensor.part, keys);
    }
    const parts = file.parts.map((p) => p.part);
    for (const width of [1, 2, 4, 8]) {
      const lengths = dataBlobLengths(parts, width, LITERAL_BLOB_BYTES);
      if (lengths.length > 0)
        this.#data.set(width, {
          ids: [],
          pending: new GatheredBytes(lengths[0] as number),
          lengths,
        });
    }
  }

  async run(): Promise<IngestedFile> {
    try {
      for (const [index, part] of this.#file.parts.entries()) await this.#readPart(part, index);
    } finally {
      // Encoders still at work must not outlive a failure: they write into the session.
      await this.#work.settle();
      await this.#feed.settle();
    }
    await this.#source.checkUnchanged();
    this.#work.check();
    const recipe = await storeRecipe(this.#session, this.#file, {
      fixed: this.#fixed.bytes,
      variable: this.#variable.bytes,
      variableLengths: this.#variableLengths,
      data: [...this.#data].map(([width, { ids }]) => ({ width, ids })),
      extents: this.#extents,
      chunks: this.#chunks,
    });
    return {
      size: this.#source.size,
      sha256: this.#fileHash.digest('hex'),
      gitSha1: this.#gitHash?.digest('hex') ?? null,
      recipe,
      extents: this.#extents.length,
      tensors: this.#file.tensors.length,
    };
  }

  async #readPart({ part, offset, length }: PlacedPart, index: number): Promise<void> {
    switch (part.kind) {
      case 'fixed':
        await this.#feed.readInto(this.#fixed.next(length));
        break;
      case 'variable':
        await this.#feed.readInto(this.#variable.next(length));
        if (part.length === null) this.#variableLengths.push(length);
        break;
      case 'data':
        await this.#readData(part.width, length);
        break;
      case 'chunks':
        this.#chunks.push(await this.#readChunks(length));
        break;
      case 'extent':
        this.#extents.push(
          await this.#readExtent({ ...part, offset }, this.#partKeys.get(index) ?? []),
        );
        break;
    }
  }

  /** The next bytes of the file, in memory of their own. */
  async #read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.#feed.readInto(bytes);
    return bytes;
  }

  async #readData(width: number, length: number): Promise<void> {
    const stream = this.#data.get(width);
    if (!stream) throw new BugError(`no data literal of width ${width}`);
    const { ids, lengths, pending } = stream;
    await this.#feed.readInto(pending.next(length));
    if (!pending.isFull) return;
    const base = this.#options.bases.dataBlob(width, ids.length, lengths);
    ids.push(await this.#session.putBlob('blob', pending.bytes, width, base));
    stream.pending = new GatheredBytes(lengths[ids.length] ?? 0);
  }

  async #readChunks(length: number): Promise<ChunkRef[]> {
    const refs: ChunkRef[] = [];
    const pending: Promise<ChunkRef>[] = [];
    try {
      await this.#cutChunks(length, pending, refs);
      refs.push(...(await Promise.all(pending)));
    } finally {
      // As encoders: what is being stored must not outlive a failure and reach the session after it.
      await Promise.allSettled(pending);
    }
    return refs;
  }

  /** Stores the chunks of `length` bytes: those that are done go to `refs`, the last stay pending. */
  async #cutChunks(length: number, pending: Promise<ChunkRef>[], refs: ChunkRef[]): Promise<void> {
    let buffer: Uint8Array = new Uint8Array(0);
    let left = length;
    while (left > 0 || buffer.length > 0) {
      if (buffer.length < CDC_MAX_BYTES && left > 0) {
        const block = await this.#read(Math.min(READ_BYTES, left));
        left -= block.length;
        buffer = buffer.length === 0 ? block : Buffer.concat([buffer, block]);
      }
      while (buffer.length >= CDC_MAX_BYTES || (left === 0 && buffer.length > 0)) {
        const chunk = buffer.subarray(0, cutChunk(buffer));
        buffer = buffer.subarray(chunk.length);
        const stored = this.#session
          .putBlob('blob', chunk)
          .then((id) => ({ id, length: chunk.length }));
        // It is awaited later: a failure while the file is read on is not unhandled.
        stored.catch(() => {});
        pending.push(stored);
        if (pending.length < CHUNKS_IN_FLIGHT) continue;
        refs.push(...(await Promise.all(pending)));
        pending.length = 0;
      }
    }
  }

  async #readExtent(part: ExtentPlace, keys: readonly string[]): Promise<Id> {
    const { width, count } = part;
    const segments = segmentCount(count);
    const { hashes, kept } = await this.#hashExtent(part);
    if (this.#started.has(hashes.id) || (await this.#session.hasExtent(hashes.id, segments))) {
      for (const lease of kept) lease?.release();
      return hashes.id;
    }
    this.#started.add(hashes.id);
    const candidate = await this.#choose(hashes, keys, kept[0]?.planes ?? null);
    this.#session.sketches.add(hashes.id, width, count, hashes.sketch);
    for (let segment = 0; segment < segments; segment++) {
      const base =
        candidate === null ? null : await this.#chooser.fit(hashes.id, candidate, segment);
      const lease = kept[segment] ?? (await this.#rereadSegment(part, segment, hashes));
      await this.#encodeSoon(hashes, segment, lease, base);
    }
    return hashes.id;
  }

  /** Reads an extent: its hashes, and the planes of its segments unless they are too many. */
  async #hashExtent(
    part: ExtentPlace,
  ): Promise<{ hashes: ReadExtent; kept: (PlaneLease | null)[] }> {
    const { width, count, byteSwap } = part;
    const hasher = new ExtentHasher(width, count);
    const sketcher = new Sketcher(width, count);
    const keep = count * width <= KEPT_EXTENT_BYTES;
    // Two in turn: the run before the one being read is still being hashed.
    const passing = keep
      ? []
      : [planePool.lend(width, RUN_ELEMENTS), planePool.lend(width, RUN_ELEMENTS)];
    const kept: (PlaneLease | null)[] = [];
    for (let segment = 0; segment < segmentCount(count); segment++) {
      const elements = segmentElements(count, segment);
      if (keep)
        await this.#work.roomFor(
          (segment * SEGMENT_ELEMENTS + elements) * width,
          INGEST_PLANES_BYTES,
        );
      const lease = keep ? planePool.lend(width, elements) : null;
      kept.push(lease);
      for (let first = 0; first < elements; first += RUN_ELEMENTS) {
        const run = Math.min(RUN_ELEMENTS, elements - first);
        const memory = lease ?? passing[(first / RUN_ELEMENTS) % 2];
        const from = lease ? first : 0;
        const target = memory?.planes.map((plane) =>
          plane.subarray(from, from + run),
        ) as Uint8Array[];
        await splitNext(this.#feed, target, byteSwap);
        sketcher.add(target);
        await hasher.addRun(target);
      }
    }
    const hashes = { ...(await hasher.finish()), sketch: sketcher.finish() };
    for (const lease of passing) lease.release();
    return { hashes, kept };
  }

  /** Memory for one run as the file has it; only one is read at a time. */
  #runBytes(length: number): Uint8Array {
    if (this.#run.length < length) this.#run = new Uint8Array(length);
    return this.#run;
  }

  /** The candidate for its base. Segments of one extent may stand on different ones of its chain. */
  async #choose(
    extent: ReadExtent,
    keys: readonly string[],
    planes: readonly Uint8Array[] | null,
  ): Promise<Id | null> {
    const namesakes = this.#options.bases.namesakes(keys, extent.width, extent.count);
    // A candidate that this file brought may still be at work; if it failed, the check below says so.
    const candidate = await this.#chooser.choose(extent, namesakes, planes, (id) =>
      this.#work.written(id),
    );
    this.#work.check();
    return candidate;
  }

  /** Reads a segment of a long extent again and checks that it still has the hashes of pass 1. */
  async #rereadSegment(
    part: ExtentPlace,
    segment: number,
    hashes: ExtentHashes,
  ): Promise<PlaneLease> {
    const { width } = part;
    const elements = segmentElements(part.count, segment);
    const lease = planePool.lend(width, elements);
    const check = new ExtentHasher(width, elements);
    const runBytes = this.#runBytes(Math.min(elements, RUN_ELEMENTS) * width);
    const from = part.offset + segment * SEGMENT_ELEMENTS * width;
    for (let first = 0; first < elements; first += RUN_ELEMENTS) {
      throwIfAborted(this.#options.signal);
      const run = Math.min(RUN_ELEMENTS, elements - first);
      const bytes = runBytes.subarray(0, run * width);
      await this.#source.readInto(bytes, from + first * width);
      if (part.byteSwap) swapBytes(bytes, width);
      const target = lease.planes.map((plane) => plane.subarray(first, first + run));
      splitFast(bytes, target);
      await check.addRun(target);
    }
    const found = await check.finish();
    const start = (32 * segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
    const same = found.hashes.every(
      (run, k) =>
        Buffer.compare(
          run,
          (hashes.hashes[k] as Uint8Array).subarray(start, start + run.length),
        ) === 0,
    );
    if (!same) {
      throw new ChangedError(`'${this.#source.name}' changed while it was being read`, {
        file: this.#source.name,
        hint: 'wait until nothing writes the file, then run the command again',
      });
    }
    return lease;
  }

  /** Starts the encoding of a segment; waits while too many are in flight. Records stay in order. */
  async #encodeSoon(
    hashes: ReadExtent,
    segment: number,
    lease: PlaneLease,
    base: FittedBase | null,
  ): Promise<void> {
    const bytes = hashes.width * segmentElements(hashes.count, segment);
    await this.#work.roomFor(bytes, ENCODED_AHEAD_BYTES);
    this.#work.start(hashes.id, bytes, this.#encode(hashes, segment, lease, base));
  }

  /** Planes of a base; null if it is damaged, which must not keep new work from being stored. */
  async #basePlanes(
    id: Id,
    segment: number,
    width: number,
    count: number,
  ): Promise<PlaneLease | null> {
    try {
      return await lendWhole(this.#session.planes, { id, width, count }, segment);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }

  async #encode(
    hashes: ReadExtent,
    segment: number,
    lease: PlaneLease,
    base: FittedBase | null,
  ): Promise<Write> {
    const { width, count, id } = hashes;
    const { level, signal } = this.#options;
    const elements = segmentElements(count, segment);
    const baseLease = base === null ? null : await this.#basePlanes(base.id, segment, width, count);
    const room = planePool.lendRoom(width, elements);
    const scratch = planePool.lend(width, elements);
    const { planes } = lease;
    const basePlanes = baseLease?.planes ?? null;
    const coded = await encodeSegment(planes, basePlanes, { level, signal, room: room?.planes[0] });
    await verifySegment(coded, planes, basePlanes, this.#source.name, scratch.planes);
    scratch.release();
    lease.release();
    baseLease?.release();
    const head = encodeSegmentHead({
      codec: coded.head,
      ...(segment === 0 ? { runHashes: Buffer.concat(hashes.hashes), sketch: hashes.sketch } : {}),
    });
    return async () => {
      await this.#session.putSegment({
        id,
        segment,
        segments: segmentCount(count),
        width,
        count,
        base: coded.usesBase ? (base as FittedBase).id : null,
        depth: coded.usesBase ? (base as FittedBase).depth : 0,
        head,
        hi: coded.hi,
        mid: coded.mid,
        low: coded.low,
      });
      room?.release();
    };
  }
}
