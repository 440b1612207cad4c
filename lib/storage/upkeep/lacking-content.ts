/** What is gone of the files of a version that were given up. */
import { type Id, isId } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../objects/access.js';
import { notesOf } from '../objects/tiers.js';
import { withBases } from './needed.js';
import { reachFrom } from './reachable.js';

/**
 * Objects that a version needs if some of its notes do not count, and that are not here, each with the path that it is for.
 * What these name in turn is not known: look again once they are here.
 */
export async function lackingContent(
  repo: ReadAccess,
  version: Id,
  without: readonly Id[],
  signal?: AbortSignal,
): Promise<Map<Id, string>> {
  const notes = (await notesOf(repo, version)).map(({ id }) => id);
  const lacking = new Map<Id, string>();
  const source = {
    blobs: repo.blobs,
    layout: repo.layout,
    readBlob: (id: Id, kind: Parameters<ReadAccess['readBlob']>[1]) => repo.readBlob(id, kind),
    noteIds: async () => notes.filter((id) => !without.includes(id)),
  };
  const needed = await reachFrom(source, [version], {
    isKnown: () => false,
    shallow: true,
    onBroken: ({ path, name }) => {
      if (isId(name)) lacking.set(name, path ?? name);
    },
    ...(signal ? { signal } : {}),
  });
  const pathOf = (id: Id): string => needed.users.get(id)?.path ?? id.slice(0, 10);
  const { blobs, extents } = await withBases(repo, needed, signal);
  for (const id of blobs) {
    if ((await repo.store.findBlob(id)) === null) lacking.set(id, pathOf(id));
  }
  for (const id of extents) {
    const segments = needed.extents.get(id) ?? 1;
    for (let segment = 0; segment < segments && !lacking.has(id); segment++) {
      const isHere = (await repo.store.here.findSegment(id, segment)) !== null;
      if (!isHere && !(await repo.store.hasExtent(id))) lacking.set(id, pathOf(id));
    }
  }
  return lacking;
}
