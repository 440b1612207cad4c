/**
 * Planes of extents that were read and are not encoded yet, or stored as they are and not written yet: reading
 * goes on meanwhile, as far as their memory allows.
 */
import { INGEST_PLANES_BYTES } from '../../base/limits.js';
import { leaseOf, type PlaneLease, planePool } from '../objects/planes/plane-pool.js';

/** Leases at once, however small. */
const LEASES_MAX = 64;

export class PlanesInFlight {
  readonly #limit: number;
  #bytes = 0;
  #leases = 0;
  #failure: { error: unknown } | null = null;
  /** Wakes the reader: it is the only one that waits. */
  #wake: () => void = () => {};

  constructor(limit = INGEST_PLANES_BYTES) {
    this.#limit = limit;
  }

  /**
   * Lends planes as soon as there is room for them: at once if nobody else holds any.
   * @param own  leases that the reader holds, none of which it gives back before it has this one.
   * @throws what `fail` was told.
   */
  async lend(width: number, elements: number, own: readonly PlaneLease[]): Promise<PlaneLease> {
    const bytes = width * elements;
    while (this.#othersHold(own) && !this.#hasRoom(bytes) && this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.check();
    const lent = planePool.lend(width, elements);
    this.#bytes += bytes;
    this.#leases++;
    return leaseOf(lent.planes, () => {
      lent.release();
      this.#bytes -= bytes;
      this.#leases--;
      this.#wake();
    });
  }

  /** Leases are not given back any more, and the reader shall not wait for them. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** @throws what `fail` was told first. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #othersHold(own: readonly PlaneLease[]): boolean {
    return this.#leases > own.length;
  }

  #hasRoom(bytes: number): boolean {
    return this.#leases < LEASES_MAX && this.#bytes + bytes <= this.#limit;
  }
}
