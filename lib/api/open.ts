/** The entry points of the public API: open or create a repository, or check one from outside. */
import path from 'node:path';
import type { Warned } from '../use/context.js';
import type { CloneOptions } from '../use/ops/clone.js';
import type { FsckOpOptions, FsckOpResult } from '../use/ops/fsck.js';
import type { InitOptions } from '../use/ops/init.js';
import { type CallOptions, callOp, contextOf, inTable, withoutCall } from './call.js';
import { Repository } from './repository.js';

/**
 * Opens the repository that a folder lies in.
 * @param dir      relative paths of later calls are taken from here; default: the working folder.
 * @param options  defaults of every later call.
 * @throws {NoRepositoryError} {FormatVersionError} {CorruptError} {ConfigError}
 */
export async function open(dir = '.', options: CallOptions = {}): Promise<Repository> {
  withoutCall('open', options);
  const { openRepository } = await import('../use/ops/with-repository.js');
  const cwd = path.resolve(dir);
  const { onWarning, progress } = options;
  // A signal here is for later calls: the repository outlives each of them.
  const { context } = contextOf(cwd, { onWarning, progress });
  return new Repository(await inTable(() => openRepository(context)), cwd, options);
}

/**
 * Makes a repository in a folder, which is made if it is not there, and opens it.
 * @throws {ExistsError} if there is one already; {UsageError} for a bad name.
 */
export async function init(
  dir = '.',
  options: Omit<InitOptions, 'dir'> & CallOptions = {},
): Promise<Repository> {
  const ops = await import('../use/ops/init.js');
  const own = withoutCall('init', options);
  const folder = path.resolve(dir);
  await callOp(folder, options, (context) => ops.init(context, { ...own, dir: folder }));
  const { signal, progress, onWarning } = options;
  return open(dir, { signal, progress, onWarning });
}

/**
 * Makes a repository of what a remote holds, checks its branch out, and opens it.
 * @param dir  folder of the new repository; a clone of the same address that was interrupted there is continued.
 * @throws {ExistsError} if the folder holds something else; {RemoteError} {CorruptError}
 */
export async function clone(
  url: string,
  dir: string,
  options: Omit<CloneOptions, 'dir' | 'url'> & CallOptions = {},
): Promise<Repository> {
  const ops = await import('../use/ops/clone.js');
  const own = { ...withoutCall('clone', options), url, dir: path.resolve(dir) };
  await callOp(path.resolve('.'), options, (context) => ops.clone(context, own));
  const { signal, progress, onWarning } = options;
  return open(dir, { signal, progress, onWarning });
}

/**
 * Verifies the repository around a folder, also one that cannot be opened; `rebuild` mends first.
 * @throws {NoRepositoryError} {LockedError} {IoError}
 */
export async function fsck(
  dir = '.',
  options: FsckOpOptions & CallOptions = {},
): Promise<Warned<FsckOpResult>> {
  const ops = await import('../use/ops/fsck.js');
  const own = withoutCall('fsck', options);
  return callOp(path.resolve(dir), options, (context) => ops.fsck(context, own));
}
