/** 200 times kill −9 on one repository. */
import test from 'ava';
import { killTiers } from './kill-tiers.js';
import { killArchives, killWorkers } from './kills.js';
import { TIER_LADDER } from './worker.js';

test('kill: 200 times, nothing that was acknowledged is lost and no file is torn', async (t) => {
  t.timeout(3_600_000);
  t.true((await killWorkers(t, 200, 2)) > 50);
});

test('kill: 100 archive runs, nothing is lost and the next run ends', async (t) => {
  t.timeout(3_600_000);
  const { ended, encoded } = await killArchives(t, 100, 3);
  t.log(`${ended} runs ended before they were killed, ${encoded} extents re-encoded by them`);
  t.true(ended > 0);
});

test('kill: 100 times while exact bytes are given up, each version is exact or of a tier', async (t) => {
  t.timeout(3_600_000);
  t.true((await killTiers(t, 100, 4)) > TIER_LADDER.length);
});
