/**
 * How this room reads and writes blobs: two small interfaces that archive implements over packs.
 * Nothing in lib/repo knows packs.
 */
import type { BlobKind, Id } from '../../../base/bytes/hash.js';

/** Gives the bytes of blobs. */
export interface BlobReader {
  /** Bytes of one blob, checked against `id`. @throws {NotFoundError} if it is not here. */
  readBlob(id: Id, kind: BlobKind): Promise<Uint8Array>;
}

/** Takes new blobs. */
export interface BlobWriter {
  /**
   * Stores one blob, once, and gives its id.
   * @param base an earlier blob of the same kind that it is likely to resemble.
   */
  writeBlob(kind: BlobKind, bytes: Uint8Array, base?: Id): Promise<Id>;
}
