/** Temporary folders: what killed processes left goes after a day, and nothing else does. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { makeTemporaryFolder } from '../../../../lib/base/files/temporary.js';
import { tempDir } from '../../../helpers/temp-dir.js';

test('a temporary folder: what a process that is gone left a day ago is removed with all in it', async (t) => {
  const top = await tempDir(t);
  const { pid: gone } = spawnSync(process.execPath, ['-e', '0']);
  const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000);
  const make = async (name: string, when = yesterday): Promise<void> => {
    await fs.mkdir(path.join(top, name));
    await fs.writeFile(path.join(top, name, 'network.onnx'), 'x');
    await fs.utimes(path.join(top, name), when, when);
  };
  await make(`dlv-eval-${gone}-Ab3xY9`);
  const stay = [
    `dlv-eval-${process.pid}-Ab3xY9`,
    'dlv-eval-Ab3xY9',
    'dlv-eval-notes',
    `dlv-bench-${gone}-Ab3xY9`,
    `dlv-eval-${gone}-Ab3xY9-mine`,
  ];
  for (const name of stay) await make(name);
  await make(`dlv-eval-${gone}-Zz0000`, new Date());
  await fs.symlink(top, path.join(top, `dlv-eval-${gone}-link00`));
  const made = path.basename(await makeTemporaryFolder(path.join(top, 'dlv-eval-')));
  t.regex(made, new RegExp(`^dlv-eval-${process.pid}-`));
  t.deepEqual(
    (await fs.readdir(top)).sort(),
    [...stay, `dlv-eval-${gone}-Zz0000`, `dlv-eval-${gone}-link00`, made].sort(),
  );
});
