/** Temporary folders: created, used, removed. */
import fs from 'node:fs/promises';
import { checkFolders, checkPlace } from './gate.js';
import { ioError } from './io.js';

/** Makes a folder of a new name. @param prefix  path and beginning of the name. @throws {IoError} */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  try {
    checkFolders(prefix);
    return await fs.mkdtemp(prefix);
  } catch (error) {
    throw ioError('make a folder at', prefix, error);
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
