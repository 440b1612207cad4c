/**
 * Goal: planes are the bytes of elements by significance, in words or byte by byte.
 * Method: the definition in docs/format/plane.md written out, at every width, odd sizes and offsets.
 */
import test from 'ava';
import fc from 'fast-check';
import {
  mergePlanes,
  splitInto,
  splitPlanes,
  swapBytes,
} from '../../../../lib/pure/tensor/planes.js';

const WIDTHS = [1, 2, 4, 8];

function byDefinition(bytes: Uint8Array, width: number): Uint8Array[] {
  return Array.from({ length: width }, (_, k) =>
    new Uint8Array(bytes.length / width).map((_, i) => bytes[i * width + width - 1 - k]!),
  );
}

/** A view of bytes that starts `shift` bytes into its memory. */
function shifted(bytes: Uint8Array, shift: number): Uint8Array {
  const memory = new Uint8Array(bytes.length + shift);
  memory.set(bytes, shift);
  return memory.subarray(shift);
}

const elements = fc.tuple(
  fc.constantFrom(...WIDTHS),
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 7 }),
  fc.integer({ min: 0, max: 7 }),
  fc.uint8Array({ minLength: 2400, maxLength: 2400 }),
);

test('planes: splitting gives byte w−1−k of every element as plane k', (t) => {
  fc.assert(
    fc.property(elements, ([width, n, shift, planeShift, noise]) => {
      const bytes = shifted(noise.subarray(0, n * width), shift);
      const expected = byDefinition(bytes, width);
      t.deepEqual(splitPlanes(bytes, width), expected);
      const own = expected.map((plane) => shifted(new Uint8Array(plane.length), planeShift));
      splitInto(bytes, own);
      t.deepEqual(
        own.map((plane) => plane.slice()),
        expected,
      );
    }),
  );
});

test('planes: merging is the inverse, and missing low planes are zero', (t) => {
  fc.assert(
    fc.property(
      elements,
      fc.integer({ min: 1, max: 8 }),
      ([width, n, shift, planeShift, noise], keep) => {
        const bytes = noise.slice(0, n * width);
        const planes = byDefinition(bytes, width).map((plane) => shifted(plane, planeShift));
        const target = shifted(new Uint8Array(bytes.length).fill(0xa5), shift);
        mergePlanes(planes, width, target);
        t.deepEqual(target.slice(), bytes);
        const leading = Math.min(keep, width);
        mergePlanes(planes.slice(0, leading), width, target);
        const cut = bytes.map((byte, i) => (i % width >= width - leading ? byte : 0));
        t.deepEqual(target.slice(), cut);
      },
    ),
  );
});

test('planes: planes of unequal length are refused', (t) => {
  t.throws(() => mergePlanes([new Uint8Array(2), new Uint8Array(3)], 2, new Uint8Array(4)));
  t.throws(() => splitInto(new Uint8Array(4), [new Uint8Array(2), new Uint8Array(3)]));
  t.throws(() => splitPlanes(new Uint8Array(3), 2));
});

test('planes: swapping the bytes of elements reverses each of them', (t) => {
  for (const width of WIDTHS) {
    const bytes = new Uint8Array(4 * width).map((_, i) => i);
    const expected = bytes.map((_, i) => i - (i % width) + (width - 1 - (i % width)));
    swapBytes(bytes, width);
    t.deepEqual(bytes, expected);
  }
});
