/**
 * Push, fetch and clone are killed at random moments; each goes on when it is run again, nothing is lost, nothing
 * half visible, and what had arrived is not sent again.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { CloneResult } from '../../lib/use/ops/clone.js';
import { dlv, dlvJson } from '../helpers/dlv.js';
import { killed } from '../helpers/kill.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';
import { hasTime, SEED } from '../trust/budget.js';

const KILLS = Number(process.env.DLV_REMOTE_KILLS ?? 40);

test('remotes: killed again and again, every command goes on', async (t) => {
  t.timeout(900_000);
  const top = await tempDir(t);
  const url = path.join(top, 'team.dlv');
  await fs.mkdir(path.join(top, 'net'));
  const repo = new TestRepository(path.join(top, 'net'));
  await repo.json('init');
  await repo.json('remote', 'add', 'origin', url);
  let tensors = randomTensors({ 'a.weight': [1024, 1024], 'b.weight': [512, 512] }, 1);
  const rng = seededRandom(4 + SEED);
  let clone = 0;
  for (let kills = 0; kills < KILLS && (kills === 0 || hasTime()); ) {
    tensors = nudge(tensors, 1e-3, 100 + kills);
    await repo.write('model.safetensors', safetensors(tensors));
    await repo.commit(`version ${kills}`);
    const [tip] = await repo.json<{ version: string }[]>('log', '-n', '1');
    for (let i = 0; i < 3; i++) {
      if (await killed(['push'], repo.dir, 250 + rng() * 500)) kills++;
      // What the remote shows is the line before or after, and whole.
      const look = await dlv(['--json', 'clone', url, `look-${clone++}`], { cwd: top });
      if (look.code !== 0) t.regex(look.stdout, /no dlv remote|no folder/);
      else {
        const copy = new TestRepository((JSON.parse(look.stdout) as CloneResult).path);
        t.deepEqual((await copy.json<{ problems: unknown[] }>('fsck')).problems, []);
        await fs.rm(copy.dir, { recursive: true });
      }
    }
    await repo.json('push');
    const target = path.join(top, 'copy');
    for (let i = 0; i < 3; i++) {
      if (await killed(['clone', url, 'copy'], top, 250 + rng() * 500)) kills++;
    }
    if ((await dlv(['log'], { cwd: target }).catch(() => ({ code: 1 }))).code !== 0) {
      await dlvJson(['clone', url, 'copy'], { cwd: top });
    }
    const copy = new TestRepository(target);
    for (let i = 0; i < 2; i++) if (await killed(['fetch'], target, 250 + rng() * 300)) kills++;
    await copy.json('fetch');
    t.is(
      (await copy.json<{ version: string }[]>('log', '-n', '1', 'origin/net/main'))[0]?.version,
      tip?.version,
    );
    await copy.json('reset', '--hard', 'origin/net/main');
    t.is(Buffer.compare(await copy.read('model.safetensors'), safetensors(tensors)), 0);
    t.deepEqual((await copy.json<{ problems: unknown[] }>('fsck')).problems, []);
    await fs.rm(target, { recursive: true });
  }
});
