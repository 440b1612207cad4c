/**
 * Versions, recipes and other blobs as a fetch reads them: those that are here, else those of the remote, of which
 * whole files of many small ones have arrived ahead.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { isDamage } from '../../../base/errors.js';
import { BLOB_CACHE_BYTES } from '../../../base/limits.js';
import { Blobs } from '../../objects/blobs.js';
import { blobOf, readRecord } from '../../objects/records.js';
import type { BlobEntry, BlobRecord, SetInfo } from '../../store/types.js';
import { remoteFile } from '../remote/remote-store.js';
import type { FetchParts } from './parts.js';

/** Bytes of memory that a record takes beside its payload, about. */
const RECORD_BYTES = 512;

/** A record of a remote, and what its index says of it. */
interface FoundBlob {
  readonly entry: BlobEntry;
  readonly record: BlobRecord;
}

/** Records of blob files that have arrived whole, read in one go instead of one by one. */
export class BlobsAhead {
  readonly #found = new Map<Id, FoundBlob>();
  #bytes = 0;

  get(id: Id): FoundBlob | undefined {
    return this.#found.get(id);
  }

  /**
   * Takes the records of a set whose blob file is here, while there is room; in the order of the sets.
   * What is damaged is left to whoever reads it by itself, and says so.
   */
  async take({ remote, incoming }: FetchParts, info: SetInfo): Promise<void> {
    const { blob } = info.bytes;
    if (blob === 0 || this.#bytes + blob > BLOB_CACHE_BYTES) return;
    const bytes = await incoming.read(remoteFile(info, 'blob'), 0, blob);
    this.#bytes += blob;
    try {
      for await (const batch of remote.recordBatchesIn(info)) {
        for (const entry of batch) {
          // Blobs come first.
          if (!('kind' in entry) || this.#bytes > BLOB_CACHE_BYTES) return;
          this.#add(entry, bytes.subarray(entry.offset, entry.offset + entry.recordBytes));
        }
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }

  /** Gives its memory back. */
  clear(): void {
    this.#found.clear();
  }

  #add(entry: BlobEntry, bytes: Uint8Array): void {
    // The first set that has it has the live record.
    if (this.#found.has(entry.id)) return;
    try {
      this.#found.set(entry.id, { entry, record: blobOf(entry, bytes) });
      this.#bytes += RECORD_BYTES;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
}

/**
 * Reads blobs that are here, else those of the remote.
 * @param ahead   records of the remote that are at hand.
 * @param onRead  is told of each of the remote, before it is decoded.
 */
export function layeredBlobs(
  { repo, remote }: Pick<FetchParts, 'repo' | 'remote'>,
  ahead: BlobsAhead | null = null,
  onRead?: (entry: BlobEntry) => void,
): Blobs {
  return new Blobs({
    readBlob: async (id) => {
      const known = ahead?.get(id);
      if (known !== undefined) {
        onRead?.(known.entry);
        return known.record;
      }
      if (await repo.store.hasBlob(id)) {
        return (await readRecord(repo, { id, segment: null })) as BlobRecord | null;
      }
      const record = await remote.readBlob(id);
      const entry = onRead === undefined ? null : await remote.findBlob(id);
      if (entry !== null) onRead?.(entry);
      return record;
    },
  });
}
