/**
 * What containers do in test/integration/containers.test.ts.
 *
 *     die <dir> <n>         commits all, and is gone at the n-th fsync, as by kill -9
 *     unfinished <dir>      stores a blob, prints 'held', lists it when its input ends
 */
import { fileURLToPath } from 'node:url';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { randomBytes } from '../helpers/rng.js';

/** This file, compiled. */
export const CONTAINER_WORKER = fileURLToPath(import.meta.url);

async function dieAtFsync(dir: string, n: number): Promise<void> {
  let calls = 0;
  io.fsync = async () => {
    // The first process of a pid namespace cannot kill itself by a signal.
    if (++calls === n) process.exit(137);
  };
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  const repo = await Repository.open(dir);
  await add(repo, { paths: ['.'] }, context);
  await commit(repo, { message: 'killed' }, context);
  await repo.close();
}

async function leaveUnfinished(dir: string): Promise<void> {
  const repo = await Repository.open(dir);
  const session = repo.session();
  await session.putBlob('blob', randomBytes(300_000, 7));
  process.stdout.write(`pid ${process.pid} held\n`);
  for await (const _ of process.stdin);
  await session.flush();
  await repo.close();
}

if (process.argv[1] === CONTAINER_WORKER) {
  const [verb, dir = '', n] = process.argv.slice(2);
  if (verb === 'die') await dieAtFsync(dir, Number(n));
  if (verb === 'unfinished') await leaveUnfinished(dir);
}
