/** Files that a version keeps of another, beside those that came from elsewhere than the work tree. */
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { Staging } from '../../../storage/repo/staging/staging.js';
import { isBelow } from '../steps/pick-snapshot.js';
import type { NewFile } from './make-version.js';
import { stagedEntriesOf } from './staged-version.js';

/**
 * What has the place of a new file goes, and so does what `replaced` lists.
 * @param source  the version whose files are kept; null: there is none.
 */
export async function entriesBeside(
  repo: ReadAccess & { tree(id: Id): ReturnType<ReadAccess['tree']> },
  source: Id | null,
  placed: readonly NewFile[],
  replaced: readonly string[],
): Promise<NewFile[]> {
  if (source === null) return [];
  const gone = new Set(replaced);
  const before = await stagedEntriesOf(repo, await repo.tree(source), new Staging());
  return before
    .filter(({ path }) => !gone.has(path) && !placed.some((one) => isInPlaceOf(one.path, path)))
    .map(({ stat: _, stagedAtNs: __, ...entry }) => entry);
}

/** True if two paths cannot both be files. */
function isInPlaceOf(one: string, other: string): boolean {
  return isBelow(one, other) || isBelow(other, one);
}
