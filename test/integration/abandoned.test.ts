/** Unfinished files in folders of the user, where these lie on another disk than .dlv/tmp. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { newTemporaryName } from '../../lib/base/files/temporary-name.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { status } from '../../lib/use/ops/status.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

/** A name that a process of this system gave which has ended: no process has such a number. */
function nameOfDead(): string {
  return newTemporaryName().replace(/^\.tmp-\d+-\d+/, '.tmp-4194999-7');
}

test.serial(
  'checkout: removes what killed commands left in the folder that it writes to',
  async (t) => {
    const work = await WorkRepository.make(t);
    await work.commit({ 'a.txt': 'a', 'sub/b.txt': 'b' });
    const out = work.file('out');
    await fs.mkdir(path.join(out, 'sub'), { recursive: true });
    const kept = [newTemporaryName(), '.tmp-notes', 'mine'];
    for (const name of [nameOfDead(), ...kept]) await fs.writeFile(path.join(out, name), 'x');
    await fs.writeFile(path.join(out, 'sub', nameOfDead()), 'x');
    const mkdir = io.mkdir;
    // As where .dlv lies on another disk: no rename leads from there.
    io.mkdir = async (dir) => {
      if (dir.includes(`${path.sep}tmp${path.sep}`) && dir.includes('.dlv')) {
        throw Object.assign(new Error('read-only'), { code: 'EROFS' });
      }
      return mkdir(dir);
    };
    try {
      await work.open((repo, context) =>
        checkout(repo, { revision: 'HEAD', out, force: true }, context),
      );
    } finally {
      io.mkdir = mkdir;
    }
    t.deepEqual((await fs.readdir(out)).sort(), [...kept, 'a.txt', 'sub'].sort());
    t.deepEqual(await fs.readdir(path.join(out, 'sub')), ['b.txt']);
  },
);

test('status: an unfinished file of dlv in the work tree is not a file to add', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  await fs.writeFile(work.file(newTemporaryName()), 'x');
  await fs.writeFile(work.file('.tmp-notes'), 'x');
  const { untracked } = await work.open((repo, context) => status(repo, context));
  t.deepEqual(untracked, ['.tmp-notes']);
});
