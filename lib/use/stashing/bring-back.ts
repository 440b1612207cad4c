/** Brings the work of a stash back into the work tree. */

import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import type { Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import { stagedRemovals } from '../../storage/repo/version/staged-removals.js';
import {
  changesOnto,
  changeWorkFiles,
  checkNoneInTheWay,
  stageFiles,
} from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import { checkUnchanged } from '../history/commit/staged-version.js';
import { currentLine } from '../history/lines/lines.js';
import type { StashEntry } from './stashes.js';

/**
 * Brings the changes of a stash back into the work tree; files that it added are staged, and so are
 * removals that were. As in git, the changes are told against what is staged: a file that is neither
 * there nor in the stash is left alone, and a warning names what the work tree holds under its name.
 * @throws {ConflictError} if a file changed since, in what is staged or in the work tree.
 */
export async function bringBack(
  repo: ChangeAccess,
  stash: StashEntry,
  context: OpContext,
): Promise<{ written: string[]; removed: string[] }> {
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const { model, tip } = await currentLine(repo, staging);
  const base = (await repo.tree(stash.base)).files;
  const tree = await repo.tree(stash.version);
  const ofTip = tip === null ? [] : (await repo.tree(tip)).files;
  const present = staging.get(model) === undefined ? ofTip : staging.entries(model);
  const { changes, conflicts } = changesOnto(base, tree, present);
  const [conflict] = conflicts;
  if (conflict !== undefined) {
    const remedy = tree.files.some(({ path }) => path === conflict)
      ? `take such a file with 'dlv checkout ${stash.ref} ${conflict}'`
      : `the stash removes such a file, as 'dlv rm ${conflict}' does`;
    throw new ConflictError(`changed since the stash, too: ${quoteSome(conflicts)}`, {
      paths: conflicts,
      hint: `nothing was changed; ${remedy}`,
    });
  }
  checkNoneInTheWay(present, changes);
  const done = await changeWorkFiles(repo, { ...onDisk, model, tip }, changes, context);
  const known = new Set(present.map(({ path }) => path));
  const left = await untrackedFiles(repo, staging, stash, known);
  if (left.length > 0) {
    context.warn(
      `removed in the stash and not tracked any more, so that the work file stays: ${quoteSome(left)}`,
      'last',
    );
  }
  const added = done.entries.filter(({ path }) => !known.has(path));
  const { extensions } = await repo.version(stash.version);
  const wereStaged = stagedRemovals(extensions, `version ${shortId(stash.version)}`);
  const removes = changes.removes.filter((path) => wereStaged.has(path));
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    stageFiles(now.staging, model, { removes }, { entries: added });
    await writeStaging(lock, now.staging);
  });
  return { written: done.written, removed: done.removed };
}

/** Files that a stash removes, that are not tracked, and that the work tree holds all the same. */
async function untrackedFiles(
  { layout }: ChangeAccess,
  staging: Staging,
  { changes }: StashEntry,
  tracked: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = [];
  for (const { path, status } of changes) {
    if (status !== 'deleted' || tracked.has(path) || staging.ownerOf(path) !== null) continue;
    const there = await statOrNull(layout.workFile(path));
    if (there !== null && !there.isDirectory) found.push(path);
  }
  return found;
}
