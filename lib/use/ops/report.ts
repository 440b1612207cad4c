/** Writes what a command reports into a file: pages of `--html`. */
import path from 'node:path';
import { writeFileAtomic } from '../../base/files/files.js';
import type { OpContext } from '../context.js';

/** Writes a report in the place of what was there. @param file  relative to the context's folder. @throws {IoError} */
export function writeReport(
  file: string,
  text: string,
  { cwd }: Pick<OpContext, 'cwd'>,
): Promise<void> {
  return writeFileAtomic(path.resolve(cwd, file), Buffer.from(text));
}
