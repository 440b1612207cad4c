/**
 * Checksums of approximate copies that were written here, so that `add` does not take one for the exact
 * file. Derived and best effort: a line that cannot be written or understood is skipped.
 * @see docs/format/layout.md
 */
import { DlvError } from '../../base/errors.js';
import { appendLines } from '../../base/files/append-lines.js';
import { isMissing, makeDirectory, readSmallFile } from '../../base/files/files.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';

const LINE = /^([0-9a-f]{64}) (\d{1,15}) ([1-8]) ([0-9a-f]{64})$/;

/** A copy: its sha256 and size, the planes that it has, and the sha256 of the exact file. */
export interface Approximation {
  readonly sha256: string;
  readonly size: number;
  readonly planes: number;
  readonly exact: string;
}

/** Notes copies. Never fails: a repository on read-only media keeps none. */
export async function noteApproximations(
  layout: Layout,
  copies: readonly Approximation[],
): Promise<void> {
  const lines = copies.map(
    ({ sha256, size, planes, exact }) => `${sha256} ${size} ${planes} ${exact}\n`,
  );
  try {
    await makeDirectory(layout.catalog);
    await appendLines(layout.approximations, lines.join(''));
  } catch (error) {
    if (error instanceof DlvError || (error as NodeJS.ErrnoException).code !== undefined) return;
    throw error;
  }
}

/** Copies by their sha256. */
export async function readApproximations(layout: Layout): Promise<Map<string, Approximation>> {
  const copies = new Map<string, Approximation>();
  let text: string;
  try {
    text = Buffer.from(await readSmallFile(layout.approximations, STATE_FILE_BYTES_MAX)).toString(
      'latin1',
    );
  } catch (error) {
    if (isMissing(error) || error instanceof DlvError) return copies;
    throw error;
  }
  for (const line of text.split('\n')) {
    const [, sha256, size, planes, exact] = LINE.exec(line) ?? [];
    if (sha256 === undefined || exact === undefined) continue;
    copies.set(sha256, { sha256, size: Number(size), planes: Number(planes), exact });
  }
  return copies;
}
