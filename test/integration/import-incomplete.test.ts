/** `dlv import` of what is incomplete: checkpoints that broke off, links that lead nowhere. All is taken that is there, and told. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ImportResult } from '../../lib/use/ops/import.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { commit, contents, gitRepository, run } from '../helpers/git-sources.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const BASE = randomTensors({ 'fc.weight': [64, 64], 'fc.bias': [64] }, 1);

function weights(step: number): Buffer {
  return safetensors(nudge(BASE, 0.01, step));
}

function state(step: number): string {
  return JSON.stringify({ global_step: step, log_history: [{ step, loss: 1 / step }] });
}

/** A folder with these files, by their paths. */
async function folder(
  t: ExecutionContext,
  name: string,
  files: Record<string, Buffer | string>,
): Promise<string> {
  const dir = path.join(await tempDir(t), name);
  for (const [file, content] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(dir, file)), { recursive: true });
    await fs.writeFile(path.join(dir, file), content);
  }
  return dir;
}

test('import: checkpoints without weights, cut, without a shard, behind a broken link', async (t) => {
  const shard = 'model-00002-of-00002.safetensors';
  const weight_map = { 'fc.weight': 'model-00001-of-00002.safetensors', 'fc.bias': shard };
  const cut = weights(2).subarray(0, 9000);
  const files = {
    'checkpoint-100/trainer_state.json': state(100),
    'checkpoint-200/model.safetensors': cut,
    'checkpoint-200/trainer_state.json': state(200).slice(0, 20),
    'checkpoint-300/model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map }),
    'checkpoint-300/model-00001-of-00002.safetensors': weights(3),
    'checkpoint-400/trainer_state.json': state(400),
    'checkpoint-500/model.safetensors': weights(5),
    'checkpoint-500/trainer_state.json': state(500),
    'checkpoint-500/deep/trainer_state.json': state(1),
  };
  const dir = await folder(t, 'bert', files);
  await fs.symlink('/nowhere/m', path.join(dir, 'checkpoint-400/model.safetensors'));
  await fs.symlink('checkpoint-500', path.join(dir, 'latest'));
  await fs.mkdir(path.join(dir, 'checkpoint-600'));
  const repo = await TestRepository.create(t);
  const { made, problems } = await repo.json<ImportResult>('import', dir);
  t.is(made, 5);
  const wanted = [
    /^'model.safetensors' of checkpoint-200 looks like safetensors but is kept as opaque bytes: .*truncated/,
    /^'trainer_state.json' of checkpoint-200: no metrics could be read$/,
    /^'model.safetensors.index.json' of checkpoint-300 needs 'model-00002-of-00002.safetensors', which is not there$/,
    /^no weights were found in 'checkpoint-100', 'checkpoint-200', 'checkpoint-400'$/,
    /^'checkpoint-400\/model.safetensors' is a link that leads nowhere: it is left out$/,
    /^'latest' is a link to a folder: it is left out$/,
  ];
  t.is(problems.length, wanted.length, problems.join('\n'));
  for (const pattern of wanted)
    t.true(
      problems.some((problem) => pattern.test(problem)),
      `${pattern}`,
    );
  for (const [i, step] of [100, 200, 300, 400, 500].entries()) {
    const own = Object.entries(files).flatMap(([name, content]) =>
      name.startsWith(`checkpoint-${step}/`)
        ? [[name.slice(`checkpoint-${step}/`.length), Buffer.from(content)] as const]
        : [],
    );
    t.deepEqual(await contents(repo, `bert@${i + 1}`), Object.fromEntries(own), `${step}`);
  }
  // What was not asked for is not missed.
  const only = ['--model', 'few', '--only', '*.json', '--only', '**/trainer_state.json'];
  const few = await repo.json<ImportResult>('import', dir, ...only);
  t.false(
    few.problems.some((problem) => /no weights|00001-of/.test(problem)),
    few.problems.join(),
  );
  const log = await repo.json<LogEntry[]>('log', 'bert');
  t.deepEqual(
    log.map(({ metrics }) => metrics.loss),
    [0.002, 0.0025, undefined, undefined, 0.01],
  );
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
});

test('import: broken links in the cache of the Hub', async (t) => {
  const [first, second] = ['1'.repeat(40), '2'.repeat(40)];
  const dir = await folder(t, 'models--org--tiny', {
    'blobs/a': weights(1),
    [`snapshots/${first}/README.md`]: '# tiny',
    'refs/main': second,
  });
  await fs.mkdir(path.join(dir, 'snapshots', second));
  await fs.symlink('../../blobs/a', path.join(dir, 'snapshots', first, 'model.safetensors'));
  for (const id of [first, second]) {
    await fs.symlink('../../blobs/gone', path.join(dir, 'snapshots', id, 'config.json'));
  }
  const repo = await TestRepository.create(t);
  const { made, problems } = await repo.json<ImportResult>('import', dir);
  t.is(made, 1);
  t.deepEqual(problems, [
    "snapshot 1111111111: 'config.json' is a link that leads nowhere: it is left out",
    "snapshot 2222222222: 'config.json' is a link that leads nowhere: it is left out",
    'snapshot 2222222222 has no file: no version is made of it',
  ]);
  t.deepEqual(Object.keys(await contents(repo, 'org-tiny')), ['README.md', 'model.safetensors']);
  await fs.rm(path.join(dir, 'snapshots', first), { recursive: true });
  t.regex((await repo.fails(1, 'import', dir, '--model', 'x')).message, /no downloaded version/);
});

test('import: no link out of the cache or the folder of checkpoints is followed', async (t) => {
  const secret = path.join(
    await folder(t, 'private', { key: 'secret', 'more/key': 'more' }),
    'key',
  );
  const above = path.dirname(secret);
  const left = (name: string): string =>
    `'${name}' is a link to outside of the folder: it is left out, since whoever made it may not own what is there`;
  const [first, second] = ['1'.repeat(40), '2'.repeat(40)];
  const cache = await folder(t, 'models--org--odd', {
    'blobs/a': weights(1),
    [`snapshots/${first}/README.md`]: '# odd',
    'refs/main': first,
  });
  const snapshot = path.join(cache, 'snapshots', first);
  await fs.symlink('../../blobs/a', path.join(snapshot, 'model.safetensors'));
  await fs.symlink(secret, path.join(snapshot, 'absolute'));
  await fs.symlink(path.relative(snapshot, secret), path.join(snapshot, 'relative'));
  await fs.symlink('relative', path.join(snapshot, 'twice'));
  await fs.symlink(above, path.join(cache, 'snapshots', second));
  // Beside it, with a name that begins like that of the cache.
  await fs.mkdir(`${cache}-secret`);
  await fs.writeFile(path.join(`${cache}-secret`, 'key'), 'secret');
  await fs.symlink(path.join(`${cache}-secret`, 'key'), path.join(snapshot, 'beside'));
  const repo = await TestRepository.create(t);
  const { made, problems } = await repo.json<ImportResult>('import', cache);
  t.is(made, 1);
  t.deepEqual(problems, [
    ...['absolute', 'beside', 'relative', 'twice'].map(
      (name) => `snapshot 1111111111: ${left(name)}`,
    ),
    `snapshot 2222222222: ${left(`snapshots/${second}`)}`,
    'snapshot 2222222222 has no file: no version is made of it',
  ]);
  t.deepEqual(Object.keys(await contents(repo, 'org-odd')), ['README.md', 'model.safetensors']);

  const run = await folder(t, 'odd', {
    'checkpoint-1/model.safetensors': weights(1),
    'checkpoint-2/optimizer.bin': 'state',
  });
  await fs.symlink(
    '../checkpoint-1/model.safetensors',
    path.join(run, 'checkpoint-2/model.safetensors'),
  );
  await fs.symlink(secret, path.join(run, 'checkpoint-2/key'));
  await fs.symlink(secret, path.join(run, 'checkpoint-2/trainer_state.json'));
  await fs.symlink(secret, path.join(run, 'tokenizer.json'));
  // The folder that is named may itself be a link.
  const link = path.join(path.dirname(run), 'linked');
  await fs.symlink(run, link);
  const taken = await repo.json<ImportResult>('import', link);
  t.is(taken.made, 2);
  t.deepEqual(taken.problems, [
    left('checkpoint-2/key'),
    left('checkpoint-2/trainer_state.json'),
    left('tokenizer.json'),
  ]);
  t.deepEqual(Object.keys(await contents(repo, 'linked')), ['model.safetensors', 'optimizer.bin']);
});

test('import: what was forgotten here stays so, and a dry run moves nothing', async (t) => {
  const files: Record<string, Buffer> = {};
  for (const step of [1, 2, 3]) files[`checkpoint-${step}/model.safetensors`] = weights(step);
  const dir = await folder(t, 'bert', files);
  const repo = await TestRepository.create(t);
  await repo.json('import', dir);
  await repo.json('forget', 'bert@2');
  const before = await repo.json<LogEntry[]>('log', 'bert');
  const { made, known, problems } = await repo.json<ImportResult>('import', dir);
  t.deepEqual([made, known], [0, 2]);
  t.deepEqual(problems, [
    'checkpoint-2 is left out: versions after it were taken already, without it',
  ]);
  t.deepEqual(await repo.json<LogEntry[]>('log', 'bert'), before);

  const source = await gitRepository(t);
  if (source === null) return;
  await commit(source, 'one', { 'a.txt': 'a' });
  await repo.json('import', source, '--model', 'taken');
  run(source, 'git', 'tag', 'v1');
  run(source, 'git', 'branch', 'side');
  const refs = async (): Promise<unknown> => [
    await repo.json('tag'),
    await repo.json('branch', '-a'),
  ];
  const were = await refs();
  const dry = await repo.json<ImportResult>('import', source, '--model', 'taken', '--dry-run');
  t.deepEqual(await refs(), were);
  t.deepEqual(
    { ...(await repo.json<ImportResult>('import', source, '--model', 'taken')) },
    {
      ...dry,
      dryRun: false,
    },
  );
  t.notDeepEqual(await refs(), were);
});

test('import of the cache of the Hub: a download that is not what its name says is left out and named', async (t) => {
  const hash = (kind: string, ...parts: (Buffer | string)[]): string =>
    parts.reduce((sum, part) => sum.update(part), createHash(kind)).digest('hex');
  const config = '{"a": 1}';
  const damaged = Buffer.from(weights(2));
  damaged[9000] = (damaged[9000] as number) ^ 1;
  const blobs: Record<string, [name: string, content: Buffer | string]> = {
    'a.safetensors': [hash('sha256', weights(1)), weights(1)],
    'b.safetensors': [hash('sha256', weights(2)), damaged],
    'config.json': [hash('sha1', `blob ${config.length}\0`, config), config],
    'other.json': [hash('sha1', `blob ${config.length}\0`, config).replace(/^./, 'x'), config],
    'wrong.json': [hash('sha1', 'blob 1\0', 'x'), config],
  };
  const snapshot = `snapshots/${'1'.repeat(40)}`;
  const dir = await folder(t, 'models--org--net', {
    ...Object.fromEntries(Object.values(blobs).map(([name, bytes]) => [`blobs/${name}`, bytes])),
    'refs/main': '1'.repeat(40),
  });
  await fs.mkdir(path.join(dir, snapshot), { recursive: true });
  for (const [name, [blob]] of Object.entries(blobs)) {
    await fs.symlink(`../../blobs/${blob}`, path.join(dir, snapshot, name));
  }
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', dir);
  t.deepEqual(Object.keys(await contents(repo, 'org-net')), [
    'a.safetensors',
    'config.json',
    'other.json',
  ]);
  t.is(problems.length, 2, problems.join('\n'));
  t.regex(problems.join('\n'), /'b\.safetensors' is left out: its content is not what its name/);
  t.regex(problems.join('\n'), /'wrong\.json' is left out/);
});
