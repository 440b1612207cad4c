/** Files of ignore patterns: their names, and their text. */
import { DlvError } from '../../../base/errors.js';
import { isMissing, readSmallFile, statOrNull } from '../../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../../base/limits.js';

/** The file whose patterns are meant for dlv alone. */
export const IGNORE_FILE = '.dlvignore';
/** Git's. */
export const GIT_IGNORE_FILE = '.gitignore';

/** The text of a file with patterns; empty, with a warning, if it is odd: it must not stop all work. */
export async function readPatterns(file: string, warn: (message: string) => void): Promise<string> {
  const leftOut = (why: string): string => {
    warn(`the patterns of '${file}' are left out: ${why}`);
    return '';
  };
  try {
    const there = await statOrNull(file);
    if (there === null) return '';
    if (there.isSymlink) return leftOut('it is a symbolic link');
    if (!there.isFile) return leftOut('it is not a regular file');
    return Buffer.from(await readSmallFile(file, USER_TEXT_BYTES_MAX)).toString();
  } catch (error) {
    if (isMissing(error)) return '';
    if (error instanceof DlvError && /^DLV_(IO|LIMIT)$/.test(error.code)) {
      return leftOut(error.message);
    }
    throw error;
  }
}
