/** Moves a branch to a version that was not made of the work tree; staging goes along where that changes nothing else. */
import type { Id } from '../../../base/bytes/hash.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { branchRefName } from '../../../storage/repo/refs/ref-name.js';
import { appendReflog, type MoveReason } from '../../../storage/repo/refs/reflog.js';
import { updateRef } from '../../../storage/repo/refs/refs.js';
import { changedEntry } from '../../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../../storage/repo/staging/staging-file.js';
import type { StoreAccess } from '../access.js';
import { isOfWorkTree } from '../lines/open-staging.js';
import type { NewFile } from './make-version.js';
import { stagedChanges } from './staged-changes.js';
import { asSeen, moveLine, sameFile } from './staged-version.js';

export interface Naming {
  model: string;
  branch: string;
  /** Where the branch is; null if it is new. */
  before: Id | null;
  id: Id;
  entries: readonly NewFile[];
  why: MoveReason;
}

/** Files that were never seen in the work tree. */
export function unseen(entries: readonly NewFile[]) {
  return entries.map((entry) => ({ ...entry, stat: null, stagedAtNs: '0' }));
}

/** Moves the branch. If files of the work tree are on it, staging goes along; what is staged there stays. */
export async function nameVersion(
  repo: StoreAccess,
  lock: RepositoryLock,
  { model, branch, before, id, entries, why }: Naming,
): Promise<void> {
  const { staging } = await readStaging(repo.layout);
  if (await isOfWorkTree(repo, staging, { model, branch })) {
    const own = staging.get(model);
    const isClean =
      (own === undefined || own.base === before) &&
      (await stagedChanges(repo, { tip: before }, staging.entries(model))).length === 0;
    if (isClean) {
      const next = unseen(entries).map((entry) => {
        const known = staging.entry(entry.path);
        const isSame =
          known !== null && sameFile(known, entry) && known.recipe.id === entry.recipe.id;
        return isSame ? known : entry;
      });
      // What the line did not have was never in the work tree.
      const seen = asSeen(next, staging, model).map((entry) => {
        return staging.entry(entry.path) === null ? changedEntry(entry, { stat: null }) : entry;
      });
      moveLine(staging, model, { version: id, branch, entries: seen });
      // Staging goes first: a branch that has moved is an acknowledged version (see checkBase).
      await writeStaging(lock, staging);
    }
  }
  await updateRef(lock, { name: branchRefName(model, branch), before, after: id, why });
  const head = await readHead(repo.layout);
  if (head.kind === 'branch' && head.model === model && head.branch === branch) {
    await appendReflog(lock, 'HEAD', { before, after: id, ...why });
  }
}
