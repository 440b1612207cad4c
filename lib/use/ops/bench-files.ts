/** `dlv bench` of files: a temporary repository that they are committed to, one version each. */
import os from 'node:os';
import path from 'node:path';
import { statOrNull } from '../../base/bytes/files.js';
import { copyTo, makeTemporaryFolder, removeFolder } from '../../base/bytes/temporary.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import type { OpContext } from '../context.js';
import { noProgress } from '../progress.js';
import type { Repository } from '../repository.js';
import { add } from './add.js';
import { commit } from './commit.js';
import { init } from './init.js';
import { withRepository } from './with-repository.js';

/**
 * Commits files to a repository of their own, in the order given and each in the place of the one
 * before, and removes it after `action`.
 * @throws {NotFoundError} if a file is not there.
 */
export async function withFiles<T>(
  files: readonly string[],
  context: OpContext,
  action: (repo: Repository, context: OpContext) => Promise<T>,
): Promise<T> {
  const sources = files.map((file) => path.resolve(context.cwd, file));
  for (const [i, source] of sources.entries()) {
    const there = await statOrNull(source);
    if (there === null) {
      const name = files[i] as string;
      throw new NotFoundError(`there is no file '${name}'`, { kind: 'file', name });
    }
    if (!there.isFile) {
      throw new UsageError(`'${files[i]}' is no file`, { hint: 'name checkpoint files' });
    }
  }
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-bench-'));
  const within: OpContext = { ...context, cwd: folder };
  try {
    await init({ ...within, warn: () => {} }, { model: 'files' });
    context.progress.start('storing the files', 0);
    for (const [i, source] of sources.entries()) {
      const name = `model${path.extname(source)}`;
      await copyTo(source, path.join(folder, name));
      await withRepository(within, async (repo) => {
        await add(repo, { paths: [name] }, { ...within, progress: noProgress });
        const message = path.basename(files[i] as string);
        await commit(repo, { message, allowEmpty: true }, within);
      });
    }
    return await withRepository(within, (repo) => action(repo, within));
  } finally {
    await removeFolder(folder);
  }
}
