/** An empty repository in a folder of its own, and a lock on it for the length of one call. */
import type { ExecutionContext } from 'ava';
import { initRepository } from '../../../../lib/storage/repo/init.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { type RepositoryLock, withLock } from '../../../../lib/storage/repo/processes/lock.js';
import { tempDir } from '../../../helpers/temp-dir.js';

/** Makes a repository whose first model is 'mnist' on branch 'main'. */
export async function tempRepo(t: ExecutionContext): Promise<Layout> {
  const layout = new Layout(await tempDir(t));
  await initRepository(layout, { model: 'mnist', branch: 'main' });
  return layout;
}

/** Runs `fn` under the lock. */
export function locked<T>(layout: Layout, fn: (lock: RepositoryLock) => Promise<T>): Promise<T> {
  return withLock(layout, fn, { command: 'test' });
}

/** Reason of a move, for tests that do not care. */
export const WHY = { who: 'Ada <ada@example.org>', time: 1_760_000_000_000, reason: 'test: move' };
