/**
 * Lists the files of the work tree below a folder, under the ignore rules; it does not enter
 * repositories inside.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { Pace } from '../../../base/bytes/pace.js';
import { entriesNow, isMissing, statOrNull } from '../../../base/files/files.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import { holdsRepository } from '../../../storage/repo/find-repository.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { isUnfinishedName } from '../../../storage/repo/processes/abandoned.js';
import { IgnoreRules, type PatternFile } from '../../../storage/repo/settings/ignore.js';
import { LinkFollower } from './follow-links.js';
import { OddFiles } from './odd-files.js';
import { isDenied } from './work-file.js';

export interface WalkOptions {
  /** Paths that count as known: they are never ignored. */
  tracked: ReadonlySet<string>;
  /** Leaves the tracked files out. */
  untrackedOnly?: boolean;
  /** Takes ignored files as well. */
  force?: boolean;
  /** Takes what git ignores: the files are named by a glob, not by a folder alone. */
  withGitIgnored?: boolean;
  /** Told of what is left out because a file of patterns says so; folders end with '/'. */
  onIgnored?: (path: string, by: PatternFile) => void;
  /** Reads through symbolic links. */
  follow?: boolean;
  /** What of the folder is meant; default: all. No more is read or warned of than that. */
  only?: PathFilter;
  /** Told of a folder whose names may not be listed, with what `warn` would be told. */
  onDenied?: (folder: string, says: string) => void;
  warn?: (message: string) => void;
  signal?: AbortSignal;
}

/** Which paths are meant, as paths of versions. */
export interface PathFilter {
  covers(path: string): boolean;
  /** False only if nothing below the folder is covered. */
  mayCoverBelow(folder: string): boolean;
}

/**
 * Every file below `folder` ('' is the work tree) that is meant, and is tracked or, unless forced, not ignored.
 * @throws {IoError} if `folder` itself may not be read; folders below are left out with a warning.
 */
export async function* walkFiles(
  layout: Layout,
  folder: string,
  options: WalkOptions,
): AsyncGenerator<string> {
  const rules = new IgnoreRules(layout, options.warn, !options.withGitIgnored);
  if (folder !== '') await rules.takeNamed(folder);
  const trackedFolders = foldersOf(options.tracked);
  const nested = new NestedRepositories(layout);
  const follower = options.follow ? new LinkFollower(layout) : null;
  const isMeant = (path: string): boolean => options.only?.covers(path) !== false;
  const leaveOut = (path: string, why: string): void => {
    if (isMeant(path)) options.warn?.(`'${path}' is skipped: ${why}`);
  };
  const denied = (dir: string): void => {
    const says = trackedFolders.has(dir)
      ? `files in '${dir}' that are not tracked are skipped: its names may not be listed`
      : `'${dir}' is skipped: it may not be read`;
    if (options.onDenied) options.onDenied(dir, says);
    else options.warn?.(says);
  };
  const odd = new OddFiles();
  const pace = new Pace(options.signal);
  const queue = [{ dir: folder, chain: follower === null ? [] : await follower.chainOf(folder) }];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const { dir, chain } = at;
    throwIfAborted(options.signal);
    await pace.step();
    for (const entry of entriesOf(layout, dir, dir === folder ? null : denied)) {
      const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
      if (options.untrackedOnly && entry.isFile() && options.tracked.has(path)) continue;
      const isLink = entry.isSymbolicLink();
      const target = isLink && follower !== null ? await follower.target(path, chain) : null;
      const isFolder = entry.isDirectory() || target?.kind === 'folder';
      if (isFolder && options.only?.mayCoverBelow(path) === false) continue;
      // Files below a link are tracked if 'add --follow' stored them.
      const knowsFolder = (isFolder || isLink) && trackedFolders.has(path);
      const known = knowsFolder || (!isFolder && options.tracked.has(path));
      const ignoredBy = known ? null : await rules.ignoredBy(path, isFolder, options.force);
      if (ignoredBy !== null) {
        if (ignoredBy !== 'always') options.onIgnored?.(isFolder ? `${path}/` : path, ignoredBy);
        continue;
      }
      if (!known && (await nested.around(path, isFolder)) !== null) continue;
      const isFile = entry.isFile() || target?.kind === 'file';
      const problem = isFile || isFolder ? await nameProblem(layout, path) : null;
      if (problem !== null) leaveOut(path, problem);
      else if (isFile) {
        if (isMeant(path) && !(options.untrackedOnly && known)) yield path;
      } else if (isFolder) {
        queue.push({ dir: path, chain: target?.kind === 'folder' ? target.chain : chain });
      } else if (!known && target?.kind === 'none') leaveOut(path, target.why);
      else if (!known && isMeant(path)) odd.add(isLink, path);
    }
  }
  for (const warning of odd.warnings()) options.warn?.(warning);
}

/**
 * What lies in a folder, but no files that dlv lacks finished; one that is gone by now holds nothing.
 * @param denied  told of a folder whose names may not be listed, which then holds nothing; null: that is an error.
 */
function entriesOf(
  layout: Layout,
  dir: string,
  denied: ((dir: string) => void) | null,
): ReturnType<typeof entriesNow> {
  try {
    const entries = entriesNow(dir === '' ? layout.workTree : layout.workFile(dir));
    return entries.filter(({ name }) => !isUnfinishedName(name));
  } catch (error) {
    if (dir === '') throw error;
    if (denied !== null && isDenied(error)) denied(dir);
    else if (!isMissing(error)) throw error;
    return [];
  }
}

/**
 * Repositories inside the work tree: each looks after its own files, so that none of these counts as
 * a file of the outer one unless it was tracked before.
 */
export class NestedRepositories {
  readonly #layout: Layout;
  /** By folder: the repository that it is or lies in, or null. */
  readonly #known = new Map<string, string | null>([['', null]]);

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** The folder of the repository that a path lies in, or is if it is a folder; null for the outer. */
  async around(path: string, isFolder: boolean): Promise<string | null> {
    const folder = isFolder ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const known = this.#known.get(folder);
    if (known !== undefined) return known;
    const above = await this.around(folder, false);
    const found = above ?? ((await isRepository(this.#layout.workFile(folder))) ? folder : null);
    this.#known.set(folder, found);
    return found;
  }
}

/** True if `folder` is the work tree of a repository; a folder that may not be entered is none. */
async function isRepository(folder: string): Promise<boolean> {
  try {
    return await holdsRepository(folder);
  } catch (error) {
    if (isDenied(error)) return false;
    throw error;
  }
}

/** What is wrong with a name that was listed: bytes that are not UTF-8 are shown as U+FFFD. */
async function nameProblem(layout: Layout, path: string): Promise<string | null> {
  const problem = pathProblem(path);
  if (problem !== null) return problem;
  if (!path.includes('\uFFFD')) return null;
  return (await statOrNull(layout.workFile(path))) === null ? 'its name is not valid UTF-8' : null;
}

/** The folders that paths lie in. */
export function foldersOf(paths: ReadonlySet<string>): Set<string> {
  const folders = new Set<string>();
  let last = '';
  for (const path of paths) {
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    // Files of one folder come together.
    if (folder === last) continue;
    last = folder;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      folders.add(path.slice(0, at));
  }
  return folders;
}
