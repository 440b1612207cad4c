import test from 'ava';
import { parseRange } from '../../../../../lib/use/history/lines/ranges.js';

test('ranges: both ends, one that is left out, and the folder above, which is a path', (t) => {
  t.deepEqual(parseRange('a..b'), { from: 'a', to: 'b', common: false });
  t.deepEqual(parseRange('a...b'), { from: 'a', to: 'b', common: true });
  t.deepEqual(parseRange('a..'), { from: 'a', to: 'HEAD', common: false });
  t.deepEqual(parseRange('..b'), { from: 'HEAD', to: 'b', common: false });
  for (const word of ['..', '...', 'a', 'a.b', '']) t.is(parseRange(word), null, word);
});
