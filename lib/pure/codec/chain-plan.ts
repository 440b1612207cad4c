/**
 * Plans by which the kernel decodes a segment straight from files, through its chain of deltas, without
 * a whole plane of any link but the last (native/addon/chain.c); of samples, without any whole plane.
 *
 *     plan := links:u32 link{links}                                         little endian
 *     link := width:u8 planes:u8 headBytes:u32 (fd:i32 crc:u32 offset:u64 bytes:u64){hi, mid, low} head
 */
import { AbortedError } from '../../base/errors.js';
import { ERROR_ABORTED } from '../../base/native/failure.js';
import { abortFlag, loadKernel } from '../../base/native/kernel.js';
import type { SegmentStart } from './planes-rans.js';
import { ransStart } from './planes-rans.js';

/** A payload in an open file: where, how long, and its CRC-32. */
export interface FilePayload {
  readonly fd: number;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
}

/** A link of a chain. */
export interface PlannedLink {
  readonly width: number;
  /** Leading planes that it gives: a stop. */
  readonly planes: number;
  /** Head of the codec. */
  readonly head: Uint8Array;
  /** hi, mid, low; null for those that no wanted plane is in. */
  readonly classes: readonly [FilePayload | null, FilePayload | null, FilePayload | null];
}

/** Links of one plan at most. */
export const PLANNED_LINKS_MAX = 32;

/** True if a head can be decoded block by block: not with a mask of changed elements or a palette. */
export function isStreamable(head: Uint8Array): boolean {
  const start: SegmentStart | null = ransStart(head);
  return start !== null && !start.isMasked && !start.isPalette;
}

const CLASS_BYTES = 4 + 4 + 8 + 8;
const LINK_BYTES = 1 + 1 + 4 + 3 * CLASS_BYTES;

/** @param links  from the root, or what stands on planes that are given, to the wanted segment. */
export function encodeChainPlan(links: readonly PlannedLink[]): Uint8Array {
  const heads = links.reduce((sum, { head }) => sum + head.length, 0);
  const plan = Buffer.alloc(4 + links.length * LINK_BYTES + heads);
  let at = plan.writeUInt32LE(links.length, 0);
  for (const { width, planes, head, classes } of links) {
    at = plan.writeUInt8(width, at);
    at = plan.writeUInt8(planes, at);
    at = plan.writeUInt32LE(head.length, at);
    for (const payload of classes) {
      at = plan.writeInt32LE(payload?.fd ?? -1, at);
      at = plan.writeUInt32LE(payload?.crc ?? 0, at);
      at = plan.writeBigUInt64LE(BigInt(payload?.offset ?? 0), at);
      at = plan.writeBigUInt64LE(BigInt(payload?.bytes ?? 0), at);
    }
    plan.set(head, at);
    at += head.length;
  }
  return plan;
}

/** True if there is a kernel that decodes chains from files. */
export function decodesChains(): boolean {
  return loadKernel().native !== null;
}

/** Links, and planes under the first of them. */
export interface PlannedChain {
  readonly links: readonly PlannedLink[];
  readonly base: readonly Uint8Array[] | null;
}

/**
 * Decodes the last link of a chain into `target`, checksums of payloads compared.
 * @param target  as many planes as the last link gives.
 * @returns false if the kernel cannot, or something is wrong: the target then holds anything.
 * @throws {AbortedError}
 */
export async function decodeChain(
  { links, base }: PlannedChain,
  target: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { native } = loadKernel();
  const [first] = target;
  if (native === null || first === undefined) return false;
  try {
    const abort = signal && abortFlag(signal);
    const plan = encodeChainPlan(links);
    await native.decodeChain(plan, base, first.length, target.length, target, abort);
    return true;
  } catch (error) {
    if ((error as { kernel?: unknown }).kernel === ERROR_ABORTED) throw new AbortedError();
    return false;
  }
}

/** Pieces of a segment: `pieces` runs of `length` elements, each `step` behind the one before. */
export interface Sampling {
  readonly length: number;
  readonly step: number;
  readonly pieces: number;
}

/**
 * Samples of links of a chain that stands on nothing else. Payloads that are read whole are compared with their
 * checksums; those of which parts are left out are not, so nothing may be stored because of a sample alone.
 * @param links    from the root to the last one, which is sampled. Those that are give equally many planes.
 * @param count    elements of the segment; the pieces end before.
 * @returns planes of each sampled link in order, each its pieces one after the other; null if the kernel
 *   cannot, or something is wrong.
 * @throws {AbortedError}
 */
export async function sampleChain(
  links: readonly (PlannedLink & { readonly isSampled: boolean })[],
  count: number,
  { length, step, pieces }: Sampling,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[][] | null> {
  const { native } = loadKernel();
  const last = links.at(-1);
  if (native === null || last === undefined) return null;
  const { planes } = last;
  const wanted = links.reduce((bits, { isSampled }, i) => bits + (isSampled ? 2 ** i : 0), 0);
  const abort = signal && abortFlag(signal);
  try {
    const plan = encodeChainPlan(links);
    const [all] = await native.sampleChain(
      plan,
      count,
      planes,
      wanted,
      length,
      step,
      pieces,
      abort,
    );
    const bytes = length * pieces;
    const planeAt = (i: number) => all.subarray(i * bytes, (i + 1) * bytes);
    return links
      .filter(({ isSampled }) => isSampled)
      .map((_, at) => Array.from({ length: planes }, (_, k) => planeAt(at * planes + k)));
  } catch (error) {
    if ((error as { kernel?: unknown }).kernel === ERROR_ABORTED) throw new AbortedError();
    return null;
  }
}
