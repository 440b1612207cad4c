/** Bytes that no format reader understands: cut by content into chunks, each a blob. */

import { cutChunk } from '../../base/bytes/chunker.js';
import { pushAll } from '../../base/bytes/many.js';
import { CDC_MAX_BYTES } from '../../base/limits.js';
import type { ChunkRef } from '../../pure/tensor/recipe.js';
import type { PackSession } from '../objects/session.js';
import type { FileFeed } from './file-feed.js';

const READ_BYTES = 4 * 1024 * 1024;
/** Chunks being coded at once, on Node's pool. */
const CHUNKS_IN_FLIGHT = 8;

interface ChunksInWork {
  /** Being stored, the last ones of the file. */
  readonly pending: Promise<ChunkRef>[];
  /** Stored, in file order. */
  readonly refs: ChunkRef[];
}

/** Stores the next `length` bytes of a file as chunks. */
export async function storeChunks(
  session: PackSession,
  feed: FileFeed,
  length: number,
): Promise<ChunkRef[]> {
  const pending: Promise<ChunkRef>[] = [];
  const refs: ChunkRef[] = [];
  try {
    await cutChunks(session, feed, length, { pending, refs });
    pushAll(refs, await Promise.all(pending));
    return refs;
  } finally {
    // What is being stored must not outlive a failure and reach the session after it.
    await Promise.allSettled(pending);
  }
}

/** Stores the chunks of `length` bytes: those that are done go to `refs`, the last stay pending. */
async function cutChunks(
  session: PackSession,
  feed: FileFeed,
  length: number,
  { pending, refs }: ChunksInWork,
): Promise<void> {
  let buffer: Uint8Array = new Uint8Array(0);
  let left = length;
  while (left > 0 || buffer.length > 0) {
    if (buffer.length < CDC_MAX_BYTES && left > 0) {
      const block = new Uint8Array(Math.min(READ_BYTES, left));
      await feed.readInto(block);
      left -= block.length;
      buffer = buffer.length === 0 ? block : Buffer.concat([buffer, block]);
    }
    while (buffer.length >= CDC_MAX_BYTES || (left === 0 && buffer.length > 0)) {
      const chunk = buffer.subarray(0, cutChunk(buffer));
      buffer = buffer.subarray(chunk.length);
      const stored = session.putBlob('blob', chunk).then((id) => ({ id, length: chunk.length }));
      // It is awaited later: a failure while the file is read on is not unhandled.
      stored.catch(() => {});
      pending.push(stored);
      if (pending.length < CHUNKS_IN_FLIGHT) continue;
      pushAll(refs, await Promise.all(pending));
      pending.length = 0;
    }
  }
}
