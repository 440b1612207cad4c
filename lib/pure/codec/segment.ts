/**
 * Segments, whatever codec wrote them: encoded by the kernel, decoded by what the head names.
 *
 * Start here. planes-rans.ts has both codecs that there are (2 and 3).
 * @see docs/format/codec.md
 */
import { BugError, CorruptError, FormatVersionError, UsageError } from '../../base/errors.js';
import { ERROR_DIFFERS } from '../../base/native/failure.js';
import { kernelError, loadKernel } from '../../base/native/kernel.js';
import {
  CODEC_PLANES_RANS,
  CODEC_PLANES_RANS_OWN,
  decodeRans,
  encodeRans,
  ransBasePlanes,
  ransStop,
} from './planes-rans.js';
import type {
  CodecLevel,
  DecodeOptions,
  EncodedSegment,
  EncodeOptions,
  SegmentPayload,
} from './segment-types.js';

export type * from './segment-types.js';

/** Lends planes to decode into. */
export type ScratchPlanes = (
  width: number,
  count: number,
) => { readonly planes: readonly Uint8Array[]; release(): void };

const LEVELS = ['fast', 'default', 'max'] as const;

/** Effort of the encoder, by name: what callers give. */
export type Level = (typeof LEVELS)[number];

/** The level of a name. @throws {UsageError} for an unknown one. */
export function parseLevel(name: string): CodecLevel {
  const level = (LEVELS as readonly string[]).indexOf(name);
  if (level < 0) {
    throw new UsageError(`there is no level '${name}'`, {
      option: '--level',
      hint: `use one of ${LEVELS.join(', ')}`,
    });
  }
  return level as CodecLevel;
}

/**
 * Encodes one segment.
 * @param planes      child planes, plane 0 first; read, never kept.
 * @param basePlanes  planes of the base segment, same width and count, or null.
 * @throws {AbortedError} soon after `signal` was aborted.
 */
export function encodeSegment(
  planes: readonly Uint8Array[],
  basePlanes: readonly Uint8Array[] | null,
  options?: EncodeOptions,
): Promise<EncodedSegment> {
  return encodeRans(planes, basePlanes, options);
}

function checkCodec(head: Uint8Array, file: string): void {
  const codec = head[0];
  if (codec === CODEC_PLANES_RANS || codec === CODEC_PLANES_RANS_OWN) return;
  if (codec === undefined) throw new CorruptError(`'${file}' has an empty codec field`, { file });
  throw new FormatVersionError(`'${file}' uses codec ${codec}, which this dlv does not know`, {
    file,
    found: codec,
    hint: 'upgrade dlv; other objects of the repository stay readable',
  });
}

/**
 * The least stop of at least `wanted` planes: what has to be decoded, and read of the base, to know
 * them exactly. @throws {CorruptError} {FormatVersionError}
 */
export function segmentStop(head: Uint8Array, width: number, wanted: number, file: string): number {
  checkCodec(head, file);
  return ransStop(head, width, wanted, file);
}

/**
 * Leading planes of the base that `stop` planes, a stop, are made of, if they are made of any.
 * @throws {CorruptError} {FormatVersionError}
 */
export function segmentBasePlanes(head: Uint8Array, stop: number, file: string): number {
  checkCodec(head, file);
  return ransBasePlanes(head, stop);
}

/**
 * Decodes the leading planes of one segment; payloads of planes that are not wanted may be empty.
 * @param target  `wanted` planes of `count` bytes to write into; not those of the base.
 *   Default: fresh memory.
 * @throws {CorruptError} if the bytes do not give exactly `count` elements per plane; the target then
 *   holds anything.
 */
export async function decodeSegment(
  segment: SegmentPayload,
  options: DecodeOptions,
  target?: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  checkCodec(segment.head, options.file);
  return decodeRans(segment, options, target?.slice(0, options.wanted));
}

/** CRC-32 of payloads. */
export interface PayloadChecksums {
  readonly hi: number;
  readonly mid: number;
  readonly low: number;
}

/** As verifySegment, by the kernel: block by block, in no memory to speak of. Null: it has no such call. */
async function verifyByKernel(
  { head, hi, mid, low }: EncodedSegment,
  planes: readonly Uint8Array[],
  base: readonly Uint8Array[] | null,
  file: string,
): Promise<PayloadChecksums | null> {
  const { native } = loadKernel();
  if (native === null) return null;
  try {
    const crcs = await native.verify(head, [hi, mid, low], base, planes);
    return { hi: crcs[0] as number, mid: crcs[1] as number, low: crcs[2] as number };
  } catch (error) {
    if ((error as { kernel?: unknown }).kernel === ERROR_DIFFERS) {
      throw new BugError(`'${file}' does not survive encoding`);
    }
    throw kernelError(error, file);
  }
}

/**
 * Decodes an encoded segment and compares it with the planes it was made of (invariant 5 of ARCHITECTURE.md).
 * @param scratch  lends planes to decode into, if they are needed. Default: fresh memory.
 * @returns checksums of its payloads, where they came with it.
 * @throws {BugError} at the first difference.
 */
export async function verifySegment(
  coded: EncodedSegment,
  planes: readonly Uint8Array[],
  basePlanes: readonly Uint8Array[] | null,
  { file, scratch }: { file: string; scratch?: ScratchPlanes },
): Promise<PayloadChecksums | null> {
  const width = planes.length;
  const count = (planes[0] as Uint8Array).length;
  const base = coded.usesBase ? basePlanes : null;
  const crcs = await verifyByKernel(coded, planes, base, file);
  if (crcs !== null) return crcs;
  const lent = scratch?.(width, count);
  const options = { width, count, wanted: width, base, file };
  const found = await decodeSegment(coded, options, lent?.planes);
  for (const [k, plane] of found.entries()) {
    if (Buffer.compare(plane, planes[k] as Uint8Array) !== 0) {
      throw new BugError(`plane ${k} of '${file}' does not survive encoding`);
    }
  }
  lent?.release();
  return null;
}
