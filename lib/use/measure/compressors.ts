/**
 * General compressors that people know, to compare with: gzip of Node, zstd of Node or of a program.
 */
import { spawn } from 'node:child_process';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { mergeFast } from '../../pure/codec/planes.js';
import type { SurveyedExtent } from '../../storage/archive/numbered-extents.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import type { Subjects } from './subjects.js';

export const ZSTD_LEVEL = 3;
export const GZIP_LEVEL = 6;

const gzip = promisify(zlib.gzip) as (bytes: Uint8Array, o: object) => Promise<Uint8Array>;

/** Bytes that gzip makes of some. */
export async function gzipBytes(bytes: Uint8Array): Promise<number> {
  return (await gzip(bytes, { level: GZIP_LEVEL })).length;
}

/** Gives the compressed size of some bytes. */
export interface Compressor {
  /** False if starting a program would be what is timed. */
  isTimed: boolean;
  run(bytes: Uint8Array): Promise<number>;
}

/** Node's own zstd, else the zstd program, else null. */
export async function findZstd(): Promise<Compressor | null> {
  const own = (zlib as { zstdCompress?: typeof zlib.deflate }).zstdCompress;
  if (own !== undefined) {
    const compress = promisify(own) as (bytes: Uint8Array) => Promise<Uint8Array>;
    return { isTimed: true, run: async (bytes) => (await compress(bytes)).length };
  }
  const program: Compressor = { isTimed: false, run: runZstd };
  return (await runZstd(new Uint8Array(16)).catch(() => null)) === null ? null : program;
}

export const NO_ZSTD = 'zstd: this Node has none and there is no zstd program';

/** Length of what `zstd` makes of its standard input. @throws if there is no such program. */
function runZstd(bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('zstd', [`-${ZSTD_LEVEL}`, '-q', '-c'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let length = 0;
    child.stdout.on('data', (piece: Uint8Array) => {
      length += piece.length;
    });
    child.once('error', reject);
    // A program that ends early breaks its input; its exit code says so.
    child.stdin.once('error', () => {});
    child.once('close', (code) => {
      if (code === 0) resolve(length);
      else reject(new Error(`zstd ended with ${code}`));
    });
    child.stdin.end(bytes);
  });
}

export interface SharesOptions {
  /** Bytes of tensors that are tried at most. */
  mostBytes: number;
  /** Asked before each piece: false ends the work. */
  hasTime(): boolean;
}

export interface CompressedShares {
  /** Compressed ÷ raw bytes; null if this machine lacks the compressor or nothing was tried. */
  shares: { how: string; share: number | null }[];
  /** True if every tensor was tried. */
  isWhole: boolean;
  missing: string[];
}

/** Tries the compressors on segments of the subjects, spread evenly where there are too many. */
export async function compressedShares(
  repo: ReadAccess,
  { survey, vertices }: Subjects,
  context: OpContext,
  options: SharesOptions,
): Promise<CompressedShares> {
  const zstd = await findZstd();
  const extents = [...new Set(vertices.flat())].map(
    (vertex) => survey.extents[vertex - 1] as SurveyedExtent,
  );
  const segments = extents.flatMap(({ id, width, count, segments: number }) =>
    Array.from({ length: number }, (_, segment) => ({
      id,
      segment,
      bytes: width * Math.min(SEGMENT_ELEMENTS, count - segment * SEGMENT_ELEMENTS),
    })),
  );
  const total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const chosen = spreadEvenly(segments, total, options.mostBytes);
  context.progress.start('trying other compressors', Math.min(total, options.mostBytes));
  const sums = { raw: 0, gzip: 0, zstd: 0 };
  let tried = 0;
  for (const { id, segment, bytes } of chosen) {
    throwIfAborted(context.signal);
    if (!options.hasTime()) break;
    const lease = await repo.planes.lend({ id, segment });
    const whole = new Uint8Array(bytes);
    mergeFast(lease.planes, whole);
    lease.release();
    sums.raw += bytes;
    sums.gzip += await gzipBytes(whole);
    if (zstd !== null) sums.zstd += await zstd.run(whole);
    context.progress.advance(bytes);
    tried++;
  }
  context.progress.finish();
  const shareOf = (sum: number): number | null => (sums.raw > 0 ? sum / sums.raw : null);
  const missing = zstd === null ? [NO_ZSTD] : [];
  if (tried < chosen.length) {
    missing.push(
      `${chosen.length - tried} tensors that compressors were to be tried on: no time left`,
    );
  }
  return {
    shares: [
      { how: `gzip -${GZIP_LEVEL}`, share: shareOf(sums.gzip) },
      { how: `zstd -${ZSTD_LEVEL}`, share: zstd === null ? null : shareOf(sums.zstd) },
    ],
    isWhole: tried === segments.length,
    missing,
  };
}

/** Items of about `most` of `total` bytes, evenly chosen; at least the first. */
export function spreadEvenly<T>(items: readonly T[], total: number, most: number): T[] {
  if (total <= most) return [...items];
  const share = most / total;
  return items.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share) || i === 0);
}
