/** `dlv import`: histories of git with LFS, of checkpoint folders and of the Hub's cache. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { DescResult } from '../../lib/use/ops/desc.js';
import type { ImportResult } from '../../lib/use/ops/import.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { commit, contents, gitRepository, isThere, pointer, run } from '../helpers/git-sources.js';
import { linearNetwork } from '../helpers/linear-network.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const SHAPES = { 'fc.weight': [64, 64], 'fc.bias': [64] };
const BASE = randomTensors(SHAPES, 1);

/** Weights of a step. */
function weights(step: number): Buffer {
  return safetensors(nudge(BASE, 0.01, step));
}

test('import: commits of git with their parents, branches, tags, authors, and files of git-lfs', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const first = await commit(dir, 'first\n\nbody', {
    'm.safetensors': await pointer(dir, weights(1)),
    'sub dir/ä.txt': 'text',
  });
  await fs.symlink('m.safetensors', path.join(dir, 'latest'));
  await commit(dir, 'second', { 'm.safetensors': await pointer(dir, weights(2)) });
  run(dir, 'git', 'tag', '-a', 'v1', '-m', 'annotated');
  run(dir, 'git', 'checkout', '-q', '-b', 'side', first);
  await commit(dir, 'on the side', {
    'run.sh': '#!/bin/sh\n',
    'm.safetensors': await pointer(dir, weights(3)),
  });
  run(dir, 'git', 'checkout', '-q', 'main');
  run(dir, 'git', 'merge', '-q', '-s', 'ours', '-m', 'joined', 'side');
  const repo = await TestRepository.create(t);
  const dry = await repo.json<ImportResult>('import', dir, '--dry-run');
  t.is(dry.made, 4);
  t.deepEqual((await repo.json<{ models: unknown[] }>('list')).models ?? [], []);
  const done = await repo.json<ImportResult>('import', dir);
  t.deepEqual([done.kind, done.model, done.made], ['git', 'source', 4]);
  t.regex(done.problems.join(), /'latest' is a symbolic link/);
  const log = await repo.json<(LogEntry & { git: { commit: string } })[]>('log', 'source/main');
  t.deepEqual(log.map(({ message }) => message).sort(), [
    'first\n\nbody',
    'joined',
    'on the side',
    'second',
  ]);
  t.is(log[0]?.parents.length, 2);
  const made = log.find(({ message }) => message.startsWith('first'));
  t.is(made?.author, 'Ada L <ada@example.org>');
  t.deepEqual(await contents(repo, 'source/side'), {
    'm.safetensors': weights(3),
    'run.sh': Buffer.from('#!/bin/sh\n'),
    'sub dir/ä.txt': Buffer.from('text'),
  });
  t.deepEqual((await contents(repo, 'v1'))['m.safetensors'], weights(2));
  // Weights are stored as what changed: no version takes as much as its file.
  t.true(done.storedBytes < 3 * weights(1).length);
  // A later run takes what is new.
  await commit(dir, 'third', { 'm.safetensors': await pointer(dir, weights(4)) });
  const again = await repo.json<ImportResult>('import', dir);
  t.deepEqual([again.made, again.known], [1, 4]);
  t.deepEqual((await contents(repo, 'source'))['m.safetensors'], weights(4));
  t.is((await repo.dlv('fsck')).code, 0);
});

test('import: each version describes the network of its own file', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  await commit(dir, 'one', { 'm.onnx': linearNetwork({ weights: [[1], [2]], bias: [1] }) });
  await commit(dir, 'two', { 'm.onnx': linearNetwork({ weights: [[1, 2, 3]], bias: [1, 2, 3] }) });
  const repo = await TestRepository.create(t);
  await repo.json('import', dir);
  const parameters = async (revision: string): Promise<number | undefined> =>
    (await repo.json<DescResult>('desc', revision)).networks[0]?.parameters;
  t.deepEqual([await parameters('source@1'), await parameters('source@2')], [3, 6]);
});

test('import: what git-lfs does not have is named, a damaged object is left out', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const gone = await pointer(dir, weights(1));
  await fs.rm(path.join(dir, '.git/lfs'), { recursive: true });
  const bad = await pointer(dir, weights(2));
  const oid = /sha256:(\w+)/.exec(bad)?.[1] as string;
  const object = path.join(dir, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid);
  const bytes = await fs.readFile(object);
  bytes[bytes.length - 1]! ^= 1;
  await fs.writeFile(object, bytes);
  await commit(dir, 'one', { 'gone.safetensors': gone, 'bad.safetensors': bad, 'a.txt': 'a' });
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', dir);
  t.regex(problems.join('\n'), /'bad\.safetensors' is left out: its object has another sha256/);
  t.regex(problems.join('\n'), /'gone\.safetensors' is not in the objects of git-lfs/);
  t.deepEqual(await contents(repo, 'source'), {
    'a.txt': Buffer.from('a'),
    'gone.safetensors': Buffer.from(gone),
  });
});

test('import: checkpoints of a run are versions of the same paths, with steps and metrics', async (t) => {
  const dir = path.join(await tempDir(t), 'bert');
  for (const step of [1000, 200]) {
    await fs.mkdir(path.join(dir, `checkpoint-${step}`), { recursive: true });
    const at = (name: string): string => path.join(dir, `checkpoint-${step}`, name);
    await fs.writeFile(at('model.safetensors'), weights(step));
    const log_history = [{ step, loss: 1 / step }];
    await fs.writeFile(
      at('trainer_state.json'),
      JSON.stringify({ global_step: step, log_history }),
    );
  }
  await fs.writeFile(path.join(dir, 'README.md'), 'about');
  const repo = await TestRepository.create(t);
  const done = await repo.json<ImportResult>('import', dir);
  t.deepEqual([done.kind, done.made], ['checkpoints', 2]);
  const log = await repo.json<(LogEntry & { step: number })[]>('log', 'bert');
  t.deepEqual(
    log.map(({ message, step, metrics }) => [message, step, metrics.loss]),
    [
      ['checkpoint-1000', 1000, 0.001],
      ['checkpoint-200', 200, 0.005],
    ],
  );
  const files = await contents(repo, 'bert@1');
  t.deepEqual(Object.keys(files), ['README.md', 'model.safetensors', 'trainer_state.json']);
  t.deepEqual(files['model.safetensors'], weights(200));
  t.deepEqual((await repo.json<ImportResult>('import', dir)).made, 0);
});

test('import: checkpoints that are files', async (t) => {
  const dir = path.join(await tempDir(t), 'run');
  await fs.mkdir(dir);
  await fs.writeFile(path.join(dir, 'net-epoch=1-step=10-val_loss=0.5.ckpt'), weights(1));
  await fs.writeFile(path.join(dir, 'net-epoch=2-step=20-val_loss=0.25.ckpt'), weights(2));
  const repo = await TestRepository.create(t);
  await repo.json('import', dir);
  t.deepEqual(await contents(repo, 'run'), { 'net.ckpt': weights(2) });
  const [last] = await repo.json<LogEntry[]>('log', 'run');
  t.is(last?.metrics.val_loss, 0.25);
});

test('import: files and folders that a number alone numbers are checkpoints where there are several', async (t) => {
  const dir = path.join(await tempDir(t), 'run');
  await fs.mkdir(path.join(dir, 'ck'), { recursive: true });
  await fs.writeFile(path.join(dir, 'net-100.safetensors'), weights(1));
  const repo = await TestRepository.create(t);
  t.regex((await repo.fails(1, 'import', dir)).message, /no name says a step/);
  await fs.writeFile(path.join(dir, 'net-200.safetensors'), weights(2));
  await fs.writeFile(path.join(dir, 'vocab-2.txt'), 'beside');
  const done = await repo.json<ImportResult>('import', dir);
  t.deepEqual([done.kind, done.made], ['checkpoints', 2]);
  const log = await repo.json<(LogEntry & { step: number })[]>('log', 'run');
  t.deepEqual(
    log.map(({ message, step }) => [message, step]),
    [
      ['net-200.safetensors', 200],
      ['net-100.safetensors', 100],
    ],
  );
  const files = { 'net.safetensors': weights(1), 'vocab-2.txt': Buffer.from('beside') };
  t.deepEqual(await contents(repo, 'run@1'), files);
});

test('import: downloads in the cache of the Hub', async (t) => {
  const dir = path.join(await tempDir(t), 'models--org--tiny');
  const commits = ['1'.repeat(40), '2'.repeat(40)];
  await fs.mkdir(path.join(dir, 'blobs'), { recursive: true });
  for (const [i, id] of commits.entries()) {
    await fs.mkdir(path.join(dir, 'snapshots', id), { recursive: true });
    await fs.writeFile(path.join(dir, 'blobs', String(i)), weights(i));
    await fs.utimes(path.join(dir, 'blobs', String(i)), 1000 + i, 1000 + i);
    await fs.symlink(`../../blobs/${i}`, path.join(dir, 'snapshots', id, 'model.safetensors'));
  }
  await fs.writeFile(
    path.join(dir, 'snapshots', commits[0]!, 'README.md'),
    '---\nbase_model: a/b\n---\n',
  );
  await fs.utimes(path.join(dir, 'snapshots', commits[0]!, 'README.md'), 1000, 1000);
  await fs.mkdir(path.join(dir, 'refs'));
  await fs.writeFile(path.join(dir, 'refs/main'), commits[1]!);
  await fs.writeFile(path.join(dir, 'refs/v1'), commits[0]!);
  const repo = await TestRepository.create(t);
  const done = await repo.json<ImportResult>('import', dir);
  t.deepEqual([done.kind, done.model, done.made], ['hub-cache', 'org-tiny', 2]);
  t.deepEqual((await contents(repo, 'org-tiny'))['model.safetensors'], weights(1));
  const [old] = await repo.json<(LogEntry & { params: Record<string, unknown> })[]>('log', 'v1');
  t.is(old?.params.base_model, 'a/b');
});

test('import: what is no history, and branches with versions of their own', async (t) => {
  const empty = await tempDir(t);
  const repo = await TestRepository.create(t);
  t.regex((await repo.fails(1, 'import', path.join(empty, 'none'))).message, /there is no folder/);
  t.regex((await repo.fails(1, 'import', empty)).message, /no checkpoints/);
  await fs.mkdir(path.join(empty, 'step_1'));
  await fs.writeFile(path.join(empty, 'step_1', 'a.txt'), 'a');
  t.regex((await repo.fails(1, 'import', empty, '--model', 'net')).message, /HEAD is on the model/);
  await repo.write('a.txt', 'a');
  await repo.commit('own');
  await repo.json('copy', 'net', 'other');
  t.regex(
    (await repo.fails(1, 'import', empty, '--model', 'other')).message,
    /versions of its own/,
  );
});

test('import: 20 commits of the real git-lfs come back byte for byte', async (t) => {
  if (!isThere('git-lfs', 'version')) {
    t.log('SKIPPED: there is no git-lfs: repositories that it made are NOT tested');
    t.pass();
    return;
  }
  const dir = await gitRepository(t);
  if (dir === null) return;
  run(dir, 'git', 'lfs', 'install', '--local');
  run(dir, 'git', 'lfs', 'track', '*.safetensors');
  for (let i = 0; i < 20; i++) {
    await commit(dir, `commit ${i}`, { 'm.safetensors': weights(i), [`log-${i % 3}.txt`]: `${i}` });
  }
  const repo = await TestRepository.create(t);
  t.is((await repo.json<ImportResult>('import', dir)).made, 20);
  for (const [i, number] of [
    [0, 1],
    [7, 8],
    [19, 20],
  ] as const) {
    const files = await contents(repo, `source@${number}`);
    t.deepEqual(files['m.safetensors'], weights(i));
    t.is(String(files[`log-${i % 3}.txt`]), `${i}`);
  }
});

test('import: odd names, messages and encodings of git are told and stop nothing', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  await commit(dir, 'plain', { 'a.txt': 'a', 'ünï.txt': 'u' });
  for (const byte of [0xe9, 0xea]) {
    const name = Buffer.concat([Buffer.from(`${dir}/caf`), Buffer.from([byte])]);
    await fs.writeFile(name, `${byte}`);
  }
  run(dir, 'git', 'add', '-A');
  run(dir, 'git', 'commit', '-qm', 'names of Latin-1');
  await fs.writeFile(path.join(dir, 'long'), `subject\n\n${'é'.repeat(600_000)}\n`);
  run(dir, 'git', 'commit', '-q', '--allow-empty', '-F', 'long');
  await fs.writeFile(path.join(dir, 'latin'), Buffer.from('gr\xfc\xdfe', 'latin1'));
  run(
    dir,
    'git',
    '-c',
    'i18n.commitEncoding=ISO-8859-1',
    'commit',
    '-q',
    '--allow-empty',
    '-F',
    'latin',
  );
  await fs.rm(path.join(dir, 'long'));

  const repo = await TestRepository.create(t);
  const result = await repo.json<ImportResult>('import', dir, '--model', 'odd');
  t.is(result.made, 4);
  t.is(result.problems.filter((text) => text.endsWith('its name is not UTF-8')).length, 1);
  t.is(
    result.problems.filter((text) => /^the message of [0-9a-f]{40} .*cut$/.test(text)).length,
    1,
  );
  const log = await repo.json<LogEntry[]>('log', 'odd');
  t.is(log[0]?.message, 'grüße');
  const long = log[1]?.message ?? '';
  t.true(Buffer.byteLength(long) > 2 ** 20 - 2 && Buffer.byteLength(long) <= 2 ** 20);
  t.true(long.endsWith('é'));
  await repo.json('checkout', 'odd', '--out', 'out');
  t.deepEqual((await fs.readdir(repo.file('out'))).sort(), ['a.txt', 'ünï.txt']);
});

test('import: objects of git-lfs in a repository that is borrowed from', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const bytes = weights(1);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const place = path.join(dir, '.git', 'lfs', 'objects', sha256.slice(0, 2), sha256.slice(2, 4));
  await fs.mkdir(place, { recursive: true });
  await fs.writeFile(path.join(place, sha256), bytes);
  await commit(dir, 'one', {
    'w.safetensors': `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`,
  });
  const shared = path.join(path.dirname(dir), 'shared');
  run(dir, 'git', 'clone', '-q', '--shared', dir, shared);
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', shared, '--model', 'lfs');
  t.deepEqual(problems, []);
  await repo.json('checkout', 'lfs', '--out', 'out');
  t.deepEqual(await repo.read('out/w.safetensors'), bytes);
});

test('import: what dlv keeps is fetched; its work files are no versions, nor what lies in repositories below', async (t) => {
  const top = await tempDir(t);
  const other = await TestRepository.create(t, top);
  await other.write('checkpoint-1/model.safetensors', weights(1));
  await other.write('checkpoint-2/model.safetensors', weights(2));
  await other.commit('both');
  await other.json('remote', 'add', 'origin', '../net.dlv');
  await other.json('push');
  await fs.mkdir(path.join(top, 'here'));
  const repo = await TestRepository.create(t, path.join(top, 'here'));
  for (const [place, kind] of [
    ['../../net', 'repository'],
    ['../../net.dlv', 'remote'],
  ] as const) {
    const { message, data } = await repo.fails(2, 'import', place);
    t.regex(message, new RegExp(`'${place}' is a ${kind} of dlv`));
    t.regex(String(data.hint), new RegExp(`dlv remote add net ${place}'.*dlv fetch net'`));
  }
  // What the hint says does it.
  await repo.json('remote', 'add', 'net', '../../net.dlv');
  await repo.json('fetch', 'net');
  t.is((await repo.json<LogEntry[]>('log', 'net/main')).length, 1);
  const chosen = await repo.json<ImportResult>(
    'import',
    '../../net',
    '--as',
    'checkpoints',
    '--model',
    'old',
    '-n',
  );
  t.is(chosen.made, 2);
  // A folder of runs with a repository in it: only what lies beside that is taken.
  await fs.mkdir(path.join(top, 'step-7'));
  await fs.writeFile(path.join(top, 'step-7/model.safetensors'), weights(7));
  const beside = await repo.json<ImportResult>('import', '../..', '-n');
  t.is(beside.made, 1);
  t.regex(beside.problems.join(), /'net' is a repository of dlv: it is left out/);
  // The work tree of this repository may hold what was trained before there was one.
  const own = await other.json<ImportResult>('import', '.', '--model', 'old', '-n');
  t.is(own.made, 2);
});
