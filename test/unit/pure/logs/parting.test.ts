/** Where curves part: equal beginnings, noise, steps of one curve alone, what is not finite. */
import test from 'ava';
import { findParting } from '../../../../lib/pure/logs/parting.js';
import { seededRandom } from '../../../helpers/rng.js';

function curve(count: number, valueAt: (step: number) => number, every = 1) {
  const steps = Array.from({ length: count }, (_, i) => i * every);
  return { steps, values: steps.map(valueAt) };
}

test('parting: a run that is continued otherwise leaves the other where it was changed', (t) => {
  const base = curve(40, (step) => 1 / (1 + step));
  const random = seededRandom(1);
  const other = curve(40, (step) => {
    return 1 / (1 + step) - (step < 20 ? 0 : 0.1 + 0.001 * random());
  });
  const found = findParting(base, other)!;
  t.like(found, { common: 40, differs: 20, step: 20 });
  t.true(Math.abs(found.delta! + 0.1) < 0.002 && found.noise! < 0.002);
});

test('parting: two noisy runs of one curve differ from the first step and never part', (t) => {
  const random = seededRandom(2);
  const noisy = () => curve(200, (step) => Math.exp(-step / 50) + 0.05 * (random() - 0.5));
  const found = findParting(noisy(), noisy())!;
  t.like(found, { common: 200, differs: 0, step: null, delta: null });
  t.true(found.noise! > 0.005 && found.noise! < 0.05);
});

test('parting: a slow drift counts from where it leaves the noise', (t) => {
  const random = seededRandom(3);
  const base = curve(300, () => 0.01 * (random() - 0.5));
  const other = curve(300, (step) => 0.01 * (random() - 0.5) + Math.max(0, step - 100) * 0.001);
  const { step } = findParting(base, other)!;
  t.true(step! > 100 && step! < 130, `${step}`);
});

test('parting: steps that both have count, and values that are numbers', (t) => {
  const base = curve(10, () => 1, 10);
  t.is(findParting(base, { steps: [5, 15], values: [1, 2] }), null);
  t.is(findParting({ steps: [], values: [] }, base), null);
  t.deepEqual(findParting(base, base), {
    common: 10,
    differs: null,
    step: null,
    delta: null,
    noise: null,
  });
  const odd = { steps: [0, 10, 20], values: [1, Number.NaN, 3] };
  t.deepEqual(findParting(base, odd), {
    common: 2,
    differs: 20,
    step: null,
    delta: null,
    noise: null,
  });
});
