/** A second name for a file of somebody else, so that it stays when its own name is removed. */
import fs from 'node:fs/promises';
import { io, ioError, isMissing } from './io.js';
import { copyTo } from './temporary.js';

/** Errors of file systems that have no such link between two places. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']);

/** How a file is held: 'link' shares its bytes, which whoever writes in place still changes; 'copy' does not. */
export type Held = 'link' | 'copy' | 'gone' | 'none';

/**
 * Holds a file at `to`, which must not be there. Links are followed.
 * @param wanted  'link' becomes a copy where there is no link, 'only link' does not; 'copy' shares blocks where the
 *   disk can.
 * @returns 'gone' if the file is not there any more, 'none' if there is no link. @throws {IoError}
 */
export async function holdFile(
  from: string,
  to: string,
  wanted: 'link' | 'only link' | 'copy',
): Promise<Held> {
  try {
    const real = await fs.realpath(from);
    if (wanted !== 'copy') {
      try {
        await io.link(real, to);
        return 'link';
      } catch (error) {
        if (!NO_LINK.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
        if (wanted === 'only link') return 'none';
      }
    }
    await copyTo(real, to);
    return 'copy';
  } catch (error) {
    if (isMissing(error)) return 'gone';
    throw ioError('hold', from, error);
  }
}
