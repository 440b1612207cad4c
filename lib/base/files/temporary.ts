/** Temporary folders: created, used, removed. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { checkFolders, checkPlace } from './gate.js';
import { ioError } from './io.js';

/** A folder of another machine or container looks like one that nobody uses: it has this long to be used. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/**
 * Makes a folder of a new name, and removes those of the same prefix that killed processes left more than a day ago.
 * @param prefix  path and beginning of the name, behind which comes the number of this process. @throws {IoError}
 */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  try {
    checkFolders(prefix);
    await removeAbandoned(prefix);
    return await fs.mkdtemp(`${prefix}${process.pid}-`);
  } catch (error) {
    throw ioError('make a folder at', prefix, error);
  }
}

async function removeAbandoned(prefix: string): Promise<void> {
  const folder = path.dirname(prefix);
  const names = await fs.readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(path.basename(prefix))) continue;
    const pid = /^([1-9]\d*)-\w{6}$/.exec(name.slice(path.basename(prefix).length))?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const place = path.join(folder, name);
    // Not of another user, and no link to elsewhere.
    const stat = await fs.lstat(place).catch(() => null);
    if (stat === null || !stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid))
      continue;
    if (Date.now() - stat.mtimeMs < ABANDONED_MS) continue;
    await fs.rm(place, { recursive: true, force: true }).catch(() => {});
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Removes a folder with all in it; a missing one is fine. @throws {IoError} */
export async function removeFolder(folder: string): Promise<void> {
  try {
    checkFolders(folder);
    await fs.rm(folder, { recursive: true, force: true });
  } catch (error) {
    throw ioError('remove', folder, error);
  }
}

/** Puts a copy of `source` at `target`, sharing blocks where the file system can. @throws {IoError} */
export async function copyTo(source: string, target: string): Promise<void> {
  try {
    checkPlace(source);
    checkPlace(target);
    await fs.copyFile(source, target, fs.constants.COPYFILE_FICLONE);
  } catch (error) {
    throw ioError('copy to', target, error);
  }
}
