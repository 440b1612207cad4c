/** `dlv archive`: the tests that take long. */
import test from 'ava';
import { checkVersions, line, run } from '../helpers/archive-runs.js';

test('archive: the planners of the paper, and every scheme', async (t) => {
  const [repo, sums] = await line(t, 5);
  for (const planner of ['last', 'pas-mt', 'pas-pt', 'tree-dp', 'spt'] as const) {
    const result = await run(repo, { all: true, budgets: [1.5], planner });
    t.deepEqual(result.planners, [planner]);
    t.true(result.within, planner);
  }
  for (const scheme of ['parallel', 'reusable', 'independent'] as const) {
    const result = await run(repo, { budgets: [1.5], scheme });
    t.is(result.scheme, scheme);
    t.true(result.within, scheme);
    for (const { planned, measured } of result.snapshots) {
      t.true((measured?.bytes as number) <= planned && (measured?.bytes as number) > 0, scheme);
    }
  }
  await checkVersions(t, repo, sums);
});
