/** Goal: a change that leaves size and times as they were is found by --rehash, and staged. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test from 'ava';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { TestRepository } from '../helpers/repository.js';
import { TMPFS_MAGIC } from '../helpers/run-folder.js';
import { diskDir } from '../helpers/temp-dir.js';

test('rehash: contents that changed behind equal times', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.bin', 'first content');
  await repo.commit('one');
  const file = repo.file('model.bin');
  // Old enough that its times are believed, and taken back to the nanosecond after the change. The
  // inode stays; the change time cannot be set, so staging is made to hold the new one first.
  const { mtime } = await fs.stat(file);
  await fs.writeFile(file, 'other content');
  await fs.utimes(file, mtime, mtime);
  const changes = async (...args: string[]): Promise<string[]> => {
    const { models } = await repo.json<StatusResult>('status', ...args);
    return models.flatMap(({ unstaged }) => unstaged.map(({ path }) => path));
  };
  t.deepEqual(await changes('--rehash'), ['model.bin']);
  await repo.json('add', '--rehash', 'model.bin');
  t.deepEqual(await changes('--rehash'), []);
  await repo.json('commit', '-m', 'two');
  await fs.rm(file);
  await repo.json('checkout', 'HEAD', 'model.bin');
  t.is(await repo.text('model.bin'), 'other content');
});

test('rehash: a store through a memory map after add is seen', async (t) => {
  // A file system in memory keeps no time of a store through a map.
  const disk = await diskDir(t);
  if ((await fs.statfs(disk)).type === TMPFS_MAGIC) {
    t.log('SKIPPED: temporary files are in memory here; set TMPDIR to a folder on a disk');
    t.pass();
    return;
  }
  const repo = await TestRepository.create(t, disk);
  await repo.write('weights.bin', Buffer.alloc(8192, 1));
  const script = [
    'import mmap, os, sys, subprocess, time',
    "f = open('weights.bin', 'r+b'); m = mmap.mmap(f.fileno(), 0)",
    'm[0] = 2; time.sleep(0.05); subprocess.run(sys.argv[1:], check=True); time.sleep(0.05); m[1] = 3',
  ].join('\n');
  const { DLV_BIN } = await import('../helpers/dlv.js');
  const env = { ...process.env, DLV_AUTHOR_NAME: 'Tester', DLV_CONFIG: repo.file('.no-config') };
  try {
    execFileSync('python3', ['-c', script, process.execPath, DLV_BIN, '-q', 'add', 'weights.bin'], {
      cwd: repo.dir,
      env,
      stdio: 'pipe',
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.log('SKIPPED: there is no python3 to map a file with');
    t.pass();
    return;
  }
  const { models } = await repo.json<StatusResult>('status');
  t.deepEqual(
    models.flatMap(({ unstaged }) => unstaged.map(({ path }) => path)),
    ['weights.bin'],
  );
});
