/** Commands under low limits of open files: they work, or say which limit it is and what to do. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { PROJECT_ROOT } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const BIN = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');

/** Runs a script of Node while few files may be open. */
function withFiles(most: number, cwd: string, script: string, ...args: string[]) {
  const words = [String(most), process.execPath, script, ...args];
  const line = 'ulimit -n "$0" && exec "$@"';
  return spawnSync('sh', ['-c', line, ...words], { cwd, encoding: 'utf8' });
}

/** Fewest open files with which Node runs a script at all. */
async function fewestFiles(t: ExecutionContext): Promise<number> {
  const dir = await tempDir(t);
  const script = path.join(dir, 'nothing.cjs');
  await fs.writeFile(script, '');
  let most = 12;
  while (most < 100 && withFiles(most, dir, script).status !== 0) most++;
  return most;
}

async function changedRepository(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  const write = async (seed: number) => {
    for (let i = 0; i < 30; i++) await repo.write(`t${i}`, `${seed} ${i}`);
    const tensors = randomTensors({ v: [64, 64], w: [64, 64] }, seed);
    for (let i = 0; i < 3; i++) await repo.write(`m${i}.safetensors`, safetensors(tensors));
  };
  for (const seed of [1, 2]) {
    await write(seed);
    await repo.commit(`version ${seed}`);
  }
  await write(3);
  return repo;
}

for (const argv of [
  ['status'],
  ['log'],
  ['add', '.'],
  ['commit', '-a', '-m', 'three'],
  ['checkout', '--force', 'HEAD~1'],
  ['bench', '--help'],
]) {
  test(`${argv[0]}: with few open files it works, or names the limit and the remedy`, async (t) => {
    const repo = await changedRepository(t);
    const fewest = await fewestFiles(t);
    let works = false;
    for (const more of [0, 1, 2, 3, 5, 8, 12, 20]) {
      const { status, stderr } = withFiles(fewest + more, repo.dir, BIN, ...argv);
      works = status === 0;
      if (works) break;
      t.is(status, 1, `${fewest + more}: ${stderr}`);
      const [said, hint, ...others] = stderr.trim().split('\n').slice(-2);
      t.regex(said ?? '', /^dlv: cannot .*too many files are open \(EMFILE\)$/, stderr);
      t.is(hint, 'hint: raise the limit of open files (ulimit -n)');
      t.deepEqual(others, []);
      t.notRegex(stderr, /^ +at /m);
    }
    t.is((await repo.dlv('fsck')).code, 0);
    if (!works) t.is((await repo.dlv(...argv)).code, 0);
  });
}
