/** Whether the files of a version that were given up can be brought back. */
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError } from '../../base/errors.js';
import type { ReadAccess } from '../objects/access.js';
import { notesOf } from '../objects/tiers.js';
import { withBases } from './needed.js';
import { reachFrom } from './reachable.js';

/**
 * Looks for all that a version needs if some of its notes do not count.
 * @throws {NotFoundError} if some of it is gone.
 */
export async function contentIsHere(
  repo: ReadAccess,
  version: Id,
  without: readonly Id[],
  signal?: AbortSignal,
): Promise<void> {
  const notes = (await notesOf(repo, version)).map(({ id }) => id);
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
      throw gone(version, path ?? name);
    },
    ...(signal ? { signal } : {}),
  });
  const { blobs, extents } = await withBases(repo, needed, signal);
  for (const id of blobs) {
    if ((await repo.store.findBlob(id)) === null) throw gone(version, pathOf(id));
  }
  for (const id of extents) {
    const segments = needed.extents.get(id) ?? 1;
    for (let segment = 0; segment < segments; segment++) {
      const isHere = (await repo.store.here.findSegment(id, segment)) !== null;
      if (!isHere && !(await repo.store.hasExtent(id))) throw gone(version, pathOf(id));
    }
  }

  function pathOf(id: Id): string {
    return needed.users.get(id)?.path ?? id.slice(0, 10);
  }
}

function gone(version: Id, path: string): NotFoundError {
  return new NotFoundError(
    `files of version ${version.slice(0, 10)} cannot be brought back: gc has deleted '${path}'`,
    {
      kind: 'file',
      name: path,
      version,
      hint: 'a repository or remote that still has them can be cloned',
    },
  );
}
