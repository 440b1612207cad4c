/** The pieces that a stored file is rebuilt from, in its order: literals, chunks, segments of extents. */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { REBUILT_AHEAD_BYTES } from '../../../base/limits.js';
import { mergeFast } from '../../../pure/codec/planes.js';
import { swapBytes } from '../../../pure/tensor/planes.js';
import type { Part } from '../../../pure/tensor/recipe.js';
import { extentsOf, type PlacedExtent } from '../../../pure/tensor/recipe-extents.js';
import { segmentCount } from '../../store/types.js';
import type { PlaneLease } from '../planes/plane-pool.js';
import { lendWhole, type PlaneReader } from '../planes/plane-reader.js';
import { segmentElements } from '../planes/segment-head.js';
import { LiteralStreams } from './literal-streams.js';
import type { FileRef, Readers, StoredFile } from './stored-file.js';

/** What bytes are rebuilt with. */
export type FileReaders = Pick<Readers, 'blobs' | 'planes'>;

/** Pieces of one file that are rebuilt before they are asked for, however small. */
const PIECES_AHEAD_MAX = 32;

/** A piece of a file: its bytes, or planes that have still to be merged. */
export type Rebuilt = Uint8Array | { lease: PlaneLease; byteSwap: boolean };

export function sizeOf(rebuilt: Rebuilt): number {
  if (!('lease' in rebuilt)) return rebuilt.length;
  const { planes } = rebuilt.lease;
  return planes.length * (planes[0]?.length ?? 0);
}

/** The bytes of a piece; ends the loan of its planes. */
export function bytesOf(rebuilt: Rebuilt): Uint8Array {
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
export async function* filePieces(
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
