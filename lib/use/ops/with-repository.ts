/** Runs one piece of work on the repository around a folder. */

import { ignoredMessage } from '../../storage/repo/settings/config.js';
import type { OpContext } from '../context.js';
import { Repository } from '../repository.js';

/** Opens the repository around `context.cwd`; warns of settings of it that do not count. */
export async function openRepository(context: OpContext): Promise<Repository> {
  const repo = await Repository.open(context.cwd, {
    warn: (message) => context.warn(message),
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
  } finally {
    await repo.close();
  }
}
