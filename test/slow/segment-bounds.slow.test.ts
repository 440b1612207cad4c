/**
 * Segments of the greatest size: every kernel writes the same bytes and gives them back. The reference
 * takes part for elements of one byte, where it does not take minutes.
 */
import test from 'ava';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import type { KernelSegment } from '../../lib/base/native/kernel-types.js';
import { decodeOrNull, KERNEL_KINDS, kernelOf, makePair, stopsOf } from '../helpers/kernels.js';

const PARTS = ['head', 'hi', 'mid', 'low'] as const;

for (const [width, count] of [
  [1, SEGMENT_ELEMENTS],
  [2, SEGMENT_ELEMENTS - 1],
  [4, SEGMENT_ELEMENTS],
  [8, SEGMENT_ELEMENTS - 3],
] as const) {
  test.serial(`codec: ${count} elements of width ${width}`, async (t) => {
    t.timeout(600_000);
    const kinds = KERNEL_KINDS.filter((kind) => width === 1 || kind !== 'reference');
    for (const [content, change] of [
      ['floats', 'some'],
      ['levels', 'all'],
    ] as const) {
      const { child, base } = makePair({ content, change, width, count, shift: 1, seed: width });
      let first: KernelSegment | null = null;
      for (const kind of kinds) {
        const segment: KernelSegment = await kernelOf(kind).encode(child, base, 1, false);
        first ??= segment;
        for (const part of PARTS) t.is(Buffer.compare(segment[part], first[part]), 0, kind);
      }
      const segment = first as KernelSegment;
      for (const stop of stopsOf(segment.head, width)) {
        const under = segment.usesBase ? (base?.slice(0, stop) ?? null) : null;
        for (const kind of kinds) {
          const found = await decodeOrNull(kind, segment, under, { count, width, wanted: stop });
          const isEqual = found?.every(
            (plane, k) => Buffer.compare(plane, child[k] as Uint8Array) === 0,
          );
          t.true(isEqual, `${kind}, ${stop} planes`);
        }
      }
    }
  });
}
