/** A reader that gives the planes of a tier in place of the exact ones, for the extents that it replaces. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { assert } from '../../base/errors.js';
import { RUN_ELEMENTS } from '../../base/limits.js';
import { splitFast } from '../../pure/codec/planes.js';
import { type Quantizer, quantizeBytes, TierFit, widenFloat } from '../../pure/tensor/quantize.js';
import type { FloatDType, Tier } from '../../pure/tensor/tier.js';
import { ErrorSum } from '../../pure/tensor/tier-errors.js';
import type { ObjectAccess } from '../objects/access.js';
import { verifiedBytes } from '../objects/planes/leading-planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import type { PlaneReader, SegmentRequest } from '../objects/planes/plane-reader.js';
import { segmentCount, segmentKey } from '../store/types.js';

/** An extent whose values a tier may replace. */
export interface TierExtent {
  dtype: FloatDType;
  width: number;
  count: number;
}

/** Extents whose planes are those of a tier, where it replaces them. */
export class TieredPlanes implements PlaneReader {
  /** Errors of each extent, of the segments read so far. */
  readonly errors = new Map<Id, ErrorSum>();
  readonly #repo: ObjectAccess;
  readonly #tier: Tier;
  readonly #extents: ReadonlyMap<Id, TierExtent>;
  readonly #signal: AbortSignal | undefined;
  readonly #quantizers = new Map<Id, Promise<Quantizer>>();
  readonly #counted = new Set<string>();

  constructor(
    repo: ObjectAccess,
    tier: Tier,
    extents: ReadonlyMap<Id, TierExtent>,
    signal: AbortSignal | undefined,
  ) {
    this.#repo = repo;
    this.#tier = tier;
    this.#extents = extents;
    this.#signal = signal;
  }

  async lend(request: SegmentRequest): Promise<PlaneLease> {
    const { id, segment, planes: wanted } = request;
    const extent = this.#extents.get(id);
    if (extent === undefined) return this.#repo.planes.lend(request);
    assert(wanted === undefined, 'a tier is made of whole elements');
    const bytes = await this.#exact(id, extent, segment);
    const quantizer = await this.#quantizer(id, extent);
    // An extent that is in a file twice is counted once.
    const isNew = !this.#counted.has(segmentKey(id, segment));
    this.#counted.add(segmentKey(id, segment));
    const errors = isNew ? this.#errorsOf(id) : new ErrorSum();
    const run = RUN_ELEMENTS * extent.width;
    for (let at = 0; at < bytes.length; at += run) {
      const exact = bytes.subarray(at, at + run);
      exact.set(quantizeBytes(quantizer, extent.dtype, exact, errors));
    }
    const lease = planePool.lend(extent.width, bytes.length / extent.width);
    splitFast(bytes, lease.planes);
    return lease;
  }

  #errorsOf(id: Id): ErrorSum {
    const errors = this.errors.get(id) ?? new ErrorSum();
    this.errors.set(id, errors);
    return errors;
  }

  /** Bytes of an exact segment, checked against the extent's id. */
  #exact(id: Id, extent: TierExtent, segment: number): Promise<Uint8Array> {
    throwIfAborted(this.#signal);
    return verifiedBytes(this.#repo, { id, ...extent }, segment);
  }

  #quantizer(id: Id, extent: TierExtent): Promise<Quantizer> {
    const known = this.#quantizers.get(id);
    if (known !== undefined) return known;
    const made = this.#fit(id, extent);
    // A failure is thrown where the promise is awaited.
    made.catch(() => {});
    this.#quantizers.set(id, made);
    return made;
  }

  async #fit(id: Id, extent: TierExtent): Promise<Quantizer> {
    const key = Number.parseInt(id.slice(0, 8), 16);
    const fit = new TierFit(this.#tier, extent.dtype, extent.count, key);
    if (!TierFit.needsValues(this.#tier)) return fit.finish();
    const run = RUN_ELEMENTS * extent.width;
    for (let segment = 0; segment < segmentCount(extent.count); segment++) {
      const bytes = await this.#exact(id, extent, segment);
      for (let at = 0; at < bytes.length; at += run) {
        fit.add(widenFloat(extent.dtype, bytes.subarray(at, at + run)));
      }
    }
    return fit.finish();
  }
}
