/** Which names are near one that does not exist. */
import test from 'ava';
import { closestNames, suggestNames } from '../../../../../lib/base/bytes/words/closest.js';

test('closest: a name is never its own suggestion, in letters of another case it is', (t) => {
  t.deepEqual(closestNames('main', ['main', 'mains']), ['mains']);
  t.deepEqual(closestNames('main', ['Main']), ['Main']);
  t.is(suggestNames('ft', ['ft'], 'look').hint, 'look');
});

test('closest: the last part of a name with folders may be near, unless it is a name itself', (t) => {
  t.deepEqual(closestNames('ft', ['net/ft', 'net/main']), ['net/ft']);
  t.deepEqual(closestNames('mian', ['net/main', 'other/side']), ['net/main']);
  t.deepEqual(closestNames('mian', ['net/main', 'main', 'net/side']), ['main']);
  t.deepEqual(closestNames('modle.pt', ['run/model.pt', 'run/other.pt']), ['run/model.pt']);
  // With a folder of its own, a name is compared as a whole.
  t.deepEqual(closestNames('a/ft', ['much-longer/ft']), []);
});
