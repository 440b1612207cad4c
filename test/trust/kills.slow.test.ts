/** 200 times kill −9 on one repository. */
import test from 'ava';
import { killWorkers } from './kills.js';

test('kill: 200 times, nothing that was acknowledged is lost and no file is torn', async (t) => {
  t.timeout(3_600_000);
  const least = 50;
  t.true((await killWorkers(t, { count: 200, least, seed: 2 })) > least);
});
