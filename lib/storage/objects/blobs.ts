/**
 * Blobs as their readers want them: decoded, checked against their id, small ones cached.
 *
 * Owns the chain of blob deltas; lib/store knows records only.
 */
import { type BlobKind, type Id, objectId } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { CorruptError, NotFoundError } from '../../base/errors.js';
import { BLOB_CACHE_BYTES, CHAIN_DEPTH_MAX } from '../../base/limits.js';
import { decodeBlob } from '../../pure/codec/blob-coder.js';
import type { BlobRecord } from '../store/types.js';

/** Where blob records come from: the object store, or a pack session that also sees its own sets. */
export interface BlobRecords {
  readBlob(id: Id): Promise<BlobRecord | null>;
}

export class Blobs {
  readonly #records: BlobRecords;
  readonly #cache = new LruCache<Id, { kind: BlobKind; bytes: Uint8Array }>(BLOB_CACHE_BYTES);

  constructor(records: BlobRecords) {
    this.#records = records;
  }

  /** Bytes of a blob; read, never changed by the caller.
   *  @throws {NotFoundError} if it is nowhere; {CorruptError} if its bytes do not give its id. */
  async readBlob(id: Id, kind: BlobKind): Promise<Uint8Array> {
    const { bytes, kind: found } = await this.#read(id, 0);
    if (found !== kind) {
      throw new CorruptError(`object '${id}' is a ${found}, not a ${kind}`, {
        id,
        hint: "run 'dlv fsck'",
      });
    }
    return bytes;
  }

  async #read(id: Id, depth: number): Promise<{ kind: BlobKind; bytes: Uint8Array }> {
    const hit = this.#cache.get(id);
    if (hit) return hit;
    const record = await this.#records.readBlob(id);
    if (record === null) {
      throw new NotFoundError(`object '${id}' is not in the repository`, {
        kind: 'blob',
        name: id,
        hint: "run 'dlv fsck'",
      });
    }
    if (depth > CHAIN_DEPTH_MAX)
      throw new CorruptError(`chain of object '${id}' does not end`, { id });
    const base = record.base === null ? null : (await this.#read(record.base, depth + 1)).bytes;
    const bytes = await decodeBlob(
      record.codec,
      record.payload,
      record.rawBytes,
      base,
      `object ${id}`,
    );
    if (objectId(record.kind, bytes) !== id) {
      throw new CorruptError(`object '${id}' is damaged: its bytes give another id`, {
        id,
        hint: "run 'dlv fsck'",
      });
    }
    const entry = { kind: record.kind, bytes };
    if (bytes.length <= BLOB_CACHE_BYTES / 8) this.#cache.set(id, entry, bytes.length);
    return entry;
  }
}
