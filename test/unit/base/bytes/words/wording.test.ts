/** What messages say of counts, names and sizes. */
import test from 'ava';
import {
  counted,
  formatBytes,
  listSome,
  quoteSome,
} from '../../../../../lib/base/bytes/words/wording.js';

test('wording: lists name the first few and count the others', (t) => {
  t.is(listSome([]), '');
  t.is(listSome(['a', 'b', 'c', 'd']), 'a, b, c, d');
  t.is(listSome(['a', 'b', 'c', 'd', 'e']), 'a, b, c, d and 1 more');
  t.is(quoteSome(['a', 'b', 'c'], 1), "'a' and 2 more");
  // A name of a hostile file may be as long as the file.
  t.is(quoteSome(['n'.repeat(5000)]).length, 202);
});

test('wording: counts and sizes', (t) => {
  t.is(counted(1, 'record is', 'records are'), '1 record is');
  t.is(counted(0, 'record is', 'records are'), '0 records are');
  t.deepEqual([0, 1023, 1024, 1_048_500, -5_733_472].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.00 KiB',
    '1.00 MiB',
    '-5.47 MiB',
  ]);
});
