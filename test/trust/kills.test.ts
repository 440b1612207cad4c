/** kill −9, some times; kills.slow.test.ts does it hundreds of times. */
import test from 'ava';
import { killTiers } from './kill-tiers.js';
import { killArchives, killWorkers } from './kills.js';

test('kill: nothing that was acknowledged is lost and no file is torn', async (t) => {
  t.timeout(600_000);
  t.true((await killWorkers(t, 2, 1)) > 1);
});

test('kill: archive runs lose nothing, and the next one ends', async (t) => {
  t.timeout(600_000);
  t.true((await killArchives(t, 2, 1)).ended > 0);
});

test('kill: a version whose exact bytes are given up is exact or of a tier, never neither', async (t) => {
  t.timeout(600_000);
  t.true((await killTiers(t, 1, 1)) > 0);
});
