/**
 * A stored file: its recipe opened, its bytes streamed back, its tensors read alone.
 *
 * Start here: `openStoredFile`, then `stream` for the whole file or `readTensorChunks` for one tensor.
 */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../base/bytes/files.js';
import type { Id } from '../../base/bytes/hash.js';
import { CorruptError } from '../../base/errors.js';
import { LITERAL_BLOB_BYTES } from '../../base/limits.js';
import { mergeFast } from '../../pure/codec/planes.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import {
  dataBlobLengths,
  decodeRecipe,
  decodeSkeleton,
  type Part,
  type Recipe,
  type Skeleton,
} from '../../pure/tensor/recipe.js';
import { segmentCount } from '../store/types.js';
import type { Blobs } from './blobs.js';
import { type Extents, segmentElements } from './extents.js';
import { planePool } from './plane-pool.js';

/** What is needed to rebuild: a repository's readers, or those of a session. */
export interface Readers {
  blobs: Blobs;
  extents: Extents;
}

/** The parts of a FileEntry that rebuilding needs. */
export interface FileRef {
  path: string;
  size: number;
  sha256: string;
  recipe: { kind: 'blob' | 'recipe'; id: Id };
}

/** Bytes of pieces being rebuilt, the one asked for included; each takes twice that while it is. */
const AHEAD_BYTES = 48 * 1024 * 1024;
/** Pieces being rebuilt, however small. */
const AHEAD_PIECES = 32;

export interface StoredFile {
  ref: FileRef;
  /** null for a file that is one blob. */
  recipe: Recipe | null;
  skeleton: Skeleton | null;
  /** Blobs of kind 'ids' that the recipe's list of extents is kept in. */
  pages: Id[];
}

/** Reads recipe and skeleton of a file. @throws {CorruptError}, {NotFoundError} */
export async function openStoredFile(
  readers: Pick<Readers, 'blobs'>,
  ref: FileRef,
): Promise<StoredFile> {
  if (ref.recipe.kind === 'blob') return { ref, recipe: null, skeleton: null, pages: [] };
  const pages: Id[] = [];
  const name = `recipe of ${ref.path}`;
  const recipe = await decodeRecipe(
    await readers.blobs.readBlob(ref.recipe.id, 'recipe'),
    name,
    (id) => {
      pages.push(id);
      return readers.blobs.readBlob(id, 'ids');
    },
  );
  const skeleton =
    recipe.skeleton === null
      ? null
      : decodeSkeleton(
          await readers.blobs.readBlob(recipe.skeleton, 'skeleton'),
          `skeleton of ${ref.path}`,
        );
  checkFit(recipe, skeleton, name);
  return { ref, recipe, skeleton, pages };
}

/** @throws {CorruptError} unless the recipe gives each stream of the skeleton exactly what it takes. */
function checkFit(recipe: Recipe, skeleton: Skeleton | null, file: string): void {
  const parts: readonly Part[] = skeleton?.parts ?? [{ kind: 'chunks' }];
  const count = (kind: Part['kind']) => parts.filter((p) => p.kind === kind).length;
  const open = parts.filter((p) => p.kind === 'variable' && p.length === null).length;
  const fits =
    count('extent') === recipe.extents.length &&
    count('chunks') === recipe.chunks.length &&
    open === recipe.variableLengths.length &&
    count('variable') > 0 === (recipe.variable !== null);
  if (!fits) throw new CorruptError(`'${file}' does not fit its skeleton`, { file });
  for (const width of [1, 2, 4, 8]) {
    const cuts = dataBlobLengths(parts, width, LITERAL_BLOB_BYTES);
    const ids = recipe.data.find((d) => d.width === width)?.ids ?? [];
    if (cuts.length !== ids.length) {
      throw new CorruptError(
        `'${file}' has ${ids.length} data literals of width ${width}, not ${cuts.length}`,
        { file },
      );
    }
  }
}

/** Every blob and extent that a stored file names, for gc and fsck; its own recipe included. */
export function* namedObjects(
  file: StoredFile,
): Generator<{ kind: 'blob' | 'extent'; id: Id; width?: number; count?: number }> {
  yield { kind: 'blob', id: file.ref.recipe.id };
  const { recipe, skeleton } = file;
  if (recipe === null) return;
  for (const id of file.pages) yield { kind: 'blob', id };
  if (recipe.skeleton !== null) yield { kind: 'blob', id: recipe.skeleton };
  if (recipe.variable !== null) yield { kind: 'blob', id: recipe.variable };
  for (const { ids } of recipe.data) for (const id of ids) yield { kind: 'blob', id };
  for (const run of recipe.chunks) for (const { id } of run) yield { kind: 'blob', id };
  let next = 0;
  for (const part of skeleton?.parts ?? []) {
    if (part.kind === 'extent') {
      yield {
        kind: 'extent',
        id: recipe.extents[next++] as Id,
        width: part.width,
        count: part.count,
      };
    }
  }
}

export interface StreamOptions {
  signal?: AbortSignal;
  onBytes?: (count: number) => void;
  /** Bytes of pieces that are rebuilt before they are asked for; default 48 MiB. */
  aheadBytes?: number;
}

/**
 * Gives the bytes of a file in order, in pieces of at most a segment (32 MiB).
 * The last step throws if size or sha256 are not those of the version: write to a temporary place.
 * @throws {CorruptError} DLV_CORRUPT
 */
export async function* streamFile(
  readers: Readers,
  file: StoredFile,
  options: StreamOptions = {},
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const bytes of filePieces(readers, file, options.aheadBytes)) {
    throwIfAborted(options.signal);
    hash.update(bytes);
    size += bytes.length;
    // A recipe that gives more than the version says could go on until the disk is full.
    if (size > file.ref.size) break;
    options.onBytes?.(bytes.length);
    yield bytes;
  }
  const found = hash.digest('hex');
  if (size !== file.ref.size || found !== file.ref.sha256) {
    throw new CorruptError(
      `'${file.ref.path}' cannot be rebuilt: its bytes give sha256 ${found.slice(0, 10)}…, the version says ${file.ref.sha256.slice(0, 10)}…`,
      { file: file.ref.path, expected: file.ref.sha256, actual: found, hint: "run 'dlv fsck'" },
    );
  }
}

/**
 * As streamFile, without a check of the whole: for readers that change what they read on purpose.
 * @param readers  its extents may give other planes than those stored.
 */
export function streamUnchecked(readers: Readers, file: StoredFile): AsyncGenerator<Uint8Array> {
  return filePieces(readers, file);
}

/** A piece of a file that is to be rebuilt. */
interface Piece {
  bytes: number;
  /** Rebuilds it. Literals are consumed in order, so theirs runs only when it is the next. */
  run: () => Promise<Uint8Array>;
  ahead: boolean;
}

/** Pieces in file order; those ahead of the one asked for are rebuilt meanwhile, within `aheadBytes`. */
async function* filePieces(
  readers: Readers,
  file: StoredFile,
  aheadBytes = AHEAD_BYTES,
): AsyncGenerator<Uint8Array> {
  const queue: { piece: Piece; started: Promise<Uint8Array> | null }[] = [];
  let bytes = 0;
  const pieces = piecesOf(readers, file);
  let next = pieces.next();
  try {
    while (!next.done || queue.length > 0) {
      while (
        !next.done &&
        (queue.length === 0 ||
          (bytes + next.value.bytes <= aheadBytes && queue.length < AHEAD_PIECES))
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
      if (rebuilt.length > 0) yield rebuilt;
    }
  } finally {
    await Promise.allSettled(queue.map(({ started }) => started));
  }
}

function* piecesOf(readers: Readers, file: StoredFile): Generator<Piece> {
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
  let extent = 0;
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
        yield* extentPieces(readers.extents, recipe.extents[extent++] as Id, part);
        break;
    }
  }
  yield literal(() => streams.end());
}

async function chunkBytes(
  readers: Readers,
  ref: FileRef,
  id: Id,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readers.blobs.readBlob(id, 'blob');
  if (bytes.length !== length)
    throw new CorruptError(`chunk of '${ref.path}' has another length`, { file: ref.path });
  return bytes;
}

function* extentPieces(
  extents: Extents,
  id: Id,
  part: { width: number; count: number; byteSwap: boolean },
): Generator<Piece> {
  const { width, count, byteSwap } = part;
  for (let segment = 0; segment < segmentCount(count); segment++) {
    const elements = segmentElements(count, segment);
    yield {
      bytes: elements * width,
      ahead: true,
      run: async () => {
        const lease = planePool.lend(width, elements);
        await extents.readPlanes(id, segment, width, lease.planes);
        const bytes = new Uint8Array(width * elements);
        mergeFast(lease.planes, bytes);
        lease.release();
        if (byteSwap) swapBytes(bytes, width);
        return bytes;
      },
    };
  }
}

/** The literal streams of a recipe, consumed from their start. */
export class LiteralStreams {
  readonly #blobs: Blobs;
  readonly #recipe: Recipe;
  readonly #skeleton: Skeleton | null;
  #fixedAt = 0;
  #variable: Promise<Uint8Array> | null = null;
  #variableAt = 0;
  #nextLength = 0;
  /** The blob in use of each width, so that a large one is not decoded again for each part. */
  readonly #data = new Map<number, { blob: number; at: number; bytes: Uint8Array }>();
  /** Lengths of the blobs of each width, as the skeleton cuts them. */
  readonly #cuts = new Map<number, number[]>();

  constructor(blobs: Blobs, recipe: Recipe, skeleton: Skeleton | null) {
    this.#blobs = blobs;
    this.#recipe = recipe;
    this.#skeleton = skeleton;
  }

  fixed(length: number): Uint8Array {
    const bytes = (this.#skeleton as Skeleton).fixed.subarray(
      this.#fixedAt,
      this.#fixedAt + length,
    );
    this.#fixedAt += length;
    return bytes;
  }

  async variable(length: number | null): Promise<Uint8Array> {
    const wanted = length ?? (this.#recipe.variableLengths[this.#nextLength++] as number);
    this.#variable ??= this.#blobs.readBlob(this.#recipe.variable as Id, 'blob');
    const all = await this.#variable;
    const bytes = all.subarray(this.#variableAt, this.#variableAt + wanted);
    if (bytes.length !== wanted) throw new CorruptError('a variable literal is too short');
    this.#variableAt += wanted;
    return bytes;
  }

  async data(width: number, length: number): Promise<Uint8Array> {
    const ids = this.#recipe.data.find((d) => d.width === width)?.ids ?? [];
    const place = this.#data.get(width) ?? { blob: -1, at: 0, bytes: new Uint8Array(0) };
    this.#data.set(width, place);
    if (place.at >= place.bytes.length) {
      const next = ids[++place.blob];
      if (next === undefined) throw new CorruptError('a data literal is too short');
      place.bytes = await this.#blobs.readBlob(next, 'blob');
      place.at = 0;
      // Tensors are found by the cuts: a blob of another length would give them other bytes.
      if (place.bytes.length !== this.#cutsOf(width)[place.blob]) {
        throw new CorruptError('a data literal has another length than its parts');
      }
    }
    const bytes = place.bytes.subarray(place.at, place.at + length);
    if (bytes.length !== length) throw new CorruptError('a data literal is too short');
    place.at += length;
    return bytes;
  }

  #cutsOf(width: number): number[] {
    const known = this.#cuts.get(width);
    if (known !== undefined) return known;
    const cuts = dataBlobLengths(this.#skeleton?.parts ?? [], width, LITERAL_BLOB_BYTES);
    this.#cuts.set(width, cuts);
    return cuts;
  }

  /** No bytes, once everything was taken. @throws {CorruptError} if some of a literal are left. */
  async end(): Promise<Uint8Array> {
    if (this.#variable !== null && (await this.#variable).length !== this.#variableAt) {
      throw new CorruptError('a variable literal is too long');
    }
    return new Uint8Array(0);
  }
}
