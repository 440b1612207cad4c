/**
 * The identity of an extent: a Merkle root over its byte planes, independent of encoding and shape.
 *
 *     run hash   = sha256("dlv:run\0"    bytes of one plane of ≤ 2^20 elements)
 *     plane root = sha256("dlv:plane\0"  run hashes of the plane, in order)
 *     extent id  = sha256("dlv:extent\0" 1 w:u8 count:u64le sha256(plane roots, most significant first))
 *
 * @see docs/format/identity.md
 */
import { createHash } from 'node:crypto';
import { type Id, sha256Each } from '../../base/bytes/hash.js';
import { assert } from '../../base/errors.js';
import { RUN_ELEMENTS } from '../../base/limits.js';

/** What the bytes of a run are hashed behind. */
export const RUN_DOMAIN = Buffer.from('dlv:run\0', 'latin1');

/** sha256 of one run of one plane: 32 bytes. */
export function runHash(plane: Uint8Array): Uint8Array {
  return createHash('sha256').update(RUN_DOMAIN).update(plane).digest();
}

/**
 * sha256 of one run of each plane, 32 bytes each, one after another; on Node's pool if they are long.
 * @param planes  of equal length; not to be changed before the promise is fulfilled.
 */
export function runHashes(planes: readonly Uint8Array[]): Promise<Uint8Array> | Uint8Array {
  return sha256Each(RUN_DOMAIN, planes);
}

/** Root of one plane from its run hashes (32 bytes each, concatenated). */
export function planeRoot(runHashes: Uint8Array): Uint8Array {
  return createHash('sha256').update('dlv:plane\0').update(runHashes).digest();
}

/** Id of an extent from its plane roots, most significant plane first (32 bytes each, concatenated). */
export function extentId(width: number, count: number, planeRoots: Uint8Array): Id {
  assert(planeRoots.length === 32 * width, 'one plane root per byte of width');
  const header = Buffer.alloc(1 + 1 + 8);
  header[0] = 1;
  header[1] = width;
  header.writeBigUInt64LE(BigInt(count), 2);
  const roots = createHash('sha256').update(planeRoots).digest();
  return createHash('sha256')
    .update('dlv:extent\0')
    .update(header)
    .update(roots)
    .digest('hex') as Id;
}

/** Run hashes of all planes of one extent; `hashes[k]` holds those of plane k, 32 bytes each. */
export interface ExtentHashes {
  id: Id;
  width: number;
  count: number;
  hashes: Uint8Array[];
}

/** The id that run hashes give. */
export function idOfHashes(width: number, count: number, hashes: readonly Uint8Array[]): Id {
  const roots = new Uint8Array(32 * width);
  for (let k = 0; k < width; k++) roots.set(planeRoot(hashes[k] as Uint8Array), 32 * k);
  return extentId(width, count, roots);
}

/** Number of hash runs of an extent of `count` elements. */
export function runCount(count: number): number {
  return Math.ceil(count / RUN_ELEMENTS);
}

/** Collects run hashes while an extent streams by, run after run. */
export class ExtentHasher {
  readonly #width: number;
  readonly #count: number;
  readonly #hashes: Uint8Array[];
  #runs = 0;
  /** Hashes of the run before, being made. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor(width: number, count: number) {
    this.#width = width;
    this.#count = count;
    this.#hashes = Array.from({ length: width }, () => new Uint8Array(32 * runCount(count)));
  }

  /**
   * Adds the next run; every run but the last has RUN_ELEMENTS elements. Await it: at most two runs
   * are being hashed.
   * @param planes  split run, plane 0 first; not to be changed until the call after the next one is
   *   fulfilled, or `finish`.
   */
  async addRun(planes: readonly Uint8Array[]): Promise<void> {
    assert(planes.length === this.#width, 'one plane per byte of width');
    await this.#pending;
    const at = 32 * this.#runs++;
    this.#pending = this.#addHashes(planes, at);
    // A failure is thrown by whoever awaits the next run or the end.
    this.#pending.catch(() => {});
  }

  /** Adds the hashes of the next run, 32 bytes for each plane. */
  async addHashed(digests: Uint8Array): Promise<void> {
    assert(digests.length === 32 * this.#width, 'a hash of each plane');
    await this.#pending;
    this.#put(digests, 32 * this.#runs++);
  }

  /** Waits until no run is being hashed: their planes may be changed then. */
  async settle(): Promise<void> {
    await this.#pending;
  }

  async #addHashes(planes: readonly Uint8Array[], at: number): Promise<void> {
    this.#put(await runHashes(planes), at);
  }

  #put(digests: Uint8Array, at: number): void {
    for (let k = 0; k < this.#width; k++) {
      (this.#hashes[k] as Uint8Array).set(digests.subarray(32 * k, 32 * (k + 1)), at);
    }
  }

  /** The id and all run hashes. */
  async finish(): Promise<ExtentHashes> {
    await this.#pending;
    assert(this.#runs === runCount(this.#count), 'every run was added');
    return {
      id: idOfHashes(this.#width, this.#count, this.#hashes),
      width: this.#width,
      count: this.#count,
      hashes: this.#hashes,
    };
  }
}
