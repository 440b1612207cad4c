/**
 * Goal: the codec benchmark measures what it says. Method: 16-bit roundings against exact neighbours,
 * the entropy against a hand-computed example, pairs that names suggest.
 */
import test from 'ava';
import fc from 'fast-check';
import { guessPairs, type ModelFile, pairName } from '../../../benchmarks/codec/models.js';
import { entropyBytes, roundBytes, toBf16, toFp16 } from '../../../benchmarks/codec/roundings.js';

const view = new DataView(new ArrayBuffer(4));

function floatOf(bits: number): number {
  view.setUint32(0, bits >>> 0);
  return view.getFloat32(0);
}

function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Checks that no neighbour is nearer, and that a tie went to the even one. */
function isNearest(value: number, bits: number, decode: (bits: number) => number): boolean {
  const error = Math.abs(value - decode(bits));
  return [bits - 1, bits + 1].every((other) => {
    if ((other & 0x8000) !== (bits & 0x8000) || other < 0) return true;
    const neighbour = decode(other);
    if (!Number.isFinite(neighbour)) return true;
    const distance = Math.abs(value - neighbour);
    return distance > error || (distance === error && (bits & 1) === 0);
  });
}

const words = fc.integer({ min: 0, max: 0xffffffff });
const nearHalves = fc
  .tuple(fc.integer({ min: 96, max: 144 }), fc.integer({ min: 0, max: 0x7fffff }), fc.boolean())
  .map(([exponent, rest, negative]) => ((exponent << 23) | rest | (negative ? 1 << 31 : 0)) >>> 0);

test('roundings: bf16 is the nearest, ties to even', (t) => {
  fc.assert(
    fc.property(words, (bits) => {
      const value = floatOf(bits);
      const rounded = toBf16(bits);
      if (Number.isNaN(value)) return Number.isNaN(floatOf(rounded << 16));
      if (!Number.isFinite(floatOf(rounded << 16))) return Math.abs(value) > 3.3e38;
      return isNearest(value, rounded, (b) => floatOf(b << 16));
    }),
  );
  t.is(toBf16(0x3f808000), 0x3f80);
  t.is(toBf16(0x3f818000), 0x3f82);
});

test('roundings: fp16 is the nearest, ties to even, below its normal numbers too', (t) => {
  fc.assert(
    fc.property(fc.oneof(words, nearHalves), (bits) => {
      const value = floatOf(bits);
      const rounded = toFp16(bits);
      if (Number.isNaN(value)) return Number.isNaN(halfOf(rounded));
      if (!Number.isFinite(halfOf(rounded))) return Math.abs(value) >= 65520;
      return Math.abs(value) < 65520 && isNearest(value, rounded, halfOf);
    }),
    { numRuns: 1000 },
  );
  t.is(toFp16(0x33000000), 0, 'half of the least half rounds to even');
  t.is(toFp16(0x33000001), 1);
  t.is(toFp16(0x477fefff), 0x7bff);
});

test('roundings: bytes are little-endian', (t) => {
  t.deepEqual([...roundBytes(new Uint8Array([0, 0, 0x80, 0x3f]), 'bf16')], [0x80, 0x3f]);
  t.deepEqual([...roundBytes(new Uint8Array([0, 0, 0x80, 0x3f]), 'fp16')], [0x00, 0x3c]);
});

test('roundings: the entropy counts digits in the class of the base’s exponent', (t) => {
  const base = [new Uint8Array([0x3f, 0x3f, 0x40, 0x40]), new Uint8Array([0x80, 0x80, 0, 0])];
  // Both elements of the first exponent change by 0 and 1, those of the second by 0: one bit each.
  const child = [base[0] as Uint8Array, new Uint8Array([0x80, 0x81, 0, 0])];
  t.is(entropyBytes(child, base, 'bf16'), 2 / 8);
  t.is(entropyBytes(base, base, 'bf16'), 0);
});

function model(name: string, tensor = 'w'): ModelFile {
  const extent = { names: [tensor], width: 4, count: 5000, offset: 0, byteSwap: false };
  return { name, file: name, size: 20000, extents: [extent] };
}

test('pairs: consecutive steps of a folder, and one name in neighbouring folders', (t) => {
  const models = ['a/step-900.npy', 'a/step-1000.npy', 'v/1.2/m.npy', 'v/1.10/m.npy', 'b.npy'];
  t.deepEqual(guessPairs(models.map((name) => model(name))).map(pairName), [
    'a/step-900.npy → step-1000.npy',
    'v/1.2/m.npy → 1.10/m.npy',
  ]);
  t.deepEqual(guessPairs([model('a/1.npy'), model('a/2.npy', 'other')]), []);
});
