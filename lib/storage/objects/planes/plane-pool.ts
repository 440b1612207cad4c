/**
 * Memory for planes, lent and used again: fresh planes would cost page faults, zeroing and collections
 * for every segment of a file, megabytes for large ones and thousands of small ones.
 *
 * Whoever borrows planes releases the lease once, when nothing reads them any more. A lease that is
 * never released costs nothing but its memory, which is garbage like any other: so a reader that
 * failed drops its lease, because the kernel may still be writing into the planes. With `DLV_POISON=1`,
 * as in every test, lent and released memory is overwritten: a reader that holds on to planes, or
 * trusts fresh ones to be zero, then gets wrong bytes at once.
 */
import { bytesOfSlab, SLAB_BYTES_MAX, SlabMemory } from '../../../base/bytes/memory/slabs.js';
import { BugError } from '../../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../base/limits.js';

/** Planes on loan. */
export interface PlaneLease {
  /** Their content is whatever it was until the borrower writes it. */
  readonly planes: readonly Uint8Array[];
  /** Ends the loan: the planes must not be used any more. @throws {BugError} the second time. */
  release(): void;
}

/** Shorter planes are cheap to make. */
const POOLED_BYTES_MIN = SEGMENT_ELEMENTS >> 12;
/** What released memory holds where that is checked. */
const POISON = 0xa5;

/** Runs `done` the first time that a lease is released. */
export function leaseOf(planes: readonly Uint8Array[], done: () => void): PlaneLease {
  let isReleased = false;
  return {
    planes,
    release(): void {
      if (isReleased) throw new BugError('planes were released twice');
      isReleased = true;
      done();
    },
  };
}

/** The leading ones of lent planes, under the same loan. */
export function leadingPlanes(lease: PlaneLease, count: number): PlaneLease {
  if (lease.planes.length <= count) return lease;
  return { planes: lease.planes.slice(0, count), release: () => lease.release() };
}

export class PlanePool {
  readonly #poisons: boolean;
  readonly #memory = new SlabMemory();

  /** @param poisons  overwrites memory that is lent and released: for tests. */
  constructor(poisons = false) {
    this.#poisons = poisons;
  }

  /** Lends `width` planes of `count` bytes each. */
  lend(width: number, count: number): PlaneLease {
    const slabs =
      count < POOLED_BYTES_MIN || count > SLAB_BYTES_MAX
        ? null
        : Array.from({ length: width }, () => this.#memory.take(count));
    const planes =
      slabs?.map((slab) => bytesOfSlab(slab, count)) ??
      Array.from({ length: width }, () => new Uint8Array(count));
    this.#poison(planes);
    return leaseOf(planes, () => {
      this.#poison(planes);
      for (const slab of slabs ?? []) this.#memory.give(slab);
    });
  }

  /** Lends room for the payloads of a segment as one plane; null for the rare larger ones. */
  lendRoom(width: number, count: number): PlaneLease | null {
    const bytes = width * count;
    return bytes <= SLAB_BYTES_MAX ? this.lend(1, bytes) : null;
  }

  #poison(planes: readonly Uint8Array[]): void {
    if (this.#poisons) for (const plane of planes) plane.fill(POISON);
  }
}

/** The pool of this process. */
export const planePool = new PlanePool(process.env.DLV_POISON === '1');
