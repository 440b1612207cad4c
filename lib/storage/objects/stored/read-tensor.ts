/** Reads a tensor as row-major little-endian elements in bounded pieces, whatever its strides are. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { CorruptError, LimitError } from '../../../base/errors.js';
import { RUN_ELEMENTS, SEGMENT_ELEMENTS, WIDTH_MAX } from '../../../base/limits.js';
import { DTYPES } from '../../../pure/tensor/dtype.js';
import { type ExtentSpan, elementCount } from '../../../pure/tensor/layout.js';
import { swapBytes } from '../../../pure/tensor/planes.js';
import { verifiedBytes } from '../planes/leading-planes.js';
import type { Readers } from './stored-file.js';
import { isContiguous, type StoredTensor, tensorBytes, viewBytes } from './tensors.js';

/** Bytes that a view which is not contiguous may span: it is gathered in memory. */
const GATHER_BYTES_MAX = 512 * 1024 * 1024;
/** Bytes that such a view may give: one whose strides are 0 can name a number without end. */
const GATHERED_BYTES_MAX = 2 ** 36;

/**
 * Elements of a tensor in row-major order, little-endian, verified against the extent id.
 * @param planes  of floats, only so many leading planes are read: each value is the middle of what it can be.
 * @returns  pieces of RUN_ELEMENTS elements (the last may be shorter); packed types in bytes.
 * @throws {LimitError} for a view that is not contiguous and spans over 512 MiB or gives over 64 GiB.
 */
export async function* readTensor(
  readers: Readers,
  tensor: StoredTensor,
  planes = WIDTH_MAX,
): AsyncGenerator<Uint8Array> {
  const total = tensorBytes(tensor);
  if (total === 0) return;
  const { bits } = DTYPES[tensor.dtype];
  const pieceBytes = RUN_ELEMENTS * Math.max(1, bits / 8);
  if (isContiguous(tensor)) {
    yield* pieces(rangeOf(readers, tensor, { length: total, planes }), pieceBytes);
    return;
  }
  const span = viewBytes(tensor);
  const bounds = [
    { bytes: span, max: GATHER_BYTES_MAX, what: 'over' },
    { bytes: total, max: GATHERED_BYTES_MAX, what: 'of' },
  ];
  for (const { bytes, max, what } of bounds) {
    if (bytes <= max) continue;
    throw new LimitError(
      `tensor '${tensor.name}' is a strided view ${what} ${bytes} bytes, more than ${max}`,
      {
        file: tensor.path,
        hint: 'save it contiguous',
      },
    );
  }
  const source = new Uint8Array(span);
  let at = 0;
  for await (const bytes of rangeOf(readers, tensor, { length: span, planes })) {
    source.set(bytes, at);
    at += bytes.length;
  }
  yield* gather(source, tensor, bits / 8);
}

/** Cuts and joins a stream into pieces of exactly `size` bytes, the last shorter. */
async function* pieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const bytes of stream) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= size) {
      yield rest.subarray(0, size);
      rest = rest.subarray(size);
    }
  }
  if (rest.length > 0) yield rest;
}

async function* rangeOf(
  readers: Readers,
  tensor: StoredTensor,
  { length, planes }: { length: number; planes: number },
): AsyncGenerator<Uint8Array> {
  const { home, dtype, byteOffset: offset } = tensor;
  if (home.kind === 'literal') {
    const blob = await readers.blobs.readBlob(home.id, 'blob');
    const start = home.offset + offset;
    if (start + length > blob.length)
      throw new CorruptError(`tensor '${tensor.name}' lies outside its literal`, {
        file: tensor.path,
      });
    if (!home.byteSwap) {
      yield blob.subarray(start, start + length);
      return;
    }
    // A copy: the blob is others' as well.
    const turned = Uint8Array.from(blob.subarray(home.offset, home.offset + home.length));
    swapBytes(turned, home.width);
    yield turned.subarray(offset, offset + length);
    return;
  }
  if (home.kind === 'none') return;
  if (home.kind === 'file') {
    yield* fileRange(home, offset, length);
    return;
  }
  const { id, width, count } = home;
  const segmentBytes = SEGMENT_ELEMENTS * width;
  const end = offset + length;
  for (let segment = Math.floor(offset / segmentBytes); segment * segmentBytes < end; segment++) {
    const bytes = await verifiedBytes(readers, { id, width, count }, segment, { dtype, planes });
    const start = segment * segmentBytes;
    yield bytes.subarray(Math.max(0, offset - start), Math.min(bytes.length, end - start));
  }
}

/** A range of a span of a file, in whole elements; big-endian ones are turned. */
async function* fileRange(
  home: { source: ByteSource; span: ExtentSpan },
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  const { source, span } = home;
  const piece = RUN_ELEMENTS * span.width;
  for (let at = 0; at < length; at += piece) {
    const bytes = await source.read(span.offset + offset + at, Math.min(piece, length - at));
    if (span.byteSwap) swapBytes(bytes, span.width);
    yield bytes;
  }
}

/** Copies the elements of a strided view into row-major pieces. */
function* gather(
  source: Uint8Array,
  tensor: StoredTensor,
  elementBytes: number,
): Generator<Uint8Array> {
  const { shape } = tensor;
  const strides = tensor.strides as number[];
  const total = elementCount(shape);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let done = 0; done < total; ) {
    const count = Math.min(RUN_ELEMENTS, total - done);
    const piece = new Uint8Array(count * elementBytes);
    for (let i = 0; i < count; i++) {
      const from = position * elementBytes;
      for (let b = 0; b < elementBytes; b++)
        piece[i * elementBytes + b] = source[from + b] as number;
      for (let d = shape.length - 1; d >= 0; d--) {
        (index[d] as number)++;
        position += strides[d] as number;
        if ((index[d] as number) < (shape[d] as number)) break;
        position -= (strides[d] as number) * (shape[d] as number);
        index[d] = 0;
      }
    }
    done += count;
    yield piece;
  }
}
