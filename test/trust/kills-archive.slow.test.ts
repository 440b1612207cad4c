/** 100 times kill −9 on runs of archive. */
import test from 'ava';
import { killArchives } from './kills.js';

test('kill: 100 archive runs, nothing is lost and the next run ends', async (t) => {
  t.timeout(3_600_000);
  const { ended, encoded } = await killArchives(t, 100, 3);
  t.log(`${ended} runs ended before they were killed, ${encoded} extents re-encoded by them`);
  t.true(ended > 0);
});
