/**
 * Tensors as planes in pieces, for those who work on planes: read from the segments that hold them where a
 * tensor is the beginning of an extent, else from its elements.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { splitFast } from '../../pure/codec/planes.js';
import { DTYPES } from '../../pure/tensor/dtype.js';
import { otherSize } from './planes/plane-reader.js';
import { segmentElements } from './planes/segment-head.js';
import { readTensor } from './stored/read-tensor.js';
import type { Readers } from './stored/stored-file.js';
import {
  isContiguous,
  type StoredTensor,
  type TensorHome,
  tensorElements,
} from './stored/tensors.js';

/** Planes of some elements, until they are given back. */
interface Piece {
  readonly planes: readonly Uint8Array[];
  release(): void;
}

type ExtentHome = Extract<TensorHome, { kind: 'extent' }>;

/** The extent that a tensor is the beginning of, as elements of its own type; null for any other tensor. */
function directExtent(tensor: StoredTensor): ExtentHome | null {
  const { home, byteOffset, dtype } = tensor;
  const { bits, width } = DTYPES[dtype];
  const isWhole = home.kind === 'extent' && home.width === width && bits === 8 * width;
  return isWhole && byteOffset === 0 && isContiguous(tensor) ? home : null;
}

/** True if leading planes of a tensor can be read without the others. */
export function hasLeadingPlanes(tensor: StoredTensor): boolean {
  return directExtent(tensor) !== null;
}

/** How planes are read. */
export interface PieceOptions {
  /** Leading planes that are read where a tensor has such. */
  known: number;
  /** False: bytes have the checksums of packs, and are not compared with the extent's id; default: they are. */
  isVerified?: boolean;
  signal?: AbortSignal | undefined;
}

/** Leading planes of one segment of a tensor. */
async function lendPiece(
  { planes, hashes }: Readers,
  { id, width, count }: ExtentHome,
  {
    segment,
    elements,
    known,
    isVerified,
  }: Required<Omit<PieceOptions, 'signal'>> & { segment: number; elements: number },
): Promise<Piece> {
  if (isVerified && (await hashes.of(id)).length !== width) throw otherSize(id);
  const wanted = Math.min(known, width);
  const lease = await planes.lend({ id, segment, planes: wanted });
  if (
    lease.planes.length !== wanted ||
    lease.planes[0]?.length !== segmentElements(count, segment)
  ) {
    lease.release();
    throw otherSize(id);
  }
  if (isVerified) await hashes.check(id, segment, lease.planes);
  const own = lease.planes.map((plane) => plane.subarray(0, elements));
  return { planes: own, release: () => lease.release() };
}

/** Pieces of a tensor that is the beginning of an extent; the next one is read while one is used. */
async function* directPieces(
  readers: Readers,
  home: ExtentHome,
  elements: number,
  { known, isVerified = true }: PieceOptions,
): AsyncGenerator<Piece> {
  const segments = Math.ceil(elements / SEGMENT_ELEMENTS);
  const read = (segment: number): Promise<Piece> | null => {
    if (segment >= segments) return null;
    const left = Math.min(SEGMENT_ELEMENTS, elements - segment * SEGMENT_ELEMENTS);
    const piece = lendPiece(readers, home, { segment, elements: left, known, isVerified });
    // A failure is thrown where the piece is awaited.
    piece.catch(() => {});
    return piece;
  };
  let ahead = read(0);
  try {
    for (let segment = 0; segment < segments; segment++) {
      const piece = (await ahead) as Piece;
      ahead = read(segment + 1);
      yield piece;
    }
  } finally {
    // What was read ahead and not taken, because the reader stopped.
    await ahead?.then(
      (piece) => piece.release(),
      () => {},
    );
  }
}

/** Pieces of any tensor whose elements are whole bytes, all planes. */
async function* splitPieces(readers: Readers, tensor: StoredTensor): AsyncGenerator<Piece> {
  const { width } = DTYPES[tensor.dtype];
  for await (const bytes of readTensor(readers, tensor)) {
    const count = bytes.length / width;
    const planes = Array.from({ length: width }, () => new Uint8Array(count));
    splitFast(bytes, planes);
    yield { planes, release: () => {} };
  }
}

/** Calls `use` with the planes of each piece of a tensor, in order; they are the reader's own afterwards. */
export async function forEachPiece(
  readers: Readers,
  tensor: StoredTensor,
  options: PieceOptions,
  use: (planes: readonly Uint8Array[]) => void,
): Promise<void> {
  const home = directExtent(tensor);
  const pieces =
    home === null
      ? splitPieces(readers, tensor)
      : directPieces(readers, home, tensorElements(tensor), options);
  for await (const piece of pieces) {
    throwIfAborted(options.signal);
    use(piece.planes);
    piece.release();
  }
}

/** The same for two tensors of as many elements, side by side; all planes unless both have leading ones. */
export async function forEachPair(
  readers: Readers,
  [a, b]: readonly [StoredTensor, StoredTensor],
  options: PieceOptions,
  use: (a: readonly Uint8Array[], b: readonly Uint8Array[]) => void,
): Promise<void> {
  const [x, y] = [directExtent(a), directExtent(b)];
  const elements = tensorElements(b);
  const isDirect = x !== null && y !== null;
  const left = isDirect ? directPieces(readers, x, elements, options) : splitPieces(readers, a);
  const right = isDirect ? directPieces(readers, y, elements, options) : splitPieces(readers, b);
  try {
    for (;;) {
      const [p, q] = await Promise.allSettled([left.next(), right.next()]);
      for (const one of [p, q]) if (one.status === 'rejected') throw one.reason;
      const pair = [p, q].map(
        (one) => (one as PromiseFulfilledResult<IteratorResult<Piece>>).value,
      );
      const [from, to] = pair as [IteratorResult<Piece>, IteratorResult<Piece>];
      try {
        throwIfAborted(options.signal);
        if (from.done || to.done) return;
        use(from.value.planes, to.value.planes);
      } finally {
        if (!from.done) from.value.release();
        if (!to.done) to.value.release();
      }
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)]);
  }
}
