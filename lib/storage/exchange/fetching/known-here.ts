/** What is here before a fetch: versions that need not come, and notes about them that are new. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { namedVersions } from '../../repo/refs/named-versions.js';
import { readNotes } from '../../repo/refs/refs.js';
import type { FetchParts } from './parts.js';

/** Versions that refs here name, with all that they derive from: they are whole. */
export async function knownVersions(
  repo: FetchParts['repo'],
  tips: readonly Id[],
  signal: AbortSignal | undefined,
): Promise<Set<Id>> {
  const known = new Set<Id>();
  // Nothing to find out where no tip is here: a version that is here has its parents here.
  const queue = [...(await namedVersions(repo.layout))];
  if (tips.length === 0) return known;
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (known.has(id)) continue;
    throwIfAborted(signal);
    known.add(id);
    pushAll(queue, (await repo.version(id)).parents);
  }
  return known;
}

/** Notes of the remote about versions that are here, as far as they are new. */
export async function newNotes(
  { repo, notes }: FetchParts,
  known: ReadonlySet<Id>,
): Promise<Map<Id, Id[]>> {
  const found = new Map<Id, Id[]>();
  for (const [version, ids] of notes) {
    if (!known.has(version)) continue;
    const here = new Set(await readNotes(repo.layout, version));
    const fresh = ids.filter((id) => !here.has(id));
    if (fresh.length > 0) found.set(version, fresh);
  }
  return found;
}
