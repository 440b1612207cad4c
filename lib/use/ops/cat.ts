/** `dlv cat`: the bytes of a file, of a tensor, or of all tensors as one safetensors file. */

import { throwIfAborted } from '../../base/bytes/files.js';
import type { Id } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { npyHeader, safetensorsHeader } from '../../pure/formats/tensor-headers.js';
import { streamFile } from '../../storage/objects/stored-file.js';
import {
  readTensor,
  type StoredTensor,
  tensorBytes,
  tensorsOf,
} from '../../storage/objects/tensors.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { closestNames } from '../../storage/repo/refs/closest.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { findFile } from '../../storage/repo/version/file-tree.js';
import type { OpContext } from '../context.js';
import { fileOf } from '../history/find-file.js';
import { resolveId } from '../history/resolve.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import type { Repository } from '../repository.js';

export type CatFormat = 'raw' | 'npy' | 'safetensors';

export interface CatOptions extends AcceptTier {
  /** `<rev>:<path>`, `<rev>:<path>#<tensor>` or, for safetensors, `<rev>`. */
  place: string;
  /** raw: the file as it is, or the tensor's elements, little-endian and row-major. */
  format?: CatFormat;
}

export interface CatResult {
  version: Id;
  /** null if the whole version was meant. */
  path: string | null;
  tensor: { name: string; dtype: string; shape: number[] } | null;
  format: CatFormat;
  /** Tensors in the output; 0 for a file as it is. */
  tensors: number;
  bytes: number;
}

/** Where the bytes go. Resolves when more may come; false ends the work. */
export type CatSink = (bytes: Uint8Array) => Promise<boolean>;

/**
 * Writes what is asked for, in pieces of at most a few tens of MiB.
 * @param sink  null: writes nothing and only says what would be written.
 * @throws {CorruptError} also at the end, if the bytes are not those of the version.
 */
export async function cat(
  repo: Repository,
  options: CatOptions,
  sink: CatSink | null,
  context: OpContext,
): Promise<CatResult> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const job = await plan(repo, options, context);
    if (sink !== null) {
      for await (const bytes of job.stream()) {
        throwIfAborted(context.signal);
        if (!(await sink(bytes))) break;
      }
    }
    return job.result;
  } finally {
    await reader.close();
  }
}

interface Job {
  result: CatResult;
  stream(): AsyncIterable<Uint8Array>;
}

async function plan(repo: Repository, options: CatOptions, context: OpContext): Promise<Job> {
  const { place } = options;
  const colon = place.indexOf(':');
  const revision = colon < 0 ? place : place.slice(0, colon);
  const version = await resolveId(repo, revision === '' ? 'HEAD' : revision);
  if (colon < 0) {
    if (options.format !== 'safetensors') {
      throw new UsageError(`'${place}' names a version, not a file`, {
        hint: `write ${place}:<path>, or use --format safetensors for all its weights`,
      });
    }
    const tensors = await weightsOf(repo, version, options, context);
    return tensorsJob(repo, { version, path: null, tensor: null }, 'safetensors', tensors);
  }
  const { entry, name } = await findPlace(repo, version, place.slice(colon + 1));
  checkTiers([entry], options.acceptTier, context);
  const where = { version, path: entry.path, tensor: null };
  if (name === null && (options.format ?? 'raw') === 'raw')
    return fileJob(repo, where, entry, context);
  const tensors = tensorsOf(await repo.openFile(entry));
  if (name === null) {
    if (options.format === 'npy') {
      throw new UsageError('npy holds one tensor', {
        hint: `name it: '${place}#<tensor>'; 'dlv show ${place}' lists the tensors`,
      });
    }
    return tensorsJob(repo, where, 'safetensors', uniqueNames(tensors));
  }
  const tensor = pickTensor(tensors, name, entry.path);
  const { dtype, shape } = tensor;
  const one = { ...where, tensor: { name: tensor.name, dtype, shape } };
  return tensorsJob(repo, one, options.format ?? 'raw', [{ name: tensor.name, tensor }]);
}

/** The file, and the tensor if one is named; both may hold '#'. */
async function findPlace(
  repo: Repository,
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

function pickTensor(tensors: readonly StoredTensor[], name: string, path: string): StoredTensor {
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

interface NamedTensor {
  name: string;
  tensor: StoredTensor;
}

/** Tensors under names that are unique: weights keep theirs, others put their role before if needed. */
function uniqueNames(tensors: readonly StoredTensor[], prefix = ''): NamedTensor[] {
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
async function weightsOf(
  repo: Repository,
  version: Id,
  options: AcceptTier,
  context: OpContext,
): Promise<NamedTensor[]> {
  const { files, snapshots } = await repo.tree(version);
  const byPath = new Map(files.map((file) => [file.path, file]));
  const weights = snapshots.filter(({ role }) => role === 'weights');
  const used = new Set(weights.flatMap(({ members }) => members));
  const taken = files.filter(({ path }) => used.has(path));
  checkTiers(taken, options.acceptTier, context);
  const named: NamedTensor[] = [];
  for (const { key, members } of weights) {
    const tensors: StoredTensor[] = [];
    for (const path of members) {
      const entry = byPath.get(path);
      if (entry === undefined) continue;
      const stored = tensorsOf(await repo.openFile(entry));
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

type Where = Pick<CatResult, 'version' | 'path' | 'tensor'>;

function fileJob(repo: Repository, where: Where, entry: FileEntry, context: OpContext): Job {
  const { signal } = context;
  return {
    result: { ...where, format: 'raw', tensors: 0, bytes: entry.size },
    stream: async function* () {
      const stored = await repo.openFile(entry);
      yield* streamFile(repo, stored, signal ? { signal } : {});
    },
  };
}

function tensorsJob(
  repo: Repository,
  where: Where,
  format: CatFormat,
  tensors: readonly NamedTensor[],
): Job {
  const header = headerOf(format, tensors);
  const bytes = tensors.reduce((sum, { tensor }) => sum + tensorBytes(tensor), header.length);
  return {
    result: { ...where, format, tensors: tensors.length, bytes },
    stream: async function* () {
      if (header.length > 0) yield header;
      for (const { tensor } of tensors) yield* readTensor(repo, tensor);
    },
  };
}

function headerOf(format: CatFormat, tensors: readonly NamedTensor[]): Uint8Array {
  const rows = tensors.map(({ name, tensor }) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes: tensorBytes(tensor),
  }));
  if (format === 'safetensors') return safetensorsHeader(rows);
  return format === 'npy' ? npyHeader(rows[0] as (typeof rows)[0]) : new Uint8Array(0);
}
