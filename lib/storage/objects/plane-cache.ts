/**
 * Whole planes of segments, kept while there is room, so that a delta whose base was read a moment ago
 * costs one link and not its chain.
 *
 * For work that goes along chains in about their order: measuring encodings and making them.
 */

import type { Id } from '../../base/bytes/hash.js';
import type { ObjectAccess } from './access.js';
import type { Extents } from './extents.js';

/** Planes kept: eight segments of fp32. */
const KEPT_BYTES = 128 * 1024 * 1024;

interface Kept {
  planes: Promise<readonly Uint8Array[]>;
  bytes: number;
}

export class PlaneCache {
  readonly #repo: ObjectAccess;
  readonly #extents: Extents;
  readonly #kept = new Map<string, Kept>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(repo: ObjectAccess, maxBytes = KEPT_BYTES) {
    this.#repo = repo;
    this.#extents = repo.extents;
    this.#maxBytes = maxBytes;
  }

  /**
   * All planes of one segment, not checked against the extent id. They are shared: not to be changed,
   * nor given back to the pool.
   * @throws {NotFoundError} {CorruptError}
   */
  get(id: Id, segment: number, width: number): Promise<readonly Uint8Array[]> {
    const key = `${id}/${segment}`;
    const hit = this.#kept.get(key);
    if (hit !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, hit);
      return hit.planes;
    }
    const kept: Kept = { planes: this.#read(id, segment, width), bytes: 0 };
    this.#kept.set(key, kept);
    kept.planes.then(
      (planes) => {
        kept.bytes = planes.reduce((sum, plane) => sum + plane.length, 0);
        if (this.#kept.get(key) === kept) this.#bytes += kept.bytes;
        this.#shrink();
      },
      () => this.#kept.delete(key),
    );
    return kept.planes;
  }

  async #read(id: Id, segment: number, width: number): Promise<readonly Uint8Array[]> {
    const base = (await this.#repo.store.findSegment(id, segment))?.base ?? null;
    if (base !== null) {
      const under = await this.get(base, segment, width);
      const planes = await this.#extents.linkPlanes(id, segment, base, under);
      if (planes !== null) return planes;
    }
    return this.#extents.readPlanes(id, segment, width);
  }

  #shrink(): void {
    for (const [key, kept] of this.#kept) {
      if (this.#bytes <= this.#maxBytes) return;
      // What is still being read takes no room yet.
      if (kept.bytes === 0) continue;
      this.#kept.delete(key);
      this.#bytes -= kept.bytes;
    }
  }
}
