/**
 * A command that computes without a pause dies of SIGINT, SIGTERM and SIGHUP all the same, and loses
 * nothing. The loop is put into the process of the command by a preloaded module: no command has one.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { DLV_BIN } from '../helpers/dlv.js';
import { HAS_ADDON } from '../helpers/kernels.js';
import { threeVersions } from '../helpers/repository.js';

/** Loops for ever as soon as the command has begun, and says so first. */
const LOOP = `
import { writeSync } from 'node:fs';
process.once('newListener', function wait(name) {
  if (name !== 'SIGHUP') return process.once('newListener', wait);
  setImmediate(() => {
    writeSync(1, 'looping');
    for (;;);
  });
});
`;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`a loop that never yields is ended by ${signal}`, async (t) => {
    if (!HAS_ADDON) {
      t.pass('the native kernel was not built');
      return;
    }
    const { repo } = await threeVersions(t);
    const loop = path.join(repo.dir, 'loop.mjs');
    await fs.writeFile(loop, LOOP);
    const args = ['--import', loop, DLV_BIN, 'commit', '--allow-empty', '-m', 'never'];
    const child = spawn(process.execPath, args, { cwd: repo.dir });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout.once('data', () => child.kill(signal));
    const ended = await new Promise((resolve) => {
      child.once('close', (code, by) => resolve({ code, by }));
    });
    t.deepEqual(ended, { code: null, by: signal });
    t.is(stderr, '\ndlv: interrupted; it did not answer and was ended\n');
    t.is((await repo.json<unknown[]>('log')).length, 3);
    t.is((await repo.dlv('fsck')).code, 0);
    t.is((await repo.dlv('commit', '--allow-empty', '-m', 'next')).code, 0, 'no lock is left');
  });
}
