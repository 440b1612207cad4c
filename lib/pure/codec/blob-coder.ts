/**
 * Coding of blobs: literals, recipes, versions, chunks of unknown files.
 *
 * A codec byte says which coder and which byte shuffle; with a base of equal length the bytes are
 * first subtracted from it modulo 256. Blobs of numbers are also tried as a segment of their width.
 * The smallest wins; every coded blob is decoded and compared before it is used.
 *
 *     codec byte = coder (0 raw, 1 lz4 block, 2 raw deflate, 3 segment) | log2(width) << 4
 *
 * @see docs/format/codec.md §blobs
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import { decodeLz4, lz4, lz4BytesMin } from '../../base/bytes/lz4.js';
import { ByteReader } from '../../base/bytes/reader.js';
import { ByteWriter } from '../../base/bytes/writer.js';
import { assert, BugError, CorruptError } from '../../base/errors.js';
import { BLOB_BYTES_MAX, SEGMENT_ELEMENTS } from '../../base/limits.js';
import { mergePlanes, splitPlanes } from '../tensor/planes.js';
import { entropyBits, histogram } from './entropy.js';
import { decodeSegment, encodeSegment } from './segment.js';

const deflate = promisify(deflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;
const inflate = promisify(inflateRaw) as (b: Uint8Array, o: object) => Promise<Buffer>;

const CODER_RAW = 0;
const CODER_LZ4 = 1;
const CODER_DEFLATE = 2;
const CODER_SEGMENT = 3;
/** A shorter blob is not worth the tables of a segment. */
const SEGMENT_BYTES_MIN = 256;
/** Up to this size a blob is decoded at once, or deflated: waiting for another thread takes longer than the work. */
const AT_ONCE_BYTES = 16 * 1024;
/** Up to this size a blob is coded at once, and by deflate alone: loading LZ4 takes longer than it ever saves. */
const CODED_AT_ONCE_BYTES = 4 * 1024;
const DEFLATE = { level: 6 };
/** Bits per byte above which order-0 coding saves less than half a percent. */
const NOISE_BITS = 7.96;

export interface CodedBlob {
  codec: number;
  payload: Uint8Array;
}

/**
 * Codes a blob and checks that it decodes to the same bytes.
 * @param shuffleWidth  element width of the content (1, 2, 4, 8): its bytes are grouped by significance.
 * @param base          bytes of equal length to subtract, or null.
 */
export async function encodeBlob(
  bytes: Uint8Array,
  shuffleWidth = 1,
  base: Uint8Array | null = null,
): Promise<CodedBlob> {
  assert(base === null || base.length === bytes.length, 'a base of equal length');
  const width = bytes.length % shuffleWidth === 0 ? shuffleWidth : 1;
  const prepared = shuffle(base === null ? bytes : subtract(bytes, base), width);
  const transform = Math.log2(width) << 4;
  let best: CodedBlob = { codec: CODER_RAW | transform, payload: prepared };
  const isNumbers =
    width > 1 && bytes.length >= SEGMENT_BYTES_MIN && bytes.length / width <= SEGMENT_ELEMENTS;
  const numbers = isNumbers ? await encodeNumbers(bytes, width, base) : null;
  const packed = bytes.length >= 32 ? await packBytes(prepared, numbers?.length) : null;
  if (packed !== null && packed.payload.length < best.payload.length) {
    best = { codec: packed.coder | transform, payload: packed.payload };
  }
  if (numbers !== null && numbers.length < best.payload.length) {
    best = { codec: CODER_SEGMENT | transform, payload: numbers };
  }
  if (base === null && best.payload === prepared) return { codec: CODER_RAW, payload: bytes };
  const check = await decodeBlob({ ...best, rawBytes: bytes.length }, base, 'a new blob');
  if (Buffer.compare(check, bytes) !== 0) throw new BugError('a blob does not survive coding');
  return best;
}

/**
 * Codes bytes as such; what is returned may be longer than they are.
 * @param rival  bytes that another coding takes. Null is returned if this one would take more: that LZ4 does is
 *   seen of short bytes without its library.
 */
async function packBytes(
  bytes: Uint8Array,
  rival = Number.POSITIVE_INFINITY,
): Promise<{ coder: number; payload: Uint8Array } | null> {
  if (bytes.length <= CODED_AT_ONCE_BYTES) {
    return { coder: CODER_DEFLATE, payload: deflateRawSync(bytes, DEFLATE) };
  }
  if (bytes.length <= AT_ONCE_BYTES && lz4BytesMin(bytes) > rival) {
    if (deflateRawSync(bytes, DEFLATE).length > rival) return null;
  }
  const { buffer, byteOffset, length } = bytes;
  const packed = await lz4().compress(Buffer.from(buffer, byteOffset, length));
  const bare = packed.subarray(4);
  // Noise costs deflate a hundred times what LZ4 takes to see it: ask the histogram first.
  const noise = bare.length >= length && entropyBits(histogram(bytes), length) > NOISE_BITS;
  const deflated = noise ? bytes : await deflateSoon(bytes);
  // LZ4 decodes several times faster: deflate has to be clearly smaller.
  return deflated.length < bare.length * 0.95
    ? { coder: CODER_DEFLATE, payload: deflated }
    : { coder: CODER_LZ4, payload: bare };
}

async function deflateSoon(bytes: Uint8Array): Promise<Uint8Array> {
  return bytes.length <= AT_ONCE_BYTES ? deflateRawSync(bytes, DEFLATE) : deflate(bytes, DEFLATE);
}

/** A blob of numbers as one segment: head, hi, mid and low, each behind its length. */
async function encodeNumbers(
  bytes: Uint8Array,
  width: number,
  base: Uint8Array | null,
): Promise<Uint8Array> {
  const under = base === null ? null : splitPlanes(base, width);
  const { head, hi, mid, low } = await encodeSegment(splitPlanes(bytes, width), under, {
    level: 2,
  });
  const writer = new ByteWriter(bytes.length);
  for (const part of [head, hi, mid, low]) writer.varint(part.length).raw(part);
  return writer.finish().slice();
}

async function decodeNumbers(
  payload: Uint8Array,
  { rawBytes, width }: { rawBytes: number; width: number },
  base: Uint8Array | null,
  file: string,
): Promise<Uint8Array> {
  const reader = new ByteReader(payload, file);
  const take = (part: string): Uint8Array => reader.take(reader.varint(`${part} length`), part);
  const segment = { head: take('head'), hi: take('hi'), mid: take('mid'), low: take('low') };
  reader.end();
  const under = base === null ? null : splitPlanes(base, width);
  const planes = await decodeSegment(segment, {
    width,
    count: rawBytes / width,
    wanted: width,
    base: under,
    file,
  });
  const bytes = new Uint8Array(rawBytes);
  mergePlanes(planes, width, bytes);
  return bytes;
}

/** @throws if it is not a block of that many bytes. */
async function decodeLz4Block(block: Uint8Array, length: number): Promise<Uint8Array> {
  if (length <= AT_ONCE_BYTES) {
    const bytes = decodeLz4(block, length);
    if (bytes === null) throw new Error('a block of LZ4 is damaged');
    return bytes;
  }
  const framed = Buffer.alloc(4 + block.length);
  framed.writeUInt32LE(length, 0);
  framed.set(block, 4);
  return lz4().uncompress(framed);
}

/** A blob as its record has it. */
export interface StoredBlob extends CodedBlob {
  /** Bytes that the payload has to give. */
  readonly rawBytes: number;
}

/**
 * Decodes a blob of exactly `rawBytes` bytes.
 * @throws {CorruptError} if the payload does not give them.
 */
export async function decodeBlob(
  { codec, payload, rawBytes }: StoredBlob,
  base: Uint8Array | null,
  file: string,
): Promise<Uint8Array> {
  const coder = codec & 0x0f;
  const widthLog = codec >> 4;
  const fail = (why: string): never => {
    throw new CorruptError(`blob in '${file}' cannot be decoded: ${why}`, {
      file,
      hint: "run 'dlv fsck'",
    });
  };
  if (rawBytes > BLOB_BYTES_MAX) fail(`${rawBytes} bytes are above the limit`);
  if (widthLog > 3 || rawBytes % (1 << widthLog) !== 0) fail(`codec byte ${codec}`);
  if (base !== null && base.length !== rawBytes) fail('its base has another length');
  if (coder === CODER_SEGMENT) {
    const elements = rawBytes >> widthLog;
    if (widthLog === 0 || elements === 0 || elements > SEGMENT_ELEMENTS)
      fail(`codec byte ${codec} for ${rawBytes} bytes`);
    return decodeNumbers(payload, { rawBytes, width: 1 << widthLog }, base, `blob in '${file}'`);
  }
  let prepared: Uint8Array = payload;
  try {
    if (coder === CODER_DEFLATE) {
      // One byte more than expected is enough to see that a payload inflates to too much.
      const options = { maxOutputLength: rawBytes + 1, finishFlush: constants.Z_SYNC_FLUSH };
      prepared =
        rawBytes <= AT_ONCE_BYTES
          ? inflateRawSync(payload, options)
          : await inflate(payload, options);
    } else if (coder === CODER_LZ4) {
      prepared = await decodeLz4Block(payload, rawBytes);
    } else if (coder !== CODER_RAW) fail(`coder ${coder} is unknown`);
  } catch (error) {
    if (error instanceof CorruptError) throw error;
    fail((error as Error).message);
  }
  if (prepared.length !== rawBytes) fail(`${prepared.length} bytes instead of ${rawBytes}`);
  const plain = unshuffle(prepared, 1 << widthLog);
  return base === null ? plain : add(plain, base);
}

function shuffle(bytes: Uint8Array, width: number): Uint8Array {
  if (width === 1) return bytes;
  return Buffer.concat(splitPlanes(bytes, width));
}

function unshuffle(bytes: Uint8Array, width: number): Uint8Array {
  if (width === 1) return bytes;
  const n = bytes.length / width;
  const planes = Array.from({ length: width }, (_, k) => bytes.subarray(k * n, (k + 1) * n));
  const target = new Uint8Array(bytes.length);
  mergePlanes(planes, width, target);
  return target;
}

function subtract(bytes: Uint8Array, base: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = (bytes[i] as number) - (base[i] as number);
  return out;
}

function add(bytes: Uint8Array, base: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = (bytes[i] as number) + (base[i] as number);
  return out;
}
