/**
 * Goal: the delta operators are the byte-wise operations they are named after, and undo each other.
 * Method: every pair of bytes in every place of a word, then any bytes at any alignment.
 */
import test from 'ava';
import fc from 'fast-check';
import { addBytes, subtractBytes, xorBytes } from '../../../lib/codec/delta.js';

type Operator = (target: Uint8Array, a: Uint8Array, b: Uint8Array) => void;

const OPERATORS: [Operator, (a: number, b: number) => number][] = [
  [xorBytes, (a, b) => a ^ b],
  [subtractBytes, (a, b) => (a - b) & 255],
  [addBytes, (a, b) => (a + b) & 255],
];

test('delta: every pair of bytes gives the byte-wise result, whatever stands beside it', (t) => {
  const pairs = 256 * 256;
  for (let place = 0; place < 4; place++) {
    const a = new Uint8Array(4 * pairs).fill(place % 2 ? 0xff : 0x80);
    const b = new Uint8Array(4 * pairs).fill(place > 1 ? 0x01 : 0xff);
    for (let i = 0; i < pairs; i++) {
      a[4 * i + place] = i & 255;
      b[4 * i + place] = i >> 8;
    }
    for (const [operator, byHand] of OPERATORS) {
      const target = new Uint8Array(a.length);
      operator(target, a, b);
      const expected = a.map((byte, i) => byHand(byte, b[i]!));
      t.is(Buffer.compare(target, expected), 0, `${operator.name} at ${place}`);
    }
  }
});

test('delta: any length and alignment, and the target may be a source', (t) => {
  const bytes = fc.uint8Array({ minLength: 80, maxLength: 80 });
  const shift = fc.integer({ min: 0, max: 5 });
  const property = fc.property(
    bytes,
    bytes,
    shift,
    shift,
    fc.nat(40),
    (memoryA, memoryB, shiftA, shiftB, n) => {
      const a = memoryA.subarray(shiftA, shiftA + n);
      const b = memoryB.subarray(shiftB, shiftB + n);
      for (const [operator, byHand] of OPERATORS) {
        const expected = a.map((byte, i) => byHand(byte, b[i]!));
        const over = b.slice();
        operator(over, a, over);
        t.deepEqual(over, expected);
      }
      const delta = new Uint8Array(n);
      subtractBytes(delta, a, b);
      addBytes(delta, delta, b);
      t.deepEqual(delta, a.slice());
    },
  );
  fc.assert(property);
});

test('delta: unequal lengths are refused', (t) => {
  for (const [operator] of OPERATORS) {
    t.throws(() => operator(new Uint8Array(4), new Uint8Array(4), new Uint8Array(5)));
  }
});
