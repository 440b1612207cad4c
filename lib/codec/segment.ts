/**
 * The segment coder of the preview format: byte planes, optionally XORed with or subtracted from the
 * planes of a base, each chunk of each plane constant, stored or Huffman-coded by Node's deflate.
 *
 * Every plane is a stop: plane k needs only plane k of the base. The kernel's codec replaces this
 * coder for new data; what it wrote stays readable for ever.
 *
 *     codec head := 1 transform:u8 {mode:u8 [value:u8 | length:varint crc:u32]}  per plane, per chunk
 *
 * @see docs/format/codec.md §planes-deflate
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { crc32 } from '../bytes/checksum.js';
import { ByteReader } from '../bytes/reader.js';
import { ByteWriter } from '../bytes/writer.js';
import { assert, CorruptError, FormatVersionError } from '../errors.js';
import { CHUNK_ELEMENTS } from '../limits.js';
import { entropyBits, histogram } from './entropy.js';

const deflate = promisify(deflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;
const inflate = promisify(inflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;

export const CODEC_PLANES_DEFLATE = 1;

const TRANSFORM_NONE = 0;
const TRANSFORM_XOR = 1;
const TRANSFORM_BSUB = 2;
const MODE_CONSTANT = 0;
const MODE_STORED = 1;
const MODE_DEFLATE = 2;
/** Coding below this share of the raw size is worth the time that decoding it takes. */
const WORTH_CODING = 0.98;
const SAMPLE_ELEMENTS = 1 << 15;

/** Payload bytes by plane class: hi = planes of the first stop ≥ min(2, w), mid = the next, low = the rest. */
export interface EncodedSegment {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
  usesBase: boolean;
}

/** Number of planes in each class for an element width. */
export function classPlanes(width: number): [hi: number, mid: number, low: number] {
  if (width <= 2) return [width, 0, 0];
  if (width === 4) return [2, 1, 1];
  return [2, 2, width - 4];
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
  const coded = await Promise.all(
    planes.map((plane, k) =>
      encodePlane(transformPlane(plane, basePlanes?.[k] ?? null, transform)),
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
  return {
    head: head.finish().slice(),
    hi: join(0, hi),
    mid: join(hi, hi + mid),
    low: join(hi + mid, width),
    usesBase: transform !== TRANSFORM_NONE,
  };
}

/** What `decodeSegment` reads: the codec head and the class payloads that hold the wanted planes. */
export interface SegmentPayload {
  head: Uint8Array;
  hi: Uint8Array;
  mid: Uint8Array;
  low: Uint8Array;
}

/** True if a codec head says that a base is needed. */
export function needsBase(head: Uint8Array): boolean {
  return head[1] !== TRANSFORM_NONE;
}

/**
 * Decodes the leading planes of one segment; payloads of planes that are not wanted may be empty.
 * @param width       bytes per element.
 * @param count       elements of this segment.
 * @param wanted      planes to decode, 1 … width.
 * @param basePlanes  at least `wanted` planes of the base segment if the head needs one.
 * @throws {CorruptError} if the bytes do not give exactly `count` elements per plane.
 */
export async function decodeSegment(
  segment: SegmentPayload,
  width: number,
  count: number,
  wanted: number,
  basePlanes: readonly Uint8Array[] | null,
  file: string,
): Promise<Uint8Array[]> {
  const reader = new ByteReader(segment.head, file);
  const codec = reader.u8('codec');
  if (codec !== CODEC_PLANES_DEFLATE) {
    throw new FormatVersionError(`'${file}' uses codec ${codec}, which this dlv does not know`, {
      file,
      found: codec,
      hint: 'upgrade dlv; other objects of the repository stay readable',
    });
  }
  const transform = reader.u8('transform');
  if (transform > TRANSFORM_BSUB) throw reader.corrupt(`transform ${transform}`);
  if (transform !== TRANSFORM_NONE && basePlanes === null)
    throw reader.corrupt('a base is missing');
  const chunks = Math.ceil(count / CHUNK_ELEMENTS);
  const [hi, mid] = classPlanes(width);
  const sources = [segment.hi, segment.mid, segment.low].map(
    (bytes) => new ByteReader(bytes, file),
  );
  const planes: Uint8Array[] = [];
  const work: Promise<void>[] = [];
  for (let k = 0; k < width; k++) {
    const source = sources[k < hi ? 0 : k < hi + mid ? 1 : 2] as ByteReader;
    const plane = new Uint8Array(k < wanted ? count : 0);
    for (let c = 0; c < chunks; c++) {
      const part = plane.subarray(c * CHUNK_ELEMENTS, Math.min(count, (c + 1) * CHUNK_ELEMENTS));
      const mode = reader.u8('chunk mode');
      if (mode === MODE_CONSTANT) {
        part.fill(reader.u8('chunk value'));
        continue;
      }
      const length = reader.varint('chunk length');
      const sum = reader.u32('chunk checksum');
      if (k >= wanted) continue;
      const payload = source.take(length, 'chunk');
      work.push(decodeChunk(mode, payload, sum, part, reader));
    }
    if (k < wanted) planes.push(plane);
  }
  reader.end();
  await Promise.all(work);
  if (basePlanes !== null && transform !== TRANSFORM_NONE) {
    for (let k = 0; k < wanted; k++) {
      restorePlane(planes[k] as Uint8Array, basePlanes[k] as Uint8Array, transform);
    }
  }
  return planes;
}

async function decodeChunk(
  mode: number,
  payload: Uint8Array,
  sum: number,
  target: Uint8Array,
  reader: ByteReader,
): Promise<void> {
  if (crc32(payload) !== sum) throw reader.corrupt('a chunk does not match its checksum');
  let bytes = payload;
  if (mode === MODE_DEFLATE) {
    try {
      bytes = await inflate(payload, {
        maxOutputLength: target.length + 1,
        chunkSize: Math.max(1024, target.length),
      });
    } catch (error) {
      throw new CorruptError(
        `a chunk of '${reader.file}' cannot be inflated: ${(error as Error).message}`,
        {
          file: reader.file,
        },
      );
    }
  } else if (mode !== MODE_STORED) throw reader.corrupt(`chunk mode ${mode}`);
  if (bytes.length !== target.length) {
    throw reader.corrupt(`a chunk gives ${bytes.length} bytes instead of ${target.length}`);
  }
  target.set(bytes);
}

interface CodedChunk {
  mode: number;
  payload: Uint8Array;
}

function encodePlane(plane: Uint8Array): Promise<CodedChunk[]> {
  const work: Promise<CodedChunk>[] = [];
  for (let at = 0; at < plane.length; at += CHUNK_ELEMENTS) {
    work.push(encodeChunk(plane.subarray(at, Math.min(plane.length, at + CHUNK_ELEMENTS))));
  }
  return Promise.all(work);
}

async function encodeChunk(bytes: Uint8Array): Promise<CodedChunk> {
  const first = bytes[0] as number;
  if (bytes.every((byte) => byte === first)) {
    return { mode: MODE_CONSTANT, payload: bytes.slice(0, 1) };
  }
  const bits = entropyBits(histogram(bytes), bytes.length);
  if (bits < 8 * WORTH_CODING) {
    // Huffman spends at least one bit per symbol; below that, runs of the frequent value pay.
    const strategy = bits < 1 ? constants.Z_DEFAULT_STRATEGY : constants.Z_HUFFMAN_ONLY;
    const coded = await deflate(bytes, { level: bits < 1 ? 6 : 1, memLevel: 9, strategy });
    if (coded.length < bytes.length * WORTH_CODING) return { mode: MODE_DEFLATE, payload: coded };
  }
  return { mode: MODE_STORED, payload: bytes.slice() };
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

function transformPlane(plane: Uint8Array, base: Uint8Array | null, transform: number): Uint8Array {
  if (base === null || transform === TRANSFORM_NONE) return plane;
  const out = new Uint8Array(plane.length);
  if (transform === TRANSFORM_XOR) {
    for (let i = 0; i < out.length; i++) out[i] = (plane[i] as number) ^ (base[i] as number);
  } else {
    for (let i = 0; i < out.length; i++) out[i] = (plane[i] as number) - (base[i] as number);
  }
  return out;
}

function restorePlane(plane: Uint8Array, base: Uint8Array, transform: number): void {
  assert(base.length === plane.length, 'base of equal count');
  if (transform === TRANSFORM_XOR) {
    for (let i = 0; i < plane.length; i++) plane[i] = (plane[i] as number) ^ (base[i] as number);
  } else {
    for (let i = 0; i < plane.length; i++) plane[i] = (plane[i] as number) + (base[i] as number);
  }
}
