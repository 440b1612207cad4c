/**
 * The folder that a model has its files in beside the model that it was copied from: each path of a work tree belongs to
 * one model, so that a copy has them below a folder of its own. What is joined must be in the same place.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { FilePage } from '../../../storage/repo/version/file-page.js';

/** The same files under other paths. */
export function movePaths(
  { files, snapshots }: FilePage,
  move: (path: string) => string,
): FilePage {
  return {
    files: files.map((file) => ({ ...file, path: move(file.path) })),
    snapshots: snapshots.map((snapshot) => ({
      ...snapshot,
      key: move(snapshot.key),
      members: snapshot.members.map(move),
    })),
  };
}

/** A path below a folder; '' is the root. */
export function pathBelow(folder: string, path: string): string {
  return folder === '' ? path : `${folder}/${path}`;
}

/** Files of version `other` where `ours` has those of the same origin. Files that lie elsewhere stay there. */
export async function pageInPlaceOf(
  repo: ReadAccess,
  ours: Id,
  other: Id,
  signal?: AbortSignal,
): Promise<FilePage> {
  const page = await repo.tree(other);
  const [to, from] = [await placeOf(repo, ours, signal), await placeOf(repo, other, signal)];
  if (to.root !== from.root || to.folder === from.folder) return page;
  const inside = pathBelow(from.folder, '');
  return movePaths(page, (path) =>
    path.startsWith(inside) ? pathBelow(to.folder, path.slice(inside.length)) : path,
  );
}

/** The first version of a line, and the folder in which its files are by now: each copy puts its own around it. */
async function placeOf(
  repo: ReadAccess,
  id: Id,
  signal?: AbortSignal,
): Promise<{ root: Id; folder: string }> {
  const folders: string[] = [];
  for (let at = id; ; ) {
    throwIfAborted(signal);
    const { model, parents } = await repo.version(at);
    const [parent] = parents;
    if (parent === undefined) return { root: at, folder: folders.filter(Boolean).join('/') };
    if ((await repo.version(parent)).model !== model) {
      folders.push(folderBetween(await repo.tree(parent), await repo.tree(at)));
    }
    at = parent;
  }
}

/** The folder below which all files of a version are those of the one before; '' if there is none. */
function folderBetween(before: FilePage, after: FilePage): string {
  const [first] = before.files;
  const paths = new Set(after.files.map(({ path }) => path));
  if (first === undefined || paths.size !== before.files.length) return '';
  for (const path of paths) {
    if (!path.endsWith(`/${first.path}`)) continue;
    const folder = path.slice(0, -first.path.length - 1);
    if (before.files.every((file) => paths.has(pathBelow(folder, file.path)))) return folder;
  }
  return '';
}
