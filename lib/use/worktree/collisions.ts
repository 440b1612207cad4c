/** Paths that a version tells apart and a file system that knows no case does not. */
import nodePath from 'node:path';
import { statOrNull } from '../../base/bytes/files.js';
import { ConflictError } from '../../base/errors.js';

/**
 * Two paths that would be one file on a file system that knows no case, or null.
 * @param paths in any order.
 */
export function findCollision(paths: Iterable<string>): [string, string] | null {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length++) {
      const prefix = parts.slice(0, length).join('/');
      const plain = prefix.normalize('NFC').toLowerCase();
      const other = seen.get(plain);
      if (other !== undefined && other !== prefix) return [other, prefix];
      seen.set(plain, prefix);
    }
  }
  return null;
}

/** @throws {ConflictError} if two files would be one in `folder`, whose file system knows no case. */
export async function checkCollisions(folder: string, paths: readonly string[]): Promise<void> {
  const collision = findCollision(paths);
  if (collision === null || !(await ignoresCase(folder))) return;
  throw new ConflictError(`'${collision[0]}' and '${collision[1]}' are one file here`, {
    paths: collision,
    hint: 'the file system does not tell upper from lower case: check out one of them with --out',
  });
}

/** True if a folder is found under its name in the other case. */
async function ignoresCase(folder: string): Promise<boolean> {
  const name = nodePath.basename(folder);
  const swapped = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  if (swapped === name) return false;
  const there = await statOrNull(folder);
  const other = await statOrNull(nodePath.join(nodePath.dirname(folder), swapped));
  return there !== null && other?.stat.inode === there.stat.inode;
}
