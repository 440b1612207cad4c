/** Flags of status, add, branch, tag, show, list, switch and checkout that git's users know. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { runInside } from '../trust/cli.js';

/** Runs the command in this process and gives its lines; fails on any other exit code. */
async function lines(repo: TestRepository, ...argv: string[]): Promise<string[]> {
  const answer = await runInside(argv, repo.dir);
  if (answer.code !== 0) throw new Error(`${answer.code}: ${answer.stderr}${answer.stdout}`);
  return answer.stdout.split('\n').filter((line) => line !== '');
}

async function code(repo: TestRepository, ...argv: string[]): Promise<number> {
  return (await runInside(argv, repo.dir)).code;
}

const short = (repo: TestRepository, ...argv: string[]): Promise<string[]> =>
  lines(repo, 'status', '-s', ...argv);

/** Two versions of `a` and `d/b`; HEAD is at the second, on main; `side` is at the first. */
async function two(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('a', 'a1');
  await repo.write('d/b', 'b1');
  await repo.commit('first');
  await lines(repo, 'branch', 'side');
  await repo.write('a', 'a2!');
  await repo.commit('second\n\nwith a body\nof two lines');
  return repo;
}

test('status -s: letters of staging and work tree, paths, and no walk with -uno', async (t) => {
  const repo = await two(t);
  t.deepEqual(await short(repo), []);
  await repo.write('a', 'longer');
  await lines(repo, 'add', 'a');
  await repo.write('a', 'longer still');
  await repo.write('d/b', 'changed');
  await repo.write('new', 'new');
  t.deepEqual(await short(repo), ['MM a', ' M d/b', '?? new']);
  t.deepEqual(await short(repo, '-uno'), ['MM a', ' M d/b']);
  t.deepEqual(await short(repo, '-u'), ['MM a', ' M d/b', '?? new']);
  t.deepEqual(await short(repo, 'd'), [' M d/b']);
  t.deepEqual(await short(repo, 'd/*', 'new'), [' M d/b', '?? new']);
  t.deepEqual(await lines(repo, 'status', '-sb', 'a'), ['## net/main', 'MM a']);
  t.deepEqual(await lines(repo, 'status', '--porcelain', '-b', 'a'), ['MM a']);
  await repo.remove('a');
  await fs.symlink('new', repo.file('a'));
  await repo.remove('d');
  // It may have been a link when it was added: nothing says that its type changed.
  t.deepEqual(await short(repo, '-uno'), ['MM a', ' D d/b']);
  await repo.remove('a');
  execFileSync('mkfifo', [repo.file('a')]);
  t.deepEqual(await short(repo, '-uno'), ['MT a', ' D d/b']);
  t.is(await code(repo, 'status', '-u', 'some'), 2);
});

test('add: -u takes tracked files alone, -A all, -n nothing', async (t) => {
  const repo = await two(t);
  await repo.write('a', 'longer');
  await repo.remove('d/b');
  await repo.write('new', 'new');
  const dry = await runInside(['add', '-n', '.', '--json'], repo.dir);
  t.like(JSON.parse(dry.stdout), {
    dryRun: true,
    storedBytes: 0,
    files: [
      { path: 'a', status: 'modified', bytes: 6 },
      { path: 'new', status: 'added', bytes: 3 },
      { path: 'd/b', status: 'deleted' },
    ],
  });
  t.deepEqual(await short(repo), [' M a', ' D d/b', '?? new']);
  await lines(repo, 'add', '-u', 'd');
  t.deepEqual(await short(repo), [' M a', 'D  d/b', '?? new']);
  await lines(repo, 'add', '-u');
  t.deepEqual(await short(repo), ['M  a', 'D  d/b', '?? new']);
  t.is(await code(repo, 'add', '-u', 'new'), 1);
  await fs.mkdir(repo.file('sub'));
  await lines(repo, '-C', 'sub', 'add', '-A');
  t.deepEqual(await short(repo), ['M  a', 'D  d/b', 'A  new']);
  t.is(await code(repo, 'add'), 2);
});

test('switch - and checkout - go back; checkout -b makes a branch', async (t) => {
  const repo = await two(t);
  const current = async (): Promise<string | undefined> =>
    (await lines(repo, 'branch', '--show-current'))[0];
  t.is(await code(repo, 'switch', '-'), 1);
  await lines(repo, 'switch', 'side');
  t.is(await repo.text('a'), 'a1');
  await lines(repo, 'switch', '-');
  t.is(await current(), 'net/main');
  t.is(await repo.text('a'), 'a2!');
  // Commits in between do not count, whatever their message says.
  await repo.write('a', 'third');
  await repo.commit('switch: moving to net/x, from net/nowhere');
  await lines(repo, 'checkout', '-');
  t.is(await current(), 'net/side');
  await lines(repo, 'checkout', 'net/main~1');
  t.deepEqual(await lines(repo, 'branch', '--show-current'), []);
  await lines(repo, 'switch', '-');
  t.is(await current(), 'net/side');
  await lines(repo, 'checkout', '-');
  t.is(await repo.text('a'), 'a2!');
  await lines(repo, 'checkout', '-b', 'other', 'side');
  t.is(await current(), 'net/other');
  t.is(await repo.text('a'), 'a1');
  t.is(await code(repo, 'checkout', '-b', 'other'), 1);
  t.is(await code(repo, 'checkout', '-b', 'one', 'side', 'a'), 2);
});

test('branch and tag: patterns, --contains, copies, and lines of messages', async (t) => {
  const repo = await two(t);
  const names = async (...argv: string[]): Promise<string[]> =>
    (
      JSON.parse((await runInside([...argv, '--json'], repo.dir)).stdout) as {
        branch?: string;
        tag?: string;
      }[]
    ).map(({ branch, tag }) => (branch ?? tag) as string);
  await lines(repo, 'branch', '-c', 'side', 'exp/1');
  await lines(repo, 'branch', '-c', 'now');
  t.deepEqual(await names('branch', '-v'), ['exp/1', 'main', 'now', 'side']);
  t.deepEqual(await names('branch', '--list', 'exp/*'), ['exp/1']);
  t.deepEqual(await names('branch', '-l', 'net/s*', 'now'), ['now', 'side']);
  t.deepEqual(await names('branch', '--contains', 'main'), ['main', 'now']);
  t.deepEqual(await names('branch', '--contains', 'side', '-l', 'm*'), ['main']);
  await lines(repo, 'tag', 'v1', 'side');
  await lines(repo, 'tag', 'v2.0');
  await lines(repo, 'tag', 'v2.1');
  t.deepEqual(await names('tag', '-l', 'v2.*'), ['v2.0', 'v2.1']);
  t.deepEqual(await names('tag', '--contains', 'HEAD'), ['v2.0', 'v2.1']);
  const shown = await lines(repo, 'tag', '-n3', '-l', 'v2.0');
  t.deepEqual([shown.length, shown[1]], [2, '    with a body']);
  t.is((await lines(repo, 'tag', '-n', '-l', 'v2.0')).length, 1);
  t.is(await code(repo, 'branch', '-c'), 2);
  t.is(await code(repo, 'branch', '-c', '-m', 'a', 'b'), 2);
  t.is(await code(repo, 'branch', '--contains', 'nothing'), 1);
});

test('show and list: what a version changed, formats, orders', async (t) => {
  const { repo } = await threeVersions(t);
  t.deepEqual((await lines(repo, 'show', '--name-status')).slice(-2), [
    'M  model.safetensors',
    'M  note.txt',
  ]);
  t.deepEqual(await lines(repo, 'show', '-s', '--format', '%s %{accuracy}', 'net@2'), [
    'second 0.6',
  ]);
  const patch = JSON.parse((await runInside(['show', '-p', '--json'], repo.dir)).stdout);
  t.is(patch.changes.snapshots[0].changed, 3);
  const plain = JSON.parse((await runInside(['show', '--json'], repo.dir)).stdout);
  t.is(plain.changes, undefined);
  t.is(await code(repo, 'show', '--stat', 'HEAD:note.txt'), 2);
  await repo.write('other.bin', Buffer.alloc(200_000, 1));
  await repo.commit('other', { paths: ['other.bin'], model: 'other' });
  const order = async (by: string): Promise<string[]> =>
    (
      JSON.parse((await runInside(['list', '--sort', by, '--json'], repo.dir)).stdout) as {
        model: string;
      }[]
    ).map(({ model }) => model);
  t.deepEqual(await order('name'), ['net', 'other']);
  t.deepEqual(await order('versions'), ['net', 'other']);
  t.deepEqual(await order('time'), ['other', 'net']);
  t.deepEqual(await order('logical'), ['other', 'net']);
});

test('checkout: a first word that names no version but a file writes files as they are staged', async (t) => {
  const repo = await two(t);
  const content = async (name: string): Promise<string> => (await repo.read(name)).toString();
  for (const words of [['.'], ['a', 'd'], ['a', 'd/*']]) {
    await repo.write('a', 'lost');
    await repo.remove('d/b');
    await lines(repo, 'checkout', ...words);
    t.deepEqual([await content('a'), await content('d/b')], ['a2!', 'b1'], words.join(' '));
  }
  // A name of both is the branch's, as in git; behind -- it is the file's.
  await repo.write('side', 'file');
  await repo.commit('a file that is named as a branch');
  await lines(repo, 'checkout', 'side');
  t.is(await content('a'), 'a1');
  await lines(repo, 'checkout', 'main');
  await repo.write('side', 'lost');
  await lines(repo, 'checkout', '--', 'side');
  t.is(await content('side'), 'file');
  t.is(await code(repo, 'checkout', 'nowhere'), 1);
  await repo.write('untracked', 'stays');
  t.is(await code(repo, 'checkout', 'untracked'), 1);
  t.is(await content('untracked'), 'stays');
});
