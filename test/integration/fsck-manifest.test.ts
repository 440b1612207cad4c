/** An older manifest beside newer packs, as a backup of a repository in use has it: nothing of what lies there is lost. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { LogEntry } from '../../lib/use/ops/log.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

const BASE = randomTensors({ 'fc.weight': [128, 128], 'fc.bias': [128] }, 1);

test('fsck --rebuild: pack sets that an older manifest does not list are listed again', async (t) => {
  const repo = await TestRepository.create(t);
  const manifest = repo.file('.dlv/manifest');
  const states = [0, 1, 2].map((step) => safetensors(nudge(BASE, 0.01 * step, step + 1)));
  let old: Buffer | null = null;
  for (const [i, state] of states.entries()) {
    await repo.write('model.safetensors', state);
    await repo.commit(`state ${i}`);
    old ??= await fs.readFile(manifest);
  }
  const before = (await repo.json<LogEntry[]>('log')).map(({ version }) => version);
  await fs.writeFile(manifest, old as Buffer);

  const { stdout, code } = await repo.dlv('fsck');
  t.is(code, 12);
  t.regex(stdout, /not listed by 'manifest', as where an older one was put back/);
  t.regex(stdout, /fsck --rebuild': it lists pack sets again/);
  t.not(
    (await repo.dlv('gc', '--prune=now')).code,
    0,
    'gc throws nothing away while versions are missing',
  );

  const rebuilt = await repo.json<{ rebuilt: { done: string[] }; ok: boolean }>(
    'fsck',
    '--rebuild',
  );
  t.true(rebuilt.ok);
  t.regex(rebuilt.rebuilt.done.join('\n'), /listed \d+ pack sets? again/);
  t.notRegex(rebuilt.rebuilt.done.join('\n'), /refs\//, 'no branch was moved');
  t.deepEqual(
    (await repo.json<LogEntry[]>('log')).map(({ version }) => version),
    before,
  );
  await repo.json('gc', '--prune=now');
  for (const [i, state] of states.entries()) {
    await repo.json('checkout', `net@${i + 1}`);
    t.deepEqual(await repo.read('model.safetensors'), state);
  }
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});
