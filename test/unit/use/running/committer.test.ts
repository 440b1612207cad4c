import test from 'ava';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { CheckpointKeeper } from '../../../../lib/use/running/checkpoints/checkpoint-keeper.js';
import type { HeldOutcome } from '../../../../lib/use/running/commit-held.js';
import { Committer } from '../../../../lib/use/running/committer.js';
import { runRecord } from '../../../helpers/run-record.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const FAILED: HeldOutcome = {
  ...{ n: 1, state: 'failed', version: null, number: null },
  problem: 'it cannot be',
};
const REQUEST = { run: 'beef', asIs: new Set<number>(), end: false, hurry: true };

for (const isLasting of [true, false]) {
  test(`what failed ${isLasting ? 'for good is not waited for' : 'is tried again'}`, async (t) => {
    const committer = new Committer(async (_, onOutcome) => onOutcome({ ...FAILED, isLasting }));
    const record = runRecord();
    const keeper = new CheckpointKeeper(new Layout(await tempDir(t)), record, (text) =>
      t.fail(text),
    );
    t.true(keeper.hasHeld());
    const settled: Promise<void>[] = [];
    committer.start(REQUEST, (outcome) => settled.push(keeper.settleOutcome(outcome, true)));
    await committer.settled();
    await Promise.all(settled);
    t.is(committer.failures, isLasting ? 0 : 1);
    t.is(committer.isFree, isLasting);
    t.is(keeper.hasHeld(), !isLasting);
    // Its files stay held: --recover tries once more.
    t.like(record.checkpoints[0], { state: 'failed', problem: 'it cannot be' });
  });
}
