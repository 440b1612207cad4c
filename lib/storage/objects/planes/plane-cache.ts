/**
 * Planes of whole segments that several readers use: being decoded, in use, or kept because they were
 * used last. Memory of the pool goes back to it when planes are neither kept nor in use.
 */
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { leaseOf, type PlaneLease } from './plane-pool.js';

export class PlaneCache {
  readonly #kept: LruCache<string, SharedPlanes>;

  /** @param bytes  of planes that are kept; those in use or being decoded may come on top. */
  constructor(bytes: number) {
    this.#kept = new LruCache(bytes, (shared) => shared.drop());
  }

  /** Lends the planes of a key if they are there, or being decoded; else null. */
  lendKept(key: string): Promise<PlaneLease> | null {
    return this.#kept.get(key)?.lend() ?? null;
  }

  /** Lends the planes of a key; concurrent callers share one decoding. */
  lend(key: string, decode: () => Promise<PlaneLease>): Promise<PlaneLease> {
    const known = this.lendKept(key);
    if (known !== null) return known;
    const shared = new SharedPlanes(decode());
    this.#kept.set(key, shared, 0);
    shared.ready.then(
      ({ planes }) => {
        const bytes = planes.reduce((sum, plane) => sum + plane.length, 0);
        if (this.#kept.peek(key) === shared) this.#kept.set(key, shared, bytes);
      },
      () => {
        if (this.#kept.peek(key) === shared) this.#kept.delete(key);
      },
    );
    return shared.lend();
  }
}

class SharedPlanes {
  readonly ready: Promise<PlaneLease>;
  #lease: PlaneLease | null = null;
  /** How many read the planes, or wait for them. */
  #users = 0;
  #isKept = true;

  constructor(decoded: Promise<PlaneLease>) {
    this.ready = decoded.then((lease) => {
      this.#lease = lease;
      return lease;
    });
  }

  async lend(): Promise<PlaneLease> {
    this.#users++;
    const { planes } = await this.ready;
    return leaseOf(planes, () => {
      this.#users--;
      this.#settle();
    });
  }

  /** The cache keeps them no longer. */
  drop(): void {
    this.#isKept = false;
    this.#settle();
  }

  #settle(): void {
    if (!this.#isKept && this.#users === 0) this.#lease?.release();
  }
}
