/**
 * Extents of floats of which only leading planes are read: verified, and completed to whole elements
 * by the middle of what each value can be. @see ../../../pure/tensor/prefix.ts
 */
import type { Id } from '../../../base/bytes/hash.js';
import { mergeFast } from '../../../pure/codec/planes.js';
import { DTYPES, type DType } from '../../../pure/tensor/dtype.js';
import { fillPlanes, leadingOf } from '../../../pure/tensor/prefix.js';
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import type { StoredFile } from '../stored/stored-file.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import {
  type NamedExtent,
  otherSize,
  type PlaneReader,
  type SegmentRequest,
} from './plane-reader.js';
import type { VerifiedReaders } from './run-hashes.js';
import { segmentElements } from './segment-head.js';

/** Leading planes in place of all, of extents whose elements are of a dtype. */
export interface Leading {
  readonly dtype: DType;
  readonly planes: number;
}

/** Planes that are read of elements of a width, which those of a dtype have or view otherwise. */
export function knownOf({ dtype, planes }: Leading, width: number): number {
  return DTYPES[dtype].width === width ? leadingOf(dtype, planes) : width;
}

/**
 * All planes of a segment, checked against the extent's id; of floats only the leading ones are read, if so asked.
 * @throws {CorruptError} also if the extent has another size; as PlaneReader.lend.
 */
export async function lendVerified(
  readers: VerifiedReaders,
  { id, width, count }: NamedExtent,
  segment: number,
  leading?: Leading,
): Promise<PlaneLease> {
  // Widths are told apart by the number of hash planes: fewer planes would pass as other numbers.
  if ((await readers.hashes.of(id)).length !== width) throw otherSize(id);
  const known = leading === undefined ? width : knownOf(leading, width);
  const lease = await readers.planes.lend({ id, segment, planes: known });
  const elements = segmentElements(count, segment);
  if (lease.planes.length !== known || lease.planes[0]?.length !== elements) throw otherSize(id);
  await readers.hashes.check(id, segment, lease.planes);
  return known === width ? lease : completed(lease, width, (leading as Leading).dtype);
}

/**
 * Little-endian bytes of one segment, checked against the extent's id.
 * @param extent   with the size that is said of it.
 * @param leading  where only leading planes are read.
 * @throws {CorruptError} also if the extent has another size; as PlaneReader.lend.
 */
export async function verifiedBytes(
  readers: VerifiedReaders,
  extent: NamedExtent,
  segment: number,
  leading?: Leading,
): Promise<Uint8Array> {
  const lease = await lendVerified(readers, extent, segment, leading);
  const bytes = new Uint8Array(extent.width * (lease.planes[0] as Uint8Array).length);
  mergeFast(lease.planes, bytes);
  lease.release();
  return bytes;
}

/** Takes leading planes over and gives all of them. */
export function completed(lease: PlaneLease, width: number, dtype: DType): PlaneLease {
  const known = lease.planes.length;
  const whole = planePool.lend(width, (lease.planes[0] as Uint8Array).length);
  for (const [k, plane] of lease.planes.entries()) whole.planes[k]?.set(plane);
  lease.release();
  fillPlanes(whole.planes, known, dtype);
  return whole;
}

/** Extents of a file that all its tensors view as the same dtype, one of floats that planes can be left out of. */
export function floatExtents(file: StoredFile): Map<Id, NamedExtent & { dtype: DType }> {
  const views = new Map<number, Set<DType>>();
  for (const { part, dtype } of file.skeleton?.tensors ?? []) {
    views.set(part, (views.get(part) ?? new Set<DType>()).add(dtype));
  }
  const found = new Map<Id, NamedExtent & { dtype: DType }>();
  const others = new Set<Id>();
  for (const { id, width, count, part } of extentsOf(file)) {
    const [dtype, ...more] = views.get(part) ?? [];
    const fits =
      dtype !== undefined &&
      more.length === 0 &&
      DTYPES[dtype].width === width &&
      leadingOf(dtype, 1) < width;
    if (!fits || (found.get(id)?.dtype ?? dtype) !== dtype) others.add(id);
    else found.set(id, { id, width, count, dtype });
  }
  for (const id of others) found.delete(id);
  return found;
}

/** The planes of a file of which only leading ones are read where it holds floats; all are verified. */
export class LeadingPlanes implements PlaneReader {
  readonly #readers: VerifiedReaders;
  readonly #floats: ReadonlyMap<Id, NamedExtent & { dtype: DType }>;
  readonly #planes: number;

  constructor(readers: VerifiedReaders, file: StoredFile, planes: number) {
    this.#readers = readers;
    this.#floats = floatExtents(file);
    this.#planes = planes;
  }

  async lend({ id, segment }: SegmentRequest): Promise<PlaneLease> {
    const extent = this.#floats.get(id);
    if (extent !== undefined) {
      return lendVerified(this.#readers, extent, segment, { ...extent, planes: this.#planes });
    }
    const lease = await this.#readers.planes.lend({ id, segment });
    await this.#readers.hashes.check(id, segment, lease.planes);
    return lease;
  }
}
