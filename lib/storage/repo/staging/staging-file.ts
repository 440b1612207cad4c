/**
 * Staging on disk: one file for the lines of the work tree, one for each branch that files are added for
 * apart from HEAD.
 *
 * Replaced as a whole, under the lock. Its mtime is part of its meaning (isClean).
 * @see docs/format/staging.md
 */

import { checkReadable } from '../../../base/bytes/sealed.js';
import { CorruptError, LimitError } from '../../../base/errors.js';
import {
  isMissing,
  makeDurableDirectory,
  ReadFile,
  removeFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { listTree } from '../../../base/files/small-files.js';
import { STAGING_BYTES_MAX } from '../../../base/limits.js';
import { isNoState } from '../git-markers.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { type StagedBranch, Staging } from './staging.js';
import { checkStagingBytes, decodeStaging, encodeStaging } from './staging-bytes.js';

/** Staging as read from disk. */
export interface StagingOnDisk {
  staging: Staging;
  /** mtime of the file in nanoseconds, for `isClean`; 0 if there is no file. */
  writtenNs: bigint;
}

/**
 * Reads the staging file, or that of one branch; without one nothing is staged.
 * @param before  what was read earlier: if the file is as it was then, nothing is decoded again.
 * @throws {CorruptError} DLV_CORRUPT
 */
export async function readStaging(
  layout: Layout,
  only: StagedBranch | null = null,
  before: Staging | null = null,
): Promise<StagingOnDisk> {
  const file = fileOf(layout, only);
  const found = await readStagingBytes(file);
  if (found === null) return { staging: new Staging(only), writtenNs: 0n };
  return { staging: decodeStaging(found.bytes, file, only, before), writtenNs: found.writtenNs };
}

function fileOf(layout: Layout, only: StagedBranch | null): string {
  return only === null ? layout.staging : layout.lineStaging(only.model, only.branch);
}

/** What is staged for branches apart from where HEAD is, each with its file; damage is told to `onDamage`. */
export async function readLineStagings(
  layout: Layout,
  onDamage: (file: string, error: unknown) => void,
): Promise<Staging[]> {
  const found: Staging[] = [];
  for (const name of await listTree(layout.lines, { skip: isNoState })) {
    const file = layout.lineFile(name);
    try {
      const read = await readStagingBytes(file);
      if (read === null) continue;
      const [line] = decodeStaging(read.bytes, file).models();
      const only = { model: line?.model ?? '', branch: line?.branch ?? '' };
      if (fileOf(layout, only) !== file) throw misplaced(file);
      found.push(decodeStaging(read.bytes, file, only));
    } catch (error) {
      onDamage(file, error);
    }
  }
  return found;
}

function misplaced(file: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: it is that of another branch`, { file });
}

/** Forgets what is staged for a branch apart from where HEAD is. */
export async function removeLineStaging(lock: RepositoryLock, only: StagedBranch): Promise<void> {
  lock.assertHeld();
  await removeFile(fileOf(lock.layout, only)).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** The bytes of the staging file and its mtime; null if there is none. @throws {LimitError} */
export async function readStagingBytes(
  file: string,
): Promise<{ bytes: Uint8Array; writtenNs: bigint } | null> {
  const source = await ReadFile.openIfThere(file);
  if (source === null) return null;
  try {
    checkSize(source.size, file);
    const bytes = await source.read(0, source.size);
    return { bytes, writtenNs: BigInt(source.stat.mtimeNs) };
  } finally {
    await source.close();
  }
}

function checkSize(size: number, file: string): void {
  if (size <= STAGING_BYTES_MAX) return;
  throw new LimitError(`'${file}' is ${size} bytes long`, {
    file,
    limit: 'STAGING_BYTES_MAX',
    value: size,
    max: STAGING_BYTES_MAX,
  });
}

/**
 * Replaces the staging file, after its new bytes were decoded: a file that no command can read would
 * stop the work on every model. @throws {BugError} {LimitError} before anything is written.
 */
export async function writeStaging(lock: RepositoryLock, staging: Staging): Promise<void> {
  lock.assertHeld();
  const file = fileOf(lock.layout, staging.only);
  if (staging.only !== null) await makeDurableDirectory(lock.layout.lines);
  const bytes = encodeStaging(staging);
  checkSize(bytes.length, file);
  checkReadable(file, () => checkStagingBytes(bytes, file, staging));
  await writeFileAtomic(file, bytes);
}
