/** Whether a plan is worth it, and when a person is asked before the repository grows. */
import test from 'ava';
import type { ArchivePlan } from '../../../../lib/storage/archive/planning/report-plan.js';
import { growsMuch, worthOf } from '../../../../lib/storage/archive/worth.js';

/** A plan over one group that cost 100 to read, which re-encodes something unless it changes nothing. */
function plan(storageNow: number, storage: number, planned = 100): ArchivePlan {
  const groups = [{ now: [100], planned }];
  const how = storageNow === storage ? 'live' : 'delta';
  return { chosen: [{ how }], groups, storageNow, storage } as unknown as ArchivePlan;
}

for (const [name, made, verdict, asks] of [
  ['as it is', plan(1000, 1000), 'nothing', false],
  ['saves a lot', plan(1000, 900, 140), 'worth', false],
  ['saves little, and slows reads', plan(1000, 990, 140), 'hardly', false],
  ['grows by a thousandth', plan(100_000, 100_100, 70), 'grows', false],
  ['grows by a hundredth', plan(100_000, 101_000, 70), 'grows', false],
  ['grows by more than a hundredth', plan(100_000, 101_001, 70), 'grows', true],
  ['grows from nothing', plan(0, 10), 'grows', false],
] as const) {
  test(`worth: a plan that ${name}`, (t) => {
    const worth = worthOf(made);
    t.is(worth.verdict, verdict);
    t.is(growsMuch(worth), asks);
  });
}
