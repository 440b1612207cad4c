/** Races: what its quick and its slow tests share. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkpoint } from './model-files.js';
import type { FileHashes } from './record.js';
import type { Worker } from './worker.js';

export function contextIn(cwd: string): OpContext {
  return { cwd, progress: noProgress, warn: () => {} };
}

/** Waits long for whoever else works there. @param warn  hears what its operations warn of. */
export async function withRepo<T>(
  dir: string,
  action: (repo: Repository, context: OpContext) => Promise<T>,
  warn: OpContext['warn'] = () => {},
): Promise<T> {
  const repo = await Repository.open(dir, { lockTimeoutMs: 60_000 });
  try {
    return await action(repo, { ...contextIn(dir), warn });
  } finally {
    await repo.close();
  }
}

export async function makeRepository(t: ExecutionContext, config = ''): Promise<string> {
  const dir = path.join(await tempDir(t), 'repo');
  await fs.mkdir(dir);
  await init(contextIn(dir), { model: 'm' });
  await fs.appendFile(path.join(dir, '.dlv', 'config'), config);
  await fs.writeFile(path.join(dir, 'a.safetensors'), checkpoint(9, 99));
  await fs.writeFile(path.join(dir, 'b.safetensors'), checkpoint(9, 98));
  await withRepo(dir, async (repo, context) => {
    await add(repo, { paths: ['.'] }, context);
    await commit(repo, { message: 'first' }, context);
  });
  return dir;
}

/** The acknowledged versions of a worker; fails if it reported an error. */
export function acksOf(t: ExecutionContext, worker: Worker): Map<Id, FileHashes> {
  t.deepEqual(
    worker.lines.filter((line) => line.startsWith('error')),
    [],
  );
  const acks = new Map<Id, FileHashes>();
  for (const line of worker.lines) {
    const [word, id, json] = line.split(' ', 3);
    if (word === 'ack') acks.set(id as Id, JSON.parse(json as string) as FileHashes);
  }
  return acks;
}
