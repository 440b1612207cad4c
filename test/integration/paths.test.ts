/** Paths as ops judge them: globs over paths of versions, collisions on file systems without case. */
import test from 'ava';
import { Layout } from '../../lib/storage/repo/layout.js';
import { findCollision } from '../../lib/use/worktree/collisions.js';
import { globExpression, selectPaths } from '../../lib/use/worktree/select-paths.js';

test('globs: stay within a part unless they say **', (t) => {
  const cases: [string, string[], string[]][] = [
    ['*.pt', ['a.pt', '.pt'], ['d/a.pt', 'a.ptx']],
    ['**/*.pt', ['a.pt', 'd/a.pt', 'd/e/a.pt'], ['a.npy']],
    ['d/**', ['d/a', 'd/e/f'], ['e/d/a']],
    ['a?.bin', ['ab.bin'], ['a.bin', 'a/.bin', 'abc.bin']],
    ['[ab]-[!0].x', ['a-1.x'], ['c-1.x', 'a-0.x', 'a-/.x']],
    ['{a,b/c}.x', ['a.x', 'b/c.x'], ['ab.x', 'b.x']],
    ['a+(b)$.x', ['a+(b)$.x'], ['ab.x']],
    ['a{b', ['a{b'], ['ab']],
  ];
  for (const [glob, yes, no] of cases) {
    for (const path of yes) t.true(globExpression(glob).test(path), `${glob} ${path}`);
    for (const path of no) t.false(globExpression(glob).test(path), `${glob} ${path}`);
  }
  t.throws(() => globExpression('[z-a]'), { message: /no glob/ });
});

test('selection: files, folders and globs, relative to where the user stands', (t) => {
  const layout = new Layout('/repo');
  const known = ['a.pt', 'd/a.pt', 'd/e/b.pt', 'odd[1].pt'];
  const pick = (cwd: string, ...inputs: string[]): string[] =>
    [...selectPaths(layout, cwd, inputs, known, 'it')].sort();
  t.deepEqual(pick('/repo', 'd'), ['d/a.pt', 'd/e/b.pt']);
  t.deepEqual(pick('/repo', 'd/', 'a.pt'), ['a.pt', 'd/a.pt', 'd/e/b.pt']);
  t.deepEqual(pick('/repo/d', '*.pt'), ['d/a.pt']);
  t.deepEqual(pick('/repo/d', '../a.pt'), ['a.pt']);
  t.deepEqual(pick('/repo/d', '.'), ['d/a.pt', 'd/e/b.pt']);
  t.deepEqual(pick('/repo', '.').length, 4);
  t.deepEqual(pick('/repo', 'odd[1].pt'), ['odd[1].pt']);
  const error = t.throws(() => pick('/repo', 'a.pf'), { message: /matches no file/ });
  t.regex(String((error as Error & { data: { hint: string } }).data.hint), /a\.pt/);
  t.throws(() => pick('/repo', '../x'), { message: /outside/ });
});

test('collisions: by case, by Unicode form, also of folders', (t) => {
  t.is(findCollision(['a', 'b/c', 'b/d', 'bc']), null);
  t.deepEqual(findCollision(['A.pt', 'a.pt']), ['A.pt', 'a.pt']);
  t.deepEqual(findCollision(['Dir/x', 'dir/y']), ['Dir', 'dir']);
  t.deepEqual(findCollision(['caf\u00e9', 'cafe\u0301']), ['caf\u00e9', 'cafe\u0301']);
  t.is(findCollision(['dir/x', 'dir/y', 'dir/x/z']), null);
});
