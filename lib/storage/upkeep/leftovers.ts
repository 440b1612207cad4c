/**
 * What killed processes and retired packs leave behind: trash, tmp, unfinished files, unlisted sets.
 *
 * None of it is ever read. Deleted is only what is past its grace period or belongs to a process that
 * is gone; sets in packs/ that no manifest lists move to trash first.
 */
import path from 'node:path';
import {
  io,
  ioError,
  isMissing,
  listDirectory,
  removeFile,
  statOrNull,
} from '../../base/bytes/files.js';
import { type Layout, TEMPORARY_PREFIX } from '../repo/layout.js';
import { processStart } from '../repo/processes/process-identity.js';
import { isSetId, type SetId, type SetInfo } from '../store/types.js';

/** What is left of a process that is unknown here is left alone until it was idle this long. */
const TMP_IDLE_MS = 60 * 60 * 1000;

export interface LeftoverOptions {
  /** Age at which files in trash are deleted. */
  graceMs: number;
  /** Deletes what dead processes left without waiting for an hour of silence. */
  pruneNow?: boolean;
  /** Deletes nothing. */
  dryRun?: boolean;
}

export interface LeftoverBytes {
  /** Deleted, or with `dryRun` to be deleted. */
  deletedBytes: number;
  /** Bytes in trash that stay. */
  trashBytes: number;
}

/** Ids of the sets in packs/ that are not among `listed`. */
export async function unlistedSets(layout: Layout, listed: readonly SetInfo[]): Promise<SetId[]> {
  const known = new Set<string>(listed.map((info) => info.id));
  const found = new Set<SetId>();
  for (const name of await listDirectory(layout.packs)) {
    const id = name.split('.')[0] as string;
    if (isSetId(id) && !known.has(id)) found.add(id);
  }
  return [...found];
}

/** Bytes of the files in trash/. */
export async function trashBytes(layout: Layout): Promise<number> {
  return (await measureFolder(layout.trash)).bytes;
}

/** Deletes leftovers whose time has come. @throws {IoError} */
export async function deleteLeftovers(
  layout: Layout,
  options: LeftoverOptions,
): Promise<LeftoverBytes> {
  const result = { deletedBytes: 0, trashBytes: 0 };
  for (const name of await listDirectory(layout.trash)) {
    const file = path.join(layout.trash, name);
    const there = await statOrNull(file);
    if (!there?.isFile) continue;
    // The move to trash changed ctime; mtime is when the pack was written.
    if (ageMs(there.stat.ctimeNs) < options.graceMs) result.trashBytes += there.stat.size;
    else {
      if (!options.dryRun) await removeFile(file);
      result.deletedBytes += there.stat.size;
    }
  }
  for (const place of await unfinished(layout)) {
    if (place.pid !== null && place.alive) continue;
    const { bytes, newestMs } = await measureFolder(place.path);
    // On a shared file system the process may live on another host: it would still be writing.
    if (!options.pruneNow && Date.now() - newestMs < TMP_IDLE_MS) continue;
    if (!options.dryRun) await removeTree(place.path);
    result.deletedBytes += bytes;
  }
  return result;
}

/** Milliseconds since a time stamp in nanoseconds. */
function ageMs(stampNs: string): number {
  return Date.now() - Number(BigInt(stampNs) / 1_000_000n);
}

/** A folder or file that some process has not finished. */
export interface Unfinished {
  path: string;
  pid: number | null;
  /** True if that process surely works on this host now. */
  alive: boolean;
}

/** Folders under tmp/ and temporary files beside state files. */
export async function unfinished(layout: Layout): Promise<Unfinished[]> {
  const found: Unfinished[] = [];
  for (const name of await listDirectory(layout.tmp)) {
    const match = /^(\d+)-(\d+)$/.exec(name);
    const pid = match ? Number(match[1]) : null;
    const alive = pid !== null && processStart(pid) === match?.[2];
    found.push({ path: path.join(layout.tmp, name), pid, alive });
  }
  const queue = [layout.refs];
  const folders = [layout.dir, layout.readers];
  for (let dir = queue.pop(); dir !== undefined; dir = queue.pop()) {
    folders.push(dir);
    for (const name of await listDirectory(dir)) {
      const child = path.join(dir, name);
      if ((await statOrNull(child))?.isDirectory) queue.push(child);
    }
  }
  for (const dir of folders) {
    for (const name of await listDirectory(dir)) {
      if (!name.startsWith(TEMPORARY_PREFIX)) continue;
      const match = /^(\d+)-/.exec(name.slice(TEMPORARY_PREFIX.length));
      const pid = match ? Number(match[1]) : null;
      const alive = pid !== null && processStart(pid) !== null;
      found.push({ path: path.join(dir, name), pid, alive });
    }
  }
  return found;
}

/** Bytes of a file or of all files below a folder, and when the newest of them changed. */
export async function measureFolder(dir: string): Promise<{ bytes: number; newestMs: number }> {
  let bytes = 0;
  let newestMs = 0;
  const queue = [dir];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const there = await statOrNull(next);
    if (there === null) continue;
    newestMs = Math.max(newestMs, Number(BigInt(there.stat.mtimeNs) / 1_000_000n));
    if (there.isDirectory) {
      for (const name of await listDirectory(next)) queue.push(path.join(next, name));
    } else bytes += there.stat.size;
  }
  return { bytes, newestMs };
}

/** Removes a file, or a folder with all in it; links in it are removed, not followed. */
async function removeTree(place: string): Promise<void> {
  const there = await statOrNull(place);
  if (there === null) return;
  if (!there.isDirectory) {
    await removeFile(place);
    return;
  }
  for (const name of await listDirectory(place)) await removeTree(path.join(place, name));
  try {
    await io.rmdir(place);
  } catch (error) {
    if (!isMissing(error)) throw ioError('remove', place, error);
  }
}
