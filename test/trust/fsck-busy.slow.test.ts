/** fsck beside a process that commits 40 times and merges packs. */
import test from 'ava';
import { checkBesideCommits } from './fsck-busy.js';

test('fsck beside a committer that merges packs finds nothing wrong', async (t) => {
  t.timeout(600_000);
  await checkBesideCommits(t, 40);
});
