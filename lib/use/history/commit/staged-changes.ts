/** How the staged files of a line differ from those of its version. */

import { comparePaths } from '../../../pure/paths/version-path.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { FileEntry } from '../../../storage/repo/version/file-page.js';
import type { Line } from '../lines/lines.js';

export interface PathChange {
  path: string;
  status: 'added' | 'modified' | 'deleted';
}

/** Staged files of a line against the files of its tip. */
export async function stagedChanges(
  repo: ReadAccess,
  { tip }: Pick<Line, 'tip'>,
  entries: readonly Pick<FileEntry, 'path' | 'sha256' | 'mode'>[],
): Promise<PathChange[]> {
  const files = tip === null ? [] : (await repo.tree(tip)).files;
  const before = new Map<string, FileEntry>(files.map((file) => [file.path, file]));
  const changes: PathChange[] = [];
  for (const entry of entries) {
    const old = before.get(entry.path);
    before.delete(entry.path);
    if (old === undefined) changes.push({ path: entry.path, status: 'added' });
    else if (old.sha256 !== entry.sha256 || old.mode !== entry.mode) {
      changes.push({ path: entry.path, status: 'modified' });
    }
  }
  for (const path of before.keys()) changes.push({ path, status: 'deleted' });
  return changes.sort((a, b) => comparePaths(a.path, b.path));
}
