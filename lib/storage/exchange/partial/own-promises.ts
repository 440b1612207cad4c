/** Promises that nobody keeps: the address of the remote that gave them leads to the repository that counts on them. */
import { isUnreadable, UsageError } from '../../../base/errors.js';
import { isSameFolder } from '../../../base/files/places/user-paths.js';
import { type FsckProblem, type PromisedCount, problemOf } from '../../fsck/report.js';
import { Layout } from '../../repo/layout.js';
import { readRemotes } from '../../repo/remotes.js';
import { parseAddress } from '../open-remote.js';

/** @param promised  what is not here, by remote. @param cwd  folder that relative addresses are taken from. */
export async function promisedToItself(
  layout: Layout,
  promised: readonly PromisedCount[],
  cwd: string,
): Promise<FsckProblem[]> {
  if (promised.length === 0) return [];
  const problems: FsckProblem[] = [];
  for (const { remote, objects } of promised) {
    const folder = await folderOf(layout, remote, cwd);
    if (folder === null || !(await isSameFolder(new Layout(folder).dir, layout.dir))) continue;
    problems.push(
      problemOf({
        kind: 'missing',
        area: 'state',
        message:
          `the remote '${remote}' shall have ${objects} object${objects === 1 ? '' : 's'} that ` +
          `${objects === 1 ? 'is' : 'are'} not here, and its address leads to this repository itself`,
        file: layout.nameOf(layout.promisedOf(remote)),
        remedy:
          `give the remote that has them: 'dlv remote set-url ${remote} <url>', then ` +
          `'dlv fetch --planes all --depth all ${remote}'; if there is none, they are only in a backup or a clone`,
      }),
    );
  }
  return problems;
}

/** Null for a remote that is no folder, or not known; remotes that cannot be read are a problem of their own. */
async function folderOf(layout: Layout, remote: string, cwd: string): Promise<string | null> {
  try {
    const url = (await readRemotes(layout)).urls.get(remote);
    const address = url === undefined ? null : parseAddress(url, cwd);
    return address?.kind === 'folder' ? address.folder : null;
  } catch (error) {
    if (!isUnreadable(error) && !(error instanceof UsageError)) throw error;
    return null;
  }
}
