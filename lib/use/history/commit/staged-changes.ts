/** How the staged files of a line differ from those of its version. */

import { comparePaths } from '../../../pure/paths/version-path.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import type { KnownFiles } from '../../../storage/repo/version/file-tree.js';
import type { Line } from '../lines/lines.js';
import { sameFile } from './staged-version.js';

export interface PathChange {
  path: string;
  status: 'added' | 'modified' | 'deleted';
}

/** Staged files of a line against the files of its tip. */
export async function stagedChanges(
  repo: ReadAccess,
  { tip }: Pick<Line, 'tip'>,
  entries: KnownFiles,
): Promise<PathChange[]> {
  const before = tip === null ? [] : (await repo.tree(tip, entries)).files;
  const now = [...entries].sort((a, b) => comparePaths(a.path, b.path));
  const changes: PathChange[] = [];
  for (let [i, j] = [0, 0]; i < before.length || j < now.length; ) {
    const [old, entry] = [before[i], now[j]];
    // A file of a page that is the same is the entry itself.
    const order = old === entry ? 0 : compareEntries(old, entry);
    if (order < 0) changes.push({ path: (old as FileEntry).path, status: 'deleted' });
    else if (order > 0) changes.push({ path: (entry as FileEntry).path, status: 'added' });
    else if (old !== entry && !sameFile(old as FileEntry, entry as FileEntry)) {
      changes.push({ path: (old as FileEntry).path, status: 'modified' });
    }
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return changes;
}

/** Order of the paths of two files, of which one may be missing: behind all others. */
function compareEntries(a: FileEntry | undefined, b: FileEntry | undefined): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : comparePaths(a.path, b.path);
}
