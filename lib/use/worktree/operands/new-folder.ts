/** Folders that a command makes where the user stands. */
import path from 'node:path';
import { NotFoundError } from '../../../base/errors.js';
import { statOrNull } from '../../../base/files/files.js';
import type { OpContext } from '../../context.js';

/** Where it will be. @throws {NotFoundError} if it would lie in one that was removed under them. */
export async function newFolder({ cwd }: OpContext, dir: string): Promise<string> {
  if (!path.isAbsolute(dir) && (await statOrNull(cwd)) === null) {
    throw new NotFoundError(`the folder '${cwd}' was removed`, {
      ...{ kind: 'folder', name: cwd },
      hint: "go to a folder that exists, as by 'cd ..'",
    });
  }
  return path.resolve(cwd, dir);
}
