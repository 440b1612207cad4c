/** 20 times kill −9; kills.slow.test.ts does it 200 times. */
import test from 'ava';
import { killWorkers } from './kills.js';

test('kill: nothing that was acknowledged is lost and no file is torn', async (t) => {
  t.timeout(600_000);
  t.true((await killWorkers(t, 20, 1)) > 1);
});
