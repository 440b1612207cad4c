/**
 * Ids: sha256 with domain separation. Every id on disk is 33 bytes: one algorithm byte (1 = sha256)
 * and the digest; in memory and in text it is the 64 hex digits of the digest.
 *
 * Start here: `objectId` for blobs of every kind; docs/format/identity.md has the byte tables.
 */
import { createHash, type Hash, hash, webcrypto } from 'node:crypto';
import { assert, CorruptError } from '../errors.js';
import { loadAddon, loadKernel } from '../native/kernel.js';

/** 64 lower-case hex digits: the sha256 that names a blob, version, recipe or extent. */
export type Id = string & { readonly __id: unique symbol };

/** The algorithm byte that precedes every digest on disk. */
export const ALGORITHM_SHA256 = 1;
/** Bytes of an id on disk: algorithm byte + sha256. */
export const ID_BYTES = 1 + 32;

/** Kinds of blobs; the kind is part of the hashed bytes, so no two kinds share an id. */
export const BLOB_KINDS = [
  'blob',
  'version',
  'recipe',
  'skeleton',
  'files',
  'ids',
  'note',
] as const;
export type BlobKind = (typeof BLOB_KINDS)[number];

const HEX_ID = /^[0-9a-f]{64}$/;

/** True if `text` has the form of an id. */
export function isId(text: string): text is Id {
  return HEX_ID.test(text);
}

/** Id of a blob: sha256("dlv:" kind NUL bytes). */
export function objectId(kind: BlobKind, bytes: Uint8Array): Id {
  if (bytes.length < HASH_APART_BYTES) {
    return sha256Hex(Buffer.concat([Buffer.from(`dlv:${kind}\0`), bytes])) as Id;
  }
  return createHash('sha256').update(`dlv:${kind}\0`).update(bytes).digest('hex') as Id;
}

/** A running sha256 over raw bytes, for file hashes. */
export function sha256(): Hash {
  return createHash('sha256');
}

/** A running sha256 that the kernel can go on with on its threads. */
export class RunningSha256 {
  /** For calls of the kernel; null: it has none, and Node hashes. */
  readonly state: Uint8Array | null = loadKernel().native?.sha256State() ?? null;
  readonly #hash: Hash | null = this.state === null ? createHash('sha256') : null;

  update(bytes: Uint8Array): void {
    if (this.state === null) this.#hash?.update(bytes);
    else loadKernel().native?.sha256Update(this.state, bytes);
  }

  /** As hex; once. */
  digest(): string {
    if (this.#hash !== null) return this.#hash.digest('hex');
    const { native } = loadKernel();
    assert(native !== null && this.state !== null, 'the state is of the kernel');
    return Buffer.from(native.sha256Digest(this.state)).toString('hex');
  }
}

/**
 * Hashes that the kernel makes before Node's crypto is asked: loading that takes as long as a thousand of them, and a
 * short command needs a dozen.
 */
const BY_KERNEL = 100;
/** Longer bytes are Node's: it hashes them sooner. */
const BY_KERNEL_BYTES = 64 * 1024;
let made = 0;

/** sha256 of `bytes` as hex, no domain. */
export function sha256Hex(bytes: Uint8Array | string): string {
  const addon = made < BY_KERNEL && bytes.length < BY_KERNEL_BYTES ? loadAddon() : null;
  made++;
  const state = addon?.sha256State() ?? null;
  // In one call, which takes half as long for a path or a page of files.
  if (addon === null || state === null) return hash('sha256', bytes, 'hex');
  addon.sha256Update(state, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  return Buffer.from(addon.sha256Digest(state)).toString('hex');
}

/** Parts below this are hashed at once: handing them over would take longer. */
const HASH_APART_BYTES = 16 * 1024;
/** Parts that the kernel hashes in one call. */
const PARTS_MAX = 8;

/**
 * sha256 of the prefix followed by each part: 32 bytes for each, in order; on Node's pool if they are
 * long, all of one call on one thread.
 * @param prefix  at most 63 bytes.
 * @param parts   1 … 8 of equal length; not to be changed before the promise is fulfilled.
 */
export function sha256Each(
  prefix: Uint8Array,
  parts: readonly Uint8Array[],
): Promise<Uint8Array> | Uint8Array {
  const length = parts[0]?.length ?? 0;
  if (length >= HASH_APART_BYTES && parts.length <= PARTS_MAX) {
    const { native } = loadKernel();
    return native === null ? digestsApart(prefix, parts) : native.sha256Many(prefix, parts);
  }
  const digests = new Uint8Array(32 * parts.length);
  for (const [i, part] of parts.entries()) {
    digests.set(createHash('sha256').update(prefix).update(part).digest(), 32 * i);
  }
  return digests;
}

async function digestsApart(prefix: Uint8Array, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const digests = new Uint8Array(32 * parts.length);
  const hashes = parts.map(async (part, i) => {
    // Web Crypto copies its input before it returns.
    const input = Buffer.concat([prefix, part]);
    digests.set(new Uint8Array(await webcrypto.subtle.digest('SHA-256', input)), 32 * i);
  });
  await Promise.all(hashes);
  return digests;
}

/** Values of hex digits by their character codes. */
const HEX_VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return Math.max(0, value);
});

/** Writes algorithm byte and digest of `id` at `offset`; returns the offset after them. */
export function writeId(target: Uint8Array, offset: number, id: Id): number {
  target[offset] = ALGORITHM_SHA256;
  // Thousands of rows of indexes are looked up by it: neither text nor buffers are made on the way.
  for (let i = 0; i < 32; i++) {
    const [high, low] = [id.charCodeAt(2 * i), id.charCodeAt(2 * i + 1)];
    target[offset + 1 + i] = ((HEX_VALUES[high] as number) << 4) | (HEX_VALUES[low] as number);
  }
  return offset + ID_BYTES;
}

/** The 33 bytes of an id. */
export function idBytes(id: Id): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  bytes[0] = ALGORITHM_SHA256;
  bytes.set(Buffer.from(id, 'hex'), 1);
  return bytes;
}

/** Reads an id from its 33 bytes. @throws {CorruptError} on another length or algorithm. */
export function idFromBytes(bytes: Uint8Array, file = 'an object'): Id {
  if (bytes.length !== ID_BYTES || bytes[0] !== ALGORITHM_SHA256) {
    throw new CorruptError(`bad id in ${file}: ${bytes.length} bytes, algorithm ${bytes[0]}`, {
      file,
    });
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + 1, 32).toString('hex') as Id;
}

/** The id in an optional field, which holds its bytes or null. @throws {CorruptError} DLV_CORRUPT */
export function idOrNull(value: unknown, file: string): Id | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return idFromBytes(value, file);
  throw new CorruptError(`'${file}' is damaged: bad id`, { file });
}
