/** Paths: what a version may hold, and the order of their bytes. */

import test from 'ava';
import fc from 'fast-check';
import { UsageError } from '../../../../lib/base/errors.js';
import {
  checkPath,
  comparePaths,
  PathOrder,
  pathProblem,
} from '../../../../lib/pure/paths/version-path.js';
import { anyCharacter } from '../../../helpers/any-character.js';

test('paths: ordinary ones pass, in any script', (t) => {
  for (const path of [
    'a',
    'a/b.bin',
    '.hidden/x',
    'модель/重み.safetensors',
    'a b',
    'git',
    'x.git',
  ])
    t.is(checkPath(path), path);
});

test('paths: every way out of the work tree is refused', (t) => {
  const bad = [
    '',
    '/etc/passwd',
    '..',
    '../a',
    'a/../b',
    'a/..',
    './a',
    'a/.',
    'a//b',
    'a/',
    'a\\b',
    '..\\a',
    'C:/x',
    'c:x',
    'a\0b',
    'a\nb',
    'a\u0085b',
    '.git/config',
    'sub/.git/config',
    '.GIT/config',
    '.git./x',
    '.git /x',
    'git~1/x',
    '.g\u200cit/hooks',
    '.dlv/HEAD',
    'a/.DLV/x',
    'a\ud800',
    'x'.repeat(256),
    `${'x'.repeat(200)}/`.repeat(21).slice(0, -1),
  ];
  for (const path of bad) {
    t.not(pathProblem(path), null, JSON.stringify(path));
    t.throws(() => checkPath(path), { instanceOf: UsageError }, JSON.stringify(path));
  }
});

test('paths: the order is that of their UTF-8 bytes', (t) => {
  const text = fc.string({ unit: anyCharacter, maxLength: 6 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const expected = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      t.is(Math.sign(comparePaths(a, b)), expected);
    }),
  );
});

test('paths: a file that is also a folder is found wherever it stands', (t) => {
  const part = fc.constantFrom('a', 'b', 'a!', 'a-b', 'ab');
  const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 12 }), (paths) => {
      const sorted = [...paths].sort(comparePaths);
      const order = new PathOrder();
      const found = sorted.some((p) => order.add(p) !== null);
      t.is(
        found,
        paths.some((a) => paths.some((b) => b.startsWith(`${a}/`))),
      );
    }),
  );
});
