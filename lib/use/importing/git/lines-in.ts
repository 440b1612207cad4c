/** Small files of lines: settings, lists of folders. */
import { readSmallFile, statOrNull } from '../../../base/files/files.js';

/** Longest list of borrowed folders, or settings, that is read. */
const LIST_BYTES_MAX = 1 << 20;

/** The lines of a file; none if there is no file. */
export async function linesIn(file: string): Promise<string[]> {
  if (!(await statOrNull(file))?.isFile) return [];
  return Buffer.from(await readSmallFile(file, LIST_BYTES_MAX))
    .toString('utf8')
    .split(/\r?\n/);
}
