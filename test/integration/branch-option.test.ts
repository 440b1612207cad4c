/** `--branch`: a commit goes to a branch that HEAD is not on, and nobody's files or HEAD move. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { type CommitResult, commit } from '../../lib/use/ops/commit.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { dlv } from '../helpers/dlv.js';
import { madeOnce, TestRepository } from '../helpers/repository.js';

const RUN = ['--branch', 'net/run'];

/** a.txt and b.txt on net/main, where HEAD is, and a branch `run` there. */
const branches = madeOnce(async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.write('b.txt', 'b');
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'first');
  await repo.json('branch', 'run');
  return { repo };
});

const twoBranches = async (t: ExecutionContext): Promise<TestRepository> =>
  (await branches(t)).repo;

const filesOf = async (repo: TestRepository, rev: string): Promise<string[]> =>
  (await repo.json<ShowResult>('show', rev)).files.map((file) => file.path);

const messages = async (repo: TestRepository, rev: string): Promise<string[]> =>
  (await repo.json<LogEntry[]>('log', rev)).map(({ message }) => message.trim());

test('branch: add and commit go to it; HEAD, its files and what is staged for it stay', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('mine.txt', 'mine');
  await repo.json('add', 'mine.txt');
  await repo.write('a.txt', 'edited here, not staged');
  await repo.write('out/c1', 'step 1');
  const state = async (): Promise<string[]> => {
    const read = async (name: string): Promise<string> =>
      (await fs.readFile(repo.file(`.dlv/${name}`))).toString('hex');
    return [await read('HEAD'), await read('staging'), await read('refs/heads/net/main')];
  };
  const before = await state();
  const staged = await repo.json<{ branch: string }>('add', ...RUN, 'out');
  t.is(staged.branch, 'run');
  const status = await repo.json<StatusResult>('status');
  t.deepEqual(status.apart, [
    { model: 'net', branch: 'run', staged: [{ path: 'out/c1', status: 'added' }] },
  ]);
  const made = await repo.json<CommitResult>('commit', ...RUN, '-m', 'step 1', '--step', '1');
  t.like(made, { branch: 'run', name: 'net@2', files: 3 });
  t.deepEqual(await state(), before);
  t.deepEqual((await repo.json<StatusResult>('status')).apart, []);
  t.is(await repo.text('a.txt'), 'edited here, not staged');
  t.deepEqual(await filesOf(repo, 'net/run'), ['a.txt', 'b.txt', 'out/c1']);
  t.deepEqual(await messages(repo, 'net/run'), ['step 1', 'first']);
  // -a takes what was added for it: a.txt here is a file of main.
  await repo.write('out/c1', 'step 2');
  const again = await repo.json<CommitResult>('commit', '-a', ...RUN, '-m', 'step 2');
  t.deepEqual(again.changes, [{ path: 'out/c1', status: 'modified' }]);
  await fs.rm(repo.file('out/c1'));
  const gone = await repo.json<CommitResult>('commit', '-a', ...RUN, '-m', 'step 3');
  t.deepEqual(gone.changes, [{ path: 'out/c1', status: 'deleted' }]);
  t.deepEqual(await state(), before);
  // The next version of main is as if nothing had happened, but for its number.
  const own = await repo.json<CommitResult>('commit', '-m', 'mine');
  t.like(own, { branch: 'main', name: 'net@5', files: 3 });
});

test('branch: DLV_BRANCH says the same, the branch of HEAD is meant as without, others are refused', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('c.txt', 'c');
  const env = { DLV_BRANCH: 'net/run' };
  for (const args of [
    ['add', 'c.txt'],
    ['commit', '-m', 'by environment'],
  ]) {
    t.is((await dlv(args, { cwd: repo.dir, env })).code, 0);
  }
  t.deepEqual(await messages(repo, 'net/run'), ['by environment', 'first']);
  t.deepEqual(await messages(repo, 'net/main'), ['first']);
  await repo.json('add', '--branch', 'main', 'c.txt');
  t.deepEqual((await repo.json<StatusResult>('status')).models[0]?.staged, [
    { path: 'c.txt', status: 'added' },
  ]);
  t.is((await repo.fails(1, 'add', '--branch', 'net/none', 'c.txt')).code, 'DLV_NOT_FOUND');
  t.is(
    (await repo.fails(1, 'commit', '--branch', 'rum', '-m', 'x')).data.hint,
    'did you mean run?',
  );
  t.is((await repo.fails(2, 'add', ...RUN, '--model', 'other', 'c.txt')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'restore', ...RUN, 'a.txt')).code, 'DLV_USAGE');
  t.is((await repo.fails(1, 'commit', ...RUN, '-m', 'x')).code, 'DLV_CONFLICT');
  // The first version of a new model.
  await repo.write('d.txt', 'd');
  await repo.json('add', '--branch', 'other/main', 'd.txt');
  const first = await repo.json<CommitResult>('commit', '--branch', 'other/main', '-m', 'begin');
  t.like(first, { name: 'other@1', files: 1 });
});

test('branch: what is staged for it can be unstaged, is kept by gc, and comes along on switch', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('out/c1', 'kept');
  await repo.write('out/c2', 'not wanted');
  await repo.json('add', ...RUN, 'out');
  await repo.json('restore', '--staged', ...RUN, 'out/c2');
  await repo.json('gc', '--prune=now');
  t.true((await repo.json<FsckOpResult>('fsck', '--files')).ok);
  await repo.json('switch', 'run');
  const { models, apart } = await repo.json<StatusResult>('status');
  t.deepEqual(models[0]?.staged, [{ path: 'out/c1', status: 'added' }]);
  t.deepEqual(apart, []);
  await repo.json('commit', '-m', 'here');
  t.deepEqual(await filesOf(repo, 'net/run'), ['a.txt', 'b.txt', 'out/c1']);
  // Staged apart, then the branch moves: the change is laid over its tip.
  await repo.json('switch', 'main');
  await repo.write('late.txt', 'late');
  await repo.json('add', ...RUN, 'late.txt');
  await repo.json('branch', 'other', 'net/run');
  await repo.write('x.txt', 'x');
  const tip = await repo.json<CommitResult>('commit', ...RUN, '-m', 'late');
  t.deepEqual(await filesOf(repo, tip.name), ['a.txt', 'b.txt', 'late.txt', 'out/c1']);
});

test('branch: staged on a tip that moved, it is laid over the new one', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('late.txt', 'late');
  await repo.json('add', ...RUN, 'late.txt');
  // Another terminal goes there with a worktree of its own: here, by the ref alone.
  await repo.write('early.txt', 'early');
  await repo.json('add', '--branch', 'main', 'early.txt');
  const early = await repo.json<CommitResult>('commit', '-m', 'early');
  await fs.copyFile(repo.file('.dlv/refs/heads/net/main'), repo.file('.dlv/refs/heads/net/run'));
  const late = await repo.json<CommitResult>('commit', ...RUN, '-m', 'late');
  t.deepEqual(late.changes, [{ path: 'late.txt', status: 'added' }]);
  t.deepEqual((await repo.json<ShowResult>('show', 'net/run')).parents, [early.version]);
  t.deepEqual(await filesOf(repo, 'net/run'), ['a.txt', 'b.txt', 'early.txt', 'late.txt']);
});

test('branch: only what is staged for it and not committed keeps its model from a rename', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('late.txt', 'late');
  await repo.json('add', ...RUN, 'late.txt');
  const refused = await repo.fails(1, 'model', 'rename', 'net', 'web');
  t.regex(refused.data.hint ?? '', /dlv commit --branch net\/run/);
  await repo.json('commit', ...RUN, '-m', 'late');
  // Made again at an earlier version, the branch is not one whose commit was cut short.
  await repo.json('branch', '-D', 'run');
  await repo.json('branch', 'run', 'net@1');
  const again = await repo.json<{ files: { status: string }[] }>('add', ...RUN, 'late.txt');
  t.deepEqual(
    again.files.map(({ status }) => status),
    ['added'],
  );
  t.is((await repo.fails(1, 'model', 'rename', 'net', 'web')).code, 'DLV_CONFLICT');
  await repo.json('commit', ...RUN, '-m', 'late again');
  await repo.json('model', 'rename', 'net', 'web');
  t.deepEqual(await filesOf(repo, 'web/run'), ['a.txt', 'b.txt', 'late.txt']);
  await repo.write('last.txt', 'last');
  await repo.json('add', '--branch', 'web/run', 'last.txt');
  await repo.json('commit', '--branch', 'web/run', '-m', 'last');
  t.deepEqual(await filesOf(repo, 'web/run'), ['a.txt', 'b.txt', 'last.txt', 'late.txt']);
  await repo.json('forget', '--path', 'late.txt');
  t.deepEqual(await filesOf(repo, 'web/run'), ['a.txt', 'b.txt', 'last.txt']);
  t.is((await repo.dlv('fsck')).code, 0);
});

test('branch: two processes at once, each on its own branch, lose nothing', async (t) => {
  const repo = await twoBranches(t);
  const rounds = 4;
  const work = async (file: string, where: string[]): Promise<void> => {
    for (let i = 1; i <= rounds; i++) {
      await repo.write(file, `${file} ${i}`);
      for (const args of [
        ['add', ...where, file],
        ['commit', ...where, '-m', `${file} ${i}`],
      ]) {
        const { code, stderr } = await dlv(args, { cwd: repo.dir, process: true });
        t.is(code, 0, stderr);
      }
    }
  };
  await Promise.all([work('mine.txt', []), work('theirs.txt', RUN)]);
  const expected = (file: string): string[] =>
    Array.from({ length: rounds }, (_, i) => `${file} ${rounds - i}`).concat('first');
  t.deepEqual(await messages(repo, 'net/main'), expected('mine.txt'));
  t.deepEqual(await messages(repo, 'net/run'), expected('theirs.txt'));
  const all = await repo.json<LogEntry[]>('log', '--all');
  t.is(new Set(all.map(({ name }) => name)).size, 2 * rounds + 1);
  t.true((await repo.json<FsckOpResult>('fsck')).ok);
});

test.serial(
  'branch: a commit that was cut short before its ref moved can be made again',
  async (t) => {
    const repo = await twoBranches(t);
    await repo.write('c.txt', 'c');
    await repo.with((open) => add(open, { paths: ['c.txt'], branch: 'net/run' }, repo.context));
    const { rename } = io;
    io.rename = async (from, to) => {
      if (String(to).includes(`refs${path.sep}heads`)) throw new Error('the power went');
      return rename(from, to);
    };
    const options = { message: 'again', branch: 'net/run' };
    await t.throwsAsync(repo.with((open) => commit(open, options, repo.context)));
    io.rename = rename;
    t.deepEqual(await messages(repo, 'net/run'), ['first']);
    const made = await repo.with((open) => commit(open, options, repo.context));
    t.deepEqual(made.changes, [{ path: 'c.txt', status: 'added' }]);
    t.deepEqual(await messages(repo, 'net/run'), ['again', 'first']);
  },
);

test('branch: damage of what is staged apart is found, and stops nothing else', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('c.txt', 'c');
  await repo.json('add', ...RUN, 'c.txt');
  const [name] = (await fs.readdir(repo.file('.dlv/lines'))).filter((one) => one !== '.git');
  const file = repo.file(`.dlv/lines/${name}`);
  const bytes = await fs.readFile(file);
  bytes[20] = (bytes[20] as number) ^ 1;
  await fs.writeFile(file, bytes);
  t.is((await repo.fails(12, 'commit', ...RUN, '-m', 'x')).code, 'DLV_CORRUPT');
  await repo.write('a.txt', 'A');
  t.regex((await repo.dlv('status')).stderr, /lines.* is damaged/);
  await repo.json('commit', '-a', '-m', 'here');
  const problems = JSON.parse((await repo.dlv('--json', 'fsck')).stdout) as FsckOpResult;
  t.deepEqual(
    problems.problems.map((problem) => [problem.kind, problem.area, problem.file]),
    [['damaged', 'staging', `lines/${name}`]],
  );
  t.true((await repo.json<FsckOpResult>('fsck', '--rebuild')).ok);
  await repo.json('add', ...RUN, 'c.txt');
  t.like(await repo.json<CommitResult>('commit', ...RUN, '-m', 'after all'), { files: 3 });
});
