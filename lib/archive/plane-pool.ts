/**
 * Memory for planes, used again: planes of whole segments are megabytes each, and fresh ones would
 * cost page faults, zeroing and collections for every segment of a file.
 *
 * Whoever takes planes gives them back when nothing reads them any more, or forgets them: what is
 * not given back is garbage like any other. Their content is whatever it was.
 */
import { SEGMENT_ELEMENTS } from '../limits.js';

/** Slabs kept for later use: 32 of 4 MiB. */
const FREE_SLABS_MAX = 32;
/** Shorter planes are cheap to make. */
const POOLED_BYTES_MIN = SEGMENT_ELEMENTS / 16;

const free: ArrayBuffer[] = [];

/** `width` planes of `count` bytes each, with any content. */
export function takePlanes(width: number, count: number): Uint8Array[] {
  if (count < POOLED_BYTES_MIN || count > SEGMENT_ELEMENTS) {
    return Array.from({ length: width }, () => new Uint8Array(count));
  }
  return Array.from(
    { length: width },
    () => new Uint8Array(free.pop() ?? new ArrayBuffer(SEGMENT_ELEMENTS), 0, count),
  );
}

/** Gives planes back; they must not be used any more. */
export function givePlanes(planes: readonly Uint8Array[] | null): void {
  for (const plane of planes ?? []) {
    const { buffer } = plane;
    if (buffer.byteLength !== SEGMENT_ELEMENTS || !(buffer instanceof ArrayBuffer)) continue;
    if (free.length < FREE_SLABS_MAX) free.push(buffer);
  }
}
