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
import { loadKernel } from '../native/kernel.js';

/**
 * Length of the first chunk of `bytes`, by the kernel.
 * @param bytes  the rest of the file, or at least CDC_MAX_BYTES of it.
 * @returns      1 … CDC_MAX_BYTES; all of `bytes` if no cut point comes before its end.
 */
export function cutChunk(bytes: Uint8Array): number {
  return loadKernel().services.cutChunk(bytes);
}
