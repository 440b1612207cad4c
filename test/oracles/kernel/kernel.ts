/**
 * The reference kernel: codec 2 in TypeScript, the oracle of native/ in both directions.
 *
 * Written from docs/format/codec.md and docs/format/plane.md; asks for clarity, not for speed.
 * Start at decode.ts. `DLV_KERNEL=reference` runs dlv on it.
 */
import { readDecode, readEncode } from '../../../lib/base/native/arguments.js';
import { ERROR_ABORTED, failure } from '../../../lib/base/native/failure.js';
import type { Kernel } from '../../../lib/base/native/kernel-types.js';
import { decodeReference } from './decode.js';
import { encodeReference } from './encode.js';

/** The reference as a kernel: work is done at once, on the main thread. */
export const referenceKernel: Kernel = {
  async encode(planes, base, level, noPrefix, abort, room, shares) {
    const given = readEncode({ planes, base, level, noPrefix, abort, room, shares });
    if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
    return encodeReference(given.planes, given.base, level, noPrefix);
  },
  async decode(head, classes, base, count, width, wanted, out, abort) {
    const given = readDecode({ head, classes, base, count, width, wanted, out, abort });
    if (abort?.[0]) throw failure(ERROR_ABORTED, 'aborted');
    const planes = decodeReference(head, given.classes, given.base, { count, width, wanted });
    for (const [k, plane] of planes.entries()) given.out?.[k]?.set(plane);
    return given.out ?? planes;
  },
};
