/**
 * Many tensors at once: every segment that they view is rebuilt once, in the order that suits the
 * chains, and its elements go where they belong. Several times as fast as one tensor after another.
 */
import { constants } from 'node:buffer';
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError, LimitError } from '../../../base/errors.js';
import { LOADED_AHEAD_BYTES, SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { mergeFast } from '../../../pure/codec/planes.js';
import type { DType } from '../../../pure/tensor/dtype.js';
import type { ObjectAccess } from '../access.js';
import { completed, knownOf } from '../planes/leading-planes.js';
import { otherSize } from '../planes/plane-reader.js';
import { readSegments } from '../planes/read-segments.js';
import { segmentElements } from '../planes/segment-head.js';
import { readTensor } from './read-tensor.js';
import { isContiguous, type StoredTensor, tensorBytes } from './tensors.js';

export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Is told of bytes as they are there. */
  readonly onBytes?: (bytes: number) => void;
  /** Of floats, only so many leading planes are read: each value is the middle of what it can be. */
  readonly planes?: number;
}

/** Bytes of a segment that belong to a tensor. */
interface Piece {
  readonly array: Uint8Array;
  /** Where they begin in the array, and in the segment. */
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

interface SegmentWork {
  readonly id: Id;
  readonly segment: number;
  readonly width: number;
  readonly count: number;
  readonly dtype: DType;
  /** Leading planes that are read. */
  readonly planes: number;
  readonly pieces: Piece[];
}

/**
 * Elements of tensors, row-major and little-endian, verified: an array each, whose memory is its own.
 * @throws {LimitError} for a tensor of more bytes than an array holds; {CorruptError} {AbortedError}
 */
export async function loadTensors(
  repo: ObjectAccess,
  tensors: readonly StoredTensor[],
  options: LoadOptions = {},
): Promise<Uint8Array[]> {
  const { signal, onBytes = () => {} } = options;
  const arrays = tensors.map(newArray);
  const work = new Map<string, SegmentWork>();
  for (const [i, tensor] of tensors.entries()) {
    if (isDirect(tensor)) addSegments(work, tensor, arrays[i] as Uint8Array, options.planes);
  }
  const segments = [...work.values()];
  await readSegments(repo.store, segments, {
    ...(signal ? { signal } : {}),
    onSegment: async (planes, at) => {
      const {
        id,
        segment,
        width,
        count,
        dtype,
        pieces,
        planes: known,
      } = segments[at] as SegmentWork;
      const elements = segmentElements(count, segment);
      if (planes.length !== known || planes[0]?.length !== elements) throw otherSize(id);
      if ((await repo.hashes.of(id)).length !== width) throw otherSize(id);
      await repo.hashes.check(id, segment, planes);
      if (known === width) onBytes(place(planes, pieces));
      else {
        const whole = completed({ planes, release: () => {} }, width, dtype);
        onBytes(place(whole.planes, pieces));
        whole.release();
      }
    },
  });
  for (const [i, tensor] of tensors.entries()) {
    if (!isDirect(tensor))
      onBytes(await fill(repo, tensor, arrays[i] as Uint8Array, options.planes));
  }
  return arrays;
}

/**
 * The same for a list of any length, in its order and in bounded pieces: a small tensor whole, a
 * large one in several.
 */
export async function* streamTensors(
  repo: ObjectAccess,
  tensors: readonly StoredTensor[],
  options: LoadOptions = {},
): AsyncGenerator<{ tensor: number; bytes: Uint8Array }> {
  for (const { first, end, bytes } of windows(tensors)) {
    if (bytes > LOADED_AHEAD_BYTES) {
      const tensor = tensors[first] as StoredTensor;
      for await (const piece of readTensor(repo, tensor, options.planes)) {
        options.onBytes?.(piece.length);
        yield { tensor: first, bytes: piece };
      }
      continue;
    }
    const arrays = await loadTensors(repo, tensors.slice(first, end), options);
    for (const [i, array] of arrays.entries()) yield { tensor: first + i, bytes: array };
  }
}

/** The same, with every tensor whole, whatever its size. */
export async function* eachTensor(
  repo: ObjectAccess,
  tensors: readonly StoredTensor[],
  options: LoadOptions = {},
): AsyncGenerator<{ tensor: number; bytes: Uint8Array }> {
  for (const { first, end } of windows(tensors)) {
    const arrays = await loadTensors(repo, tensors.slice(first, end), options);
    for (const [i, array] of arrays.entries()) yield { tensor: first + i, bytes: array };
  }
}

/** Cuts a list so that what is loaded at once is bounded, but for a tensor that is larger alone. */
function* windows(
  tensors: readonly StoredTensor[],
): Generator<{ first: number; end: number; bytes: number }> {
  for (let first = 0; first < tensors.length; ) {
    let bytes = tensorBytes(tensors[first] as StoredTensor);
    let end = first + 1;
    for (; end < tensors.length; end++) {
      const next = tensorBytes(tensors[end] as StoredTensor);
      if (bytes + next > LOADED_AHEAD_BYTES) break;
      bytes += next;
    }
    yield { first, end, bytes };
    first = end;
  }
}

function newArray(tensor: StoredTensor): Uint8Array {
  const bytes = tensorBytes(tensor);
  if (bytes <= constants.MAX_LENGTH) return new Uint8Array(bytes);
  throw new LimitError(
    `tensor '${tensor.name}' has ${bytes} bytes, more than the ${constants.MAX_LENGTH} of an array`,
    { file: tensor.path, hint: `stream it: '${tensor.path}#${tensor.name}'` },
  );
}

/** True if segments hold the tensor's elements in order. */
function isDirect(tensor: StoredTensor): boolean {
  return tensor.home.kind === 'extent' && tensorBytes(tensor) > 0 && isContiguous(tensor);
}

function addSegments(
  work: Map<string, SegmentWork>,
  { home, byteOffset, dtype }: StoredTensor,
  array: Uint8Array,
  leading: number | undefined,
): void {
  if (home.kind !== 'extent') return;
  const { id, width, count } = home;
  const planes = leading === undefined ? width : knownOf({ dtype, planes: leading }, width);
  const segmentBytes = SEGMENT_ELEMENTS * width;
  const end = byteOffset + array.length;
  for (let segment = Math.floor(byteOffset / segmentBytes); ; segment++) {
    const start = segment * segmentBytes;
    if (start >= end) return;
    const from = Math.max(0, byteOffset - start);
    const at = start + from - byteOffset;
    const length = Math.min(segmentBytes - from, array.length - at);
    const key = `${id} ${segment} ${width} ${count} ${planes < width ? dtype : ''}`;
    const known = work.get(key) ?? { id, segment, width, count, dtype, planes, pieces: [] };
    known.pieces.push({ array, at, from, length });
    work.set(key, known);
  }
}

/** Joins planes where the pieces of a segment belong. @returns their bytes. */
function place(planes: readonly Uint8Array[], pieces: readonly Piece[]): number {
  const whole = planes.length * (planes[0] as Uint8Array).length;
  let joined: Uint8Array | null = null;
  let bytes = 0;
  for (const { array, at, from, length } of pieces) {
    const target = array.subarray(at, at + length);
    bytes += length;
    if (joined !== null) target.set(joined.subarray(from, from + length));
    else if (length === whole) {
      mergeFast(planes, target);
      joined = target;
    } else {
      joined = new Uint8Array(whole);
      mergeFast(planes, joined);
      target.set(joined.subarray(from, from + length));
    }
  }
  return bytes;
}

async function fill(
  repo: ObjectAccess,
  tensor: StoredTensor,
  array: Uint8Array,
  planes: number | undefined,
): Promise<number> {
  let at = 0;
  for await (const bytes of readTensor(repo, tensor, planes)) {
    if (at + bytes.length > array.length) break;
    array.set(bytes, at);
    at += bytes.length;
  }
  if (at === array.length) return at;
  throw new CorruptError(`tensor '${tensor.name}' has other bytes than its shape says`, {
    file: tensor.path,
    hint: "run 'dlv fsck'",
  });
}
