/** Repositories in which commands run in containers, and a command that is killed at one fsync or another. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { hasContainers, startContained } from '../helpers/container.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { CONTAINER_WORKER } from './container-worker.js';

/** A repository of one version, in which all garbage may go. */
export async function committed(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await fs.appendFile(repo.file('.dlv/config'), '[gc]\ngraceDays = 0\n');
  await repo.write('a', 'one');
  await repo.commit('one');
  return repo;
}

/** Runs the command in a container; waits for no lock. */
export async function dlvContained(repo: TestRepository, ...args: string[]) {
  const config = path.join(path.dirname(repo.dir), 'user-config');
  await fs.writeFile(config, '[core]\nlockTimeoutMs = 100\n');
  const run = startContained(DLV_BIN, args, { cwd: repo.dir, env: { DLV_CONFIG: config } });
  run.release();
  return run.ended;
}

/** Names below .dlv, relative to it. */
export async function namesOf(repo: TestRepository): Promise<string[]> {
  return (await fs.readdir(repo.file('.dlv'), { recursive: true })).sort();
}

/** Sets the times of all that killed processes left two days back. */
async function age(repo: TestRepository): Promise<void> {
  const then = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
  for (const name of (await namesOf(repo)).filter((one) => /^(tmp|readers)\/|\.tmp-/.test(one))) {
    await fs.utimes(repo.file(`.dlv/${name}`), then, then);
  }
}

/**
 * Kills a commit in a container at its first fsync, at the one `stride` after that, and so on until it makes
 * fewer. The next command works each time, and gc then removes what was left.
 */
export async function killAtSyncs(t: ExecutionContext, stride: number): Promise<void> {
  if (!hasContainers(t)) return;
  const left: string[] = [];
  for (let n = 1; ; n += stride) {
    const repo = await committed(t);
    await repo.write('a', 'two');
    const killed = startContained(CONTAINER_WORKER, ['die', repo.dir, String(n)]);
    killed.release();
    const { code, stderr } = await killed.ended;
    if (code === 0) break;
    t.is(code, 137, stderr);
    const unfinished = (await namesOf(repo)).filter((name) => /^tmp\/.|\.tmp-/.test(name));
    left.push(...unfinished);
    const isDone = ({ code, stderr }: { code: number | null; stderr: string }): boolean =>
      code === 0 || /nothing to commit/.test(stderr);
    let again = await dlvContained(repo, 'commit', '-a', '-m', 'two');
    // Where it held the lock, nobody can tell whether it lives: a person removes it, as the error says.
    const lock = /if it has ended, remove '(.*)' and try again/.exec(again.stderr)?.[1];
    if (lock !== undefined) {
      await fs.rm(lock);
      again = await dlvContained(repo, 'commit', '-a', '-m', 'two');
    }
    t.true(isDone(again), `fsync ${n}: ${again.stderr}`);
    await age(repo);
    const pruned = await dlvContained(repo, 'gc', '--prune=now');
    t.is(pruned.code, 0, `fsync ${n}: ${pruned.stderr}`);
    t.deepEqual(
      (await namesOf(repo)).filter((name) => /^tmp\/.|\.tmp-/.test(name)),
      [],
      `fsync ${n}`,
    );
    const checked = await repo.dlv('fsck', '--files');
    t.is(checked.code, 0, `fsync ${n}: ${checked.stdout}${checked.stderr}`);
  }
  t.true(
    left.some((name) => /^tmp\//.test(name)),
    'packs were unfinished',
  );
  t.true(
    left.some((name) => /\.tmp/.test(name)),
    'state files were unfinished',
  );
}
