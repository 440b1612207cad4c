/** Addresses of remotes: those that lead nowhere, no longer, or hold what nobody should see. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { PushResult } from '../../lib/use/ops/push.js';
import { dlv } from '../helpers/dlv.js';
import { pushed, step } from '../helpers/remotes.js';
import type { Tensors } from '../helpers/safetensors.js';

test('push: a warning where a remote that was there is made anew: its drive may not be mounted', async (t) => {
  const { repo, url, tensors } = await pushed(t);
  await fs.rename(url, `${url}.away`);
  await step(repo, tensors[2] as Tensors, 1);
  const { created, warnings } = await repo.json<PushResult & { warnings: string[] }>('push');
  t.true(created);
  t.regex(
    warnings.join(),
    /branches of 'origin' were seen before, and nothing was at '.*team\.dlv'/,
  );
});

test('clone: a branch that the remote has not leaves nothing behind', async (t) => {
  const { top, url } = await pushed(t);
  const { code, stdout } = await dlv(['--json', 'clone', url, 'copy', '--branch', 'nope'], {
    cwd: top,
  });
  t.is(code, 1);
  t.regex(stdout, /it has net\/main/);
  t.false((await fs.readdir(top)).includes('copy'));
});

test('remote: addresses of other machines, and web addresses with keys in them, are refused', async (t) => {
  const { repo } = await pushed(t);
  for (const url of ['file://elsewhere/x', 'https://h/x?token=hunter3', 'http://h/x#hunter3']) {
    const { message } = await repo.fails(2, 'remote', 'add', 'web', url);
    t.notRegex(message, /hunter3/);
  }
  t.is((await repo.json<unknown[]>('remote')).length, 1);
});
