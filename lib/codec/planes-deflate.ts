/**
 * The segment coder of the preview format: byte planes, optionally XORed with or subtracted from the
 * planes of a base, each chunk of each plane constant, stored or Huffman-coded by Node's deflate.
 *
 * Every plane is a stop: plane k needs only plane k of the base. New data is coded by the kernel
 * (planes-rans.ts); what this coder wrote stays readable.
 *
 *     codec head := 1 transform:u8 {mode:u8 [value:u8 | length:varint crc:u32]}  per plane, per chunk
 *
 * @see docs/format/codec.md §planes-deflate
 */
import { crc32 } from '../bytes/checksum.js';
import { ByteReader } from '../bytes/reader.js';
import { ByteWriter } from '../bytes/writer.js';
import { assert, BugError, CorruptError, FormatVersionError } from '../errors.js';
import { CHUNK_ELEMENTS } from '../limits.js';
import {
  encodeChunk,
  inflateChunk,
  MODE_CONSTANT,
  MODE_DEFLATE,
  MODE_STORED,
  releaseChunk,
  restoreChunk,
  TRANSFORM_BSUB,
  TRANSFORM_NONE,
  TRANSFORM_XOR,
} from './chunk.js';
import { entropyBits } from './entropy.js';
import {
  classPlanes,
  type DecodeOptions,
  type EncodedSegment,
  type SegmentPayload,
} from './segment-types.js';

export const CODEC_PLANES_DEFLATE = 1;

const SAMPLE_ELEMENTS = 1 << 15;

/** Chunk `index` of a plane. */
function chunkOf(plane: Uint8Array, index: number): Uint8Array {
  return plane.subarray(index * CHUNK_ELEMENTS, (index + 1) * CHUNK_ELEMENTS);
}

/**
 * Encodes one segment.
 * @param planes      child planes, plane 0 first; read, never kept.
 * @param basePlanes  planes of the base segment, same width and count, or null.
 */
export async function encodeSegment(
  planes: readonly Uint8Array[],
  basePlanes: readonly Uint8Array[] | null,
): Promise<EncodedSegment> {
  const width = planes.length;
  const transform = basePlanes === null ? TRANSFORM_NONE : chooseTransform(planes, basePlanes);
  const head = new ByteWriter();
  head.u8(CODEC_PLANES_DEFLATE).u8(transform);
  const chunks = Math.ceil((planes[0] as Uint8Array).length / CHUNK_ELEMENTS);
  const coded = await Promise.all(
    planes.map((plane, k) =>
      Promise.all(
        Array.from({ length: chunks }, (_, c) => {
          const base = basePlanes === null ? null : chunkOf(basePlanes[k] as Uint8Array, c);
          return encodeChunk(chunkOf(plane, c), base, transform);
        }),
      ),
    ),
  );
  const payloads: Uint8Array[][] = [];
  for (const plane of coded) {
    const bytes: Uint8Array[] = [];
    for (const chunk of plane) {
      head.u8(chunk.mode);
      if (chunk.mode === MODE_CONSTANT) head.u8(chunk.payload[0] as number);
      else {
        head.varint(chunk.payload.length).u32(crc32(chunk.payload));
        bytes.push(chunk.payload);
      }
    }
    payloads.push(bytes);
  }
  const [hi, mid] = classPlanes(width);
  const join = (from: number, to: number) => Buffer.concat(payloads.slice(from, to).flat());
  const segment = {
    head: head.finish().slice(),
    hi: join(0, hi),
    mid: join(hi, hi + mid),
    low: join(hi + mid, width),
    usesBase: transform !== TRANSFORM_NONE,
  };
  for (const plane of coded) for (const chunk of plane) releaseChunk(chunk);
  return segment;
}

/**
 * Decodes the leading planes of one segment; payloads of planes that are not wanted may be empty.
 * @param target  `wanted` planes of `count` bytes to write into; they may be those of the base.
 *   Default: fresh memory.
 * @throws {CorruptError} if the bytes do not give exactly `count` elements per plane; the target then
 *   holds anything.
 */
export async function decodeSegment(
  segment: SegmentPayload,
  options: DecodeOptions,
  target?: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const { count, wanted } = options;
  const planes = target
    ? target.slice(0, wanted)
    : Array.from({ length: wanted }, () => new Uint8Array(count));
  assert(
    planes.length === wanted && planes.every((plane) => plane.length === count),
    'planes of the size of the segment',
  );
  await eachChunk(segment, options, (k, c, bytes, base, transform) => {
    restoreChunk(chunkOf(planes[k] as Uint8Array, c), bytes, base, transform);
  });
  return planes;
}

/**
 * Decodes an encoded segment and compares it with the planes it was made of (invariant 9), chunk by
 * chunk: nothing of the size of a plane is allocated.
 * @throws {BugError} at the first difference.
 */
export async function verifySegment(
  coded: EncodedSegment,
  planes: readonly Uint8Array[],
  basePlanes: readonly Uint8Array[] | null,
  file: string,
): Promise<void> {
  const width = planes.length;
  const count = (planes[0] as Uint8Array).length;
  const scratch = new Uint8Array(Math.min(count, CHUNK_ELEMENTS));
  const base = coded.usesBase ? basePlanes : null;
  const options = { width, count, wanted: width, base, file };
  await eachChunk(coded, options, (k, c, bytes, baseChunk, transform) => {
    const expected = chunkOf(planes[k] as Uint8Array, c);
    let found = bytes;
    if (baseChunk !== null) {
      found = scratch.subarray(0, bytes.length);
      restoreChunk(found, bytes, baseChunk, transform);
    }
    if (Buffer.compare(found, expected) !== 0) {
      throw new BugError(`plane ${k} of '${file}' does not survive encoding`);
    }
  });
}

/** Called for every wanted chunk, in any order, with its decoded bytes before the delta is undone. */
type ChunkSink = (
  plane: number,
  chunk: number,
  bytes: Uint8Array,
  base: Uint8Array | null,
  transform: number,
) => void;

async function eachChunk(
  segment: SegmentPayload,
  { width, count, wanted, base, file }: DecodeOptions,
  sink: ChunkSink,
): Promise<void> {
  const reader = new ByteReader(segment.head, file);
  const transform = readTransform(reader);
  if (transform !== TRANSFORM_NONE && base === null) throw reader.corrupt('a base is missing');
  const chunks = Math.ceil(count / CHUNK_ELEMENTS);
  const [hi, mid] = classPlanes(width);
  const sources = [segment.hi, segment.mid, segment.low].map(
    (bytes) => new ByteReader(bytes, file),
  );
  const work: Promise<void>[] = [];
  try {
    for (let k = 0; k < width; k++) {
      const source = sources[k < hi ? 0 : k < hi + mid ? 1 : 2] as ByteReader;
      for (let c = 0; c < chunks; c++) {
        const elements = Math.min(CHUNK_ELEMENTS, count - c * CHUNK_ELEMENTS);
        const mode = reader.u8('chunk mode');
        const value = mode === MODE_CONSTANT ? reader.u8('chunk value') : 0;
        const length = mode === MODE_CONSTANT ? 0 : reader.varint('chunk length');
        const sum = mode === MODE_CONSTANT ? 0 : reader.u32('chunk checksum');
        if (k >= wanted) continue;
        const baseChunk =
          base === null || transform === TRANSFORM_NONE ? null : chunkOf(base[k] as Uint8Array, c);
        assert(baseChunk === null || baseChunk.length === elements, 'base of equal count');
        if (mode === MODE_CONSTANT) {
          sink(k, c, constantChunk(value, elements), baseChunk, transform);
          continue;
        }
        const payload = source.take(length, 'chunk');
        if (crc32(payload) !== sum) throw reader.corrupt('a chunk does not match its checksum');
        if (mode === MODE_STORED) {
          if (payload.length !== elements) throw wrongLength(reader, payload.length, elements);
          sink(k, c, payload, baseChunk, transform);
        } else if (mode === MODE_DEFLATE) {
          work.push(
            inflated(payload, elements, reader).then((bytes) => {
              sink(k, c, bytes, baseChunk, transform);
            }),
          );
        } else throw reader.corrupt(`chunk mode ${mode}`);
      }
    }
    reader.end();
    await Promise.all(work);
  } finally {
    // The sink writes into memory of the caller: nothing may be left at work after a failure.
    await Promise.allSettled(work);
  }
}

const ZEROS = new Uint8Array(CHUNK_ELEMENTS);

/** A chunk of one value, to be read only: most are the zeros of what did not change. */
function constantChunk(value: number, elements: number): Uint8Array {
  return value === 0 ? ZEROS.subarray(0, elements) : new Uint8Array(elements).fill(value);
}

function readTransform(reader: ByteReader): number {
  const codec = reader.u8('codec');
  if (codec !== CODEC_PLANES_DEFLATE) {
    throw new FormatVersionError(
      `'${reader.file}' uses codec ${codec}, which this dlv does not know`,
      {
        file: reader.file,
        found: codec,
        hint: 'upgrade dlv; other objects of the repository stay readable',
      },
    );
  }
  const transform = reader.u8('transform');
  if (transform > TRANSFORM_BSUB) throw reader.corrupt(`transform ${transform}`);
  return transform;
}

async function inflated(
  payload: Uint8Array,
  elements: number,
  reader: ByteReader,
): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await inflateChunk(payload, elements);
  } catch (error) {
    throw new CorruptError(
      `a chunk of '${reader.file}' cannot be inflated: ${(error as Error).message}`,
      { file: reader.file },
    );
  }
  if (bytes.length !== elements) throw wrongLength(reader, bytes.length, elements);
  return bytes;
}

function wrongLength(reader: ByteReader, found: number, expected: number): CorruptError {
  return reader.corrupt(`a chunk gives ${found} bytes instead of ${expected}`);
}

/** Compares the order-0 cost of the candidates on evenly spread samples of every plane. */
function chooseTransform(planes: readonly Uint8Array[], base: readonly Uint8Array[]): number {
  const n = (planes[0] as Uint8Array).length;
  const step = Math.max(1, Math.floor(n / SAMPLE_ELEMENTS));
  const costs = [0, 0, 0];
  for (let k = 0; k < planes.length; k++) {
    const a = planes[k] as Uint8Array;
    const b = base[k] as Uint8Array;
    assert(a.length === b.length, 'child and base of equal count');
    const counts = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)] as const;
    let total = 0;
    for (let i = 0; i < n; i += step) {
      const x = a[i] as number;
      const y = b[i] as number;
      (counts[0][x] as number)++;
      (counts[1][x ^ y] as number)++;
      (counts[2][(x - y) & 255] as number)++;
      total++;
    }
    for (let t = 0; t < 3; t++) {
      (costs[t] as number) += Math.min(8, entropyBits(counts[t] as Uint32Array, total));
    }
  }
  const [none, xor, bsub] = costs as [number, number, number];
  if (none <= Math.min(xor, bsub)) return TRANSFORM_NONE;
  return xor < bsub ? TRANSFORM_XOR : TRANSFORM_BSUB;
}
