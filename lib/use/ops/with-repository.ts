/** Runs one piece of work on the repository around a folder. */

import path from 'node:path';
import { IoError } from '../../base/errors.js';
import { refusedWrite } from '../../base/files/files.js';
import { ignoredMessage } from '../../storage/repo/settings/config.js';
import type { OpContext } from '../context.js';
import { Repository } from '../repository.js';

/** Opens the repository around `context.cwd`; warns of settings of it that do not count. */
export async function openRepository(context: OpContext): Promise<Repository> {
  const repo = await Repository.open(context.cwd, {
    warn: (message) => context.warn(message),
    promised: context.fetches === false ? 'forbidden' : 'fetch',
    cwd: context.cwd,
    onFetch: (remote, bytes) => context.progress.start(`fetching from ${remote}`, bytes),
    onFetched: (bytes) => context.progress.advance(bytes),
    ...(context.signal ? { signal: context.signal } : {}),
  });
  for (const setting of repo.config.ignored) {
    context.warn(await ignoredMessage(repo.layout, setting));
  }
  return repo;
}

/** Opens the repository around `context.cwd`, runs `action` and closes it. */
export async function withRepository<T>(
  context: OpContext,
  action: (repo: Repository) => Promise<T>,
): Promise<T> {
  const repo = await openRepository(context);
  try {
    return await action(repo);
  } catch (error) {
    throw notWritable(repo, error);
  } finally {
    await repo.close();
  }
}

/** An error that says so, for a file of the repository's own that may not be written; others as they are. */
function notWritable({ layout }: Repository, error: unknown): unknown {
  const refused = refusedWrite(error);
  if (refused === null) return error;
  const { file, errno } = refused;
  const inside = path.relative(layout.dir, path.resolve(file));
  if (inside.startsWith('..') || path.isAbsolute(inside)) return error;
  const why = errno === 'EROFS' ? 'its file system is read-only' : 'you may not write there';
  return new IoError(
    `the repository '${layout.dir}' cannot be written: ${why} (${errno})`,
    { file, errno, hint: 'ask its owner for write permission, or work on a copy of the folder' },
    error,
  );
}
