/** 100 times kill −9 while exact bytes are given up. */
import test from 'ava';
import { killTiers } from './kill-tiers.js';
import { TIER_LADDER } from './worker.js';

test('kill: 100 times while exact bytes are given up, each version is exact or of a tier', async (t) => {
  t.timeout(3_600_000);
  t.true((await killTiers(t, 100, 4)) > TIER_LADDER.length);
});
