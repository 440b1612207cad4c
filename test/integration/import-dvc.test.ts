/** `dlv import` of what DVC keeps beside git, in the forms that it writes; what it lacks or has damaged is named. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { ImportResult } from '../../lib/use/ops/import.js';
import { cached, commit, contents, gitRepository, placeInCache } from '../helpers/git-sources.js';
import { TestRepository } from '../helpers/repository.js';

const IGNORED = 'data\n.dvc\n';

function single(md5: string, name: string): string {
  return `outs:\n- md5: ${md5}\n  hash: md5\n  path: ${name}\n`;
}

test('import of DVC: files and folders that it tracks', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const list = JSON.stringify([
    { md5: await cached(dir, 'weights'), relpath: 'a.safetensors' },
    { md5: await cached(dir, 'deep'), relpath: 'b/c.txt' },
    { md5: await cached(dir, 'out'), relpath: '../../out.txt' },
  ]);
  const folder = await cached(dir, list, '.dir');
  await commit(dir, 'one', {
    'data.dvc': `outs:\n- md5: ${folder}\n  path: data\n`,
    'sub/dvc.lock': `stages:\n  train:\n    outs:\n    - path: m.bin\n      md5: ${await cached(dir, 'model')}\n`,
    '.gitignore': 'data\n.dvc\n',
  });
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', dir, '--model', 'dvc');
  const files = await contents(repo, 'dvc');
  t.deepEqual(
    Object.keys(files),
    [
      '.gitignore',
      'data.dvc',
      'data/a.safetensors',
      'data/b/c.txt',
      'sub/dvc.lock',
      'sub/m.bin',
    ].sort(),
  );
  t.is(String(files['data/a.safetensors']), 'weights');
  t.is(String(files['sub/m.bin']), 'model');
  t.regex(problems.join(), /out\.txt" is left out: it has the part '\.\.'/);
});

test('import of DVC: what is damaged or missing in its cache is left out by name, the rest is taken', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const md5s = {
    good: await cached(dir, 'good'),
    bad: await cached(dir, 'damaged'),
    gone: await cached(dir, 'gone'),
    inFolder: await cached(dir, 'in the folder'),
  };
  const list = (name: string, md5: string): Promise<string> =>
    cached(dir, JSON.stringify([{ md5, relpath: name }]), '.dir');
  const folder = JSON.stringify([
    { md5: md5s.good, relpath: 'a' },
    { md5: md5s.bad, relpath: 'b' },
    { md5: md5s.gone, relpath: 'c' },
  ]);
  const lists = {
    folder: await cached(dir, folder, '.dir'),
    spoiled: await list('x', md5s.inFolder),
    missing: await list('y', md5s.inFolder),
    nothing: await cached(dir, '{}', '.dir'),
  };
  await fs.writeFile(placeInCache(dir, md5s.bad), 'DAMAGED');
  await fs.rm(placeInCache(dir, md5s.gone));
  // A list that leads to a file of another name, and would be taken without a look at its md5.
  await fs.writeFile(
    placeInCache(dir, lists.spoiled),
    JSON.stringify([{ md5: md5s.inFolder, relpath: 'z' }]),
  );
  await fs.rm(placeInCache(dir, lists.missing));
  const tracked: Record<string, string> = { '.gitignore': IGNORED };
  for (const [name, md5] of Object.entries({ ...md5s, ...lists })) {
    if (name !== 'inFolder') tracked[`${name}.dvc`] = single(md5, name);
  }
  await commit(dir, 'one', tracked);
  await commit(dir, 'two', { 'note.txt': 'two' });
  const repo = await TestRepository.create(t);
  const { made, problems } = await repo.json<ImportResult>('import', dir, '--model', 'dvc');
  t.is(made, 2);
  const has = await contents(repo, 'dvc');
  t.deepEqual(
    Object.keys(has).filter((name) => !name.endsWith('.dvc')),
    ['.gitignore', 'folder/a', 'good', 'note.txt'],
  );
  t.deepEqual([String(has['folder/a']), String(has.good)], ['good', 'good']);
  // Each once, although two commits have them.
  t.deepEqual(
    problems
      .map((problem) => problem.replace(/'\/.*cache/, "'CACHE"))
      .map((problem) => problem.replace(/ \(.*/, ''))
      .sort(),
    [
      `'bad' is left out: its file in the cache of DVC, '${inCache(md5s.bad)}', has another md5 than its name says`,
      `'folder/b' is left out: its file in the cache of DVC, '${inCache(md5s.bad)}', has another md5 than its name says`,
      "'folder/c' is not in the cache of DVC: it is left out",
      "'gone' is not in the cache of DVC: it is left out",
      `the files of the folder 'nothing' are left out: '${inCache(lists.nothing)}' is no list of files`,
      `the files of the folder 'spoiled' are left out: its file in the cache of DVC, '${inCache(lists.spoiled)}', has another md5 than its name says`,
      "the list of the folder 'missing' is not in the cache of DVC: its files are left out",
    ],
  );
  t.true(problems.every((problem) => /no list|dvc fetch --all-commits/.test(problem)));
});

function inCache(md5: string): string {
  return `CACHE/files/md5/${md5.slice(0, 2)}/${md5.slice(2)}`;
}

test('import of DVC: stages that work elsewhere, files that git has, modes, caches of its own and of earlier versions', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const stage = (name: string, ...outs: [name: string, md5: string][]): string =>
    `  ${name}:\n    cmd: x\n    outs:\n${outs
      .map(([out, md5]) => `    - path: ${out}\n      md5: ${md5}\n      isexec: true\n`)
      .join('')}`;
  // Texts were hashed with the ends of lines of Unix.
  const text = 'a\r\nb\r\n';
  const old = createHash('md5').update('a\nb\n').digest('hex');
  const spoiled = createHash('md5').update('a\nc\n').digest('hex');
  for (const md5 of [old, spoiled]) {
    await fs.mkdir(path.dirname(placeInCache(dir, md5, 'old')), { recursive: true });
    await fs.writeFile(placeInCache(dir, md5, 'old'), text);
  }
  const inner = path.join(dir, 'inner');
  await fs.mkdir(path.join(inner, '.dvc'), { recursive: true });
  const ofInner = await cached(inner, 'of another cache');
  await commit(dir, 'one', {
    'dvc.yaml': 'stages:\n  train:\n    cmd: x\n    wdir: src/train\n    outs:\n    - m.bin\n',
    'dvc.lock':
      `schema: '2.0'\nstages:\n${stage('train@1', ['m.bin', await cached(dir, 'model')])}` +
      stage('eval', ['metrics.json', 'a'.repeat(32)], ['../out', await cached(dir, 'out')]),
    'metrics.json': '{"loss": 1}',
    'old.txt.dvc': single(old, 'old.txt'),
    'spoiled.txt.dvc': single(spoiled, 'spoiled.txt'),
    'inner/deep/n.bin.dvc': single(ofInner, 'n.bin'),
    '.gitignore': IGNORED,
  });
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', dir, '--model', 'dvc');
  const files = await contents(repo, 'dvc');
  const texts = Object.entries(files).flatMap(([name, bytes]) =>
    /\.(dvc|yaml|lock)$|^\.git/.test(name) ? [] : [[name, String(bytes)]],
  );
  t.deepEqual(Object.fromEntries(texts), {
    'inner/deep/n.bin': 'of another cache',
    'metrics.json': '{"loss": 1}',
    'old.txt': text,
    'src/train/m.bin': 'model',
  });
  const { mode } = await fs.stat(path.join(repo.dir, '..', 'out-dvc', 'src/train/m.bin'));
  t.is(mode & 0o111, 0o111);
  t.is(problems.length, 2);
  t.regex(problems.join('\n'), /"\.\.\/out" is left out/);
  t.regex(problems.join('\n'), /'spoiled\.txt' is left out: .* has another md5/);
});

test('import of DVC: an output in the place of a file or folder of git is told', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const md5 = await cached(dir, 'x');
  await commit(dir, 'one', {
    'a.dvc': single(md5, 'sub'),
    'b.dvc': single(md5, 'sub/file.txt/below'),
    'sub/file.txt': 'of git',
    '.gitignore': '.dvc\n',
  });
  const repo = await TestRepository.create(t);
  const { problems, made } = await repo.json<ImportResult>('import', dir, '--model', 'dvc');
  t.is(made, 1);
  t.is(String((await contents(repo, 'dvc'))['sub/file.txt']), 'of git');
  t.is(problems.length, 2, problems.join());
});

test('import of DVC: what is elsewhere, has no md5 or cannot be read is named', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const md5 = await cached(dir, 'weights');
  await commit(dir, 'one', {
    'elsewhere.dvc': `${single(md5, '/mnt/data/x.csv')}- md5: ${md5}\n  path: s3://bucket/key\n`,
    'work.dvc': `wdir: /mnt\n${single(md5, 'y.csv')}`,
    'none.dvc': 'outs:\n- md5: "00"\n  path: zz\n- path: bare\n',
    'broken.dvc': 'outs: [\n',
    'here.dvc': single(md5, 'm.bin'),
    'dvc.lock': 'schema: "2.0"\nstages:\n  test:\n    cmd: true\n',
    '.gitignore': IGNORED,
  });
  const repo = await TestRepository.create(t);
  const { problems } = await repo.json<ImportResult>('import', dir, '--model', 'dvc');
  const names = Object.keys(await contents(repo, 'dvc'));
  t.deepEqual(
    names.filter((name) => !/\.(dvc|lock)$/.test(name)),
    ['.gitignore', 'm.bin'],
  );
  t.deepEqual([...problems].sort(), [
    "'/mnt/data/x.csv' of 'elsewhere.dvc' is outside of the repository: it is left out",
    "'/mnt/y.csv' of 'work.dvc' is outside of the repository: it is left out",
    "'bare' of 'none.dvc' has no md5: it is left out",
    "'broken.dvc' cannot be read as a file of DVC: what it tracks is left out",
    "'s3://bucket/key' of 'elsewhere.dvc' is outside of the repository: it is left out",
    "'zz' of 'none.dvc' has no md5: it is left out",
  ]);
});
