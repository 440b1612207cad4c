/** Files of a version by their paths. */

import type { Id } from '../../base/bytes/hash.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { NotFoundError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { findFile, readFiles } from '../../storage/repo/version/file-tree.js';

/** The file at `path` of a version. @throws {NotFoundError} with the nearest paths. */
export async function fileOf(repo: ReadAccess, version: Id, path: string): Promise<FileEntry> {
  const { tree } = await repo.version(version);
  const entry = await findFile(tree, path, repo);
  if (entry !== null) return (await repo.tier(version))?.entryOf(entry) ?? entry;
  const paths: string[] = [];
  for await (const file of readFiles(tree, repo)) {
    paths.push(file.path);
    if (paths.length >= 10_000) break;
  }
  throw new NotFoundError(`there is no file '${path}' in version ${version.slice(0, 10)}`, {
    kind: 'path',
    name: path,
    ...suggestNames(path, paths, `'dlv show ${version.slice(0, 10)}' lists its files`),
  });
}

/**
 * The file that `<path>` or `<path>#<tensor>` means, and the tensor; both may hold '#'.
 * @throws {NotFoundError} with the nearest paths.
 */
export async function findPlace(
  repo: ReadAccess,
  version: Id,
  rest: string,
): Promise<{ entry: FileEntry; name: string | null }> {
  const { tree } = await repo.version(version);
  const tier = await repo.tier(version);
  for (let at = rest.length; at > 0; at = rest.lastIndexOf('#', at - 1)) {
    const entry = await findFile(tree, rest.slice(0, at), repo);
    if (entry === null) continue;
    const name = at === rest.length ? null : rest.slice(at + 1);
    return { entry: tier?.entryOf(entry) ?? entry, name };
  }
  const at = rest.indexOf('#');
  const entry = await fileOf(repo, version, at < 0 ? rest : rest.slice(0, at));
  return { entry, name: null };
}
