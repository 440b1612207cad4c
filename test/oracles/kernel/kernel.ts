/**
 * The reference kernel: codec 2 in TypeScript, the oracle of native/ in both directions.
 *
 * Written from docs/format/codec.md and docs/format/plane.md; asks for clarity, not for speed.
 * Start at decode.ts. `DLV_KERNEL=reference` runs dlv on it.
 */
import type { Kernel } from '../../../lib/base/native/kernel.js';
import { decodeReference } from './decode.js';
import { encodeReference } from './encode.js';
import { ERROR_ABORTED, ERROR_ARGUMENT, failure } from './input.js';

/** The reference as a kernel: work is done at once, on the main thread. */
export const referenceKernel: Kernel = {
  async encode(planes, base, level, noPrefix, abort) {
    if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
    checkPlanes(planes, planes[0]?.length ?? 0, planes.length);
    if (base !== null) checkPlanes(base, planes[0]?.length ?? 0, planes.length);
    return encodeReference(planes, base, level, noPrefix);
  },
  async decode(head, classes, base, count, width, wanted, out, abort) {
    if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
    if (base !== null) checkPlanes(base, count, wanted);
    if (out !== undefined && out.length !== wanted) throw failure(ERROR_ARGUMENT, 'planes missing');
    if (out !== undefined) checkPlanes(out, count, wanted);
    const planes = decodeReference(head, classes, base, count, width, wanted);
    if (out === undefined) return planes;
    for (const [k, plane] of planes.entries()) out[k]?.set(plane);
    return [...out];
  },
};

function checkPlanes(planes: readonly Uint8Array[], count: number, least: number): void {
  if (planes.length < least || planes.some((plane) => plane.length !== count)) {
    throw failure(ERROR_ARGUMENT, 'planes of another size');
  }
}
