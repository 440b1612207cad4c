/** A pack index of a million rows: opening it and a look-up read as little as in a small one. */
import test from 'ava';
import { checkLargeIndex } from '../unit/storage/store/indexes/large-index.js';

test('index of 1,000,000 rows: opening and a look-up read little', async (t) => {
  t.timeout(600_000);
  await checkLargeIndex(t, 1_000_000);
});
