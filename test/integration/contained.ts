/** Repositories in which commands run in containers, and a command that is killed at one fsync or another. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { hasContainers, startContained } from '../helpers/container.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { dyingAt } from './die-at-sync.js';

/** A repository of one version, in which all garbage may go. */
export async function committed(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await fs.appendFile(repo.file('.dlv/config'), '[gc]\ngraceDays = 0\n');
  await repo.write('a', 'one');
  await repo.commit('one');
  return repo;
}

/** Runs the command in a container; waits for no lock. */
export function dlvContained(repo: TestRepository, ...args: string[]) {
  return dlvIn(repo, args, {});
}

async function dlvIn(repo: TestRepository, args: readonly string[], more: Record<string, string>) {
  const config = path.join(path.dirname(repo.dir), 'user-config');
  await fs.writeFile(config, '[core]\nlockTimeoutMs = 100\n');
  const env = { DLV_CONFIG: config, ...more };
  const run = startContained(DLV_BIN, args, { cwd: repo.dir, env });
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
 * Kills an add and a commit in containers at their first fsync, at the one `stride` after that, and so on until they
 * make fewer. The next command works each time, and gc then removes what was left.
 */
export async function killAtSyncs(t: ExecutionContext, stride: number): Promise<void> {
  if (!hasContainers(t)) return;
  const left: string[] = [];
  for (const verb of ['add', 'commit'] as const) {
    for (let n = 1; await diesAtSync(t, { verb, n, left }); n += stride);
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

/** Where a command is killed; what it left is put with the rest. */
interface Kill {
  verb: 'add' | 'commit';
  n: number;
  left: string[];
}

/** Looks at one kill. @returns false if the command makes fewer fsyncs. */
async function diesAtSync(t: ExecutionContext, { verb, n, left }: Kill): Promise<boolean> {
  const what = `${verb}, fsync ${n}`;
  const repo = await committed(t);
  await repo.write('a', 'two');
  if (verb === 'commit') await repo.json('add', 'a');
  const args = verb === 'add' ? ['add', '.'] : ['commit', '-m', 'killed'];
  const { code, stderr } = await dlvIn(repo, args, dyingAt(n));
  if (code === 0) return false;
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
  t.true(isDone(again), `${what}: ${again.stderr}`);
  await age(repo);
  const pruned = await dlvContained(repo, 'gc', '--prune=now');
  t.is(pruned.code, 0, `${what}: ${pruned.stderr}`);
  t.deepEqual(
    (await namesOf(repo)).filter((name) => /^tmp\/.|\.tmp-/.test(name)),
    [],
    what,
  );
  const checked = await repo.dlv('fsck', '--files');
  t.is(checked.code, 0, `${what}: ${checked.stdout}${checked.stderr}`);
  return true;
}
