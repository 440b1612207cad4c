/** What a session wrote, and a writer of the blobs that versions are made of. */

import type { StagedSet } from '../repo/staging/staging.js';
import type { BlobWriter } from '../repo/version/blobs.js';
import { recordBytesOf } from '../store/types.js';
import type { PackSession } from './session.js';

/** Bytes of pack files, and of their indexes. */
export interface PublishedBytes {
  storedBytes: number;
  metadataBytes: number;
}

/** The pack sets that a session published, as staging notes them. */
export function publishedSets(session: Pick<PackSession, 'published'>): StagedSet[] {
  return session.published.map((info) => {
    return { id: info.id, storedBytes: recordBytesOf(info), metadataBytes: info.bytes.idx };
  });
}

/** Bytes of pack sets; a set that is in the list twice counts once. */
export function bytesOfSets(sets: Iterable<StagedSet>): PublishedBytes {
  const sum = { storedBytes: 0, metadataBytes: 0 };
  const seen = new Set<string>();
  for (const { id, storedBytes, metadataBytes } of sets) {
    if (seen.has(id)) continue;
    seen.add(id);
    sum.storedBytes += storedBytes;
    sum.metadataBytes += metadataBytes;
  }
  return sum;
}

/** Bytes of the pack sets that a session published. */
export function publishedBytes(session: Pick<PackSession, 'published'>): PublishedBytes {
  return bytesOfSets(publishedSets(session));
}

/** Stores blobs of versions in the open pack set of a session. */
export function blobWriter(session: PackSession): BlobWriter {
  return {
    writeBlob: (kind, bytes, base) => session.putBlob(kind, bytes, 1, base ?? null),
  };
}
