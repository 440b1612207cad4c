/** Content-defined chunks in TypeScript: what the kernel's must equal. @see docs/format/recipe.md §chunks */
import { createHash } from 'node:crypto';
import { CDC_MAX_BYTES, CDC_MIN_BYTES, CDC_TARGET_BYTES } from '../../lib/base/limits.js';

const MASK_BEFORE_TARGET = 0xffffe000 | 0;
const MASK_AFTER_TARGET = 0xfffe0000 | 0;

const GEAR = Int32Array.from({ length: 256 }, (_, i) =>
  createHash('sha256').update('dlv:gear').update(Uint8Array.of(i)).digest().readInt32LE(0),
);

/** Length of the first chunk of `bytes`, as `cutChunk` of bytes/chunker.ts gives it. */
export function cutChunkSlowly(bytes: Uint8Array): number {
  const end = Math.min(bytes.length, CDC_MAX_BYTES);
  if (end <= CDC_MIN_BYTES) return end;
  const target = Math.min(end, CDC_TARGET_BYTES);
  let hash = 0;
  // The hash forgets after 32 bytes: starting that far before the minimum gives the same cuts.
  let i = CDC_MIN_BYTES - 32;
  for (; i < CDC_MIN_BYTES; i++) hash = ((hash << 1) + (GEAR[bytes[i] as number] as number)) | 0;
  for (; i < target; i++) {
    hash = ((hash << 1) + (GEAR[bytes[i] as number] as number)) | 0;
    if ((hash & MASK_BEFORE_TARGET) === 0) return i + 1;
  }
  for (; i < end; i++) {
    hash = ((hash << 1) + (GEAR[bytes[i] as number] as number)) | 0;
    if ((hash & MASK_AFTER_TARGET) === 0) return i + 1;
  }
  return end;
}
