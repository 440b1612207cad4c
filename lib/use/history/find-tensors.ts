/** Tensors of files and versions by their names. */

import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { AmbiguousError, NotFoundError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { type StoredTensor, tensorsOf } from '../../storage/objects/stored/tensors.js';
import type { FileEntry, FilePage, Snapshot } from '../../storage/repo/version/file-page.js';
import { fileOf } from './find-file.js';

/** The tensor of a name as `uniqueNames` gives it. @throws {NotFoundError} */
export function pickTensor(
  tensors: readonly StoredTensor[],
  name: string,
  path: string,
): StoredTensor {
  const named = uniqueNames(tensors);
  const found = named.find((tensor) => tensor.name === name);
  if (found === undefined) throw noTensor(named, name, path);
  return found.tensor;
}

/**
 * The file that a tensor is in: the one at `path`, or the only one that has a tensor of that name.
 * @throws {NotFoundError} {AmbiguousError}
 */
export async function fileWithTensor(
  repo: ReadAccess,
  version: Id,
  name: string,
  path?: string,
): Promise<FileEntry> {
  if (path !== undefined) return fileOf(repo, version, path);
  const found: FileEntry[] = [];
  const names = new Set<string>();
  for (const entry of (await repo.tree(version)).files) {
    const tensors = tensorsOf(await openStoredFile(repo, entry));
    const named = uniqueNames(tensors);
    for (const tensor of named) if (names.size < 20_000) names.add(tensor.name);
    if (named.some((tensor) => tensor.name === name)) found.push(entry);
  }
  const [first, ...more] = found;
  if (first === undefined) {
    throw new NotFoundError(`version ${version.slice(0, 10)} has no tensor '${name}'`, {
      kind: 'tensor',
      name,
      ...suggestNames(name, names),
    });
  }
  if (more.length === 0) return first;
  const paths = found.map((entry) => entry.path);
  throw new AmbiguousError(`${paths.length} files have a tensor '${name}'`, {
    kind: 'tensor',
    name,
    candidates: paths,
    hint: `name its file: ${paths.slice(0, 4).join(', ')}`,
  });
}

/** A tensor under the name that it is written by. */
export interface NamedTensor {
  name: string;
  tensor: StoredTensor;
}

/**
 * Tensors of one file or one checkpoint under the names by which people know them: their own. Where
 * two have one, the weights keep it, others put their role before it, or get a number.
 */
export function uniqueNames(tensors: readonly StoredTensor[]): NamedTensor[] {
  const taken = new Set<string>();
  const names = new Map<StoredTensor, string>();
  const weights = tensors.filter((t) => t.role === 'weights');
  for (const tensor of [...weights, ...tensors.filter((t) => t.role !== 'weights')]) {
    let name = tensor.name;
    if (taken.has(name)) name = `${tensor.role}:${tensor.name}`;
    for (let n = 2; taken.has(name); n++) name = `${tensor.name}#${n}`;
    taken.add(name);
    names.set(tensor, name);
  }
  return tensors.map((tensor) => ({ name: names.get(tensor) as string, tensor }));
}

/** The tensors of a snapshot, over all its files, that are of its role. */
export async function namedTensorsOf(
  repo: ReadAccess,
  { files }: Pick<FilePage, 'files'>,
  { members, role }: Pick<Snapshot, 'members' | 'role'>,
): Promise<NamedTensor[]> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const tensors: StoredTensor[] = [];
  for (const path of members) {
    const entry = byPath.get(path);
    if (entry === undefined) continue;
    const stored = tensorsOf(await openStoredFile(repo, entry));
    pushAll(
      tensors,
      stored.filter((tensor) => tensor.role === role),
    );
  }
  return uniqueNames(tensors);
}

/** The tensors that are wanted, in the order of the file. @throws {NotFoundError} for a name of none. */
export function pickNames(
  tensors: readonly NamedTensor[],
  names: readonly string[],
  place: string,
): NamedTensor[] {
  const wanted = new Set(names);
  const found = tensors.filter(({ name }) => wanted.delete(name));
  const [missing] = wanted;
  if (missing !== undefined) throw noTensor(tensors, missing, place);
  return found;
}

function noTensor(tensors: readonly NamedTensor[], name: string, place: string): NotFoundError {
  const names = tensors.slice(0, 20_000).map((tensor) => tensor.name);
  const remedy =
    names.length === 0
      ? 'no tensors were found in this file when it was added'
      : `'dlv show <rev>:${place}' lists its ${tensors.length} tensors`;
  return new NotFoundError(`'${place}' has no tensor '${name}'`, {
    kind: 'tensor',
    name,
    ...suggestNames(name, names, remedy),
  });
}
