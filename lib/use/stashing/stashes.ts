/** The stashes of a model: versions that refs under `refs/stash` name, the newest first. */

import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { parseRefName } from '../../storage/repo/refs/ref-name.js';
import { listRefs, type Ref, updateRef } from '../../storage/repo/refs/refs.js';
import { changesOnto } from '../checkout/change-files.js';
import type { ChangeAccess } from '../history/access.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import { deletionReason, moveReason } from '../history/lines/moves.js';
import { formatMoment } from '../history/versions.js';

/** Work that was put aside. */
export interface StashEntry {
  /** `stash@{0}` is the newest of its model. */
  name: string;
  /** A revision that names its version. */
  ref: string;
  version: Id;
  model: string;
  /** The version that it was changed from. */
  base: Id;
  message: string;
  time: string;
  /** Against `base`. */
  changes: PathChange[];
}

/** Refs of the stashes of a model, the newest first. */
export async function stashRefs(repo: ChangeAccess, model: string): Promise<Ref[]> {
  const numberOf = ({ name }: Ref): number => {
    const place = parseRefName(name);
    return place?.kind === 'stash' ? place.number : 0;
  };
  const refs = await listRefs(repo.layout, `refs/stash/${model}`);
  return refs.sort((a, b) => numberOf(b) - numberOf(a));
}

export async function describeStash(
  repo: ChangeAccess,
  ref: Ref,
  index: number,
): Promise<StashEntry> {
  const { model, parents, message, time, tzMinutes } = await repo.version(ref.id);
  const base = parents[0] as Id;
  return {
    name: `stash@{${index}}`,
    ref: ref.name,
    version: ref.id,
    model,
    base,
    message,
    time: formatMoment(time, tzMinutes),
    changes: await changesBetween(repo, base, ref.id),
  };
}

async function changesBetween(repo: ChangeAccess, before: Id, after: Id): Promise<PathChange[]> {
  const { files: old } = await repo.tree(before);
  const { files: now } = await repo.tree(after);
  const { changes } = changesOnto(old, { files: now, snapshots: [] }, old);
  const known = new Set(old.map(({ path }) => path));
  const found: PathChange[] = changes.target.files.map(({ path }) => {
    return { path, status: known.has(path) ? 'modified' : 'added' };
  });
  for (const path of changes.removes) found.push({ path, status: 'deleted' });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The stash of HEAD's model at a place, the newest at 0. @throws {NotFoundError} */
export async function findStash(repo: ChangeAccess, index: number): Promise<StashEntry> {
  const { model } = await readHead(repo.layout);
  const refs = await stashRefs(repo, model);
  const ref = refs[index];
  if (ref !== undefined) return describeStash(repo, ref, index);
  const what = refs.length === 0 ? 'there are no stashes' : `there is no stash@{${index}}`;
  throw new NotFoundError(`${what} for model '${model}'`, {
    kind: 'stash',
    name: `stash@{${index}}`,
    hint: refs.length === 0 ? "'dlv stash' sets changes aside" : "'dlv stash list' shows them",
  });
}

/** Deletes a stash; reflogs keep its version from gc for a while. */
export async function deleteStash(repo: ChangeAccess, { ref, version }: StashEntry): Promise<void> {
  const why = await moveReason(repo, deletionReason('stash', ref));
  await repo.locked((lock) => updateRef(lock, { name: ref, before: version, after: null, why }));
}
