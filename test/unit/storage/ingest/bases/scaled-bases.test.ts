/** Factors of scaled rows: found where they are, to the last bit, and not where training changed the values. */
import test from 'ava';
import { splitPlanes } from '../../../../../lib/pure/tensor/planes.js';
import { factorsOf, valuesOf } from '../../../../../lib/storage/ingest/bases/scaled-bases.js';
import { seededRandom } from '../../../../helpers/rng.js';

const ROWS = 30;
const LENGTH = 50;

function weights(seed: number): Float32Array {
  const random = seededRandom(seed);
  return new Float32Array(ROWS * LENGTH).map(() => random() - 0.5);
}

function scaled(base: Float32Array, factors: Float32Array): Float32Array {
  return base.map((value, i) => value * (factors[Math.floor(i / LENGTH)] as number));
}

test('scaled: every factor is found to its last bit', (t) => {
  for (let seed = 1; seed < 40; seed++) {
    const random = seededRandom(seed);
    const factors = new Float32Array(ROWS).map(() => 10 ** (4 * random() - 2));
    const base = weights(100 + seed);
    t.deepEqual(factorsOf(scaled(base, factors), base, ROWS), factors);
  }
});

test('scaled: one factor for all is one', (t) => {
  const base = weights(7);
  const one = Float32Array.of(Math.fround(1 / Math.sqrt(64)));
  const values = base.map((value) => value * (one[0] as number));
  t.deepEqual(factorsOf(values, base, ROWS), one);
});

test('scaled: a few values that were changed do not hide the factors, training does', (t) => {
  const base = weights(8);
  const factors = new Float32Array(ROWS).map((_, i) => 0.5 + i / 9);
  const values = scaled(base, factors);
  for (let i = 0; i < values.length; i += 25) values[i] = Number.NaN;
  t.deepEqual(factorsOf(values, base, ROWS), factors);
  const trained = scaled(base, factors).map((value, i) => value * (1 + ((i * 7919) % 100) * 1e-6));
  t.is(factorsOf(trained, base, ROWS), null);
});

test('scaled: zeros, infinities and rows that do not divide have no factors', (t) => {
  const base = weights(9);
  t.is(factorsOf(base, new Float32Array(base.length), ROWS), null);
  t.is(
    factorsOf(
      base.map(() => Number.POSITIVE_INFINITY),
      base,
      ROWS,
    ),
    null,
  );
  t.is(factorsOf(base, base, ROWS + 1), null);
});

test('scaled: values are those of the planes', (t) => {
  const base = weights(10);
  t.deepEqual(valuesOf(splitPlanes(new Uint8Array(base.buffer), 4)), base);
});
