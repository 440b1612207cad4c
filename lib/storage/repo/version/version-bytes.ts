/**
 * The canonical bytes of a version, named by their hash: fixed-order msgpack. Decoding re-encodes and compares, so one
 * version has one id. Start at `encodeVersion`. @see docs/format/version.md
 */
import {
  ID_BYTES,
  type Id,
  idBytes,
  idFromBytes,
  idOrNull,
  objectId,
} from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError, UsageError } from '../../../base/errors.js';
import { BLOB_BYTES_MAX } from '../../../base/limits.js';
import type { BlobReader, BlobWriter } from './blobs.js';
import { packTree, unpackTree } from './file-tree.js';
import { shortId } from './short-id.js';
import {
  type Author,
  byName,
  byTag,
  compareMetrics,
  type Extension,
  type GitState,
  isVersionNumber,
  type Version,
  versionProblem,
} from './version.js';

const VERSION_FORMAT = 1;
/** Tag of the extension that holds the number: a reader that does not know it may go without. */
const NUMBER_TAG = 'number';

/** Extensions as they are stored: with the number, if there is one. */
function storedExtensions({ extensions, number }: Version): Extension[] {
  if (number === null) return [...extensions];
  return [...extensions, { tag: NUMBER_TAG, value: encodeCanonical(number) }];
}

/** The mirror of storedExtensions. */
function takeNumber(stored: Extension[], file: string): Pick<Version, 'number' | 'extensions'> {
  const found = stored.find(({ tag }) => tag === NUMBER_TAG);
  if (found === undefined) return { number: null, extensions: stored };
  const number = decodeCanonical(found.value, file);
  if (isVersionNumber(number)) {
    return { number, extensions: stored.filter((extension) => extension !== found) };
  }
  throw new CorruptError(`'${file}' is damaged: bad number`, { file });
}

/** The same version with its lists in canonical order. */
function sortLists(version: Version): Version {
  return {
    ...version,
    params: [...version.params].sort(byName),
    metrics: [...version.metrics].sort(compareMetrics),
    logs: [...version.logs].sort(byName),
    extensions: storedExtensions(version).sort(byTag),
  };
}

/**
 * Canonical bytes of a version, decoded again before they are given; its lists may be in any order.
 * @throws {UsageError} DLV_USAGE if a field is out of bounds, or a name stands twice in a list.
 */
export function encodeVersion(draft: Version): Uint8Array {
  const version = sortLists(draft);
  const problem = versionProblem(version);
  if (problem !== null) throw new UsageError(`cannot make this version: ${problem}`);
  const bytes = encodeCanonical([
    VERSION_FORMAT,
    version.model,
    version.parents.map(idBytes),
    [version.author.name, version.author.email],
    version.time,
    version.tzMinutes,
    version.message,
    packTree(version.tree),
    version.params.map((p) => [p.name, p.text]),
    // Adding 0 turns −0, which has no canonical form, into 0.
    version.metrics.map((m) => [m.name, m.value + 0, m.step]),
    version.logs.map((log) => [log.name, idBytes(log.id), log.bytes]),
    version.network === null ? null : idBytes(version.network),
    version.git === null ? null : [Buffer.from(version.git.commit, 'hex'), version.git.dirty],
    version.extensions.map((e) => [e.tag, e.value]),
  ]);
  if (bytes.length > BLOB_BYTES_MAX) {
    throw new UsageError(`cannot make this version: it takes ${bytes.length} bytes`, {
      hint: 'keep long series of metrics in a log file (--log)',
    });
  }
  checkReadable('version', () => decodeVersion(bytes, 'version'));
  return bytes;
}

function rows<T>(value: Packed[], length: number, file: string, read: (f: Fields) => T): T[] {
  return value.map((row) => read(new Fields(row, file, length)));
}

function unpackGit(value: Packed, file: string): GitState | null {
  if (value === null) return null;
  const f = new Fields(value, file, 2);
  return { commit: Buffer.from(f.bytes('git commit')).toString('hex'), dirty: f.boolean('dirty') };
}

function optionalStep(f: Fields): number | null {
  const step = f.any('step');
  if (step !== null && typeof step !== 'number') {
    throw new CorruptError(`'${f.file}' is damaged: bad step`, { file: f.file });
  }
  return step;
}

/**
 * Reads the canonical bytes of a version.
 * @param file names it in errors.
 * @throws {CorruptError} DLV_CORRUPT; {FormatVersionError} DLV_FORMAT_VERSION for a later form.
 */
export function decodeVersion(bytes: Uint8Array, file: string): Version {
  const f = new Fields(decodeCanonical(bytes, file), file);
  const format = f.count('version format');
  if (format !== VERSION_FORMAT) throw newerVersion(file, `version format ${format}`);
  const version: Version = {
    model: f.string('model'),
    number: null,
    parents: f.array('parents').map((id) => {
      if (!(id instanceof Uint8Array)) throw new CorruptError(`'${file}': bad parent`, { file });
      return idFromBytes(id, file);
    }),
    author: rows([f.any('author')], 2, file, (row) => ({
      name: row.string('author name'),
      email: row.string('author email'),
    }))[0] as Author,
    time: f.count('time'),
    tzMinutes: f.integer('time zone'),
    message: f.string('message'),
    tree: unpackTree(f.any('files'), file),
    params: rows(f.array('params'), 2, file, (row) => ({
      name: row.string('param name'),
      text: row.string('param text'),
    })),
    metrics: rows(f.array('metrics'), 3, file, (row) => ({
      name: row.string('metric name'),
      value: row.number('metric value'),
      step: optionalStep(row),
    })),
    logs: rows(f.array('logs'), 3, file, (row) => ({
      name: row.string('log name'),
      id: idFromBytes(row.bytes('log blob', ID_BYTES), file),
      bytes: row.count('log bytes'),
    })),
    network: idOrNull(f.any('network'), file),
    git: unpackGit(f.any('git'), file),
    extensions: rows(f.array('extensions'), 2, file, (row) => ({
      tag: row.string('extension tag'),
      value: row.bytes('extension value'),
    })),
  };
  f.end();
  Object.assign(version, takeNumber(version.extensions, file));
  const problem = versionProblem(version);
  if (problem !== null) throw new CorruptError(`'${file}' is damaged: ${problem}`, { file });
  const required = version.extensions.find(({ tag }) => tag.startsWith('!'));
  if (required) throw newerVersion(file, `the extension '${required.tag}'`);
  return version;
}

function newerVersion(file: string, what: string): FormatVersionError {
  return new FormatVersionError(`cannot read '${file}': it uses ${what}`, {
    file,
    hint: 'upgrade dlv; the other versions of the repository stay readable',
  });
}

/** Id of a version from its canonical bytes. */
export function versionId(bytes: Uint8Array): Id {
  return objectId('version', bytes);
}

/** Reads one version. @throws {NotFoundError}, {CorruptError} */
export async function readVersion(id: Id, reader: BlobReader): Promise<Version> {
  return decodeVersion(await reader.readBlob(id, 'version'), `version ${shortId(id)}`);
}

/** Stores one version (its pages must be stored already: buildTree) and gives its id. */
export async function writeVersion(version: Version, writer: BlobWriter): Promise<Id> {
  return writer.writeBlob('version', encodeVersion(version), version.parents[0]);
}
