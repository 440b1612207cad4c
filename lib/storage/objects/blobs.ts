/**
 * Blobs as their readers want them: decoded, checked against their id, small ones cached.
 *
 * Owns the chain of blob deltas; lib/store knows records only.
 */
import { type BlobKind, type Id, objectId } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { CorruptError, isUnreadable, NotFoundError } from '../../base/errors.js';
import { BLOB_CACHE_BYTES } from '../../base/limits.js';
import { decodeBlob } from '../../pure/codec/blob-coder.js';
import type { BlobRecord } from '../store/types.js';
import { linksOf } from './chain.js';

/** Where blob records come from: the object store, or a pack session that also sees its own sets. */
export interface BlobRecords {
  readBlob(id: Id): Promise<BlobRecord | null>;
}

interface DecodedBlob {
  readonly kind: BlobKind;
  readonly bytes: Uint8Array;
  /** Its bytes are there: nothing below it is needed. */
  readonly base: null;
}

export class Blobs {
  readonly #records: BlobRecords;
  readonly #cache = new LruCache<Id, DecodedBlob>(BLOB_CACHE_BYTES);

  constructor(records: BlobRecords) {
    this.#records = records;
  }

  /** Bytes of a blob; read, never changed by the caller.
   *  @throws {NotFoundError} if it is nowhere; {CorruptError} if its bytes do not give its id. */
  async readBlob(id: Id, kind: BlobKind): Promise<Uint8Array> {
    const { bytes, kind: found } = await this.#read(id);
    if (found !== kind) {
      throw new CorruptError(`object '${id}' is a ${found}, not a ${kind}`, {
        id,
        hint: "run 'dlv fsck'",
      });
    }
    return bytes;
  }

  async #read(id: Id): Promise<DecodedBlob> {
    const links: BlobRecord[] = [];
    let base: DecodedBlob | null = null;
    for await (const { id: at, entry } of linksOf(id, (next) => this.#find(next))) {
      if (entry === null) throw missingBlob(at);
      if (!('payload' in entry)) {
        base = entry;
        break;
      }
      links.push(entry);
    }
    for (const record of links.reverse()) base = await this.#decode(record, base);
    return base as DecodedBlob;
  }

  /** A blob that is kept, with no base to go on to, or a record. */
  async #find(id: Id): Promise<DecodedBlob | BlobRecord | null> {
    const kept = this.#cache.get(id);
    if (kept !== undefined) return kept;
    try {
      return await this.#records.readBlob(id);
    } catch (error) {
      // The store names a file and an offset; which object is broken, only its caller knows.
      if (isUnreadable(error)) error.data.id ??= id;
      throw error;
    }
  }

  async #decode(record: BlobRecord, base: DecodedBlob | null): Promise<DecodedBlob> {
    const { id, kind, codec, payload, rawBytes } = record;
    const under = record.base === null ? null : (base as DecodedBlob).bytes;
    const bytes = await decodeBlob({ codec, payload, rawBytes }, under, `object ${id}`);
    if (objectId(kind, bytes) !== id) {
      throw new CorruptError(`object '${id}' is damaged: its bytes give another id`, {
        id,
        hint: "run 'dlv fsck'",
      });
    }
    const decoded = { kind, bytes, base: null };
    if (bytes.length <= BLOB_CACHE_BYTES / 8) this.#cache.set(id, decoded, bytes.length);
    return decoded;
  }
}

function missingBlob(id: Id): NotFoundError {
  return new NotFoundError(`object '${id}' is not in the repository`, {
    kind: 'blob',
    name: id,
    hint: "run 'dlv fsck'",
  });
}
