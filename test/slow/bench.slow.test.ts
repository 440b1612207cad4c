/** `dlv bench`: the tests that take long. */
import test from 'ava';
import type { BenchResult } from '../../lib/use/ops/bench.js';
import { checkPlans, packsOf } from '../helpers/bench-runs.js';
import { threeVersions } from '../helpers/repository.js';

test('bench: what it measures of a repository fits together, and nothing changes', async (t) => {
  const { repo } = await threeVersions(t);
  const before = await packsOf(repo);
  const result = await repo.json<BenchResult>('bench', '--repeat', '2', '--budgets', '1,1.5,3');
  t.deepEqual(await packsOf(repo), before);
  t.deepEqual(await repo.changes(), []);

  t.deepEqual(
    result.snapshots.map(({ number, step }) => [number, step]),
    [
      [1, 100],
      [2, 200],
      [3, 300],
    ],
  );
  const { storage, recovery, plans } = result;
  const row = (codec: string) => storage?.rows.find((r) => r.codec === codec);
  const raw = result.snapshots.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0);
  t.is(row('raw')?.bytes, raw);
  t.is(storage?.measuredBytes, raw);
  t.true((row('dlv delta default')?.bytes as number) < (row('dlv default')?.bytes as number));
  t.true((row('dlv default')?.bytes as number) < raw);
  for (const { bytes, classes, codec } of storage?.rows ?? []) {
    if (classes === null) continue;
    t.is(classes.hi + classes.mid + classes.low, bytes as number, codec);
  }

  for (const { ms, readBytes, planes, snapshot, scheme, cache } of recovery?.rows ?? []) {
    t.true(ms.n === 2 && ms.min <= ms.median && ms.median <= ms.max);
    const other = (p: number | null, s: string) =>
      recovery?.rows.find(
        (r) => r.snapshot === snapshot && r.planes === p && r.scheme === s && r.cache === cache,
      )?.readBytes as number;
    t.true(readBytes > 0 && readBytes <= other(null, scheme));
    t.true(other(planes, 'reusable') <= other(planes, 'independent'));
  }
  const whole = (s: number | null, scheme: string) =>
    recovery?.rows.find((r) => r.snapshot === s && r.planes === null && r.scheme === scheme);
  const each = [0, 1, 2].reduce((sum, s) => sum + (whole(s, 'independent')?.readBytes ?? 0), 0);
  t.is(whole(null, 'independent')?.readBytes, each);
  const stored = result.snapshots.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  t.is(whole(null, 'reusable')?.readBytes, stored);
  t.is(plans?.now?.storage, stored);
  t.is(plans?.now?.recreation, each);

  t.is(plans?.points.filter(({ planner }) => planner === 'auto').length, 3);
  t.deepEqual(checkPlans(plans?.points ?? [], plans?.bounds ?? []), []);
});
