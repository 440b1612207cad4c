/** kill −9, some times; kills.slow.test.ts does it hundreds of times, kills-archive and kills-tiers with other commands. */
import test from 'ava';
import { killWorkers } from './kills.js';

test('kill: nothing that was acknowledged is lost and no file is torn', async (t) => {
  t.timeout(600_000);
  t.true((await killWorkers(t, { count: 2, least: 1, seed: 1 })) > 1);
});
