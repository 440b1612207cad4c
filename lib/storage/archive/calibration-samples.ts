/**
 * Links for measuring how long decoding takes: generated numbers of every width, like the weights
 * of a network, like codes with few values and as noise, without a base and as deltas of near and
 * far bases. The numbers are the same on every machine; only times differ. @see calibrate.ts
 */

import { crc32 } from '../../base/bytes/checksum.js';
import { objectId } from '../../base/bytes/hash.js';
import { minOf, pushAll } from '../../base/bytes/many.js';
import { RUN_ELEMENTS } from '../../base/limits.js';
import { decodeSegment, type EncodedSegment, encodeSegment } from '../../pure/codec/segment.js';
import { splitPlanes } from '../../pure/tensor/planes.js';
import { planePool } from '../objects/planes/plane-pool.js';
import type { SegmentRequest } from '../objects/planes/plane-reader.js';
import { readSegments } from '../objects/planes/read-segments.js';
import { encodeSegmentHead } from '../objects/planes/segment-head.js';
import { newWorkName } from '../repo/processes/made-names.js';
import { MemoryBackend } from '../store/backends/memory-backend.js';
import { ObjectStore } from '../store/object-store.js';
import { PackSetWriter } from '../store/packs/pack-writer.js';

/** Widths that are measured. */
export const SAMPLED_WIDTHS = [1, 2, 4, 8] as const;
export type SampledWidth = (typeof SAMPLED_WIDTHS)[number];
/** Stored alone, or as a delta whose base is in memory. */
export type LinkKind = 'alone' | 'delta';

/** One measured link. */
export interface Sample {
  readonly width: SampledWidth;
  readonly kind: LinkKind;
  /** Coded bytes of head and planes, and elements. */
  readonly bytes: number;
  readonly elements: number;
  /** The least of its times. */
  readonly ms: number;
}

/** Elements of a sample: large enough that calls do not count; and of a record whose time is that of its handling. */
const ELEMENTS = RUN_ELEMENTS / 8;
const TINY_ELEMENTS = 2048;
const TINY_RECORDS = 64;
/** Times that each link is decoded at most. */
const ROUNDS_MAX = 5;

interface Link {
  width: SampledWidth;
  kind: LinkKind;
  elements: number;
  coded: EncodedSegment;
  base: Uint8Array[] | null;
  target: readonly Uint8Array[];
  times: number[];
}

/**
 * Decodes every link at least once, and again until the time is up.
 * @param clock    milliseconds that only grow.
 * @param limitMs  time for it all, encoding included.
 */
export async function measureLinks(clock: () => number, limitMs: number): Promise<Sample[]> {
  const started = clock();
  const links: Link[] = [];
  for (const width of SAMPLED_WIDTHS) {
    for (const elements of [TINY_ELEMENTS, ELEMENTS])
      pushAll(links, await makeLinks(width, elements));
  }
  for (let round = 0; round < ROUNDS_MAX; round++) {
    if (round > 0 && clock() - started > limitMs) break;
    for (const link of links) {
      const { head, hi, mid, low } = link.coded;
      const { width, elements: count, base, target } = link;
      const before = clock();
      for (const payload of [hi, mid, low]) crc32(payload);
      const options = { width, count, wanted: width, base, file: 'a sample' };
      await decodeSegment({ head, hi, mid, low }, options, target);
      link.times.push(clock() - before);
    }
  }
  return links.map(({ width, kind, elements, coded, times }) => {
    const { head, hi, mid, low } = coded;
    const bytes = head.length + hi.length + mid.length + low.length;
    return { width, kind, elements, bytes, ms: minOf(times) };
  });
}

/**
 * Milliseconds that a record takes however small it is: looking it up, reading it from memory,
 * checking it, one call of the kernel.
 */
export async function measureRecords(clock: () => number): Promise<number> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const writer = await PackSetWriter.create(backend, newWorkName('calibration'));
  const [link] = await makeLinks(4, TINY_ELEMENTS);
  const { head: codec, hi, mid, low } = (link as Link).coded;
  const requests: SegmentRequest[] = [];
  for (let record = 0; record < TINY_RECORDS; record++) {
    const id = objectId('blob', Uint8Array.of(record));
    const place = { id, segment: 0, segments: 1, width: 4, count: TINY_ELEMENTS };
    const head = encodeSegmentHead({ codec });
    await writer.addSegment({ ...place, base: null, depth: 0, head, hi, mid, low });
    requests.push({ id, segment: 0 });
  }
  await store.publish([await writer.finish()]);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = clock();
    await readSegments(store, requests, { scheme: 'independent' });
    times.push(clock() - before);
  }
  return minOf(times) / TINY_RECORDS;
}

async function makeLinks(width: SampledWidth, elements: number): Promise<Link[]> {
  const random = uniform(width);
  const weights = Float64Array.from({ length: elements }, () => 0.05 * normal(random));
  const codes = weights.map((value) => Math.round(40 * value) / 40);
  const noise = Uint8Array.from({ length: elements * width }, () => 256 * random());
  const moved = (step: number): Float64Array =>
    weights.map((value) => value + 0.05 * step * normal(random));
  const some = weights.map((value) => (random() < 0.02 ? value + 0.01 * normal(random) : value));
  const under = planesOf(weights, width);
  const contents: { planes: Uint8Array[]; base: Uint8Array[] | null }[] = [
    { planes: under, base: null },
    { planes: planesOf(codes, width), base: null },
    { planes: splitPlanes(noise, width), base: null },
    { planes: planesOf(moved(1e-4), width), base: under },
    { planes: planesOf(moved(1e-2), width), base: under },
    { planes: planesOf(some, width), base: under },
  ];
  const links: Link[] = [];
  for (const { planes, base } of contents) {
    const coded = await encodeSegment(planes, base, { level: 0 });
    // Numbers of one byte hardly move: a delta that does not pay is not a sample of deltas.
    if (base !== null && !coded.usesBase) continue;
    const kind = base === null ? 'alone' : 'delta';
    const target = planePool.lend(width, elements).planes;
    links.push({ width, kind, elements, coded, base, target, times: [] });
  }
  return links;
}

/** Numbers as elements of a width: float64, float32, bfloat16, or whole numbers of one byte. */
function planesOf(values: Float64Array, width: SampledWidth): Uint8Array[] {
  if (width === 8) return splitPlanes(new Uint8Array(values.buffer), 8);
  const planes = splitPlanes(new Uint8Array(Float32Array.from(values).buffer), 4);
  if (width === 4) return planes;
  if (width === 2) return planes.slice(0, 2);
  return [Uint8Array.from(values, (value) => Math.round(400 * value) & 0xff)];
}

/** Uniform numbers in [0, 1), the same for the same seed: mulberry32. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers from uniform ones, well enough. */
function normal(random: () => number): number {
  return 1.73 * (random() + random() + random() + random() - 2);
}
