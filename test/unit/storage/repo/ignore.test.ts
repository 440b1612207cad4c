/** .dlvignore: the answers of git for the same patterns, and paths that lead through links. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { IgnoreRules } from '../../../../lib/storage/repo/settings/ignore.js';
import { LinkGuard, toVersionPath } from '../../../../lib/storage/repo/work-path.js';
import { tempDir } from '../../../helpers/temp-dir.js';

async function writeTree(dir: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, ...name.split('/'));
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, text);
  }
}

async function isIgnored(rules: IgnoreRules, name: string, isFolder: boolean, force = false) {
  return (await rules.ignoredBy(name, isFolder, force)) !== null;
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
    t.is(await isIgnored(rules, name.replace(/\/$/, ''), isFolder), expected, name);
  }
});

test('ignore: a file with patterns that is odd counts as none, with a warning', async (t) => {
  const dir = await tempDir(t);
  await writeTree(dir, { '.dlvignore': '*.tmp\n', 'link/x': '', 'big/x': '', 'folder/x': '' });
  await fs.symlink('../.dlvignore', path.join(dir, 'link', '.dlvignore'));
  await fs.mkdir(path.join(dir, 'folder', '.dlvignore'));
  await fs.writeFile(path.join(dir, 'big', '.dlvignore'), 'x\n'.repeat(600_000));
  const warnings: string[] = [];
  const rules = new IgnoreRules(new Layout(dir), (message) => warnings.push(message));
  for (const folder of ['link', 'folder', 'big']) {
    t.false(await isIgnored(rules, `${folder}/x`, false), folder);
    t.true(await isIgnored(rules, `${folder}/x.tmp`, false), folder);
  }
  t.is(warnings.length, 3);
  t.regex(warnings[0] as string, /link\/\.dlvignore' are left out: it is a symbolic link/);
  t.regex(warnings[1] as string, /folder\/\.dlvignore' are left out: it is not a regular file/);
  t.regex(warnings[2] as string, /big\/\.dlvignore' are left out: .*1200000 bytes/);
});

test('ignore: with force only .dlv and .git stay ignored', async (t) => {
  const dir = await tempDir(t);
  await writeTree(dir, { '.dlvignore': '*\n' });
  const rules = new IgnoreRules(new Layout(dir));
  t.true(await isIgnored(rules, 'a', false));
  t.false(await isIgnored(rules, 'a', false, true));
  t.true(await isIgnored(rules, 'a/.git', true, true));
});

test('ignore: patterns of a stranger take no time to speak of', async (t) => {
  const dir = await tempDir(t);
  const name = 'a'.repeat(200);
  const stars = `${'*a'.repeat(100)}b`;
  const deep = `${'**/a*'.repeat(40)}/b`;
  await writeTree(dir, { '.dlvignore': `${stars}\n${deep}\n${'[['.repeat(100_000)}\n*.pt\n` });
  const rules = new IgnoreRules(new Layout(dir));
  // A matcher that backtracks would not come to the end of the first name.
  for (let i = 0; i < 50; i++) {
    t.false(await isIgnored(rules, `${name}${i}`, false));
    t.false(await isIgnored(rules, `${'a/'.repeat(100)}${i}`, false));
  }
  t.true(await isIgnored(rules, `${name}.pt`, false));
});

function hasGit(): boolean {
  try {
    execFileSync('git', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A new repository of git; null where there is no git, which the test then says. */
async function gitFolder(t: ExecutionContext): Promise<string | null> {
  if (!hasGit()) {
    t.log('SKIPPED: there is no git on this machine to compare with');
    t.pass();
    return null;
  }
  const dir = await tempDir(t);
  execFileSync('git', ['init', '-q'], { cwd: dir, stdio: 'ignore' });
  return dir;
}

function gitIgnores(dir: string, names: string[]): Set<string> {
  const args = ['check-ignore', '--no-index', '-z', '--stdin'];
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  try {
    const input = names.join('\0');
    return new Set(execFileSync('git', args, { cwd: dir, input, env }).toString().split('\0'));
  } catch (error) {
    if ((error as { status?: number }).status === 1) return new Set();
    throw error;
  }
}

const PARTS = [
  ...['a', 'b', 'ab', 'f', 'bb', '*', '*', 'a*', '*b', '*a*', '?', '??', '**', '**', '***'],
  ...[
    '[ab]',
    '[!a]',
    '[^b]',
    '[a-b]',
    '[b-a]',
    '[]a]',
    '[a-]',
    '[[:alpha:]]',
    '[[:nope:]]',
    '[[:x]',
  ],
  ...[
    '[a',
    '[',
    'a[',
    '\\a',
    '\\*',
    '\\',
    '[\\]a]',
    'a**',
    '**b',
    'a**b',
    '{a,b}',
    'a b',
    'a ',
    'a\\ ',
  ],
  ...['.', '#', '\\#a', '\\!a', 'a\t', 'é*', 'é?', '[é]', '[^é]'],
];
const NAMES = ['f', 'a1', 'bb', '*', ']', 'a b', '{a,b}', '!a', '#a', 'a\t', '[a', 'a-'];

// Names are ASCII: '?' and sets take one character here, and one byte in git.
// Each round asks git once about 60 folders with patterns of their own: some 4,500 patterns in all.
test('ignore: random patterns get the answers of git', async (t) => {
  const dir = await gitFolder(t);
  if (dir === null) return;
  const folders = ['', 'a/', 'a/b/', 'ab/'];
  const inside: string[] = ['a', 'a/b', 'ab', 'b'];
  for (const folder of ['', 'a/', 'b/', 'a/a/', 'a/b/', 'a/b/ab/', 'ab/', 'ab/b/']) {
    for (const name of NAMES) inside.push(folder + name);
  }
  const places = Array.from({ length: 60 }, (_, i) => `u${i}/`);
  const made = new Set<string>();
  for (const place of places) {
    for (const folder of [...folders, 'b/']) {
      made.add(`${place}${folder}`.slice(0, -1));
      await fs.mkdir(path.join(dir, place, folder), { recursive: true });
    }
  }
  const pattern = fc
    .record({
      negative: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      lead: fc.constantFrom('', '', '', '/', '**/'),
      parts: fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 3 }),
      tail: fc.constantFrom('', '', '', '/', '//', '/**', ' ', '\r'),
    })
    .map(({ negative, lead, parts, tail }) => {
      return `${negative ? '!' : ''}${lead}${parts.join('/')}${tail}`;
    });
  const text = fc.array(pattern, { maxLength: 4 }).map((lines) => lines.join('\n'));
  const texts = fc.array(text, { minLength: folders.length, maxLength: folders.length });
  const round = fc.array(texts, { minLength: places.length, maxLength: places.length });
  for (const files of fc.sample(round, { numRuns: 10, seed: 7 })) {
    for (const [i, place] of places.entries()) {
      for (const [k, folder] of folders.entries()) {
        // One file is enough, and the same text in both changes nothing.
        await fs.writeFile(path.join(dir, place, folder, '.gitignore'), files[i]![k]!);
        const own = i % 2 === 0 ? files[i]![k]! : '';
        await fs.writeFile(path.join(dir, place, folder, '.dlvignore'), own);
      }
    }
    const all = places.flatMap((place) => inside.map((name) => place + name));
    const expected = gitIgnores(dir, all);
    const rules = new IgnoreRules(new Layout(dir));
    for (const name of all) {
      const isFolder = made.has(name);
      const found = await isIgnored(rules, name, isFolder);
      if (found === expected.has(name)) continue;
      const place = places.findIndex((start) => name.startsWith(start));
      t.fail(`${name} is ${found} here, in ${JSON.stringify(files[place])}`);
      return;
    }
  }
  t.pass();
});

test('ignore: a work tree below that of git gets the answers of git', async (t) => {
  const dir = await gitFolder(t);
  if (dir === null) return;
  await writeTree(dir, {
    '.gitignore': '*.bin\n/models/net/top\n!keep.bin\nruns/\nmodels/*/deep/x\n',
    '.git/info/exclude': '*.log\n*.keep\n/only\n/models/net/excluded\n',
    'models/.gitignore': '!*.keep\nnet/here\n*.mid\n',
    'models/net/.gitignore': '!b.mid\n*.own\n',
    'models/net/sub/.gitignore': '!*.bin\n',
  });
  const names = ['a.bin', 'keep.bin', 'top', 'sub/top', 'runs/x', 'sub/runs/x', 'a.log', 'a.keep'];
  names.push('only', 'excluded', 'here', 'a.mid', 'b.mid', 'a.own', 'sub/a.bin', 'deep/x', 'fine');
  for (const workTree of ['models/net', 'models', '']) {
    const rules = new IgnoreRules(new Layout(path.join(dir, workTree)));
    const inner = 'models/net/'.slice(workTree === '' ? 0 : workTree.length + 1);
    const expected = gitIgnores(
      dir,
      names.map((name) => `models/net/${name}`),
    );
    for (const name of names) {
      // Git answers for a path; a folder above that is ignored counts as well.
      const folders = name.split('/').slice(0, -1);
      let found = await isIgnored(rules, inner + name, false);
      for (let i = 1; i <= folders.length; i++) {
        found ||= await isIgnored(rules, inner + folders.slice(0, i).join('/'), true);
      }
      t.is(found, expected.has(`models/net/${name}`), `${name} in '${workTree}'`);
    }
  }
});

test('ignore: .dlvignore wins over .gitignore, and a work tree that git ignores is whole', async (t) => {
  const dir = await tempDir(t);
  await writeTree(dir, {
    '.git/HEAD': 'ref: refs/heads/main\n',
    '.gitignore': 'net/\n*.tmp\n',
    'net/.gitignore': '*.pt\nruns/\ndata/\n',
    'net/.dlvignore': '!*.pt\n!runs/\n/data/x\n',
    'net/runs/.gitignore': '*.pt\n',
    'net/runs/old/.dlvignore': '*.pt\n',
  });
  const rules = new IgnoreRules(new Layout(path.join(dir, 'net')));
  const by = (name: string, isFolder = false) => rules.ignoredBy(name, isFolder);
  t.is(await by('a'), null, 'the folder above ignores all of the work tree');
  t.is(await by('a.tmp'), null);
  t.is(await by('a.pt'), null);
  t.is(await by('runs', true), null);
  t.is(await by('runs/a.pt'), null, 'any .dlvignore wins over every .gitignore');
  t.is(await by('runs/old/a.pt'), '.dlvignore');
  t.is(await by('data', true), '.gitignore');
  t.is(await by('data/y'), '.gitignore');
  t.is(await by('.git', true), 'always');
  await rules.takeNamed('data');
  t.is(await by('data/y'), null, 'who names the folder means it');
  t.is(await by('data/x'), '.dlvignore');
  t.is(await by('data', true), '.gitignore');
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
