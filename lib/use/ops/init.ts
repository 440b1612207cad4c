/** `dlv init`: makes an empty repository. */
import { UsageError } from '../../base/errors.js';
import { makeDirectory, statOrNull } from '../../base/files/files.js';
import { findRepositoryOrNull } from '../../storage/repo/find-repository.js';
import { writeHead } from '../../storage/repo/refs/head.js';
import { checkNewBranchName, checkNewModelName } from '../../storage/repo/refs/ref-name.js';
import { readConfig } from '../../storage/repo/settings/config.js';
import type { OpContext } from '../context.js';
import { Repository } from '../repository.js';
import { newFolder } from '../worktree/operands/new-folder.js';

export interface InitOptions {
  /** Folder for the repository; default: where the user stands. Made if it is not there. */
  dir?: string;
  /** First model; default: the folder's name. */
  model?: string;
  /** First branch; default: the setting init.branch. */
  branch?: string;
}

export interface InitResult {
  /** The folder that holds .dlv. */
  path: string;
  model: string;
  branch: string;
}

/** Makes a repository. @throws {ExistsError} DLV_EXISTS if there is one in that folder. */
export async function init(context: OpContext, options: InitOptions = {}): Promise<InitResult> {
  const dir = await newFolder(context, options.dir ?? '.');
  if (options.model !== undefined) checkNewModelName(options.model);
  const branch = options.branch ?? (await readConfig(null)).get('init.branch');
  checkNewBranchName(branch);
  const there = await statOrNull(dir);
  if (there?.isFile) {
    throw new UsageError(`'${options.dir}' is a file, not a folder`, { path: dir });
  }
  const outer = await findRepositoryOrNull(dir);
  if (outer !== null && outer.workTree !== dir) {
    context.warn(`this repository lies inside another one, '${outer.workTree}'`);
  }
  await makeDirectory(dir);
  const repo = await Repository.init(dir, options.model);
  try {
    const { model } = await repo.head();
    await repo.locked((lock) => writeHead(lock, { kind: 'branch', model, branch }));
    return { path: dir, model, branch };
  } finally {
    await repo.close();
  }
}
