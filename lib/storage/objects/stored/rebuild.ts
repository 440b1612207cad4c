/**
 * The bytes of stored files, front to back.
 *
 * Start here: `rebuildFiles` for several files, of which those that share stored data advance side by
 * side; `streamFile` for one. Both end with an error unless the bytes have the size and sha256 that
 * the version says: write to a temporary place.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { RunningSha256 } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import type { WriteFile } from '../../../base/files/files.js';
import { writeMerged } from '../../../pure/codec/planes.js';
import type { SegmentRecords } from '../planes/plane-reader.js';
import { openPlanes } from '../planes/read-segments.js';
import { inTurn, segmentsOfFile } from './file-groups.js';
import { bytesOf, type FileReaders, filePieces, type Rebuilt, sizeOf } from './file-pieces.js';
import type { StoredFile } from './stored-file.js';

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

/** Shorter pieces are merged and hashed at once: handing them over would take longer. */
const WRITTEN_APART_BYTES = 128 * 1024;

/** Pieces asked for at once, of different files. */
const PIECES_AHEAD = 2;

/** A piece of one of several files, or its end. */
export interface GroupPiece {
  /** Its place among the files. */
  readonly file: number;
  /** How many bytes were written. null: the file is whole and has its sha256. */
  readonly bytes: number | null;
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
