/** Runs one piece of work on the repository around a folder. */

import path from 'node:path';
import { IoError } from '../../base/errors.js';
import { refusedWrite, statOrNull } from '../../base/files/files.js';
import { ignoredMessage, userConfigFile } from '../../storage/repo/settings/config.js';
import type { OpContext } from '../context.js';
import { noProgress } from '../progress.js';
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

/**
 * The repository that a long-lived process used last, kept open for the next call: what was read of its packs
 * stays in memory. It is opened again when its settings or its format changed, or another took its place.
 */
export class KeptRepository {
  #kept: { repo: Repository; cwd: string; state: string; calls: { context: OpContext } } | null =
    null;

  /** Runs `action`, which only reads, on the repository around `context.cwd`. */
  async use<T>(context: OpContext, action: (repo: Repository) => Promise<T>): Promise<T> {
    const { cwd } = context;
    const kept = this.#kept;
    if (kept !== null && kept.cwd === cwd && (await stateOf(kept.repo)) === kept.state) {
      kept.calls.context = context;
      return action(kept.repo);
    }
    await this.close();
    // One that some of is at a remote alone, or that is warned of, is opened for each call.
    const calls = { context };
    let said = 0;
    let isOpen = false;
    const repo = await openRepository({
      cwd,
      progress: noProgress,
      warn: (message) => {
        if (isOpen) calls.context.warn(message);
        else said++;
      },
      ...(context.fetches === undefined ? {} : { fetches: context.fetches }),
    });
    isOpen = true;
    if (repo.promises !== null || said > 0) {
      await repo.close();
      return withRepository(context, action);
    }
    this.#kept = { repo, cwd, state: await stateOf(repo), calls };
    return action(repo);
  }

  async close(): Promise<void> {
    const kept = this.#kept;
    this.#kept = null;
    await kept?.repo.close();
  }
}

/** Changes whenever what is read at opening does. */
async function stateOf({ layout }: Repository): Promise<string> {
  const files = [layout.format, layout.config, userConfigFile(), layout.moves, layout.promised];
  const marks = await Promise.all(
    files.map(async (file) => {
      const there = await statOrNull(file);
      return there === null
        ? '-'
        : `${there.stat.inode} ${there.stat.mtimeNs} ${there.stat.ctimeNs}`;
    }),
  );
  return [process.env.DLV_SAFE_DIRECTORY ?? '', ...marks].join('\n');
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
