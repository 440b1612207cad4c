/** `dlv commit --from`: the files of a folder become a version of any line, and nothing else changes. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { type CommitResult, commit } from '../../lib/use/ops/commit.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const WEIGHTS = randomTensors({ w: [64, 64] }, 1);

async function checkpoint(repo: TestRepository, step: number): Promise<string> {
  const folder = `out/checkpoint-${step}`;
  await repo.write(`${folder}/model.safetensors`, safetensors(nudge(WEIGHTS, 1e-3, step)));
  await repo.write(`${folder}/deep/state.json`, JSON.stringify({ step }));
  return folder;
}

async function paths(repo: TestRepository, revision: string): Promise<string[]> {
  return (await repo.json<ShowResult>('show', revision)).files.map((file) => file.path);
}

test('commit --from: the version has the files of the folder, as they are', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('notes.txt', 'of the work tree');
  await repo.commit('base');
  const from = await checkpoint(repo, 1);
  const made = await repo.json<CommitResult>(
    'commit',
    '--from',
    from,
    '-m',
    'step 1',
    '--step',
    '1',
  );
  t.deepEqual([made.name, made.branch, made.files, made.tensors], ['net@2', 'main', 2, 1]);
  t.deepEqual(await paths(repo, 'HEAD'), ['deep/state.json', 'model.safetensors']);
  const file = await repo.dlv('cat', 'HEAD:model.safetensors');
  t.deepEqual(file.stdoutBytes, await repo.read(`${from}/model.safetensors`));
  t.is((await repo.json<ShowResult>('show')).step, 1);
  // The work file is the user's still.
  t.is(await repo.text('notes.txt'), 'of the work tree');
  t.regex(
    (await repo.fails(1, 'commit', '--from', from, '-m', 'again')).message,
    /nothing to commit/,
  );
  await repo.json('commit', '--from', from, '-m', 'again', '--allow-empty');
  // A single file, also from outside the work tree.
  const outside = path.join(await tempDir(t), 'one.bin');
  await fs.writeFile(outside, 'one');
  await repo.json('commit', '--from', outside, '-m', 'one file');
  t.deepEqual(await paths(repo, 'HEAD'), ['one.bin']);
  t.is((await repo.dlv('fsck')).code, 0);
});

test('commit --from: another line grows, and HEAD, work tree and staging stay', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(WEIGHTS));
  await repo.commit('base');
  await repo.json('branch', 'run-1');
  await repo.write('model.safetensors', safetensors(nudge(WEIGHTS, 1e-2, 9)));
  await repo.json('add', 'model.safetensors');
  const before = [
    await repo.json('status'),
    await fs.readFile(repo.file('.dlv/staging')),
    await repo.read('model.safetensors'),
  ];
  const from = await checkpoint(repo, 1);
  await repo.json('commit', '--from', from, '--branch', 'run-1', '-m', 'step 1');
  await repo.remove('out');
  t.deepEqual(
    [
      await repo.json('status'),
      await fs.readFile(repo.file('.dlv/staging')),
      await repo.read('model.safetensors'),
    ],
    before,
  );
  t.deepEqual(await paths(repo, 'net/run-1'), ['deep/state.json', 'model.safetensors']);
  t.deepEqual(await paths(repo, 'HEAD'), ['model.safetensors']);
});

test('commit --from: what is staged on the line stays staged', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.bin', 'a');
  await repo.commit('base');
  await repo.write('b.bin', 'b');
  await repo.json('add', 'b.bin');
  const from = await checkpoint(repo, 1);
  await repo.json('commit', '--from', from, '-m', 'step 1');
  const staged = await fs.readFile(repo.file('.dlv/staging'));
  t.true(staged.includes('b.bin'));
  // The next command says that the branch has moved, and takes nothing for deleted.
  t.regex((await repo.fails(1, 'commit', '-m', 'b')).data.hint ?? '', /dlv /);
});

test('commit --from: into a repository without versions, to any branch', async (t) => {
  const repo = await TestRepository.create(t);
  const from = await checkpoint(repo, 1);
  await repo.json('commit', '--from', from, '--branch', 'net/run-1', '-m', 'step 1');
  await repo.json('commit', '--from', from, '--branch', 'other/main', '-m', 'a model');
  await repo.json('commit', '--from', from, '-m', 'where HEAD is');
  for (const line of ['net/run-1', 'other/main', 'net/main']) {
    t.deepEqual(await paths(repo, line), ['deep/state.json', 'model.safetensors']);
  }
  t.regex(
    (await repo.fails(1, 'commit', '--from', from, '--branch', 'net/typo', '-m', 'x')).message,
    /no branch 'net\/typo'/,
  );
});

test('commit --from: commands beside each other all land', async (t) => {
  const repo = await TestRepository.create(t);
  const steps = [1, 2, 3, 4];
  const folders = await Promise.all(steps.map((step) => checkpoint(repo, step)));
  const made = await Promise.all(
    folders.map((from) => repo.json<CommitResult>('commit', '--from', from, '-m', from)),
  );
  // A number that was given to one that came too late is not given again.
  t.is(new Set(made.map(({ number }) => number)).size, 4);
  t.is((await repo.json<unknown[]>('log')).length, 4);
});

test('commit --from: mistakes are said', async (t) => {
  const repo = await TestRepository.create(t);
  const from = await checkpoint(repo, 1);
  await fs.mkdir(repo.file('empty'));
  for (const [code, error, ...args] of [
    [1, 'DLV_NOT_FOUND', '--from', 'nowhere', '-m', 'x'],
    [1, 'DLV_NOT_FOUND', '--from', 'empty', '-m', 'x'],
    [2, 'DLV_USAGE', '--from', '.dlv', '-m', 'x'],
    [2, 'DLV_USAGE', '--from', from, '-a', '-m', 'x'],
    [2, 'DLV_USAGE', '--from', from, '--amend', '-m', 'x'],
    [2, 'DLV_USAGE', '--from', from, '--dry-run', '-m', 'x'],
    [2, 'DLV_USAGE', '--from', from],
  ] as [number, string, ...string[]][]) {
    t.is((await repo.fails(code, 'commit', ...args)).code, error as never, args.join(' '));
  }
});

test('commit --from: messages name files with their folder, from where the user is', async (t) => {
  const repo = await TestRepository.create(t);
  const outside = await tempDir(t);
  for (const folder of [repo.file('out/ck'), path.join(outside, 'ck')]) {
    await fs.mkdir(path.join(folder, 'deep'), { recursive: true });
    await fs.writeFile(path.join(folder, 'deep', 'x.safetensors'), 'no such thing');
    await fs.writeFile(path.join(folder, 'a\nb'), 'x');
    await fs.symlink('deep', path.join(folder, 'link'));
  }
  for (const [cwd, from, folder] of [
    ['.', 'out/ck', 'out/ck'],
    ['out', './ck/', 'ck'],
    ['out/ck/deep', '..', repo.file('out/ck')],
    ['.', path.join(outside, 'ck'), path.join(outside, 'ck')],
  ] as const) {
    const argv = ['commit', '--allow-empty', '--from', from, '-m', 'm'];
    const { code, stderr } = await dlv(argv, { cwd: repo.file(cwd) });
    t.is(code, 0, stderr);
    for (const words of [
      `'${folder}/deep/x.safetensors' is named like`,
      `'${folder}/a\\x0ab' is left out`,
      `'${folder}/link' is skipped: it is a symbolic link`,
    ]) {
      t.true(stderr.includes(words), stderr);
    }
  }
  const one = path.join(outside, 'ck', 'deep', 'x.safetensors');
  const { stderr } = await repo.dlv('commit', '--from', one, '-m', 'one');
  t.true(stderr.includes(`'${one}' is named like`), stderr);
});

test.serial('commit --from: an error of a file names it with its folder', async (t) => {
  const repo = await TestRepository.create(t);
  const from = repo.file(await checkpoint(repo, 1));
  const { open } = io;
  const denied = path.join(from, 'deep', 'state.json');
  io.open = (file, flags, mode) =>
    file === denied
      ? Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }))
      : open(file, flags, mode);
  try {
    const made = repo.with((one) => commit(one, { from, message: 'm' }, repo.context));
    await t.throwsAsync(made, {
      code: 'DLV_IO',
      message: /cannot open 'out\/checkpoint-1\/deep\/state\.json'/,
    });
  } finally {
    io.open = open;
  }
});
