/** Which versions the remaining refs keep, and which only refs that are being deleted. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { Ref } from '../../../storage/repo/refs/refs.js';
import type { Version } from '../../../storage/repo/version/version.js';
import { shortRef } from '../versions.js';
import { collectVersions } from './ancestry.js';

/** What deleting some refs does to the versions that they keep. */
export interface Loss {
  /** Versions that no other ref keeps, in no order. */
  lost: Id[];
  /** Refs that stay and derive from marked versions, as people read them. */
  derived: string[];
}

/** Refs that are deleted; all others, and further versions that stay in any case. */
export interface RefSplit {
  going: readonly Ref[];
  staying: { refs: readonly Ref[]; versions: readonly Id[] };
}

/**
 * @param isMark  tells the versions that others are said to derive from.
 */
export async function lossOf(
  repo: ReadAccess,
  { going, staying }: RefSplit,
  isMark: (id: Id, version: Version) => boolean,
  signal?: AbortSignal,
): Promise<Loss> {
  const starts = going.map(({ id }) => id);
  const all = await collectVersions(repo, starts, { signal });
  const known = new Map<Id, boolean>();
  const derived: string[] = [];
  for (const { name, id } of staying.refs) {
    if (await derives(repo, id, { known, isMark, signal })) derived.push(shortRef(name));
  }
  for (const id of staying.versions) await derives(repo, id, { known, isMark, signal });
  return { lost: [...all.keys()].filter((id) => !known.has(id)), derived };
}

/** True if a version is marked or derives from one that is; notes that of all that it derives from. */
async function derives(
  repo: ReadAccess,
  start: Id,
  {
    known,
    isMark,
    signal,
  }: {
    known: Map<Id, boolean>;
    isMark: (id: Id, version: Version) => boolean;
    signal: AbortSignal | undefined;
  },
): Promise<boolean> {
  const stack = [start];
  for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
    throwIfAborted(signal);
    if (known.has(id)) {
      stack.pop();
      continue;
    }
    const version = await repo.version(id);
    const open = version.parents.filter((parent) => !known.has(parent));
    if (open.length > 0) pushAll(stack, open);
    else {
      known.set(id, isMark(id, version) || version.parents.some((p) => known.get(p) === true));
    }
  }
  return known.get(start) === true;
}
