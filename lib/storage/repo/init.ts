/**
 * Creates a new repository. `format` is written last: a folder without it is not a repository yet.
 */

import { sealReadable } from '../../base/bytes/sealed.js';
import { ExistsError } from '../../base/errors.js';
import {
  makeDirectory,
  statOrNull,
  syncDirectory,
  writeFileAtomic,
} from '../../base/files/files.js';
import { holdsRemains } from './find-repository.js';
import { writeFormat } from './format.js';
import { markForGit } from './git-markers.js';
import { type Layout, SELF_IGNORE } from './layout.js';
import { formatHead, parseHead } from './refs/head.js';
import { checkBranchName, checkModelName } from './refs/ref-name.js';

const CONFIG_TEXT = `# Settings of this repository. 'dlv config --list' shows all keys and their values.
`;

/** What `initRepository` is told. */
export interface InitOptions {
  /** First model; HEAD names it. */
  model: string;
  /** First branch. */
  branch: string;
  /** Writes what other rooms keep (the empty manifest); runs before the repository counts as one. */
  prepare?: (layout: Layout) => Promise<void>;
}

/**
 * Makes the folders and state files of a repository without versions. An init that was interrupted
 * may be run again.
 * @throws {ExistsError} DLV_EXISTS if there is one; {UsageError} DLV_USAGE for a bad name.
 */
export async function initRepository(layout: Layout, options: InitOptions): Promise<void> {
  checkModelName(options.model);
  checkBranchName(options.branch);
  if ((await statOrNull(layout.format)) !== null) {
    throw new ExistsError(`'${layout.workTree}' is a repository already`, {
      path: layout.dir,
      hint: "use it as it is; 'dlv status' shows its state",
    });
  }
  if (await holdsRemains(layout.workTree)) {
    throw new ExistsError(`'${layout.dir}' holds a repository, but its 'format' is gone`, {
      path: layout.dir,
      hint: "run 'dlv fsck --rebuild', which makes the missing files again",
    });
  }
  for (const folder of layout.folders()) await makeDirectory(folder);
  await markForGit(layout);
  await writeFileAtomic(layout.gitignore, Buffer.from(SELF_IGNORE));
  if ((await statOrNull(layout.config)) === null) {
    await writeFileAtomic(layout.config, Buffer.from(CONFIG_TEXT));
  }
  await options.prepare?.(layout);
  if ((await statOrNull(layout.head)) === null) {
    const { model, branch } = options;
    const head = formatHead({ kind: 'branch', model, branch });
    await writeFileAtomic(layout.head, sealReadable(head, layout.head, parseHead));
  }
  await writeFormat(layout);
  await syncDirectory(layout.workTree);
}
