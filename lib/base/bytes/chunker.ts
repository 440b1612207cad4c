/**
 * Content-defined chunking: cut points depend on the bytes around them, so that an insertion or a
 * moved range changes only the chunks it touches.
 *
 * A gear hash h ← 2h + G[byte] (mod 2^32) looks back over 32 bytes. Below the target size a cut needs
 * 19 zero bits at the top, above it 15, which pulls sizes towards the target (normalised chunking;
 * Xia et al., "FastCDC", USENIX ATC 2016). G[i] = first 4 bytes of sha256("dlv:gear" i).
 *
 * @see docs/format/recipe.md §chunks
 */
import { createHash } from 'node:crypto';
import { CDC_MAX_BYTES, CDC_MIN_BYTES, CDC_TARGET_BYTES } from '../limits.js';
import { loadKernel } from '../native/kernel.js';

const MASK_BEFORE_TARGET = 0xffffe000 | 0;
const MASK_AFTER_TARGET = 0xfffe0000 | 0;

const GEAR = Int32Array.from({ length: 256 }, (_, i) =>
  createHash('sha256').update('dlv:gear').update(Uint8Array.of(i)).digest().readInt32LE(0),
);

/**
 * Length of the first chunk of `bytes`, by the kernel where it is compiled.
 * @param bytes  the rest of the file, or at least CDC_MAX_BYTES of it.
 * @returns      1 … CDC_MAX_BYTES; all of `bytes` if no cut point comes before its end.
 */
export function cutChunk(bytes: Uint8Array): number {
  return loadKernel().services?.cutChunk(bytes) ?? cutChunkHere(bytes);
}

/** As `cutChunk`, in TypeScript: the oracle of the kernel's. */
export function cutChunkHere(bytes: Uint8Array): number {
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
