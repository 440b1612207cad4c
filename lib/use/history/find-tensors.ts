/** Tensors of files and versions by their names. */
import type { Id } from '../../base/bytes/hash.js';
import { AmbiguousError, NotFoundError } from '../../base/errors.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import { type StoredTensor, tensorsOf } from '../../storage/objects/tensors.js';
import { closestNames } from '../../storage/repo/refs/closest.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { fileOf } from './find-file.js';
import { checkTiers } from './tier-gate.js';

/** The tensor of a name, that of the weights if there are several. @throws {NotFoundError} */
export function pickTensor(
  tensors: readonly StoredTensor[],
  name: string,
  path: string,
): StoredTensor {
  const found =
    tensors.find((t) => t.name === name && t.role === 'weights') ??
    tensors.find((t) => t.name === name);
  if (found !== undefined) return found;
  const near = closestNames(
    name,
    tensors.slice(0, 20_000).map((t) => t.name),
  );
  throw new NotFoundError(`'${path}' has no tensor '${name}'`, {
    kind: 'tensor',
    name,
    candidates: near,
    hint:
      near.length > 0
        ? `did you mean ${near.join(' or ')}?`
        : tensors.length === 0
          ? 'no tensors were found in this file when it was added'
          : `'dlv show <rev>:${path}' lists its ${tensors.length} tensors`,
  });
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
    for (const tensor of tensors) if (names.size < 20_000) names.add(tensor.name);
    if (tensors.some((tensor) => tensor.name === name)) found.push(entry);
  }
  const [first, ...more] = found;
  if (first === undefined) {
    const near = closestNames(name, names);
    throw new NotFoundError(`version ${version.slice(0, 10)} has no tensor '${name}'`, {
      kind: 'tensor',
      name,
      candidates: near,
      ...(near.length > 0 ? { hint: `did you mean ${near.join(' or ')}?` } : {}),
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

/** Tensors under names that are unique: weights keep theirs, others put their role before if needed. */
export function uniqueNames(tensors: readonly StoredTensor[], prefix = ''): NamedTensor[] {
  const taken = new Set<string>();
  const weights = tensors.filter((t) => t.role === 'weights');
  return [...weights, ...tensors.filter((t) => t.role !== 'weights')].map((tensor) => {
    let name = `${prefix}${tensor.name}`;
    if (taken.has(name)) name = `${prefix}${tensor.role}:${tensor.name}`;
    for (let n = 2; taken.has(name); n++) name = `${prefix}${tensor.name}#${n}`;
    taken.add(name);
    return { name, tensor };
  });
}

/** All tensors of the weight snapshots of a version, named by path if there are several. */
export async function weightsOf(
  repo: ReadAccess,
  version: Id,
  acceptTier: boolean | undefined,
  context: OpContext,
): Promise<NamedTensor[]> {
  const { files, snapshots } = await repo.tree(version);
  const byPath = new Map(files.map((file) => [file.path, file]));
  const weights = snapshots.filter(({ role }) => role === 'weights');
  const used = new Set(weights.flatMap(({ members }) => members));
  const taken = files.filter(({ path }) => used.has(path));
  checkTiers(taken, acceptTier, context);
  const named: NamedTensor[] = [];
  for (const { key, members } of weights) {
    const tensors: StoredTensor[] = [];
    for (const path of members) {
      const entry = byPath.get(path);
      if (entry === undefined) continue;
      const stored = tensorsOf(await openStoredFile(repo, entry));
      tensors.push(...stored.filter(({ role }) => role === 'weights'));
    }
    named.push(...uniqueNames(tensors, weights.length > 1 ? `${key}:` : ''));
  }
  if (named.length === 0) {
    throw new NotFoundError(`version ${version.slice(0, 10)} has no weights`, {
      kind: 'snapshot',
      name: version,
      hint: 'none of its files has tensors that dlv can read',
    });
  }
  return named;
}
