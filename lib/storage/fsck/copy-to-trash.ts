/** Keeps a copy of a file in trash before it is replaced. */

import path from 'node:path';
import { copyFile, io, ioError, isMissing, makeDirectory } from '../../base/files/files.js';
import { retryTaken } from '../../base/files/temporary-name.js';
import type { Layout } from '../repo/layout.js';

/**
 * Links (or copies, where there are no links) a file of .dlv into trash/.
 * @param name relative to .dlv, with '/'. A file that is not there is fine.
 * @returns the path of the copy relative to .dlv, or null.
 */
export async function copyToTrash(layout: Layout, name: string): Promise<string | null> {
  const file = layout.file(name);
  await makeDirectory(layout.trash);
  return retryTaken(() => keepAs(layout, file, layout.newTrashName(path.posix.basename(name))));
}

async function keepAs(layout: Layout, file: string, copy: string): Promise<string | null> {
  const target = layout.file(copy);
  try {
    await io.link(file, target);
  } catch (error) {
    if (isMissing(error)) return null;
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EMLINK') {
      throw ioError('keep a copy of', file, error);
    }
    await copyFile(file, target);
  }
  return copy;
}
