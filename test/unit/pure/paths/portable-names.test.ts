/** Goal: names that another system cannot create are told apart from those that it can. */
import test from 'ava';
import {
  findTwins,
  platformProblem,
  portabilityWarnings,
} from '../../../../lib/pure/paths/portable-names.js';

test('portable names: what Windows cannot create, and only that', (t) => {
  const bad = [
    'con',
    'CON.txt',
    'a/nul',
    'b/Com1.bin',
    'lpt³',
    'aux .x',
    'a:b',
    'x?',
    'a<b',
    'a|b',
  ];
  const odd = ['dir./x', 'name ', 'a/end.', `${'é'.repeat(256)}`, 'a"b', 'a*b', 'CONOUT$'];
  for (const path of [...bad, ...odd]) {
    t.not(platformProblem(path, 'win32'), null, path);
    t.is(platformProblem(path, 'linux'), null, path);
    t.is(platformProblem(path, 'darwin'), null, path);
  }
  const good = [
    'console',
    'com',
    'com10',
    'a.con',
    'lpt',
    'nulls.txt',
    '.hidden',
    'a b/c',
    'é'.repeat(255),
  ];
  for (const path of good) t.is(platformProblem(path, 'win32'), null, path);
});

test('portable names: twins differ by case or by the form of accents', (t) => {
  t.is(findTwins(['a', 'b/c', 'b/d', 'bc']), null);
  t.deepEqual(findTwins(['A.pt', 'a.pt']), ['A.pt', 'a.pt']);
  t.deepEqual(findTwins(['Dir/x', 'dir/y']), ['Dir', 'dir']);
  t.deepEqual(findTwins(['caf\u00e9', 'cafe\u0301']), ['caf\u00e9', 'cafe\u0301']);
  t.is(findTwins(['dir/x', 'dir/y', 'dir/x/z']), null);
});

test('portable names: a warning names the first and counts the others', (t) => {
  t.deepEqual(portabilityWarnings(['ok'], ['ok', 'other']), []);
  const [windows, none] = portabilityWarnings(['aux', 'fine', 'a:b'], ['aux', 'fine', 'a:b']);
  t.regex(windows ?? '', /'aux' \(and 1 more\) cannot be checked out on Windows: .*device/);
  t.is(none, undefined);
  const [twins] = portabilityWarnings(['B/x'], ['b/y', 'B/x']);
  t.regex(twins ?? '', /'b' and 'B' are one file/);
  t.deepEqual(portabilityWarnings(['new'], ['new', 'x', 'X']), [], 'old twins were warned about');
});
