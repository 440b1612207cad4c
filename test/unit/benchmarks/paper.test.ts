/**
 * Goal: what the paper's tables are made of is what it says. Method: inverses and exact cases of the
 * float schemes; proofs of answers against random weights within the bounds.
 */
import test from 'ava';
import fc from 'fast-check';
import {
  bitsOf,
  countInexact,
  exponentOf,
  normalise,
  subtractOrdered,
  toFixedPoint,
  xorFloats,
} from '../../../benchmarks/paper/floats.js';
import { prove } from '../../../benchmarks/paper/progressive.js';

const floats = fc
  .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 40 })
  .map((bits) => new Float32Array(Int32Array.from(bits).buffer))
  .filter((values) => values.every(Number.isFinite));

test('fixed point: within a step of the value', (t) => {
  fc.assert(
    fc.property(floats, (values) => {
      const exponent = exponentOf(values);
      const step = 2 ** (exponent - 31);
      const fixed = new Int32Array(toFixedPoint(values, exponent).buffer);
      return values.every((v, i) => Math.abs((fixed[i] as number) * step - v) <= step);
    }),
  );
  t.is(exponentOf(new Float32Array([0.5, -3])), 2);
  t.is(exponentOf(new Float32Array([0])), 0);
});

test('normalised: one sign and one exponent', (t) => {
  fc.assert(
    fc.property(fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1 }), (list) => {
      const values = Float32Array.from(list);
      const exponent = exponentOf(values);
      const moved = normalise(values, exponent);
      // The greatest value may reach the next power of two, from where on the exponent is another.
      return moved.every((v) => v >= 2 ** (exponent + 1) && v <= 2 ** (exponent + 2));
    }),
  );
  const heads = bitsOf(normalise(new Float32Array([-1, -0.3, 0, 0.7]), 0)).map((b) => b >>> 23);
  t.is(new Set(heads).size, 1);
});

test('deltas: equal numbers give zeros, neighbours small numbers', (t) => {
  const values = new Float32Array([1, -1, 0, 1e-40]);
  t.deepEqual([...xorFloats(values, values)], [0, 0, 0, 0]);
  t.deepEqual([...subtractOrdered(values, values)], [0, 0, 0, 0]);
  const next = new Float32Array(bitsOf(new Float32Array([1])).map((bits) => bits + 1).buffer);
  t.deepEqual([...subtractOrdered(next, new Float32Array([1]))], [2]);
  t.deepEqual([...subtractOrdered(new Float32Array([-0]), new Float32Array([0]))], [1]);
  t.is(countInexact(values, values), 0);
  t.is(countInexact(new Float32Array([1e-8]), new Float32Array([1])), 1);
});

const weight = fc.double({ min: -1, max: 1, noNaN: true });
const widths = fc.double({ min: 0, max: 0.2, noNaN: true });

test('proofs: no weights within the bounds answer otherwise', (t) => {
  const pairs = (count: number) =>
    fc.array(fc.tuple(weight, widths), { minLength: count, maxLength: count });
  const image = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
    minLength: 3,
    maxLength: 3,
  });
  let proven = 0;
  fc.assert(
    fc.property(
      pairs(12),
      pairs(12),
      image,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
        minLength: 24,
        maxLength: 24,
      }),
      (first, second, pixels, where) => {
        const layer = (list: [number, number][], inputs: number, outputs: number) => ({
          inputs,
          outputs,
          low: Float64Array.from(list, ([from]) => from),
          high: Float64Array.from(list, ([from, width]) => from + width),
          lowBias: new Float64Array(outputs),
          highBias: new Float64Array(outputs),
        });
        const layers = [layer(first, 3, 4), layer(second, 4, 3)];
        let values: number[] = pixels;
        let at = 0;
        for (const [l, { inputs, outputs, low, high }] of layers.entries()) {
          values = Array.from({ length: outputs }, (_, o) => {
            let sum = 0;
            for (let i = 0; i < inputs; i++) {
              const w = o * inputs + i;
              const [from, to] = [low[w] as number, high[w] as number];
              sum += (from + (where[at++] as number) * (to - from)) * (values[i] as number);
            }
            return l === 0 ? Math.max(0, sum) : sum;
          });
        }
        const input = Float32Array.from(pixels);
        const sure = [0, 1, 2].filter((c) => prove(layers, input, c).byMargins);
        for (const c of [0, 1, 2]) {
          if (prove(layers, input, c).byScores && !sure.includes(c)) return false;
        }
        proven += sure.length;
        return sure.every((c) => values.every((v) => v <= (values[c] as number) + 1e-6));
      },
    ),
    { numRuns: 500 },
  );
  t.true(proven > 0);
});
