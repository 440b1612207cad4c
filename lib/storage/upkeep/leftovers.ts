/**
 * What killed processes and retired packs leave behind: trash, tmp, unfinished files, unlisted
 * sets.
 *
 * None of it is ever read. A file or folder is deleted only if it has a name that dlv makes, is a
 * plain file or folder, and one of these holds: its grace period has passed; its process has surely
 * ended; or its process cannot be seen from here (another host or container) and nothing was
 * written for a day. Sets in packs/ that no manifest lists move to trash first.
 */

import path from 'node:path';
import { pushAll } from '../../base/bytes/many.js';
import { io, ioError, listDirectory, removeFile, statOrNull } from '../../base/files/files.js';
import { type OwnerMark, parseOwnName } from '../../base/files/process.js';
import { listTree } from '../../base/files/small-files.js';
import { parseTemporaryName, TEMPORARY_PREFIX } from '../../base/files/temporary-name.js';
import type { Layout } from '../repo/layout.js';
import { lockState } from '../repo/processes/lock.js';
import {
  isBreakLockName,
  isIncomingName,
  isTrashName,
  isWorkName,
} from '../repo/processes/made-names.js';
import { isAbandoned, type Liveness, ownerState } from '../repo/processes/process-identity.js';
import { stemOf } from '../store/names.js';
import { isSetId, type SetId, type SetInfo } from '../store/types.js';

export interface LeftoverOptions {
  /** Age at which files in trash are deleted. */
  graceMs: number;
  /** Deletes nothing. */
  dryRun?: boolean;
}

export interface LeftoverBytes {
  /** Deleted, or with `dryRun` to be deleted. */
  deletedBytes: number;
  /** Bytes in trash that stay. */
  trashBytes: number;
  /** Bytes that a process elsewhere may still be writing: it cannot be seen from here whether it is alive. */
  unfinishedBytes: number;
}

/** Ids of the sets in packs/ that are not among `listed`. */
export async function unlistedSets(layout: Layout, listed: readonly SetInfo[]): Promise<SetId[]> {
  const known = new Set<string>(listed.map((info) => info.id));
  const found = new Set<SetId>();
  for (const name of await listDirectory(layout.packs)) {
    const id = stemOf(name);
    if (isSetId(id) && !known.has(id)) found.add(id);
  }
  return [...found];
}

/** Bytes of the files in trash/. */
export async function trashBytes(layout: Layout): Promise<number> {
  let bytes = 0;
  for (const { stat } of await filesIn(layout.trash, isTrashName)) bytes += stat.size;
  return bytes;
}

/** The plain files of a folder whose names pass. */
async function filesIn(dir: string, isOurs: (name: string) => boolean) {
  const found = [];
  for (const name of await listDirectory(dir)) {
    const file = path.join(dir, name);
    const there = isOurs(name) ? await statOrNull(file) : null;
    if (there?.isFile) found.push({ file, stat: there.stat });
  }
  return found;
}

/** Deletes leftovers whose time has come. @throws {IoError} */
export async function deleteLeftovers(
  layout: Layout,
  options: LeftoverOptions,
): Promise<LeftoverBytes> {
  const result = { deletedBytes: 0, trashBytes: 0, unfinishedBytes: 0 };
  for (const { file, stat } of await filesIn(layout.trash, isTrashName)) {
    // The move to trash changed ctime; mtime is when the pack was written.
    if (ageMs(stat.ctimeNs) < options.graceMs) result.trashBytes += stat.size;
    else {
      if (!options.dryRun) await removeFile(file);
      result.deletedBytes += stat.size;
    }
  }
  for (const place of [...(await unfinished(layout)), ...(await arrived(layout, options))]) {
    if (place.state === 'alive') continue;
    const bytes = place.parts.reduce((sum, part) => sum + part.bytes, 0);
    if (place.state === 'unknown' && !isAbandoned(newest(place.parts))) {
      result.unfinishedBytes += bytes;
      continue;
    }
    if (!options.dryRun) await removeParts(place.parts);
    result.deletedBytes += bytes;
  }
  return result;
}

/** Milliseconds since a time stamp in nanoseconds. */
function ageMs(stampNs: string): number {
  return Date.now() - Number(BigInt(stampNs) / 1_000_000n);
}

/** One file or folder of something unfinished. */
interface Part {
  path: string;
  isFolder: boolean;
  bytes: number;
  mtimeNs: string;
}

/** A folder or file that some process has not finished. */
export interface Unfinished {
  path: string;
  /** Whether that process still works on it; 'unknown' if it cannot be seen from here. */
  state: Liveness;
  /** What dlv made of it, files before the folders that hold them. */
  parts: Part[];
}

function newest(parts: readonly Part[]): string {
  return parts.reduce(
    (last, { mtimeNs }) => (BigInt(mtimeNs) > BigInt(last) ? mtimeNs : last),
    '0',
  );
}

/** Folders under tmp/, temporary files beside state files, and locks for taking over other locks. */
export async function unfinished(layout: Layout): Promise<Unfinished[]> {
  const found: Unfinished[] = [];
  for (const name of await listDirectory(layout.tmp)) {
    const owner = parseOwnName(name);
    // Names of earlier versions say neither boot nor container: only time decides about them.
    if (owner === null && !/^\d+-\d+$/.test(name)) continue;
    await addUnfinished(found, layout.tmpFile(name), owner);
  }
  const { refs, logs, readers, packs, catalog, kept, lines, promised, studies, runs } = layout;
  const folders = [refs, logs, readers, packs, catalog, kept, lines, promised, studies, runs];
  for (const dir of folders) {
    for (const name of await listTree(dir)) await addTemporary(found, path.join(dir, name));
  }
  for (const name of await listDirectory(layout.dir)) {
    const file = layout.file(name);
    await addTemporary(found, file);
    if (!isBreakLockName(name)) continue;
    const parts = await partsOf(file, 0);
    if (parts.length > 0) found.push({ path: file, state: await lockState(file), parts });
  }
  return found;
}

/** What fetches that ended early have left: the next one goes on with it, until its grace period ends. */
async function arrived(layout: Layout, { graceMs }: LeftoverOptions): Promise<Unfinished[]> {
  const found: Unfinished[] = [];
  for (const name of await listDirectory(layout.incoming)) {
    const owner = parseOwnName(name);
    const place = layout.incomingOf(name);
    const there = owner === null ? null : await statOrNull(place);
    if (owner === null || there === null || !there.isDirectory) continue;
    const parts: Part[] = [];
    for (const { file, stat } of await filesIn(place, isIncomingName)) {
      parts.push({ path: file, isFolder: false, bytes: stat.size, mtimeNs: stat.mtimeNs });
    }
    const last = newest([...parts, { ...there.stat, path: place, isFolder: true, bytes: 0 }]);
    if (ageMs(last) < graceMs) continue;
    parts.push({ path: place, isFolder: true, bytes: 0, mtimeNs: last });
    const state = await ownerState(owner, { file: place, mtimeNs: last });
    found.push({ path: place, state, parts });
  }
  return found;
}

async function addTemporary(found: Unfinished[], file: string): Promise<void> {
  const name = path.basename(file);
  if (!name.startsWith(TEMPORARY_PREFIX)) return;
  const owner = parseTemporaryName(name);
  if (owner !== null || /^\.tmp-\d+-/.test(name)) await addUnfinished(found, file, owner);
}

async function addUnfinished(
  found: Unfinished[],
  place: string,
  owner: OwnerMark | null,
): Promise<void> {
  const parts = await partsOf(place, 0);
  if (parts.length === 0) return;
  const trace = { file: place, mtimeNs: newest(parts) };
  const state = owner === null ? 'unknown' : await ownerState(owner, trace);
  found.push({ path: place, state, parts });
}

/** What dlv made at a place: plain files and folders under names that it gives. */
async function partsOf(place: string, depth: number): Promise<Part[]> {
  const there = await statOrNull(place);
  if (there === null || !(there.isFile || there.isDirectory)) return [];
  const parts: Part[] = [];
  for (const name of there.isDirectory ? await listDirectory(place) : []) {
    if (isWorkName(name, depth + 1)) {
      pushAll(parts, await partsOf(path.join(place, name), depth + 1));
    }
  }
  const { size, mtimeNs } = there.stat;
  const isFolder = there.isDirectory;
  parts.push({ path: place, isFolder, bytes: isFolder ? 0 : size, mtimeNs });
  return parts;
}

/** Removes files, and folders that are empty then. */
async function removeParts(parts: readonly Part[]): Promise<void> {
  for (const part of parts) {
    if (!part.isFolder) await removeFile(part.path);
    else {
      await io.rmdir(part.path).catch((error: NodeJS.ErrnoException) => {
        // What dlv did not make stays, and so does its folder.
        if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code ?? '')) {
          throw ioError('remove', part.path, error);
        }
      });
    }
  }
}
