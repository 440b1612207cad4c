/** What `cat` writes: a file, a tensor, a log, or all tensors of a file or a checkpoint as one safetensors file. */

import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { npyHeader, safetensorsHeader } from '../../pure/formats/tensor-headers.js';
import { DTYPES } from '../../pure/tensor/dtype.js';
import { checkPlanes, leadingOf } from '../../pure/tensor/prefix.js';
import { bringFiles, bringTensors } from '../../storage/objects/stored/bring.js';
import { streamTensors } from '../../storage/objects/stored/load-tensors.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../storage/objects/stored/stored-file.js';
import { tensorBytes, tensorsOf } from '../../storage/objects/stored/tensors.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { SERIES_LOG } from '../../storage/repo/version/series.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import {
  approximateBytes,
  approximateSize,
  isShortened,
} from '../../storage/tiers/approximate-file.js';
import { hasChecksums } from '../../storage/tiers/mend-checksums.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
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

export type ExtractFormat = 'raw' | 'npy' | 'safetensors';

/** What is taken out of a version. */
export interface ExtractOptions extends AcceptTier {
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
  format?: ExtractFormat;
  /** Reads only so many leading planes of floats, 1 to 8: each value is the middle of what it can be. */
  planes?: number;
}

/** What was taken out. */
export interface Extracted {
  version: Id;
  /** null if the whole version was meant. */
  path: string | null;
  tensor: { name: string; dtype: string; shape: number[] } | null;
  format: ExtractFormat;
  /** Path of the checkpoint whose weights were taken, or of its index; null for a file or a tensor. */
  snapshot: string | null;
  /** Other checkpoints of the version, or of the folder, that have weights. */
  others: string[];
  /** Tensors in the output; 0 for a file as it is. */
  tensors: number;
  bytes: number;
  /** Leading planes that were read of floats; null: all, the values are exact. */
  planes: number | null;
}

/** What is written, and how. */
export interface Extraction {
  result: Extracted;
  /** What tells its bytes from those of all other jobs of the same format. */
  content: readonly string[];
  stream(): AsyncIterable<Uint8Array>;
}

/** Says what is asked for: what it is, and where its bytes come from. @throws {NotFoundError} {UsageError} {TierError} */
export async function planExtraction(
  repo: LineAccess,
  options: ExtractOptions,
  context: OpContext,
): Promise<Extraction> {
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
  const tensors = tensorsOf(await openStoredFile(repo, entry));
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
async function logJob(
  repo: LineAccess,
  id: Id,
  name: string,
  options: ExtractOptions,
): Promise<Extraction> {
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
    },
    content: [found.id],
    stream: async function* () {
      yield await repo.readBlob(found.id, 'blob');
    },
  };
}

function folderError({ revision, path = '' }: ExtractOptions): NotFoundError {
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
  repo: LineAccess,
  version: Id,
  { path, tensor }: ExtractOptions,
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
  repo: LineAccess,
  version: Id,
  options: ExtractOptions,
  context: OpContext,
): Promise<Extraction> {
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
async function withFileHint(repo: LineAccess, text: string, error: unknown): Promise<unknown> {
  if (!(error instanceof NotFoundError || error instanceof UsageError)) return error;
  try {
    await findPlace(repo, await resolveId(repo, 'HEAD'), text);
    error.data.hint = `write HEAD:${text} for the file of that name`;
  } catch {
    // No such file, or none that can be read: the first error says more.
  }
  return error;
}

type Where = Pick<Extracted, 'version' | 'path' | 'tensor' | 'snapshot' | 'others'>;

async function fileJob(
  repo: LineAccess,
  where: Where,
  { entry, planes }: { entry: FileEntry; planes: number | undefined },
  context: OpContext,
): Promise<Extraction> {
  const signal = context.signal ? { signal: context.signal } : {};
  const whole = { ...where, format: 'raw' as const, tensors: 0, planes: null };
  await bringFiles(repo, [entry], planes);
  const stored = await openStoredFile(repo, entry);
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
  repo: LineAccess,
  { where, files }: Source,
  { format = 'raw', planes }: ExtractOptions,
  tensors: readonly NamedTensor[],
): Extraction {
  const isShort = tensors.some(
    ({ tensor: { dtype } }) =>
      planes !== undefined && leadingOf(dtype, planes) < DTYPES[dtype].width,
  );
  const mark = isShort ? `${planes} leading planes of version ${where.version.slice(0, 10)}` : null;
  const header = headerOf(format, tensors, mark);
  const bytes = tensors.reduce((sum, { tensor }) => sum + tensorBytes(tensor), header.length);
  const short = isShort ? (planes as number) : null;
  return {
    result: { ...where, format, tensors: tensors.length, bytes, planes: short },
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
  format: ExtractFormat,
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
