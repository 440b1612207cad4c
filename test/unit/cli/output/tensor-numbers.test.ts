/** Numbers with a bound show what is known, and the bound holds for what is shown. */
import test from 'ava';
import { formatMetric, paramText } from '../../../../lib/cli/output/render.js';
import { percent, signed, within } from '../../../../lib/cli/output/tensor-numbers.js';
import { seededRandom } from '../../../helpers/rng.js';

test('percent: what is not all and not nothing never looks so', (t) => {
  t.deepEqual([0, 1, 0.5, 0.0005].map(percent), ['0 %', '100 %', '50.0 %', '0.0500 %']);
  t.is(percent(1 / 2_900_000), '0.000034 %');
  t.is(percent(1e-12), '1.0e-10 %');
  t.is(percent(1 - 1 / 2_900_000), '99.99997 %');
  t.is(percent(0.999995), '99.9995 %');
});

test('small numbers have one notation: metrics, hyperparameters and differences', (t) => {
  t.deepEqual([3.38082e-6, 4.56e-7, 1e-5, 0.0001, 0.00123456789, -2e-5, 0, 12].map(formatMetric), [
    '3.38082e-6',
    '4.56e-7',
    '1e-5',
    '0.0001',
    '0.00123457',
    '-2e-5',
    '0',
    '12',
  ]);
  t.deepEqual([3.38082123456e-6, 0.1, '1e-05', [1, 2], true].map(paramText), [
    ...['3.38082123456e-6', '0.1', '1e-05', '[1,2]', 'true'],
  ]);
  t.is(signed(2.5e-6), '+2.5e-6');
});

test('within: as many digits as the bound allows', (t) => {
  t.is(within(0.244607, 3e-5), '0.24461 ±4e-5');
  t.is(within(0.0435201, 7e-7), '0.0435201 ±7e-7');
  t.is(within(0.08432, 0.0006), '0.0843 ±7e-4');
  t.is(within(234.5, 20), '235 ±30');
  t.is(within(3.14159e-5, 2e-9), '3.1416e-5 ±3e-9');
  t.is(within(0, 1e-6), '0 ±1e-6');
  t.is(within(Number.NaN, Number.NaN), 'NaN ±NaN');
});

test('within: the value lies within what is shown, and no digit of it is of no use', (t) => {
  const random = seededRandom(5);
  for (let n = 0; n < 2000; n++) {
    const value = (random() - 0.5) * 10 ** (random() * 16 - 8);
    const bound = Math.abs(value) * 10 ** (-random() * 9 - 0.3);
    const [shown = '', limit = ''] = within(value, bound).split(' ±');
    const off = Math.abs(Number(shown) - value);
    t.true(
      off <= 0.5001 * bound * 10 && off + bound <= Number(limit) * 1.000001,
      `${value} ${bound}: ${shown} ${limit}`,
    );
    t.true(Number(limit) <= 3 * bound, `${bound} ${limit}`);
  }
});
