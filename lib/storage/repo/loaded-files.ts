/**
 * Copies of files and tensors of versions, for programs that read them in place: `.dlv/catalog/loaded`.
 *
 * A copy appears by rename and is never written again, so that a program can map it: deleting it leaves
 * what is mapped as it is. Beside it stands a mark that says how the file was when it was whole. A file that
 * is not so any more, or of an earlier boot, is not used: it is not synced. @see docs/format/layout.md
 */

import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { steadyMs } from '../../base/bytes/pace.js';
import { seal, unseal } from '../../base/bytes/sealed.js';
import { formatBytes } from '../../base/bytes/words/wording.js';
import { ConflictError, isDamage, LimitError } from '../../base/errors.js';
import {
  type FileStat,
  isMissing,
  listDirectory,
  makeDirectory,
  readSmallFile,
  removeEmptyFolder,
  removeFile,
  renameFile,
  statOrNull,
  touchFile,
  WriteFile,
  writeFileAtomic,
} from '../../base/files/files.js';
import { ownIdentity } from '../../base/files/process.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from './layout.js';

const MARK = '.mark';

/** What is to be read in place. */
export interface LoadedContent {
  /** Tells its bytes from all others: 64 hexadecimal digits. */
  key: string;
  bytes: number;
  stream(): AsyncIterable<Uint8Array>;
}

export interface PlaceOptions {
  /** Most bytes of all copies; those that were used longest ago go first. */
  bytesMax: number;
  signal?: AbortSignal;
  onBytes?(bytes: number): void;
}

/** The file that holds the content, made if it is not there. @throws {LimitError} {IoError} {CorruptError} */
export async function placeLoaded(
  layout: Layout,
  content: LoadedContent,
  options: PlaceOptions,
): Promise<string> {
  return (await findLoaded(layout, content)) ?? (await makeLoaded(layout, content, options));
}

/** When this process noted the use of a copy: finding it again at once is no news. */
const usedAt = new Map<string, number>();
const USE_MS = 10_000;
const USED_MAX = 1000;

/** The file that holds the content; null if it is not there, or not as it was made. @throws {IoError} */
export async function findLoaded(
  layout: Layout,
  { key, bytes }: Omit<LoadedContent, 'stream'>,
): Promise<string | null> {
  const file = layout.loadedFile(key);
  const there = await statOrNull(file);
  if (!there?.isFile || there.stat.size !== bytes) return null;
  const mark = layout.loadedFile(key + MARK);
  if ((await readMark(mark)) !== markOf(there.stat)) return null;
  const now = steadyMs();
  if (now - (usedAt.get(mark) ?? Number.NEGATIVE_INFINITY) >= USE_MS) {
    if (usedAt.size >= USED_MAX) usedAt.clear();
    usedAt.set(mark, now);
    // The order of use is worth no failure.
    await touchFile(mark).catch(() => {});
  }
  return file;
}

async function readMark(file: string): Promise<string | null> {
  try {
    return unseal(await readSmallFile(file, STATE_FILE_BYTES_MAX), file);
  } catch (error) {
    if (isMissing(error) || isDamage(error)) return null;
    throw error;
  }
}

function markOf({ size, mtimeNs, ctimeNs, inode }: FileStat): string {
  return `loaded 1\n${size} ${mtimeNs} ${ctimeNs} ${inode} ${ownIdentity().boot}\n`;
}

async function makeLoaded(
  layout: Layout,
  { key, bytes, stream }: LoadedContent,
  { bytesMax, signal, onBytes }: PlaceOptions,
): Promise<string> {
  if (bytes > bytesMax) {
    const [size, most] = [formatBytes(bytes), formatBytes(bytesMax)];
    throw new LimitError(`a copy of ${size} is over the setting cache.bytes, which is ${most}`, {
      bytes,
      bytesMax,
      hint: "raise it with 'dlv config cache.bytes <n>', or take the bytes without --to-cache",
    });
  }
  await makeDirectory(layout.loaded);
  await makeRoom(layout, bytesMax - bytes);
  const unfinished = layout.newWork('loaded');
  await makeDirectory(path.dirname(unfinished));
  const file = layout.loadedFile(key);
  const out = await WriteFile.create(unfinished, 0o444, file);
  try {
    for await (const piece of stream()) {
      throwIfAborted(signal);
      await out.write(piece);
      onBytes?.(piece.length);
    }
    await out.close();
    await renameFile(unfinished, file);
  } catch (error) {
    await out.close();
    await removeFile(unfinished).catch(() => {});
    throw error;
  }
  const there = await statOrNull(file);
  if (there?.stat.size !== bytes) {
    throw new ConflictError(`'${file}' was changed while it was made`, { file, hint: 'try again' });
  }
  await writeFileAtomic(layout.loadedFile(key + MARK), seal(markOf(there.stat)));
  return file;
}

/** Deletes the copies that were used longest ago until the rest take at most `bytes`. */
async function makeRoom(layout: Layout, bytes: number): Promise<void> {
  const copies: { name: string; size: number; used: bigint }[] = [];
  for (const name of await listDirectory(layout.loaded)) {
    if (name.endsWith(MARK)) continue;
    const size = (await statOrNull(layout.loadedFile(name)))?.stat.size ?? 0;
    const mark = await statOrNull(layout.loadedFile(name + MARK));
    copies.push({ name, size, used: BigInt(mark?.stat.mtimeNs ?? 0) });
  }
  copies.sort((a, b) => (a.used < b.used ? -1 : 1));
  let sum = copies.reduce((total, { size }) => total + size, 0);
  for (const { name, size } of copies) {
    if (sum <= bytes) return;
    await removeFile(layout.loadedFile(name));
    await removeFile(layout.loadedFile(name + MARK));
    sum -= size;
  }
}

/** Deletes all copies: what they were made of may be gone. Best effort, as for all that is derived. */
export async function dropLoaded(layout: Layout): Promise<void> {
  try {
    for (const name of await listDirectory(layout.loaded))
      await removeFile(layout.loadedFile(name));
    await removeEmptyFolder(layout.loaded);
  } catch {
    // Nothing may be deleted here.
  }
}
