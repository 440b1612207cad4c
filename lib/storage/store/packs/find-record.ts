/** Finds where the next sound record of a damaged file begins, within a bound on what is read in vain. */
import { BLOB_MAGIC } from './blob-record.js';
import { isReadFailure, type ReadBudget, type ScannedFiles } from './scanned-files.js';
import { SEGMENT_MAGIC } from './segment-record.js';

/** Bytes searched at once for the next magic. */
const SEARCH_BYTES = 1 << 20;
/** Bytes that a search may read in vain, beyond a few times the file: a hostile file may consist of magics. */
const SEARCH_SLACK_BYTES = 64 * 1024 * 1024;

/** What one candidate costs at least, in bytes read. */
const CANDIDATE_BYTES = 64;

/** What searches of a file of `size` bytes may read, all together. */
export function searchBudget(size: number): ReadBudget {
  return { left: 4 * size + SEARCH_SLACK_BYTES };
}

/** Offset from `from` on where the header of a sound record begins, or the end of the file. */
export async function findRecord(
  files: ScannedFiles,
  fileClass: 'blob' | 'hi',
  from: number,
  budget: ReadBudget,
): Promise<number> {
  const size = files.sizeOf(fileClass);
  const magic = fileClass === 'blob' ? BLOB_MAGIC : SEGMENT_MAGIC;
  let at = from;
  while (at < size) {
    const length = Math.min(SEARCH_BYTES + magic.length - 1, size - at);
    const bytes = await files.readForSearch(fileClass, at, length);
    for (let i = bytes.indexOf(magic, 0, 'latin1'); i >= 0; ) {
      budget.left -= CANDIDATE_BYTES;
      if (budget.left < 0) return size;
      try {
        if (fileClass === 'blob') await files.readBlob(at + i, budget);
        else await files.readHeader(at + i, budget);
        return at + i;
      } catch (error) {
        if (!isReadFailure(error)) throw error;
      }
      i = bytes.indexOf(magic, i + 1, 'latin1');
    }
    at += SEARCH_BYTES;
  }
  return size;
}
