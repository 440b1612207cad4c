/** `dlv archive`: the tests that take long. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { parseBudget } from '../../lib/pure/plan/budget-text.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { bytesOnDisk, checkVersions, line, run } from '../helpers/archive-runs.js';
import { TestRepository } from '../helpers/repository.js';
import { randomBytes } from '../helpers/rng.js';
import { safetensors as rawSafetensors } from '../trust/model-files.js';

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

test('archive: extents of several segments cost what all of them take', async (t) => {
  const repo = await TestRepository.create(t);
  const values = randomBytes(2 * SEGMENT_ELEMENTS + 1000, 3);
  for (let version = 0; version < 3; version++) {
    for (let i = version; i < values.length; i += 50) values[i] = (values[i] as number) ^ 1;
    const tensor = { name: 'w', dtype: 'U8', shape: [values.length], bytes: values };
    await repo.write('model.safetensors', rawSafetensors([tensor]));
    await repo.commit(`version ${version}`);
  }
  const { snapshots, deltas } = await run(repo, { budgets: [parseBudget('none')] });
  t.is(deltas, 2);
  for (const { version, planned, measured } of snapshots) {
    t.is(measured?.bytes, await bytesOnDisk(repo, version));
    // A record in a small set has a header that is 16 bytes shorter.
    t.true(planned >= (measured?.bytes as number));
    t.true(planned - (measured?.bytes as number) <= 16 * 3 * 3);
  }
});

test('archive: --weigh-reads gives versions that are read the tighter budgets', async (t) => {
  const [repo] = await line(t, 4);
  for (let i = 0; i < 6; i++) {
    await repo.with((open) => checkout(open, { revision: 'net@3', force: true }, repo.context));
  }
  await repo.with((open) => checkout(open, { revision: 'net@2', force: true }, repo.context));
  await repo.json('switch', 'net/main');
  const { snapshots } = await run(repo, { budgets: [2], weighReads: true });
  const times = snapshots.map(({ budget, least }) => (budget as number) / least - 1);
  t.true((times[2] as number) < 1, 'read most');
  t.true((times[1] as number) > (times[2] as number));
  t.true((times[0] as number) >= (times[1] as number) && (times[0] as number) <= 4);
  // A torn line and a missing file do no harm.
  await fs.appendFile(path.join(repo.dir, '.dlv/catalog/reads'), 'torn');
  t.true((await run(repo, { budgets: [2], weighReads: true, all: true })).within);
  await fs.rm(path.join(repo.dir, '.dlv/catalog/reads'));
  const equal = await run(repo, { budgets: [2], weighReads: true, all: true });
  t.true(equal.snapshots.every(({ budget, least }) => budget === 2 * least));
});

test('archive: budgets in time are planned with the times of this machine', async (t) => {
  const [repo, sums] = await line(t, 4);
  const loose = await run(repo, { budgets: [parseBudget('60s')] });
  t.is(loose.unit, 'ms');
  t.is(loose.deltas, 9);
  const tight = await run(repo, { budgets: [1], unit: 'ms' });
  t.is(tight.deltas, 0);
  for (const { planned, least, measured } of tight.snapshots) {
    t.is(planned, least);
    t.true((measured?.ms as number) > 0);
  }
  await checkVersions(t, repo, sums);
});
