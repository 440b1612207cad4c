/**
 * A repository of 20 commits that the real DVC made, imported: every file of every commit is what `git checkout` and
 * `dvc checkout` give out. Needs git and dvc (DLV_TEST_DVC, or on the PATH); without them the test says so loudly.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { sha256Hex } from '../../lib/base/bytes/hash.js';
import type { ImportResult } from '../../lib/use/ops/import.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const COMMITS = 20;
const DVC = process.env.DLV_TEST_DVC ?? 'dvc';
const BASE = randomTensors({ 'fc.weight': [64, 64], 'fc.bias': [64] }, 1);
/** Longer than the lines of YAML that DVC writes. */
const OUT = `${'the model of a run '.repeat(6)}end.bin`;
const LONG = `runs/${'a folder with spaces in its name '.repeat(4).trim()}/notes of the run.txt`;
const PIPELINE = `stages:
  train:
    wdir: train
    cmd: cp ../w.safetensors model.bin && cp ../w.safetensors '${OUT}' && printf '{"size":%d}' $(wc -c < ../data/rows.csv) > metrics.json
    deps:
    - ../w.safetensors
    - ../data
    outs:
    - model.bin
    - ${OUT}
    metrics:
    - metrics.json:
        cache: false
`;

function weights(step: number): Buffer {
  return safetensors(nudge(BASE, 0.01, step));
}

function run(dir: string, program: string, ...args: string[]): string {
  const env = {
    ...process.env,
    ...{ GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
    ...{ DVC_NO_ANALYTICS: '1', DVC_GLOBAL_CONFIG_DIR: dir, DVC_SYSTEM_CONFIG_DIR: dir },
    DVC_SITE_CACHE_DIR: path.join(dir, '..', 'site'),
  };
  const identity = program === 'git' ? ['-c', 'user.name=Ada', '-c', 'user.email=a@b.c'] : [];
  const { status, stdout, stderr, error } = spawnSync(program, [...identity, ...args], {
    cwd: dir,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error ?? stderr}`);
  return stdout;
}

/** sha256 and mode of all files below, without those of the tools. */
async function filesOf(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await fs.readdir(dir, { recursive: true })).sort()) {
    if (/^\.(git|dvc)(\/|$)/.test(name) && !/^\.dvc\/(config|\.gitignore)$/.test(name)) continue;
    const file = path.join(dir, name);
    const stat = await fs.stat(file);
    if (!stat.isFile()) continue;
    found[name] = `${sha256Hex(await fs.readFile(file))} ${(stat.mode & 0o100) === 0 ? '' : 'x'}`;
  }
  return found;
}

test('import: 20 commits of the real DVC come back byte for byte', async (t) => {
  t.timeout(900_000);
  const hasAll = [DVC, 'git'].every((name) => spawnSync(name, ['--version']).status === 0);
  if (!hasAll) {
    t.log('SKIPPED: there is no git or no dvc (set DLV_TEST_DVC): its repositories are NOT tested');
    t.pass();
    return;
  }
  const top = await tempDir(t);
  const dir = path.join(top, 'source');
  await fs.mkdir(path.join(dir, 'data', 'deep'), { recursive: true });
  await fs.mkdir(path.join(dir, 'train'));
  await fs.mkdir(path.join(dir, path.dirname(LONG)), { recursive: true });
  const write = (name: string, content: Buffer | string): Promise<void> =>
    fs.writeFile(path.join(dir, name), content);
  run(dir, 'git', 'init', '-q', '-b', 'main');
  run(dir, DVC, 'init', '-q');
  await write('dvc.yaml', PIPELINE);
  await write('data/same.bin', weights(99));
  await write('data/empty', '');
  await write('tool.sh', '#!/bin/sh\n');
  await fs.chmod(path.join(dir, 'tool.sh'), 0o755);
  run(dir, DVC, 'add', '-q', 'tool.sh');
  const commits: string[] = [];
  for (let i = 0; i < COMMITS; i++) {
    await write('w.safetensors', weights(i));
    await write('data/rows.csv', `a,b\r\n${'1,2\r\n'.repeat(i)}`);
    await write(`data/deep/ä ${i % 4}.txt`, `${i}`);
    await write(LONG, `run ${i}`);
    run(dir, DVC, 'add', '-q', 'w.safetensors', 'data', LONG);
    run(dir, DVC, 'repro', '-q');
    // It is committed to git from then on.
    if (i === 12) run(dir, DVC, 'remove', '-q', 'tool.sh.dvc');
    run(dir, 'git', 'add', '-A');
    run(dir, 'git', 'commit', '-q', '-m', `commit ${i}`);
    commits.push(run(dir, 'git', 'rev-parse', 'HEAD').trim());
  }
  const repo = await TestRepository.create(t);
  const { made, problems } = await repo.json<ImportResult>('import', dir);
  t.deepEqual([made, problems], [COMMITS, []]);
  let compared = 0;
  for (const [i, id] of commits.entries()) {
    run(dir, 'git', 'checkout', '-q', id);
    run(dir, DVC, 'checkout', '-q');
    const wanted = await filesOf(dir);
    const out = path.join(top, `out-${i}`);
    await repo.json('checkout', `source@${i + 1}`, '--out', out);
    t.deepEqual(await filesOf(out), wanted, `commit ${i}`);
    compared += Object.keys(wanted).length;
  }
  t.log(`${compared} files of ${COMMITS} commits are equal`);
  t.true(compared > COMMITS * 12);
});
