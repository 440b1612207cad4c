/**
 * Which repositories the user trusts: lists of work trees in the user's own settings.
 *
 * A list holds absolute folders, '~/…', folders that end with '/*' for all below them, or '*' for
 * every repository, separated as in PATH. @see docs/format/config.md
 */
import { homedir } from 'node:os';
import path from 'node:path';
import { realPath } from '../../../base/files/places/user-paths.js';

/** The entries of a list. */
function entriesOf(list: string): string[] {
  return list.split(path.delimiter).filter((entry) => entry !== '');
}

/** Why a text is not a list of folders, or null. */
export function folderListProblem(list: string): string | null {
  const entries = entriesOf(list);
  if (entries.length === 0) return 'names no folder';
  const bad = entries.find(
    (entry) => entry !== '*' && !path.isAbsolute(entry) && !entry.startsWith('~/'),
  );
  return bad === undefined ? null : `holds '${bad}', which is neither absolute nor '*'`;
}

/** True if a list names a folder, however links lead to it. */
export async function listsFolder(list: string, folder: string): Promise<boolean> {
  const real = await realPath(folder);
  for (const entry of entriesOf(list)) {
    if (entry === '*') return true;
    const full = entry.startsWith('~/') ? path.join(homedir(), entry.slice(2)) : entry;
    if (!path.isAbsolute(full)) continue;
    const isBelow = full.endsWith('/*');
    const named = await realPath(isBelow ? full.slice(0, -2) || '/' : full);
    if (real === named && !isBelow) return true;
    if (isBelow && real.startsWith(named.endsWith(path.sep) ? named : named + path.sep))
      return true;
  }
  return false;
}

/** A list with one more folder. */
export function addFolder(list: string | null, folder: string): string {
  return [...(list === null ? [] : entriesOf(list)), folder].join(path.delimiter);
}
