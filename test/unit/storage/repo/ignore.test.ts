/** .dlvignore: the answers of git for the same patterns, and paths that lead through links. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { anchorPattern, IgnoreRules } from '../../../../lib/storage/repo/settings/ignore.js';
import { LinkGuard, toVersionPath } from '../../../../lib/storage/repo/work-path.js';
import { tempDir } from '../../../helpers/temp-dir.js';

async function writeTree(dir: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, ...name.split('/'));
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, text);
  }
}

test('ignore: patterns of nested folders, negation and folders', async (t) => {
  const dir = await tempDir(t);
  await writeTree(dir, {
    '.dlvignore': '# comment\n*.tmp\n/top\nlogs/\nrun/*.pt\n!keep.tmp\n\\#hash\n\\!bang\ntail \n',
    'sub/.dlvignore': '!*.tmp\n*.bin\n/only\nx/y\n',
    'sub/[odd]/.dlvignore': 'z\n',
    'logs/.dlvignore': '!*\n',
  });
  const rules = new IgnoreRules(new Layout(dir));
  const answers: [string, boolean][] = [
    ['a.tmp', true],
    ['A.TMP', false],
    ['deep/er/a.tmp', true],
    ['keep.tmp', false],
    ['top', true],
    ['deep/top', false],
    ['logs/', true],
    ['logs', false],
    ['logs/x', true],
    ['deep/logs/x', true],
    ['run/a.pt', true],
    ['run/deep/a.pt', false],
    ['#hash', true],
    ['!bang', true],
    ['tail', true],
    ['sub/a.tmp', false],
    ['sub/deep/a.tmp', false],
    ['sub/a.bin', true],
    ['a.bin', false],
    ['sub/only', true],
    ['sub/deep/only', false],
    ['sub/x/y', true],
    ['sub/deep/x/y', false],
    ['sub/[odd]/z', true],
    ['sub/o/z', false],
    ['.git/config', true],
    ['sub/.dlv/x', true],
    ['.dlvignore', false],
  ];
  for (const [name, expected] of answers) {
    const isFolder = name.endsWith('/');
    t.is(await rules.isIgnored(name.replace(/\/$/, ''), isFolder), expected, name);
  }
});

test('ignore: empty lines and lone slashes are no patterns', (t) => {
  for (const line of ['', '   ', '#x', '!', '/', '//']) t.is(anchorPattern(line, 'a'), null, line);
});

function gitIgnores(dir: string, names: string[]): Set<string> | null {
  try {
    execFileSync('git', ['init', '-q'], { cwd: dir, stdio: 'ignore' });
  } catch {
    return null; // no git on this machine
  }
  try {
    const input = names.join('\0');
    const args = ['check-ignore', '--no-index', '-z', '--stdin'];
    const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
    return new Set(execFileSync('git', args, { cwd: dir, input, env }).toString().split('\0'));
  } catch (error) {
    if ((error as { status?: number }).status === 1) return new Set();
    throw error;
  }
}

test('ignore: random patterns get the answers of git', async (t) => {
  const part = fc.constantFrom('a', 'b', 'ab', '*', 'a*', '?', '**', '[ab]');
  const pattern = fc
    .record({
      negative: fc.boolean(),
      lead: fc.constantFrom('', '', '/'),
      parts: fc.array(part, { minLength: 1, maxLength: 3 }),
      tail: fc.constantFrom('', '', '/'),
    })
    .map(({ negative, lead, parts, tail }) => {
      return `${negative ? '!' : ''}${lead}${parts.join('/')}${tail}`;
    });
  const patterns = fc.array(pattern, { maxLength: 4 }).map((lines) => lines.join('\n'));
  const folders = ['', 'a/', 'a/b/', 'ab/'];
  const names: string[] = [];
  for (const folder of ['', 'a/', 'b/', 'a/a/', 'a/b/', 'a/b/ab/', 'ab/', 'ab/b/']) {
    for (const name of ['f', 'a1', 'bb']) names.push(folder + name);
  }
  await fc.assert(
    fc.asyncProperty(fc.array(patterns, { minLength: 4, maxLength: 4 }), async (texts) => {
      const dir = await tempDir(t);
      await writeTree(dir, Object.fromEntries(names.map((name) => [name, ''])));
      for (const [i, folder] of folders.entries()) {
        for (const file of ['.gitignore', '.dlvignore']) {
          await writeTree(dir, { [`${folder}${file}`]: texts[i]! });
        }
      }
      const expected = gitIgnores(dir, names);
      if (expected === null) return;
      const rules = new IgnoreRules(new Layout(dir));
      for (const name of names) {
        t.is(await rules.isIgnored(name, false), expected.has(name), `${name}: ${texts}`);
      }
    }),
    { numRuns: 40, seed: 7 },
  );
});

test('paths of users: relative to where they stand, never outside', (t) => {
  const layout = new Layout('/work tree');
  t.is(toVersionPath(layout, '/work tree/sub', 'a'), 'sub/a');
  t.is(toVersionPath(layout, '/work tree/sub', '../a'), 'a');
  t.is(toVersionPath(layout, '/elsewhere', '/work tree/x/./y'), 'x/y');
  t.is(toVersionPath(layout, '/work tree', '.'), '');
  t.is(toVersionPath(layout, '/work tree', '..a'), '..a');
  for (const bad of ['..', '../x', '/', '/work treehouse/x', '.dlv/HEAD', 'a\\b']) {
    t.throws(() => toVersionPath(layout, '/work tree', bad), { code: 'DLV_USAGE' }, bad);
  }
});

test('links: a folder that is a symbolic link is never gone through', async (t) => {
  const dir = await tempDir(t);
  await writeTree(dir, { 'real/x/f': '', file: '' });
  await fs.symlink('/tmp', path.join(dir, 'out'));
  await fs.symlink('../real', path.join(dir, 'real', 'x', 'back'));
  const guard = new LinkGuard(dir);
  t.is(await guard.findLink('real/x/f'), null);
  t.is(await guard.findLink('real/new/f'), null);
  t.is(await guard.findLink('out/f'), 'out');
  t.is(await guard.findLink('out'), null, 'the last part is not looked at');
  t.is(await guard.findLink('real/x/back/f'), 'real/x/back');
  t.is(await guard.findLink('file/f'), 'file');
  await t.throwsAsync(guard.check('out/a/b'), {
    code: 'DLV_CONFLICT',
    message: /'out' is a symbolic/,
  });
  await fs.rm(path.join(dir, 'real'), { recursive: true });
  await fs.symlink('/tmp', path.join(dir, 'real'));
  guard.forget();
  t.is(await guard.findLink('real/x/f'), 'real');
});
