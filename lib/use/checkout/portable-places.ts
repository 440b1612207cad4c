/** Refuses to place files whose names are not valid on the system or file system of the folder. */
import nodePath from 'node:path';
import { ConflictError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { findTwins, type Platform, platformProblem } from '../../pure/paths/portable-names.js';

/**
 * @param platform  the system that files are placed on.
 * @throws {ConflictError} if it cannot create one of the names, or if two of them would be one file in
 *   `folder`, whose file system knows no case.
 */
export async function checkPlaceable(
  folder: string,
  paths: readonly string[],
  platform: Platform = process.platform,
): Promise<void> {
  for (const path of paths) {
    const problem = platformProblem(path, platform);
    if (problem === null) continue;
    throw new ConflictError(`cannot create '${path}' here: ${problem}`, {
      path,
      hint: 'check out the other files by name, or this one on another system',
    });
  }
  const twins = findTwins(paths);
  if (twins === null || !(await ignoresCase(folder))) return;
  throw new ConflictError(`'${twins[0]}' and '${twins[1]}' are one file here`, {
    paths: twins,
    hint: 'the file system does not distinguish upper and lower case: check out one of them with --out',
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
