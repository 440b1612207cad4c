/**
 * Codecs 2 and 3: byte planes, differences from a base, static rANS with contexts of the base's exponents.
 * The work is the kernel's (native/); this file knows the start of a head.
 *
 *     codec head := 2 transform:u8 flags:u8 …
 *     codec head := 3 transform:u8 flags:u8 differences:u8 …
 *
 * @see docs/format/codec.md §Segment codecs
 */
import { CorruptError } from '../../base/errors.js';
import { abortFlag, kernelError, loadKernel } from '../../base/native/kernel.js';
import type {
  DecodeOptions,
  EncodedSegment,
  EncodeOptions,
  SegmentPayload,
} from './segment-types.js';

export const CODEC_PLANES_RANS = 2;
/** The same, with differences of the leading planes alone: those below are the child's own. */
export const CODEC_PLANES_RANS_OWN = 3;

/** fp32 as two 16-bit numbers: exact at 2 and 4 planes. */
const TRANSFORM_SUB16_FULL = 3;
/** fp32 as one 32-bit number: exact only when read whole. */
const TRANSFORM_SUB32 = 4;
/** Few distinct values, and an index for each element. */
const TRANSFORM_PALETTE = 6;
const TRANSFORM_MAX = TRANSFORM_PALETTE;

/**
 * Encodes one segment.
 * @throws {AbortedError} soon after `signal` was aborted.
 */
export async function encodeRans(
  planes: readonly Uint8Array[],
  base: readonly Uint8Array[] | null,
  { level = 1, noPrefix = false, signal, room, sharesPlanes }: EncodeOptions = {},
): Promise<EncodedSegment> {
  try {
    const abort = signal && abortFlag(signal);
    const { kernel } = loadKernel();
    return await kernel.encode(planes, base, level, noPrefix, abort, room, sharesPlanes);
  } catch (error) {
    throw kernelError(error, 'a segment to encode');
  }
}

/** How a head starts. */
export interface SegmentStart {
  readonly isMasked: boolean;
  readonly isPalette: boolean;
}

/** What the first bytes of a head say; null if it is too short. */
export function ransStart(head: Uint8Array): SegmentStart | null {
  const [, transform, flags] = head;
  if (transform === undefined || flags === undefined) return null;
  return { isMasked: flags !== 0, isPalette: transform === TRANSFORM_PALETTE };
}

/** The least stop of at least `wanted` planes. @throws {CorruptError} */
export function ransStop(head: Uint8Array, width: number, wanted: number, file: string): number {
  const transform = head[1];
  if (transform === undefined || transform > TRANSFORM_MAX) {
    throw new CorruptError(`'${file}' has the unknown transform ${transform}`, { file });
  }
  // Contexts are taken from the two leading planes of the base.
  let stop = Math.max(2, wanted);
  if (transform === TRANSFORM_SUB32 || (transform === TRANSFORM_SUB16_FULL && stop > 2)) stop = 4;
  return Math.min(stop, width);
}

/** Planes of the base that the leading `stop` planes, a stop, are made of at most. */
export function ransBasePlanes(head: Uint8Array, stop: number): number {
  if (head[0] !== CODEC_PLANES_RANS_OWN) return stop;
  return Math.min(stop, head[3] ?? stop);
}

/** Decodes the leading planes, into `target` (not the base's planes) if given. @throws {CorruptError} */
export async function decodeRans(
  { head, hi, mid, low }: SegmentPayload,
  { width, count, wanted, base, file, signal }: DecodeOptions,
  target?: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  try {
    const { kernel } = loadKernel();
    const abort = signal && abortFlag(signal);
    return await kernel.decode(head, [hi, mid, low], base, count, width, wanted, target, abort);
  } catch (error) {
    throw kernelError(error, file);
  }
}
