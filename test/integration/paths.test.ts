/** Globs over the paths of versions, as ops take them. */
import test from 'ava';
import { Layout } from '../../lib/storage/repo/layout.js';
import { selectPaths } from '../../lib/use/worktree/operands/select-paths.js';

test('selection: files, folders and globs, relative to where the user stands', (t) => {
  const layout = new Layout('/repo');
  const known = ['a.pt', 'd/a.pt', 'd/e/b.pt', 'odd[1].pt'];
  const pick = (cwd: string, ...inputs: string[]): string[] =>
    [...selectPaths({ layout, cwd }, inputs, known, 'it')].sort();
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
