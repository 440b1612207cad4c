/**
 * The storage part of `dlv bench`: the size of the tensors of some snapshots under general
 * compressors and under dlv's own encodings.
 *
 * Each extent is measured once, however many snapshots have it. If there are more bytes than asked
 * for, segments that are spread evenly over all of them are measured.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { compress as lz4Compress } from 'lz4-napi';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { mergeFast } from '../../pure/codec/planes.js';
import { encodeRans } from '../../pure/codec/planes-rans.js';
import type { SurveyedExtent } from '../../storage/archive/numbered-extents.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { lendUnder } from '../../storage/objects/planes/base-planes.js';
import type { PlaneLease } from '../../storage/objects/planes/plane-pool.js';
import { recodeBase, storedSegment } from '../../storage/objects/recode.js';
import type { OpContext } from '../context.js';
import {
  type Compressor,
  findZstd,
  GZIP_LEVEL,
  gzipBytes,
  NO_ZSTD,
  spreadEvenly,
  ZSTD_LEVEL,
} from './compressors.js';
import type { Subjects } from './subjects.js';

/** One way to store the tensors. */
export interface StorageRow {
  codec: string;
  /** null: not on this machine, see `missing`. */
  bytes: number | null;
  /** Bytes ÷ raw bytes. */
  share: number | null;
  /** Raw bytes for each second of encoding, one at a time; null where it is not measured. */
  bytesPerSecond: number | null;
  /** Bytes by class of planes; null where they are not apart. */
  classes: { hi: number; mid: number; low: number } | null;
}

export interface StorageResult {
  /** Bytes of the tensors, each counted once, and those that were measured. */
  tensorBytes: number;
  measuredBytes: number;
  /** Elements that have a base to be a delta of. */
  deltaShare: number;
  rows: StorageRow[];
  /** Compressors that this machine does not have, and why. */
  missing: string[];
}

/** A segment to measure and its base's. */
interface Job {
  extent: SurveyedExtent;
  base: SurveyedExtent | null;
  segment: number;
  count: number;
}

/** What is kept of one codec while it is measured. */
interface Tally {
  bytes: number;
  seconds: number;
  classes: { hi: number; mid: number; low: number } | null;
}

/** One measurement of a codec; the time is 0 where it was not taken. */
interface Measured extends Omit<Tally, 'bytes'> {
  sizes: readonly number[];
}

/** Ways of the kernel, in the order of tables. */
const ENCODINGS = [
  { codec: 'dlv fast', level: 0, isDelta: false, noPrefix: false },
  { codec: 'dlv default', level: 1, isDelta: false, noPrefix: false },
  { codec: 'dlv max', level: 2, isDelta: false, noPrefix: false },
  { codec: 'dlv delta fast', level: 0, isDelta: true, noPrefix: false },
  { codec: 'dlv delta default', level: 1, isDelta: true, noPrefix: false },
  { codec: 'dlv delta max', level: 2, isDelta: true, noPrefix: false },
  { codec: 'dlv delta full read', level: 1, isDelta: true, noPrefix: true },
] as const;
const LZ4_PIECE_BYTES = 1 << 20;
const ZLIB_LEVEL = 6;

const deflate = promisify(zlib.deflate) as (bytes: Uint8Array, o: object) => Promise<Uint8Array>;

/**
 * Of an interrupted run, what was measured until then.
 * @param mostBytes  bytes of tensors that are measured at most.
 * @throws {AbortedError} DLV_ABORTED if that is nothing.
 */
export async function benchStorage(
  repo: ReadAccess,
  subjects: Subjects,
  mostBytes: number,
  context: OpContext,
): Promise<StorageResult> {
  const all = jobsOf(subjects);
  const sizeOf = ({ extent, count }: Job): number => extent.width * count;
  const tensorBytes = all.reduce((sum, job) => sum + sizeOf(job), 0);
  const jobs = spreadEvenly(all, tensorBytes, mostBytes);
  const wantedBytes = jobs.reduce((sum, job) => sum + sizeOf(job), 0);
  let measuredBytes = 0;
  const tallies = new Map<string, Tally>();
  const missing: string[] = [];
  const zstd = await findZstd();
  if (zstd === null) missing.push(NO_ZSTD);
  context.progress.start('measuring encodings', wantedBytes);
  let delta = 0;
  for (const job of jobs) {
    if (measuredBytes > 0 && context.signal?.aborted) break;
    throwIfAborted(context.signal);
    const { id } = job.extent;
    const { segment, base } = job;
    const lease = await repo.planes.lend({ id, segment });
    const under = base === null ? null : await underPlanes(repo, job, base);
    if (under !== null) delta += sizeOf(job);
    const bytes = new Uint8Array(sizeOf(job));
    mergeFast(lease.planes, bytes);
    await measurePeers(tallies, bytes, lease.planes, zstd);
    await measureOwn(tallies, lease.planes, under?.planes ?? null);
    lease.release();
    under?.release();
    measuredBytes += sizeOf(job);
    context.progress.advance(sizeOf(job));
  }
  context.progress.finish();
  const rows = [...tallies].map(([codec, { bytes, seconds, classes }]): StorageRow => {
    const bytesPerSecond = seconds > 0 ? measuredBytes / seconds : null;
    return { codec, bytes, share: bytes / measuredBytes, bytesPerSecond, classes };
  });
  if (zstd === null) {
    const none = { bytes: null, share: null, bytesPerSecond: null, classes: null };
    rows.splice(4, 0, { codec: `zstd -${ZSTD_LEVEL}`, ...none });
  }
  const deltaShare = measuredBytes > 0 ? delta / measuredBytes : 0;
  return { tensorBytes, measuredBytes, deltaShare, rows, missing };
}

/** Planes of a base as a delta takes them; null if it cannot depend on it. */
async function underPlanes(
  { store, planes }: ReadAccess,
  { extent, segment }: Job,
  base: SurveyedExtent,
): Promise<PlaneLease | null> {
  const on = recodeBase(await storedSegment(store, extent.id, segment), base);
  if (on === null) return null;
  const { id, width, count } = extent;
  const { operation } = on;
  return lendUnder(store, planes, { id, width, count, segment, base: on.id, operation });
}

/** Every segment of every wanted extent, and what it would be a delta of. */
function jobsOf({ survey, vertices }: Subjects): Job[] {
  const jobs: Job[] = [];
  for (const vertex of [...new Set(vertices.flat())].sort((a, b) => a - b)) {
    const extent = survey.extents[vertex - 1] as SurveyedExtent;
    const under = extent.live.base || survey.near.neighbours(vertex).find((v) => v < vertex);
    const base = under === undefined ? null : (survey.extents[under - 1] as SurveyedExtent);
    for (let segment = 0; segment < extent.segments; segment++) {
      const count = Math.min(SEGMENT_ELEMENTS, extent.count - segment * SEGMENT_ELEMENTS);
      jobs.push({ extent, base, segment, count });
    }
  }
  return jobs;
}

async function measurePeers(
  tallies: Map<string, Tally>,
  bytes: Uint8Array,
  planes: readonly Uint8Array[],
  zstd: Compressor | null,
): Promise<void> {
  const hi = classOf(planes.length);
  const { length } = bytes;
  add(tallies, 'raw', { seconds: 0, sizes: [length], classes: null });
  const raw = tallies.get('raw') as Tally;
  raw.classes ??= { hi: 0, mid: 0, low: 0 };
  for (const [k, plane] of planes.entries()) raw.classes[hi(k)] += plane.length;
  await timed(tallies, `gzip -${GZIP_LEVEL}`, async () => [await gzipBytes(bytes)]);
  const started = performance.now();
  const sizes = { hi: 0, mid: 0, low: 0 };
  for (const [k, plane] of planes.entries()) {
    sizes[hi(k)] += (await deflate(plane, { level: ZLIB_LEVEL })).length;
  }
  const seconds = (performance.now() - started) / 1000;
  add(tallies, 'zlib by plane', { seconds, sizes: Object.values(sizes), classes: sizes });
  await timed(tallies, 'lz4', async () => {
    const pieces: number[] = [];
    for (let at = 0; at < length; at += LZ4_PIECE_BYTES) {
      const piece = bytes.subarray(at, at + LZ4_PIECE_BYTES);
      const view = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      pieces.push((await lz4Compress(view)).length);
    }
    return pieces;
  });
  if (zstd === null) return;
  if (zstd.isTimed)
    await timed(tallies, `zstd -${ZSTD_LEVEL}`, async () => [await zstd.run(bytes)]);
  else {
    const sizes = [await zstd.run(bytes)];
    add(tallies, `zstd -${ZSTD_LEVEL}`, { seconds: 0, sizes, classes: null });
  }
}

async function measureOwn(
  tallies: Map<string, Tally>,
  planes: readonly Uint8Array[],
  base: readonly Uint8Array[] | null,
): Promise<void> {
  for (const { codec, level, isDelta, noPrefix } of ENCODINGS) {
    const started = performance.now();
    const coded = await encodeRans(planes, isDelta ? base : null, { level, noPrefix });
    const seconds = (performance.now() - started) / 1000;
    const { head, hi, mid, low } = coded;
    const classes = { hi: head.length + hi.length, mid: mid.length, low: low.length };
    add(tallies, codec, { seconds, sizes: Object.values(classes), classes });
  }
}

/** Class of plane k of elements of a width. */
function classOf(width: number): (k: number) => 'hi' | 'mid' | 'low' {
  const mid = width === 4 ? 3 : 4;
  return (k) => (k < 2 ? 'hi' : k < mid ? 'mid' : 'low');
}

async function timed(
  tallies: Map<string, Tally>,
  codec: string,
  work: () => Promise<readonly number[]>,
): Promise<void> {
  const started = performance.now();
  const sizes = await work();
  const seconds = (performance.now() - started) / 1000;
  add(tallies, codec, { seconds, sizes, classes: null });
}

function add(
  tallies: Map<string, Tally>,
  codec: string,
  { seconds, sizes, classes }: Measured,
): void {
  const tally = tallies.get(codec) ?? { bytes: 0, seconds: 0, classes: null };
  for (const size of sizes) tally.bytes += size;
  tally.seconds += seconds;
  if (classes !== null) {
    tally.classes ??= { hi: 0, mid: 0, low: 0 };
    for (const kind of ['hi', 'mid', 'low'] as const) tally.classes[kind] += classes[kind];
  }
  tallies.set(codec, tally);
}
