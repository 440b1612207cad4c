/**
 * What the work tree has at the path of a versioned file: the file, something odd (such as a link
 * or a folder), or nothing.
 */
import { IoError } from '../../../base/errors.js';
import { type FileStat, statNow, statOrNull } from '../../../base/files/files.js';
import { meaningOf } from '../../../base/files/io.js';
import { statThrough } from '../../../base/files/places/user-paths.js';
import type { Layout } from '../../../storage/repo/layout.js';
import type { LinkGuard } from '../../../storage/repo/work-path.js';

/** What a tracked file became that is not a plain file any more. */
export type Oddity = 'symbolic link' | 'below a symbolic link' | 'special file' | 'unreadable';

/** What is at a path. */
export type WorkFile =
  | { kind: 'file'; stat: FileStat }
  /** Nothing, or a folder. */
  | { kind: 'gone' }
  | {
      kind: 'odd';
      became: Oddity;
      /** The same as the end of a sentence that begins with the path. */
      says: string;
      /** The regular file that it leads to, if it is a link or lies below one. */
      behind: FileStat | null;
      /** Whether the links above it lead to where it would be, and it is not there. */
      isGoneBehind: boolean;
    };

/** True if the system refuses to let this user look. */
export function isDenied(error: unknown): boolean {
  const errno = error instanceof IoError ? error.data.errno : null;
  return errno === 'EACCES' || errno === 'EPERM';
}

function odd(became: Oddity, says: string): WorkFile & { kind: 'odd' } {
  return { kind: 'odd', became, says, behind: null, isGoneBehind: false };
}

/** What is said of a file that this user may not look at. */
export const UNREADABLE = odd('unreadable', 'may not be read');

const CHECK = 'check the permissions of the file and of its folders';

/** Why a file that this user may not look at was not stored. */
export function unreadable(path: string): IoError {
  const leaveOut =
    "what .dlvignore names is left alone, and 'dlv rm --cached' stops tracking a file";
  return notReadable(path, `${CHECK}; ${leaveOut}`);
}

/** Why what was named, and is not of the work tree, cannot be read. */
export function notReadable(place: string, hint = CHECK): IoError {
  const message = `cannot read '${place}': ${meaningOf('EACCES')}`;
  return new IoError(message, { file: place, errno: 'EACCES', hint });
}

/** The state of a plain file that lies below no link; null for all else, which `lookAtWork` tells apart. */
export function plainFileNow(layout: Layout, guard: LinkGuard, path: string): FileStat | null {
  try {
    if (guard.findLinkNow(path) !== null) return null;
    const there = statNow(layout.workFile(path));
    return there?.isFile ? there.stat : null;
  } catch (error) {
    if (isDenied(error)) return null;
    throw error;
  }
}

/** Looks at a path of a version, at once: see statNow. Nothing is opened. @throws {IoError} if the disk fails. */
export async function lookAtWork(
  layout: Layout,
  guard: LinkGuard,
  path: string,
): Promise<WorkFile> {
  try {
    const blocking = await guard.findLink(path);
    if (blocking === null) return await lookAtPlace(layout.workFile(path));
    const above = layout.workFile(blocking);
    if ((await statOrNull(above))?.isSymlink !== true) return { kind: 'gone' };
    const behind = await statThrough(layout.workFile(path));
    if (behind.kind === 'denied') return UNREADABLE;
    return {
      ...odd('below a symbolic link', `lies below a symbolic link, '${blocking}'`),
      behind: behind.kind === 'file' ? behind.stat : null,
      isGoneBehind: behind.kind === 'nothing' && (await isGoneBelow(layout, blocking, path)),
    };
  } catch (error) {
    if (isDenied(error)) return UNREADABLE;
    throw error;
  }
}

/**
 * True if the folders from `link` on lack a part of the path, or have a file in its place. A link on the
 * way that leads nowhere, say to a disk that is not mounted, says nothing of what it led to.
 */
async function isGoneBelow(layout: Layout, link: string, path: string): Promise<boolean> {
  for (let end = link.length; end >= 0; end = path.indexOf('/', end + 1)) {
    const place = layout.workFile(path.slice(0, end));
    const there = await statOrNull(place);
    if (there === null) return true;
    const kind = there.isSymlink ? (await statThrough(place)).kind : 'folder';
    if (kind !== 'folder') return kind === 'file';
  }
  return (await statOrNull(layout.workFile(path))) === null;
}

async function lookAtPlace(file: string): Promise<WorkFile> {
  const there = statNow(file);
  if (there === null || there.isDirectory) return { kind: 'gone' };
  if (there.isFile) return { kind: 'file', stat: there.stat };
  if (!there.isSymlink) return odd('special file', 'is not a regular file');
  const behind = await statThrough(file);
  if (behind.kind === 'denied') return UNREADABLE;
  return {
    ...odd('symbolic link', 'is a symbolic link'),
    behind: behind.kind === 'file' ? behind.stat : null,
  };
}
