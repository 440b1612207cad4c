/** Text of `--metric`: name, step, number and direction. */
import test from 'ava';
import { UsageError } from '../../../lib/base/errors.js';
import { parseMetrics } from '../../../lib/cli/arguments.js';

function parsed(text: string): { metric: unknown; warnings: string[] } {
  const warnings: string[] = [];
  const [metric] = parseMetrics([text], (message) => warnings.push(message));
  return { metric, warnings };
}

test('--metric: a direction after the number, after the name, or alone', (t) => {
  const acc = { name: 'acc', step: null, value: 0.5, direction: 'max' };
  t.deepEqual(parsed('acc=0.5:max').metric, acc);
  t.deepEqual(parsed('acc:max=0.5').metric, acc);
  t.deepEqual(parsed('acc:max=0.5:max').metric, acc);
  t.deepEqual(parsed('f2@10:max=0.5').metric, { ...acc, name: 'f2', step: 10 });
  t.deepEqual(parsed('f2@10=0.5:max').metric, { ...acc, name: 'f2', step: 10 });
  t.deepEqual(parsed('acc:max').metric, { name: 'acc', direction: 'max' });
  t.deepEqual(parsed('eval:acc=0.5').metric, { name: 'eval:acc', step: null, value: 0.5 });
  t.throws(() => parsed('acc:min=0.5:max'), {
    instanceOf: UsageError,
    message: /as min and as max/,
  });
});

test('--metric: what follows @ and is no step stays in the name, with a warning', (t) => {
  const { metric, warnings } = parsed('loss@abc=3');
  t.deepEqual(metric, { name: 'loss@abc', step: null, value: 3 });
  t.is(warnings.length, 1);
  t.regex(warnings[0] ?? '', /'loss@abc' is the name of the metric.*'loss@2000=0\.3'/);
  t.deepEqual(parsed('map@0.5@20=0.3'), {
    metric: { name: 'map@0.5', step: 20, value: 0.3 },
    warnings: [],
  });
});

test('--metric: a run may diverge, and a number that cannot be held is refused', (t) => {
  const values = ['nan', 'NaN', 'inf', '-inf', 'Infinity', '-1e-3', '.5'];
  t.deepEqual(
    values.map((text) => parseMetrics([`loss=${text}`], () => undefined)[0]?.value),
    [Number.NaN, Number.NaN, Infinity, -Infinity, Infinity, -0.001, 0.5],
  );
  for (const text of ['1e400', '-1e400', '', ' ', '5:mx', '0x10', 'none']) {
    const error = t.throws(() => parsed(`loss=${text}`), { instanceOf: UsageError }, text);
    t.regex(String(error?.data.hint), /inf/, text);
  }
});
