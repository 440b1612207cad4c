/** `dlv cat`: the bytes of a file, of a tensor, or of all tensors as one safetensors file. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { npyHeader, safetensorsHeader } from '../../pure/formats/tensor-headers.js';
import { DTYPES } from '../../pure/tensor/dtype.js';
import { checkPlanes, leadingOf } from '../../pure/tensor/prefix.js';
import { bringFiles, bringTensors } from '../../storage/objects/stored/bring.js';
import { streamTensors } from '../../storage/objects/stored/load-tensors.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { tensorBytes, tensorsOf } from '../../storage/objects/stored/tensors.js';
import { findLoaded, placeLoaded } from '../../storage/repo/loaded-files.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { SERIES_LOG } from '../../storage/repo/version/series.js';
import { shortId } from '../../storage/repo/version/version.js';
import {
  approximateBytes,
  approximateSize,
  isShortened,
} from '../../storage/tiers/approximate-file.js';
import { hasChecksums } from '../../storage/tiers/mend-checksums.js';
import type { OpContext } from '../context.js';
import { findPlace } from '../history/find-file.js';
import {
  fileWithTensor,
  type NamedTensor,
  namedTensorsOf,
  pickTensor,
  uniqueNames,
} from '../history/find-tensors.js';
import { resolveId } from '../history/lines/resolve.js';
import { warnOfMissingParts } from '../history/steps/missing-parts.js';
import { chooseSnapshot, isBelow } from '../history/steps/pick-snapshot.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import type { Repository } from '../repository.js';

export type CatFormat = 'raw' | 'npy' | 'safetensors';

export interface CatOptions extends AcceptTier {
  revision: string;
  /**
   * File of the version, or '<path>#<tensor>'. For safetensors also an index of shards or a folder;
   * without it, the weights of the version, of one of its checkpoints if it has several.
   */
  path?: string;
  /** Tensor of the file, or of the only file that has one of that name. */
  tensor?: string;
  /** A log of the version, by its name: writes it as it was given to commit. */
  log?: string;
  /** raw: the file as it is, or the tensor's elements, little-endian and row-major. */
  format?: CatFormat;
  /** Reads only so many leading planes of floats, 1 to 8: each value is the middle of what it can be. */
  planes?: number;
  /** Writes a file below .dlv that a program may map, or finds the one of an earlier call. */
  toCache?: boolean;
}

export interface CatResult {
  version: Id;
  /** null if the whole version was meant. */
  path: string | null;
  tensor: { name: string; dtype: string; shape: number[] } | null;
  format: CatFormat;
  /** Path of the checkpoint whose weights were taken, or of its index; null for a file or a tensor. */
  snapshot: string | null;
  /** Other checkpoints of the version, or of the folder, that have weights. */
  others: string[];
  /** Tensors in the output; 0 for a file as it is. */
  tensors: number;
  bytes: number;
  /** Leading planes that were read of floats; null: all, the values are exact. */
  planes: number | null;
  /** With `toCache`, the file that holds the bytes; it is never written again. Else null. */
  file: string | null;
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
  if (options.toCache) return placed(repo, options, context);
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

/** The bytes that `cat` writes, for a caller that takes them one after another. */
export async function* streamBytes(
  repo: Repository,
  options: CatOptions,
  context: OpContext,
): AsyncGenerator<Uint8Array> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    for await (const bytes of (await plan(repo, options, context)).stream()) {
      throwIfAborted(context.signal);
      yield bytes;
    }
  } finally {
    await reader.close();
  }
}

/** What was left in a file, and what was warned of on the way. */
interface Placed {
  result: CatResult;
  key: string;
  warnings: string[];
}

/** Copies that calls on one open repository have made or found: versions do not change, so neither does their answer. */
const PLACED = new WeakMap<Repository, Map<string, Placed>>();
const PLACED_MAX = 1000;

/** Leaves the bytes in a file, or finds it. No pack is read for one that was found before. */
async function placed(
  repo: Repository,
  options: CatOptions,
  context: OpContext,
): Promise<CatResult> {
  const known = PLACED.get(repo) ?? new Map<string, Placed>();
  PLACED.set(repo, known);
  const { revision, ...others } = options;
  const version = await resolveId(repo, revision).catch(() => null);
  const question = version === null ? null : JSON.stringify([version, others]);
  const before = question === null ? undefined : known.get(question);
  if (before !== undefined) {
    const { key, result, warnings } = before;
    const file = await findLoaded(repo.layout, { key, bytes: result.bytes });
    if (file !== null) {
      for (const warning of warnings) context.warn(warning);
      return { ...result, file };
    }
  }
  const warnings: string[] = [];
  const warn: OpContext['warn'] = (message, ...more) => {
    warnings.push(message);
    context.warn(message, ...more);
  };
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const { result, key, file } = await place(repo, options, { ...context, warn });
    if (question !== null) {
      if (known.size >= PLACED_MAX) known.clear();
      known.set(question, { result, key, warnings });
    }
    return { ...result, file };
  } finally {
    await reader.close();
  }
}

async function place(
  repo: Repository,
  options: CatOptions,
  context: OpContext,
): Promise<Omit<Placed, 'warnings'> & { file: string }> {
  const { result, content, stream } = await plan(repo, options, context);
  const { bytes, format, planes } = result;
  const key = sha256Hex(JSON.stringify([1, format, planes, bytes, ...content]));
  const { signal, progress } = context;
  progress.start('loading', bytes);
  const file = await placeLoaded(
    repo.layout,
    { key, bytes, stream },
    {
      bytesMax: repo.config.get('cache.bytes'),
      onBytes: (count) => progress.advance(count),
      ...(signal ? { signal } : {}),
    },
  );
  return { result, key, file };
}

interface Job {
  result: CatResult;
  /** What tells its bytes from those of all other jobs of the same format. */
  content: readonly string[];
  stream(): AsyncIterable<Uint8Array>;
}

async function plan(repo: Repository, options: CatOptions, context: OpContext): Promise<Job> {
  const { revision, path, format = 'raw' } = options;
  if (options.planes !== undefined) checkPlanes(options.planes);
  const version = await resolveId(repo, revision).catch(async (error) => {
    throw path === undefined ? await withFileHint(repo, revision, error) : error;
  });
  if (options.log !== undefined) return logJob(repo, version, options.log, options);
  if (path === undefined && options.tensor === undefined) {
    if (format !== 'safetensors') {
      throw new UsageError(`'${revision}' names a version, not a file`, {
        hint: `write ${revision}:<path>, or use --format safetensors for all its weights`,
      });
    }
    return snapshotJob(repo, version, options, context);
  }
  if (format === 'safetensors' && (await isCheckpoint(repo, version, options))) {
    return snapshotJob(repo, version, options, context);
  }
  const { entry, name } =
    options.tensor === undefined
      ? await findPlace(repo, version, path as string).catch(async (error) => {
          throw (await isCheckpoint(repo, version, options)) ? folderError(options) : error;
        })
      : {
          entry: await fileWithTensor(repo, version, options.tensor, path),
          name: options.tensor,
        };
  checkTiers([entry], options.acceptTier, context);
  const where = { version, path: entry.path, tensor: null, snapshot: null, others: [] };
  if (name === null && format === 'raw') {
    return fileJob(repo, where, { entry, planes: options.planes }, context);
  }
  const tensors = tensorsOf(await repo.openFile(entry));
  const source = { where, files: [entry] };
  if (name === null) {
    if (format === 'npy') {
      const place = `${revision}:${path}`;
      throw new UsageError('npy holds one tensor', {
        hint: `name it: '${place}#<tensor>'; 'dlv show ${place}' lists the tensors`,
      });
    }
    return tensorsJob(repo, source, { ...options, format: 'safetensors' }, uniqueNames(tensors));
  }
  const tensor = pickTensor(tensors, name, entry.path);
  const { dtype, shape } = tensor;
  const one = { ...source, where: { ...where, tensor: { name, dtype, shape } } };
  return tensorsJob(repo, one, { ...options, format }, [{ name, tensor }]);
}

/** A log of the version, checked against its id. */
async function logJob(repo: Repository, id: Id, name: string, options: CatOptions): Promise<Job> {
  const { path, tensor, format = 'raw', revision, planes } = options;
  if ([path, tensor, planes].some((one) => one !== undefined) || format !== 'raw') {
    throw new UsageError('a log is of a version: name no file, no tensor and no format', {
      hint: `'dlv cat ${revision} --log <name>' writes it`,
    });
  }
  const { logs } = await repo.version(id);
  const found = logs.find((log) => log.name === name);
  if (found === undefined) {
    const names = logs.map((log) => log.name).filter((log) => log !== SERIES_LOG);
    throw new NotFoundError(`'${revision}' has no log '${name}'`, {
      kind: 'log',
      name,
      candidates: names,
      hint: names.length === 0 ? 'it has none' : `it has ${names.slice(0, 10).join(', ')}`,
    });
  }
  return {
    result: {
      version: id,
      path: null,
      tensor: null,
      format,
      snapshot: null,
      others: [],
      tensors: 0,
      bytes: found.bytes,
      planes: null,
      file: null,
    },
    content: [found.id],
    stream: async function* () {
      yield await repo.readBlob(found.id, 'blob');
    },
  };
}

function folderError({ revision, path = '' }: CatOptions): NotFoundError {
  const folder = path.replace(/\/+$/, '');
  const place = `${revision}:${folder}`;
  return new NotFoundError(`'${place}' names a folder, not a file`, {
    kind: 'path',
    name: folder,
    hint:
      `'dlv cat ${place} --format safetensors' writes its weights as one file; ` +
      `'dlv show ${folder === '' ? revision : place}' lists its files`,
  });
}

/** True if a path is that of a folder, or of an index of shards. */
async function isCheckpoint(
  repo: Repository,
  version: Id,
  { path, tensor }: CatOptions,
): Promise<boolean> {
  if (path === undefined || tensor !== undefined) return false;
  const { files, snapshots } = await repo.tree(version);
  const folder = path.replace(/\/+$/, '');
  if (snapshots.some(({ key, members }) => key === folder && members.length > 1)) return true;
  return (
    !files.some((file) => file.path === path) &&
    files.some(({ path: file }) => isBelow(file, folder))
  );
}

/** The weights of one checkpoint. */
async function snapshotJob(
  repo: Repository,
  version: Id,
  options: CatOptions,
  context: OpContext,
): Promise<Job> {
  const page = await repo.tree(version);
  const label = `version ${shortId(version)}`;
  const { snapshot, others } = chooseSnapshot(page, { path: options.path }, label, context);
  const members = new Set(snapshot.members);
  const files = page.files.filter(({ path }) => members.has(path));
  checkTiers(files, options.acceptTier, context);
  const where = {
    version,
    path: options.path ?? null,
    tensor: null,
    snapshot: snapshot.key,
    others: others.map(({ key }) => key),
  };
  await warnOfMissingParts(repo, page, snapshot, context);
  const all = await namedTensorsOf(repo, page, snapshot);
  return tensorsJob(repo, { where, files }, { ...options, format: 'safetensors' }, all);
}

/** The same error; its hint says so if the text is a file of the current version. */
async function withFileHint(repo: Repository, text: string, error: unknown): Promise<unknown> {
  if (!(error instanceof NotFoundError || error instanceof UsageError)) return error;
  try {
    await findPlace(repo, await resolveId(repo, 'HEAD'), text);
    error.data.hint = `write HEAD:${text} for the file of that name`;
  } catch {
    // No such file, or none that can be read: the first error says more.
  }
  return error;
}

type Where = Pick<CatResult, 'version' | 'path' | 'tensor' | 'snapshot' | 'others'>;

async function fileJob(
  repo: Repository,
  where: Where,
  { entry, planes }: { entry: FileEntry; planes: number | undefined },
  context: OpContext,
): Promise<Job> {
  const signal = context.signal ? { signal: context.signal } : {};
  const whole = { ...where, format: 'raw' as const, tensors: 0, planes: null, file: null };
  await bringFiles(repo, [entry], planes);
  const stored = await repo.openFile(entry);
  const content = contentOf([entry]);
  if (planes === undefined || !isShortened(stored, planes)) {
    const stream = () => streamFile(repo, stored, signal);
    return { result: { ...whole, bytes: entry.size }, content, stream };
  }
  if (hasChecksums(stored.skeleton?.format ?? '')) {
    throw new UsageError(
      `'${entry.path}' has checksums of its data at its end and in front of it`,
      {
        option: '--planes',
        hint: `add --format safetensors, or write it with 'dlv checkout --planes ${planes} --out <dir>'`,
      },
    );
  }
  const how = { planes, version: where.version, ...signal };
  const bytes = await approximateSize(repo, stored, how);
  return {
    result: { ...whole, planes, bytes },
    content: [...content, where.version],
    stream: () => approximateBytes(repo, stored, how),
  };
}

/** Files that tensors are taken from, and what is said of them. */
interface Source {
  where: Where;
  files: readonly FileEntry[];
}

/** Content of files, exact or of a tier. */
function contentOf(files: readonly FileEntry[]): string[] {
  return files.map(({ path, sha256, recipe }) => JSON.stringify([path, sha256, recipe]));
}

function tensorsJob(
  repo: Repository,
  { where, files }: Source,
  { format = 'raw', planes }: CatOptions,
  tensors: readonly NamedTensor[],
): Job {
  const isShort = tensors.some(
    ({ tensor: { dtype } }) =>
      planes !== undefined && leadingOf(dtype, planes) < DTYPES[dtype].width,
  );
  const mark = isShort ? `${planes} leading planes of version ${where.version.slice(0, 10)}` : null;
  const header = headerOf(format, tensors, mark);
  const bytes = tensors.reduce((sum, { tensor }) => sum + tensorBytes(tensor), header.length);
  const short = isShort ? (planes as number) : null;
  return {
    result: { ...where, format, tensors: tensors.length, bytes, planes: short, file: null },
    content: [...contentOf(files), where.tensor?.name ?? '', sha256Hex(header)],
    stream: async function* () {
      if (header.length > 0) yield header;
      const stored = tensors.map(({ tensor }) => tensor);
      const how = planes === undefined ? {} : { planes };
      await bringTensors(repo, stored, planes);
      for await (const { bytes } of streamTensors(repo, stored, how)) yield bytes;
    },
  };
}

function headerOf(
  format: CatFormat,
  tensors: readonly NamedTensor[],
  mark: string | null,
): Uint8Array {
  const rows = tensors.map(({ name, tensor }) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes: tensorBytes(tensor),
  }));
  if (format === 'safetensors') return safetensorsHeader(rows, { mark });
  return format === 'npy' ? npyHeader(rows[0] as (typeof rows)[0]) : new Uint8Array(0);
}
