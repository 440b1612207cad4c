/**
 * Goal: bounds from leading planes hold every value that the planes not read can give, and are the
 * tightest that do.
 * Method: 16-bit types against all 256 completions of every first byte; wider ones against random
 * completions and those at the ends, on words that favour NaN, infinities, zeros and denormals.
 */
import test from 'ava';
import fc from 'fast-check';
import {
  NAN_ALWAYS,
  NAN_MAYBE,
  NAN_NEVER,
  type PrefixBounds,
  prefixBounds,
} from '../../../benchmarks/paper/prefix-bounds.js';
import { DTYPES, type DType, isNumeric, widen } from '../../../lib/pure/tensor/dtype.js';
import { splitPlanes } from '../../../lib/pure/tensor/planes.js';

const NUMERIC = (Object.keys(DTYPES) as DType[]).filter(isNumeric);

/** One element from its bytes, most significant first. */
function numberOf(dtype: DType, bytes: readonly number[]): number {
  return widen(dtype, Uint8Array.from(bytes).reverse())?.[0] as number;
}

function boundsOf(dtype: DType, leading: readonly number[]): [number, number, number] {
  const planes = leading.map((byte) => Uint8Array.of(byte));
  const { lower, upper, nan } = prefixBounds(dtype, planes) as PrefixBounds;
  return [lower[0] as number, upper[0] as number, nan[0] as number];
}

for (const dtype of NUMERIC.filter((name) => DTYPES[name].width <= 2)) {
  test(`bounds: ${dtype}, every first byte against all that can follow`, (t) => {
    const { width } = DTYPES[dtype];
    for (let first = 0; first < 256; first++) {
      const values = Array.from({ length: width === 1 ? 1 : 256 }, (_, rest) =>
        numberOf(dtype, width === 1 ? [first] : [first, rest]),
      );
      const numbers = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
      const [lower, upper, nan] = boundsOf(dtype, [first]);
      if (numbers.length === 0) t.deepEqual([lower, upper, nan], [NaN, NaN, NAN_ALWAYS]);
      else {
        t.is(lower + 0, (numbers[0] as number) + 0, `${first}`);
        t.is(upper + 0, (numbers.at(-1) as number) + 0, `${first}`);
        t.is(nan, numbers.length < values.length ? NAN_MAYBE : NAN_NEVER);
      }
    }
  });
}

/** Bytes of a word that is often at an edge of its type: exponents of all ones, mantissas of zeros. */
const byte = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 255 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 0x7f, 0x80, 0xf0, 0xff) },
);

for (const dtype of NUMERIC.filter((name) => DTYPES[name].width > 2)) {
  test(`bounds: ${dtype} holds what any completion gives, and its ends are such`, (t) => {
    const { width } = DTYPES[dtype];
    fc.assert(
      fc.property(
        fc.array(byte, { minLength: width, maxLength: width }),
        fc.integer({ min: 1, max: width }),
        fc.array(byte, { minLength: width, maxLength: width }),
        (word, known, other) => {
          const leading = word.slice(0, known);
          const [lower, upper, nan] = boundsOf(dtype, leading);
          const completions = [word, other, Array(width).fill(0), Array(width).fill(255)];
          const values = completions.map((rest: number[]) =>
            numberOf(dtype, [...leading, ...rest.slice(known)]),
          );
          for (const value of values) {
            if (Number.isNaN(value)) t.not(nan, NAN_NEVER);
            else {
              t.not(nan, NAN_ALWAYS);
              t.true(lower <= value && value <= upper, `${lower} ${value} ${upper}`);
            }
          }
          if (nan === NAN_NEVER && DTYPES[dtype].bits <= 32) {
            t.true(values.includes(lower) && values.includes(upper), 'the ends are attained');
          }
          if (nan === NAN_MAYBE) t.true(Math.abs(lower) === Infinity || upper === Infinity);
          if (
            known === width &&
            nan === NAN_NEVER &&
            DTYPES[dtype].kind !== 'int' &&
            dtype !== 'U64'
          )
            t.is(lower, upper);
        },
      ),
      { numRuns: 2000 },
    );
  });
}

test('bounds: 64-bit integers are rounded outwards', (t) => {
  const [lower, upper] = boundsOf('I64', [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  t.true(BigInt(lower) <= 2n ** 63n - 1n && BigInt(upper) >= 2n ** 63n - 1n);
  t.deepEqual([lower, upper], [2 ** 63 - 1024, 2 ** 63]);
  const [least, most] = boundsOf('I64', [0x80, 0, 0, 0, 0, 0, 0, 1]);
  t.deepEqual([least, most], [-(2 ** 63), -(2 ** 63) + 1024]);
  t.deepEqual(boundsOf('U64', [0xff]).slice(0, 2), [255 * 2 ** 56, 2 ** 64]);
});

test('bounds: two planes of fp32, the worked example of docs/format/plane.md', (t) => {
  const planes = splitPlanes(new Uint8Array(Float32Array.of(1, -2.5).buffer), 4).slice(0, 2);
  const { lower, upper } = prefixBounds('F32', planes) as PrefixBounds;
  t.is(lower[0], 1);
  t.true((upper[0] as number) < 1.0078125 && (upper[0] as number) > 1.0078);
  t.is(upper[1], -2.5);
  t.true((lower[1] as number) > -2.515625 && (lower[1] as number) < -2.5156);
  t.is(prefixBounds('F4', planes.slice(0, 1)), null);
});
