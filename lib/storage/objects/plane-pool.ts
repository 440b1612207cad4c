/**
 * Memory for planes, used again: fresh planes would cost page faults, zeroing and collections for
 * every segment of a file, megabytes for large ones and thousands of small ones.
 *
 * Whoever takes planes gives them back when nothing reads them any more, or forgets them: what is
 * not given back is garbage like any other. Their content is whatever it was.
 */
import { SEGMENT_ELEMENTS } from '../../base/limits.js';

/** Sizes of slabs, and how many of each are kept for later use. */
const SLABS: readonly { bytes: number; kept: number }[] = [
  { bytes: SEGMENT_ELEMENTS >> 10, kept: 256 },
  { bytes: SEGMENT_ELEMENTS >> 8, kept: 256 },
  { bytes: SEGMENT_ELEMENTS >> 6, kept: 128 },
  { bytes: SEGMENT_ELEMENTS >> 4, kept: 32 },
  { bytes: SEGMENT_ELEMENTS >> 2, kept: 16 },
  { bytes: SEGMENT_ELEMENTS, kept: 32 },
  { bytes: 4 * SEGMENT_ELEMENTS, kept: 4 },
];
/** Shorter planes are cheap to make. */
const POOLED_BYTES_MIN = SEGMENT_ELEMENTS >> 12;

const free = new Map<number, ArrayBuffer[]>(SLABS.map(({ bytes }) => [bytes, []]));

/** `width` planes of `count` bytes each, with any content. */
export function takePlanes(width: number, count: number): Uint8Array[] {
  const slab = count < POOLED_BYTES_MIN ? undefined : SLABS.find(({ bytes }) => bytes >= count);
  if (slab === undefined) return Array.from({ length: width }, () => new Uint8Array(count));
  const slabs = free.get(slab.bytes) as ArrayBuffer[];
  return Array.from(
    { length: width },
    () => new Uint8Array(slabs.pop() ?? new ArrayBuffer(slab.bytes), 0, count),
  );
}

/** Room for the payloads of a segment, to be given back like planes; none for the rare larger ones. */
export function takeRoom(width: number, count: number): Uint8Array | undefined {
  const bytes = width * count;
  return bytes <= 4 * SEGMENT_ELEMENTS ? takePlanes(1, bytes)[0] : undefined;
}

/** Gives planes back; they must not be used any more. */
export function givePlanes(planes: readonly Uint8Array[] | null): void {
  for (const { buffer } of planes ?? []) {
    const slabs = buffer instanceof ArrayBuffer ? free.get(buffer.byteLength) : undefined;
    const kept = SLABS.find(({ bytes }) => bytes === buffer.byteLength)?.kept ?? 0;
    if (slabs !== undefined && slabs.length < kept) slabs.push(buffer as ArrayBuffer);
  }
}
