/**
 * Where readers of planes are picked: one chain at a time, or what the chains of known requests share
 * decoded once.
 *
 * Start at `openPlanes` to read segments in an order that the caller sets, such as front to back through
 * files; at `readSegments` to get each once, in whatever order suits the chains.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { isUnreadable } from '../../../base/errors.js';
import { CHECKOUT_PLANES_BYTES } from '../../../base/limits.js';
import {
  type PlannedSegment,
  planChains,
  plannedBytes,
  type RetrievalScheme,
} from './chain-forest.js';
import { ChainReader } from './chain-reader.js';
import { ForestReader, type ForestReaderOptions } from './forest-reader.js';
import type { PlaneReader, SegmentRecords, SegmentRequest } from './plane-reader.js';
import { newStats, type RetrievalStats, totalBytes } from './read-counts.js';

/** Segments that are laid out together: their chains are some 10 times as many records. */
export const SEGMENTS_MAX = 8192;
/** Segments rebuilt at once where several may be: each holds its planes and those of its base. */
const SEGMENTS_AT_ONCE = 2;

/** A reader for requests that were announced. */
export interface OpenPlanes {
  readonly reader: PlaneReader;
  /** True if it decodes once what several of the requests need. */
  readonly isShared: boolean;
  /** Releases the planes that are kept. */
  close(): void;
}

/**
 * Picks the reader for segments that are about to be read: through a forest if their chains have
 * records in common, else one chain at a time.
 * @param requests  in about the order in which they will be read, each as often.
 * @throws {AbortedError}; a broken chain is found when its segment is read.
 */
export async function openPlanes(
  records: SegmentRecords,
  requests: readonly SegmentRequest[],
  options: Pick<ForestReaderOptions, 'signal' | 'cacheBytes'> = {},
): Promise<OpenPlanes> {
  const { signal, cacheBytes = CHECKOUT_PLANES_BYTES } = options;
  const how = signal ? { signal } : {};
  const single = { reader: new ChainReader(records, how), isShared: false, close: () => {} };
  if (requests.length < 2 || requests.length > SEGMENTS_MAX) return single;
  try {
    const forest = await planChains(records, requests, { ...how, keepOrder: true });
    const once = totalBytes(plannedBytes(forest, 'reusable'));
    if (once === totalBytes(plannedBytes(forest, 'independent'))) return single;
    const reader = new ForestReader(records, forest, { ...how, cacheBytes });
    return { reader, isShared: true, close: () => reader.close() };
  } catch (error) {
    if (isUnreadable(error)) return single;
    throw error;
  }
}

export interface ReadSegmentsOptions extends ForestReaderOptions {
  /** Default: reusable. */
  readonly scheme?: RetrievalScheme;
  /** Segments rebuilt at once; default: 2, for `independent` always 1. */
  readonly concurrency?: number;
  /**
   * Takes the leading planes of a segment; they are used again once the promise is fulfilled.
   * @param request  its place among the requests.
   */
  readonly onSegment?: (planes: readonly Uint8Array[], request: number) => Promise<void> | void;
}

/**
 * Reads leading planes of segments in the order that suits their chains.
 * @throws {NotFoundError} {CorruptError} {FormatVersionError}; {AbortedError} between segments.
 */
export async function readSegments(
  records: SegmentRecords,
  requests: readonly SegmentRequest[],
  options: ReadSegmentsOptions = {},
): Promise<RetrievalStats> {
  const { scheme = 'reusable', stats = newStats(), signal } = options;
  if (scheme === 'reusable') {
    for (let from = 0; from < requests.length; from += SEGMENTS_MAX) {
      const window = requests.slice(from, from + SEGMENTS_MAX);
      await readForest(records, window, from, { ...options, stats });
    }
    return stats;
  }
  const concurrency = scheme === 'independent' ? 1 : (options.concurrency ?? SEGMENTS_AT_ONCE);
  const reader = new ChainReader(records, { stats, ...(signal ? { signal } : {}) });
  await forEachLimit(requests, concurrency, async (request, at) => {
    throwIfAborted(signal);
    const lease = await reader.lend(request);
    try {
      await options.onSegment?.(lease.planes, at);
    } finally {
      lease.release();
    }
  });
  return stats;
}

/** Trees of chains, some at a time; each from its root, so that what is shared is decoded once. */
async function readForest(
  records: SegmentRecords,
  requests: readonly SegmentRequest[],
  first: number,
  options: ReadSegmentsOptions,
): Promise<void> {
  const { signal, onSegment } = options;
  const forest = await planChains(records, requests, signal ? { signal } : {});
  const reader = new ForestReader(records, forest, options);
  try {
    const trees = Array.from({ length: forest.starts.length - 1 }, (_, tree) => tree);
    await forEachLimit(trees, options.concurrency ?? SEGMENTS_AT_ONCE, async (tree) => {
      const end = forest.starts[tree + 1] as number;
      for (let place = forest.starts[tree] as number; place < end; place++) {
        const { request } = forest.order[place] as PlannedSegment;
        const lease = await reader.lendAt(place);
        try {
          await onSegment?.(lease.planes, first + request);
        } finally {
          lease.release();
        }
      }
    });
  } finally {
    reader.close();
  }
}
