/**
 * Clones by planes, what they fetch, refine and detach are killed at random moments: fsck finds nothing wrong, the
 * same command goes on, and every version comes back byte for byte.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { dlv, dlvJson } from '../helpers/dlv.js';
import { killed } from '../helpers/kill.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';
import { hasTime, SEED } from '../trust/budget.js';

const KILLS = Number(process.env.DLV_REMOTE_KILLS ?? 40);
const VERSIONS = 4;

/** A remote of some versions of 5 MiB, and their files. */
async function madeRemote(top: string) {
  const url = path.join(top, 'team.dlv');
  await fs.mkdir(path.join(top, 'net'));
  const repo = new TestRepository(path.join(top, 'net'));
  await repo.json('init');
  let tensors = randomTensors({ 'a.weight': [1024, 1024], 'b.weight': [512, 512] }, 1);
  const files: Buffer[] = [];
  for (let n = 0; n < VERSIONS; n++) {
    files.push(safetensors(tensors));
    await repo.write('model.safetensors', files[n] as Buffer);
    await repo.commit(`version ${n}`);
    tensors = nudge(tensors, 1e-3, n);
  }
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u');
  return { repo, url, files };
}

async function isWhole(t: ExecutionContext, repo: TestRepository, files: readonly Buffer[]) {
  for (const [n, file] of files.entries()) {
    const found = await repo.dlv('cat', `net@${n + 1}:model.safetensors`);
    t.is(found.code, 0, found.stderr);
    t.true(found.stdoutBytes.equals(file), `version ${n + 1}`);
  }
}

async function isSound(t: ExecutionContext, repo: TestRepository, when: string): Promise<void> {
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, [], when);
}

test('partial clones: killed again and again, every command goes on', async (t) => {
  t.timeout(900_000);
  const top = await tempDir(t);
  const { repo, url, files } = await madeRemote(top);
  const rng = seededRandom(6 + SEED);
  for (let kills = 0, round = 0; kills < KILLS && (round === 0 || hasTime()); round++) {
    const name = `half-${round}`;
    for (let i = 0; i < 3; i++) {
      if (await killed(['clone', url, name, '--planes', '2'], top, 150 + rng() * 500)) kills++;
    }
    const isThere = await dlv(['log'], { cwd: path.join(top, name) }).catch(() => null);
    if (isThere?.code !== 0) await dlvJson(['clone', url, name, '--planes', '2'], { cwd: top });
    const half = new TestRepository(path.join(top, name));
    await isSound(t, half, 'clone');
    for (let i = 0; i < 2; i++) {
      const args = [
        'checkout',
        `net@${1 + Math.floor(rng() * VERSIONS)}`,
        '--out',
        `../out-${i}`,
        '-f',
      ];
      if (await killed(args, half.dir, 150 + rng() * 500)) kills++;
      await isSound(t, half, 'checkout');
    }
    for (let i = 0; i < 3; i++) {
      if (await killed(['fetch', '--planes', 'all'], half.dir, 150 + rng() * 600)) kills++;
      await isSound(t, half, 'refine');
    }
    await half.json('fetch', '--planes', 'all');
    await isWhole(t, half, files);
    await half.json('gc', '--prune=now');
    await isWhole(t, half, files);
    for (let i = 0; i < 3; i++) {
      if (await killed(['detach', '--planes', '2'], half.dir, 150 + rng() * 700)) kills++;
      await isSound(t, half, 'detach');
    }
    await half.json('detach', '--planes', '2');
    await isSound(t, half, 'detached');
    await isWhole(t, half, files);
    await isSound(t, half, 'whole again');
    await fs.rm(half.dir, { recursive: true });
  }
  await isWhole(t, repo, files);
});
