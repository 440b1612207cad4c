/**
 * Protects packs, refs, reflogs and what else cannot be made again from `git clean -fdx`.
 *
 * Git deletes what it ignores, but skips a folder that is a repository of its own. The mark of one
 * is `.git` with a HEAD and the folders objects and refs; nothing in it is ever used.
 * @see docs/decisions/0017-git-clean-passes-over-packs.md
 */
import path from 'node:path';
import { isDamage } from '../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  renameFile,
  statOrNull,
  syncDirectory,
  writeFileAtomic,
} from '../../base/files/files.js';
import { TEMPORARY_PREFIX } from '../../base/files/temporary-name.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import { GIT_MARKER, type Layout } from './layout.js';

const GIT_HEAD = 'ref: refs/heads/none\n';
const GIT_FOLDERS = ['objects', 'refs'] as const;

/** How a marker is found: `none` if there is none yet, as in repositories of earlier versions of dlv. */
type MarkerState = 'sound' | 'none' | 'missing' | 'damaged';

/** Looks whether git takes a folder for a repository. @param marker  its `.git`. */
export async function markerState(marker: string): Promise<MarkerState> {
  if ((await statOrNull(marker)) === null) return 'none';
  try {
    const head = await readSmallFile(path.join(marker, 'HEAD'), STATE_FILE_BYTES_MAX);
    if (Buffer.from(head).toString('latin1') !== GIT_HEAD) return 'damaged';
  } catch (error) {
    if (isMissing(error)) return 'missing';
    if (isDamage(error)) return 'damaged';
    throw error;
  }
  for (const part of GIT_FOLDERS) {
    const found = await statOrNull(path.join(marker, part));
    if (!found?.isDirectory) return found === null ? 'missing' : 'damaged';
  }
  return 'sound';
}

/** Makes the markers again that git does not accept. @returns those that were there and are mended. */
export async function mendGitMarkers(layout: Layout): Promise<string[]> {
  const mended: string[] = [];
  for (const marker of [...layout.gitMarkers(), ...(await optionalMarkers(layout))]) {
    const state = await markerState(marker);
    if (state === 'sound') continue;
    if (state !== 'none') mended.push(layout.nameOf(marker));
    await makeMarker(layout, marker);
  }
  return mended;
}

/** A new marker appears whole: one that lacks a part would be reported as a problem after a crash. */
async function makeMarker(layout: Layout, marker: string): Promise<void> {
  if ((await statOrNull(marker)) !== null) return fillMarker(marker);
  const unfinished = layout.newWork('marker');
  await fillMarker(unfinished);
  await makeDirectory(path.dirname(marker));
  try {
    await renameFile(unfinished, marker);
  } catch (error) {
    // Another process made it meanwhile; gc removes this one.
    if ((await markerState(marker)) !== 'sound') throw error;
  }
  await syncDirectory(path.dirname(marker));
}

async function fillMarker(folder: string): Promise<void> {
  for (const part of GIT_FOLDERS) await makeDirectory(path.join(folder, part));
  await writeFileAtomic(path.join(folder, 'HEAD'), Buffer.from(GIT_HEAD));
}

/** Markers of the folders that a repository need not have and this one has. */
export async function optionalMarkers(layout: Layout): Promise<string[]> {
  const found: string[] = [];
  for (const marker of layout.optionalGitMarkers()) {
    if ((await statOrNull(path.dirname(marker)))?.isDirectory) found.push(marker);
  }
  return found;
}

/** Marks the folders that cannot be made again from anything else. Those that are marked cost a stat each. */
export async function markForGit(layout: Layout): Promise<void> {
  for (const marker of [...layout.gitMarkers(), ...(await optionalMarkers(layout))]) {
    if ((await statOrNull(path.join(marker, 'HEAD'))) === null) await makeMarker(layout, marker);
  }
}

/** True for a name in a folder of state that is no state: a file that is not finished, and what is there for git. */
export function isNoState(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX) || name === GIT_MARKER;
}
