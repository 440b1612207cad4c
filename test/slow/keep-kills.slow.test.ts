/**
 * Rules at a remote and recalls are killed at random moments: the remote is whole and has given up all or nothing,
 * nothing goes here, and the command that is run again comes to the same end.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { KeepRemoteResult } from '../../lib/use/ops/keep-remote.js';
import { filesOf, prune } from '../e2e/random-forget.js';
import { trained } from '../helpers/kept-run.js';
import { killed } from '../helpers/kill.js';
import { cloned } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { hasTime, SEED } from '../trust/budget.js';

const KILLS = Number(process.env.DLV_KEEP_KILLS ?? 8);
const VERSIONS = 5;
const KEEP = ['keep', '--versions', 'last 2', '--remote', 'origin'];
const GIVEN = VERSIONS - 2;

test('keep: rules at a remote and recalls, killed again and again', async (t) => {
  t.timeout(900_000);
  const made = await trained(t, VERSIONS);
  const top = path.dirname(made.dir);
  await made.json('remote', 'add', 'origin', '../team.dlv');
  await made.json('push', '-u', 'origin');
  const files = new Map<string, Record<string, string>>();
  for (let n = 1; n <= VERSIONS; n++) files.set(`net@${n}`, await filesOf(made, `net@${n}`));
  const random = seededRandom(8 + SEED);
  const left = new Map<number, number>();
  let clones = 0;

  /** @returns versions whose files the remote has yet, of those that go. */
  const leftThere = async (repo: TestRepository): Promise<number> => {
    const { versions } = await repo.json<KeepRemoteResult>(...KEEP, '--dry-run');
    return versions.filter((row) => row.files > 0).length;
  };
  const checkRemote = async (dir: string, whole: number): Promise<void> => {
    const { repo } = await cloned(dir, 'team.dlv', `clone-${clones++}`);
    t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck', '--files')).problems, []);
    for (const name of ['net@1', `net@${VERSIONS}`]) {
      const wanted = files.get(name);
      const isGiven = name === 'net@1' && whole === 0;
      if (isGiven)
        t.is((await repo.fails(1, 'cat', `${name}:model.safetensors`)).code, 'DLV_GIVEN_UP');
      else t.deepEqual(await filesOf(repo, name), wanted);
    }
    await fs.rm(repo.dir, { recursive: true });
  };
  /** Kills a command on its way: a process takes longer to begin than the command here. */
  const kill = async (args: string[], cwd: string, took: number): Promise<number> =>
    (await killed(args, cwd, 150 + random() * (took + 500))) ? 1 : 0;

  let took = 1500;
  for (let kills = 0, rounds = 0; kills < KILLS && (rounds === 0 || hasTime()); rounds++) {
    const dir = path.join(top, `round-${rounds}`);
    for (const name of ['net', 'team.dlv']) {
      await fs.cp(path.join(top, name), path.join(dir, name), {
        recursive: true,
        preserveTimestamps: true,
      });
    }
    const repo = new TestRepository(path.join(dir, 'net'));
    // An address of a folder is kept as an absolute path.
    await repo.json('remote', 'set-url', 'origin', path.join(dir, 'team.dlv'));
    for (let i = 0; i < 2; i++) {
      kills += await kill(KEEP, repo.dir, took);
      const whole = await leftThere(repo);
      t.true(whole === 0 || whole === GIVEN, `${whole} of ${GIVEN} are left`);
      left.set(whole, (left.get(whole) ?? 0) + 1);
      await checkRemote(dir, whole);
    }
    const began = performance.now();
    await repo.json(...KEEP);
    took = performance.now() - began;
    t.is(await leftThere(repo), 0);
    // Nothing went here.
    t.deepEqual(await filesOf(repo, 'net@1'), files.get('net@1'));
    const names = [...files.keys()].slice(0, GIVEN);
    for (let i = 0; i < 2; i++) {
      kills += await kill(['keep', '--recall', ...names, '--remote', 'origin'], repo.dir, took);
      const whole = await leftThere(repo);
      t.true(whole === 0 || whole === GIVEN, `${whole} of ${GIVEN} are back`);
      await checkRemote(dir, whole);
    }
    if ((await leftThere(repo)) === 0)
      await repo.json('keep', '--recall', ...names, '--remote', 'origin');
    await checkRemote(dir, GIVEN);
    // Here, and back from the remote.
    await repo.json('keep', '--versions', 'last 2');
    await prune(repo);
    for (let i = 0; i < 2; i++) {
      kills += await kill(['keep', '--recall', ...names, '--from', 'origin'], repo.dir, took);
      t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
    }
    const again = await repo.dlv('--json', 'keep', '--recall', ...names, '--from', 'origin');
    t.true(again.code === 0 || again.stdout.includes('DLV_CONFLICT'), again.stdout);
    for (const name of names) t.deepEqual(await filesOf(repo, name), files.get(name));
    await fs.rm(dir, { recursive: true });
  }
  process.stdout.write(
    `# keep: killed runs at a remote by versions left: ${JSON.stringify([...left])}\n`,
  );
});
