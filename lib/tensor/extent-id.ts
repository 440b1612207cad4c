/**
 * The identity of an extent: a Merkle root over its byte planes, independent of encoding and shape.
 *
 *     run hash   = sha256("dlv:run\0"    bytes of one plane of ≤ 2^20 elements)
 *     plane root = sha256("dlv:plane\0"  run hashes of the plane, in order)
 *     extent id  = sha256("dlv:extent\0" 1 w:u8 count:u64le sha256(plane roots, most significant first))
 *
 * @see docs/format/identity.md
 */
import { createHash, webcrypto } from 'node:crypto';
import type { Id } from '../bytes/hash.js';
import { assert } from '../errors.js';
import { RUN_ELEMENTS } from '../limits.js';

const RUN_DOMAIN = Buffer.from('dlv:run\0', 'latin1');

/** sha256 of one run of one plane: 32 bytes. */
export function runHash(plane: Uint8Array): Uint8Array {
  return createHash('sha256').update(RUN_DOMAIN).update(plane).digest();
}

/** Runs below this are hashed at once: handing them over would take longer. */
const HASH_APART_BYTES = 64 * 1024;

/**
 * sha256 of one run of one plane, on Node's pool if the run is long.
 * @param plane  read before the call returns, so it may change while the promise is pending.
 */
export function runHashSoon(plane: Uint8Array): Promise<Uint8Array> | Uint8Array {
  if (plane.length < HASH_APART_BYTES) return runHash(plane);
  const length = RUN_DOMAIN.length + plane.length;
  if (hashInput.length < length) hashInput = Buffer.concat([RUN_DOMAIN], length);
  hashInput.set(plane, RUN_DOMAIN.length);
  // Web Crypto copies its input before it returns, so one buffer serves every call.
  const digest = webcrypto.subtle.digest('SHA-256', hashInput.subarray(0, length));
  return digest.then((bytes) => new Uint8Array(bytes));
}

/** The domain of a run, and room for the longest run so far. */
let hashInput: Buffer = RUN_DOMAIN;

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
   * are held.
   * @param planes  split run, plane 0 first; free for other use once the promise is fulfilled.
   */
  async addRun(planes: readonly Uint8Array[]): Promise<void> {
    assert(planes.length === this.#width, 'one plane per byte of width');
    await this.#pending;
    const at = 32 * this.#runs++;
    const hashes = planes.map(async (plane, k) => {
      (this.#hashes[k] as Uint8Array).set(await runHashSoon(plane), at);
    });
    this.#pending = Promise.all(hashes);
    // A failure is thrown by whoever awaits the next run or the end.
    this.#pending.catch(() => {});
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
