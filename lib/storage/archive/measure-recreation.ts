/**
 * Measures what rebuilding a snapshot costs on this machine: bytes, counted while they are read,
 * and time.
 *
 * Planes are rebuilt in memory and dropped; no file is written. The bytes are those of the records
 * of all chains, as a plan counts them (`recreationBytes`); heads of links are read once.
 */

import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import type { Role } from '../../pure/tensor/layout.js';
import { extentsOf } from '../../pure/tensor/recipe-extents.js';
import type { ReadAccess } from '../objects/access.js';
import { planChains, plannedBytes, type RetrievalScheme } from '../objects/planes/chain-forest.js';
import type { SegmentRecords, SegmentRequest } from '../objects/planes/plane-reader.js';
import { type ReadBytes, type RetrievalStats, totalBytes } from '../objects/planes/read-counts.js';
import { readSegments } from '../objects/planes/read-segments.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import { segmentCount } from '../store/types.js';

/** An extent by what names it. */
export interface NamedExtent {
  readonly id: Id;
  /** Bytes of one element, and elements. */
  readonly width: number;
  readonly count: number;
}

/** A snapshot of a version. */
export interface SnapshotRef {
  readonly version: Id;
  readonly key: string;
  readonly role: Role;
}

export interface MeasureOptions {
  /** Leading planes; default: all. */
  readonly planes?: number;
  /** Default: independent. */
  readonly scheme?: RetrievalScheme;
  /** Rebuilds; default 1. Time is their median. */
  readonly repeat?: number;
  /** Planes of bases kept, for reusable. */
  readonly cacheBytes?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds that only grow; default: performance.now. */
  readonly clock?: () => number;
}

/** What rebuilding took. */
export interface MeasuredRecreation {
  readonly extents: number;
  /** Bytes read from packs by one rebuild, in all and by part. */
  readonly bytesRead: number;
  readonly bytes: ReadBytes;
  /** Segments decoded by one rebuild. */
  readonly decodes: number;
  /** Median of the times, and all of them, in milliseconds. */
  readonly ms: number;
  readonly times: readonly number[];
}

/** The distinct extents that the tensors of a snapshot view. @throws {NotFoundError} {CorruptError} */
export async function snapshotExtents(
  repo: ReadAccess,
  snapshot: SnapshotRef,
): Promise<NamedExtent[]> {
  const { files, snapshots } = await repo.tree(snapshot.version);
  const found = snapshots.find(({ key, role }) => key === snapshot.key && role === snapshot.role);
  if (found === undefined) {
    throw new NotFoundError(
      `version ${snapshot.version.slice(0, 10)} has no snapshot '${snapshot.key}' of ${snapshot.role}`,
      { kind: 'snapshot', name: snapshot.key },
    );
  }
  const extents = new Map<Id, NamedExtent>();
  for (const file of files) {
    if (!found.members.includes(file.path)) continue;
    const stored = await openStoredFile(repo, file);
    const viewed = new Set<number>();
    for (const { role, part } of stored.skeleton?.tensors ?? []) {
      if (role === snapshot.role) viewed.add(part);
    }
    for (const { id, width, count, part } of extentsOf(stored)) {
      if (viewed.has(part)) extents.set(id, { id, width, count });
    }
  }
  return [...extents.values()];
}

/** Every segment of some extents. */
export function segmentsOf(extents: readonly NamedExtent[], planes?: number): SegmentRequest[] {
  return extents.flatMap(({ id, count }) =>
    Array.from({ length: segmentCount(count) }, (_, segment) => ({
      id,
      segment,
      ...(planes === undefined ? {} : { planes }),
    })),
  );
}

/**
 * Bytes that rebuilding extents reads, from indexes (and heads, for leading planes) alone: each chain
 * in full for every extent, or, if reusable, every record once.
 */
export async function recreationBytes(
  store: SegmentRecords,
  extents: readonly NamedExtent[],
  options: Pick<MeasureOptions, 'planes' | 'scheme' | 'signal'> = {},
): Promise<ReadBytes> {
  const { planes, scheme = 'independent', signal } = options;
  const forest = await planChains(store, segmentsOf(extents, planes), signal ? { signal } : {});
  return plannedBytes(forest, scheme);
}

/**
 * Rebuilds a snapshot, or extents, and says what that took.
 * @throws {NotFoundError} {CorruptError}; {AbortedError}
 */
export async function measureRecreation(
  repo: ReadAccess,
  snapshot: SnapshotRef | readonly NamedExtent[],
  options: MeasureOptions = {},
): Promise<MeasuredRecreation> {
  const { planes, scheme = 'independent', signal, cacheBytes } = options;
  const clock = options.clock ?? (() => performance.now());
  const extents = isExtents(snapshot) ? snapshot : await snapshotExtents(repo, snapshot);
  const requests = segmentsOf(extents, planes);
  const how = {
    scheme,
    ...(signal ? { signal } : {}),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
  };
  const times: number[] = [];
  let stats: RetrievalStats | null = null;
  for (let run = 0; run < Math.max(1, options.repeat ?? 1); run++) {
    const started = clock();
    stats = await readSegments(repo.store, requests, how);
    times.push(clock() - started);
  }
  const { bytes, decodes } = stats as RetrievalStats;
  return {
    extents: extents.length,
    bytesRead: totalBytes(bytes),
    bytes,
    decodes,
    ms: median(times),
    times,
  };
}

function isExtents(
  snapshot: SnapshotRef | readonly NamedExtent[],
): snapshot is readonly NamedExtent[] {
  return Array.isArray(snapshot);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
