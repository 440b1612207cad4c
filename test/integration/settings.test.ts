/** Settings of the lock and of new repositories are obeyed. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { withLock } from '../../lib/storage/repo/processes/lock.js';
import { Repository } from '../../lib/use/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

/** Makes a repository while the user's settings are `text`, and runs `action` on it. */
async function withSettings(
  t: ExecutionContext,
  text: string,
  action: (repo: Repository) => Promise<void>,
): Promise<void> {
  const dir = await tempDir(t);
  const before = process.env.DLV_CONFIG;
  process.env.DLV_CONFIG = path.join(dir, 'user-config');
  await fs.writeFile(process.env.DLV_CONFIG, text);
  await fs.mkdir(path.join(dir, 'net'));
  const repo = await Repository.init(path.join(dir, 'net'), 'net');
  try {
    await action(repo);
  } finally {
    await repo.close();
    if (before === undefined) delete process.env.DLV_CONFIG;
    else process.env.DLV_CONFIG = before;
  }
}

test.serial(
  'settings: core.lockTimeoutMs says how long a command waits for the lock',
  async (t) => {
    await withSettings(t, '[core]\n  lockTimeoutMs = 0\n', (repo) =>
      withLock(repo.layout, async () => {
        // Each try makes a link to the name of the lock; a wait of ten seconds makes a hundred.
        let tries = 0;
        const { link } = io;
        io.link = (from, to) => {
          tries++;
          return link(from, to);
        };
        try {
          await t.throwsAsync(
            repo.locked(async () => {}),
            { code: 'DLV_LOCKED' },
          );
        } finally {
          io.link = link;
        }
        t.is(tries, 1);
      }),
    );
  },
);

test.serial('settings: init.branch names the first branch, also in the library', async (t) => {
  await withSettings(t, '[init]\n  branch = trunk\n', async (repo) => {
    t.deepEqual(await repo.head(), { kind: 'branch', model: 'net', branch: 'trunk' });
  });
});
