/**
 * The bytes of stored files, front to back.
 *
 * Start here: `rebuildFiles` for several files, of which those that share stored data advance side by
 * side; `streamFile` for one. Both end with an error unless the bytes have the size and sha256 that
 * the version says: write to a temporary place.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { type Id, RunningSha256 } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import type { WriteFile } from '../../../base/files/files.js';
import { REBUILT_AHEAD_BYTES } from '../../../base/limits.js';
import { mergeFast, writeMerged } from '../../../pure/codec/planes.js';
import { swapBytes } from '../../../pure/tensor/planes.js';
import type { Part } from '../../../pure/tensor/recipe.js';
import { extentsOf, type PlacedExtent } from '../../../pure/tensor/recipe-extents.js';
import { segmentCount } from '../../store/types.js';
import type { PlaneLease } from '../planes/plane-pool.js';
import {
  lendWhole,
  type PlaneReader,
  type SegmentRecords,
  type SegmentRequest,
} from '../planes/plane-reader.js';
import { openPlanes, SEGMENTS_MAX } from '../planes/read-segments.js';
import { segmentElements } from '../planes/segment-head.js';
import { LiteralStreams } from './literal-streams.js';
import { type FileRef, namedObjects, type Readers, type StoredFile } from './stored-file.js';

/** What bytes are rebuilt with. */
export type FileReaders = Pick<Readers, 'blobs' | 'planes'>;

/** Pieces of one file that are rebuilt before they are asked for, however small. */
const PIECES_AHEAD_MAX = 32;

export interface StreamOptions {
  signal?: AbortSignal;
  onBytes?: (count: number) => void;
  /** Bytes of pieces that are rebuilt before they are asked for; default 32 MiB. */
  aheadBytes?: number;
}

/**
 * Gives the bytes of a file in order, in pieces of at most a segment (32 MiB).
 * The last step throws if size or sha256 are not those of the version: write to a temporary place.
 * @throws {CorruptError} DLV_CORRUPT
 */
export async function* streamFile(
  readers: FileReaders,
  file: StoredFile,
  options: StreamOptions = {},
): AsyncGenerator<Uint8Array> {
  const check = new FileCheck(file, options);
  for await (const rebuilt of filePieces(readers, file, options.aheadBytes)) {
    if (!check.takes(sizeOf(rebuilt))) break;
    const bytes = bytesOf(rebuilt);
    check.hash.update(bytes);
    yield bytes;
  }
  check.finish();
}

/**
 * As streamFile, into a new file: merged, hashed and written piece by piece while it is in the
 * processor's cache.
 * @returns gives the length of each piece.
 */
async function* writeFile(
  readers: FileReaders,
  file: StoredFile,
  target: () => Promise<WriteFile>,
  options: StreamOptions,
): AsyncGenerator<number> {
  const check = new FileCheck(file, options);
  for await (const rebuilt of filePieces(readers, file, options.aheadBytes)) {
    const size = sizeOf(rebuilt);
    if (!check.takes(size)) break;
    await writePiece(await target(), rebuilt, check.hash);
    yield size;
  }
  check.finish();
}

async function writePiece(target: WriteFile, rebuilt: Rebuilt, hash: RunningSha256): Promise<void> {
  const size = sizeOf(rebuilt);
  const isApart = 'lease' in rebuilt && size >= WRITTEN_APART_BYTES;
  const wrote = isApart
    ? await target.writeBy(size, (fd, most) => {
        const { lease, byteSwap } = rebuilt;
        return writeMerged(fd, { planes: lease.planes, bigEndian: byteSwap }, hash, most);
      })
    : -1;
  if (wrote === size) {
    if (isApart) rebuilt.lease.release();
    return;
  }
  const bytes = bytesOf(rebuilt);
  if (wrote < 0) hash.update(bytes);
  await target.write(bytes.subarray(Math.max(0, wrote)));
}

/** What is checked of a file that is rebuilt. */
class FileCheck {
  readonly hash = new RunningSha256();
  readonly #file: StoredFile;
  readonly #options: StreamOptions;
  #size = 0;

  constructor(file: StoredFile, options: StreamOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** @returns false if the file would be longer than the version says: it could go on until the disk is full. */
  takes(size: number): boolean {
    throwIfAborted(this.#options.signal);
    this.#size += size;
    if (this.#size > this.#file.ref.size) return false;
    this.#options.onBytes?.(size);
    return true;
  }

  /** @throws {CorruptError} if size or sha256 are not those of the version. */
  finish(): void {
    const { ref } = this.#file;
    const found = this.hash.digest();
    if (this.#size === ref.size && found === ref.sha256) return;
    throw new CorruptError(
      `'${ref.path}' cannot be rebuilt: its bytes give sha256 ${found.slice(0, 10)}…, the version says ${ref.sha256.slice(0, 10)}…`,
      { file: ref.path, expected: ref.sha256, actual: found, hint: "run 'dlv fsck'" },
    );
  }
}

/**
 * As streamFile, without a check of the whole: for readers that change what they read on purpose.
 * @param readers  whose planes may be others than those stored.
 */
export async function* streamUnchecked(
  readers: FileReaders,
  file: StoredFile,
): AsyncGenerator<Uint8Array> {
  for await (const rebuilt of filePieces(readers, file)) yield bytesOf(rebuilt);
}

/** A piece of a file: its bytes, or planes that have still to be merged. */
type Rebuilt = Uint8Array | { lease: PlaneLease; byteSwap: boolean };

/** Shorter pieces are merged and hashed at once: handing them over would take longer. */
const WRITTEN_APART_BYTES = 128 * 1024;

function sizeOf(rebuilt: Rebuilt): number {
  if (!('lease' in rebuilt)) return rebuilt.length;
  const { planes } = rebuilt.lease;
  return planes.length * (planes[0]?.length ?? 0);
}

/** The bytes of a piece; ends the loan of its planes. */
function bytesOf(rebuilt: Rebuilt): Uint8Array {
  if (!('lease' in rebuilt)) return rebuilt;
  const { lease, byteSwap } = rebuilt;
  const bytes = new Uint8Array(sizeOf(rebuilt));
  mergeFast(lease.planes, bytes);
  if (byteSwap) swapBytes(bytes, lease.planes.length);
  lease.release();
  return bytes;
}

/** A piece of a file that is to be rebuilt. */
interface Piece {
  bytes: number;
  /** Rebuilds it. Literals are consumed in order, so theirs runs only when it is the next. */
  run: () => Promise<Rebuilt>;
  ahead: boolean;
}

/** Pieces in file order; those ahead of the one asked for are rebuilt meanwhile, within `aheadBytes`. */
async function* filePieces(
  readers: FileReaders,
  file: StoredFile,
  aheadBytes = REBUILT_AHEAD_BYTES,
): AsyncGenerator<Rebuilt> {
  const queue: { piece: Piece; started: Promise<Rebuilt> | null }[] = [];
  let bytes = 0;
  const pieces = piecesOf(readers, file);
  let next = pieces.next();
  try {
    while (!next.done || queue.length > 0) {
      while (
        !next.done &&
        (queue.length === 0 ||
          (bytes + next.value.bytes <= aheadBytes && queue.length < PIECES_AHEAD_MAX))
      ) {
        const piece = next.value;
        const started = piece.ahead ? piece.run() : null;
        started?.catch(() => {});
        queue.push({ piece, started });
        bytes += piece.bytes;
        next = pieces.next();
      }
      const { piece, started } = queue[0] as (typeof queue)[0];
      const rebuilt = await (started ?? piece.run());
      queue.shift();
      bytes -= piece.bytes;
      if (sizeOf(rebuilt) > 0) yield rebuilt;
    }
  } finally {
    await Promise.allSettled(queue.flatMap(({ started }) => started ?? []));
  }
}

function* piecesOf(readers: FileReaders, file: StoredFile): Generator<Piece> {
  const { recipe, skeleton, ref } = file;
  if (recipe === null) {
    const run = () => readers.blobs.readBlob(ref.recipe.id, 'blob');
    yield { bytes: ref.size, run, ahead: false };
    return;
  }
  const streams = new LiteralStreams(readers.blobs, recipe, skeleton);
  const parts: readonly Part[] = skeleton?.parts ?? [{ kind: 'chunks' }];
  const literal = (run: () => Uint8Array | Promise<Uint8Array>): Piece => ({
    bytes: 0,
    run: async () => run(),
    ahead: false,
  });
  const extents = extentsOf(file);
  let chunkRun = 0;
  for (const part of parts) {
    switch (part.kind) {
      case 'fixed':
        yield literal(() => streams.fixed(part.length));
        break;
      case 'variable':
        yield literal(() => streams.variable(part.length));
        break;
      case 'data':
        yield literal(() => streams.data(part.width, part.length));
        break;
      case 'chunks':
        for (const { id, length } of recipe.chunks[chunkRun++] ?? []) {
          yield { bytes: length, run: () => chunkBytes(readers, ref, id, length), ahead: true };
        }
        break;
      case 'extent':
        yield* extentPieces(readers.planes, extents.next().value as PlacedExtent);
        break;
    }
  }
  yield literal(() => streams.end());
}

async function chunkBytes(
  readers: FileReaders,
  ref: FileRef,
  id: Id,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readers.blobs.readBlob(id, 'blob');
  if (bytes.length !== length)
    throw new CorruptError(`chunk of '${ref.path}' has another length`, { file: ref.path });
  return bytes;
}

function* extentPieces(reader: PlaneReader, extent: PlacedExtent): Generator<Piece> {
  const { width, count, byteSwap } = extent;
  for (let segment = 0; segment < segmentCount(count); segment++) {
    const size = segmentElements(count, segment) * width;
    yield {
      bytes: size,
      ahead: true,
      run: async () => ({ lease: await lendWhole(reader, extent, segment), byteSwap }),
    };
  }
}

/** Files rebuilt side by side: each has an unfinished file open. */
const FILES_AT_ONCE = 16;
/** Pieces asked for at once, of different files. */
const PIECES_AHEAD = 2;

/** A piece of one of several files, or its end. */
export interface GroupPiece {
  /** Its place among the files. */
  readonly file: number;
  /** How many bytes were written. null: the file is whole and has its sha256. */
  readonly bytes: number | null;
}

/** A file that may be rebuilt together with others. */
export interface GroupMember {
  readonly stored: StoredFile;
  /** By `weightOf`. */
  readonly weight: number;
}

/** What a file takes of the room of a group: its segments, and a little for each tensor and part. */
export function weightOf(file: StoredFile): number {
  let weight = 0;
  for (const { count } of extentsOf(file)) weight += segmentCount(count);
  const { recipe, skeleton } = file;
  const chunks = recipe?.chunks.reduce((sum, run) => sum + run.length, 0) ?? 0;
  // A file has a few parts for each tensor; one of nothing but parts takes as much memory.
  const values = Math.max(skeleton?.tensors.length ?? 0, (skeleton?.parts.length ?? 0) >> 2);
  return weight + ((values + (chunks >> 2)) >> 2);
}

/** True if a group has room for one more file. */
export function fitsGroup(group: readonly GroupMember[], file: StoredFile): boolean {
  if (group.length === 0) return true;
  const before = group.reduce((sum, member) => sum + member.weight, 0);
  return group.length < FILES_AT_ONCE && before + weightOf(file) <= SEGMENTS_MAX;
}

/** Segments of the extents of a file, in its order. */
function segmentsOfFile(file: StoredFile): SegmentRequest[] {
  const requests: SegmentRequest[] = [];
  for (const { kind, id, count = 0 } of namedObjects(file)) {
    if (kind !== 'extent') continue;
    for (let segment = 0; segment < segmentCount(count); segment++) requests.push({ id, segment });
  }
  return requests;
}

/** What several files are rebuilt with. */
export interface GroupReaders extends FileReaders {
  readonly store: SegmentRecords;
}

export interface RebuildOptions {
  readonly signal?: AbortSignal;
  /** Bytes of planes of bases that are kept; default CHECKOUT_PLANES_BYTES. */
  readonly cacheBytes?: number;
}

/**
 * Rebuilds a group of files and writes them. Those whose chains have records in common advance side by side, a piece
 * of each in turn; else one comes after another.
 * @param target  the new file for the one at a place, asked for each of its pieces.
 * @throws {CorruptError} as streamFile; {AbortedError}
 */
export async function* rebuildFiles(
  readers: GroupReaders,
  files: readonly StoredFile[],
  target: (file: number) => Promise<WriteFile>,
  options: RebuildOptions = {},
): AsyncGenerator<GroupPiece> {
  const { signal } = options;
  const requests = inTurn(files.map(segmentsOfFile));
  const planes = await openPlanes(readers.store, requests, options);
  const own = { blobs: readers.blobs, planes: planes.reader };
  const how = { ...(signal ? { signal } : {}), ...(planes.isShared ? { aheadBytes: 0 } : {}) };
  const streams = files.map((stored, at) => writeFile(own, stored, () => target(at), how));
  try {
    if (planes.isShared) yield* inRotation(streams);
    else yield* oneByOne(streams);
  } finally {
    planes.close();
  }
}

async function* oneByOne(streams: readonly AsyncGenerator<number>[]): AsyncGenerator<GroupPiece> {
  for (const [file, stream] of streams.entries()) {
    for await (const bytes of stream) yield { file, bytes };
    yield { file, bytes: null };
  }
}

/** An element of each list in turn. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = lists.reduce((most, list) => Math.max(most, list.length), 0);
  const all: T[] = [];
  for (let at = 0; at < longest; at++) {
    for (const list of lists) if (at < list.length) all.push(list[at] as T);
  }
  return all;
}

/** A piece of each stream in turn, the next few being made meanwhile. */
async function* inRotation(streams: readonly AsyncGenerator<number>[]): AsyncGenerator<GroupPiece> {
  const waiting = streams.map((_, file) => file);
  const asked: { file: number; next: Promise<IteratorResult<number>> }[] = [];
  try {
    while (waiting.length > 0 || asked.length > 0) {
      while (asked.length < PIECES_AHEAD && waiting.length > 0) {
        const file = waiting.shift() as number;
        const next = (streams[file] as (typeof streams)[0]).next();
        next.catch(() => {});
        asked.push({ file, next });
      }
      const { file, next } = asked[0] as (typeof asked)[0];
      const { done, value } = await next;
      asked.shift();
      if (!done) waiting.push(file);
      yield { file, bytes: done ? null : value };
    }
  } finally {
    await Promise.allSettled(asked.map(({ next }) => next));
    for (const stream of streams) await stream.return(undefined).catch(() => {});
  }
}
