/**
 * How often versions were read: one line for each checkout, so that an archive run can give tighter
 * budgets to versions that are used often.
 *
 * Derived and best effort: a line that cannot be written or understood is skipped, and the file may
 * be deleted. When the file has grown, it starts again with halved counts, so that old reads count
 * less. @see docs/format/layout.md
 */

import { type Id, isId } from '../../base/bytes/hash.js';
import { DlvError } from '../../base/errors.js';
import { appendLines } from '../../base/files/append-lines.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  writeFileAtomic,
} from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';

/** From here on the file is written again: some 4,000 reads of single versions. */
const LINES_BYTES = STATE_FILE_BYTES_MAX / 4;

/** Notes that a version was read. Never fails: a repository on read-only media has no counts. */
export async function noteRead(layout: Layout, version: Id): Promise<void> {
  try {
    await makeDirectory(layout.catalog);
    const size = await appendLines(layout.reads, `${version} 1\n`);
    if (size > LINES_BYTES) await writeHalved(layout);
  } catch (error) {
    if (error instanceof DlvError || (error as NodeJS.ErrnoException).code !== undefined) return;
    throw error;
  }
}

/** Reads by version; those that were never read are not in it. */
export async function countReads(layout: Layout): Promise<Map<Id, number>> {
  const counts = new Map<Id, number>();
  let text: string;
  try {
    text = Buffer.from(await readSmallFile(layout.reads, STATE_FILE_BYTES_MAX)).toString('latin1');
  } catch (error) {
    if (isMissing(error) || error instanceof DlvError) return counts;
    throw error;
  }
  for (const line of text.split('\n')) {
    const [, id = '', count] = /^([0-9a-f]{64}) (\d{1,9})$/.exec(line) ?? [];
    if (isId(id)) counts.set(id, (counts.get(id) ?? 0) + Number(count));
  }
  return counts;
}

async function writeHalved(layout: Layout): Promise<void> {
  const lines: string[] = [];
  for (const [id, count] of await countReads(layout)) {
    if (count > 1) lines.push(`${id} ${Math.floor(count / 2)}\n`);
  }
  await writeFileAtomic(layout.reads, Buffer.from(lines.join('')));
}
