/**
 * The version object: a committed model version as canonical bytes, named by their hash.
 *
 * Fixed-order msgpack; decoding re-encodes and compares, so one version has one id. Files and
 * snapshots are in file-tree.ts. Start at `encodeVersion`. @see docs/format/version.md
 */
import { ID_BYTES, type Id, idBytes, idFromBytes, objectId } from '../../../base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  Fields,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { CorruptError, FormatVersionError, UsageError } from '../../../base/errors.js';
import {
  BLOB_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  NAME_BYTES_MAX,
  NUMBER_MAX,
  PARENTS_MAX,
} from '../../../base/limits.js';
import { comparePaths, isWellFormed } from '../../../pure/paths/version-path.js';
import { modelNameProblem } from '../refs/ref-name.js';
import type { BlobReader, BlobWriter } from './blobs.js';
import { type FileTree, packTree, unpackTree } from './file-tree.js';

/** Who made a version. */
export interface Author {
  name: string;
  /** May be empty. */
  email: string;
}

/** A hyperparameter. */
export interface Param {
  name: string;
  text: string;
}

/** A measured number, for the version as a whole or at one step. */
export interface Metric {
  name: string;
  value: number;
  step: number | null;
}

/** A text that came with the version: a training log. */
export interface LogRef {
  name: string;
  /** Blob of kind 'blob'. */
  id: Id;
  bytes: number;
}

/** State of the git repository around the work tree. */
export interface GitState {
  /** Commit id, 40 or 64 hex digits. */
  commit: string;
  /** True if tracked files differed from that commit. */
  dirty: boolean;
}

/** Room for later fields. A tag that begins with '!' must be understood by every reader. */
export interface Extension {
  tag: string;
  value: Uint8Array;
}

/** A committed model version. Immutable; its id is the hash of its canonical bytes. */
export interface Version {
  model: string;
  /** n of `model@n`, which no other version of the model was given; null if an older dlv made it. */
  number: number | null;
  /** First parent first; none for the first version of a line. */
  parents: Id[];
  author: Author;
  /** Milliseconds since 1970-01-01 UTC, 0 or more. */
  time: number;
  /** Minutes east of UTC where the author was. */
  tzMinutes: number;
  message: string;
  tree: FileTree;
  /** By name; names are unique. */
  params: Param[];
  /** By name, then step (none first); pairs are unique. */
  metrics: Metric[];
  /** By name; names are unique. */
  logs: LogRef[];
  /** Blob with the layer graph, or null. */
  network: Id | null;
  git: GitState | null;
  /** By tag; tags are unique. That of the number is not among them. */
  extensions: Extension[];
}

const VERSION_FORMAT = 1;
/** Tag of the extension that holds the number: a reader that does not know it may go without. */
const NUMBER_TAG = 'number';
const TZ_MINUTES_MAX = 24 * 60;

function compareMetrics(a: Metric, b: Metric): number {
  return comparePaths(a.name, b.name) || (a.step ?? -1) - (b.step ?? -1);
}

function lineProblem(text: string, what: string): string | null {
  if (!isWellFormed(text)) return `${what} is not valid UTF-8`;
  if (/\p{Cc}/u.test(text)) return `${what} holds a control character`;
  if (Buffer.byteLength(text) > NAME_BYTES_MAX) return `${what} is over ${NAME_BYTES_MAX} bytes`;
  return null;
}

function nameProblem(name: string, what: string): string | null {
  return name === '' ? `${what} is empty` : lineProblem(name, what);
}

function ascending<T>(rows: readonly T[], compare: (a: T, b: T) => number): boolean {
  return rows.every((row, i) => i === 0 || compare(rows[i - 1] as T, row) < 0);
}

const byName = (a: { name: string }, b: { name: string }): number => comparePaths(a.name, b.name);
const byTag = (a: Extension, b: Extension): number => comparePaths(a.tag, b.tag);

function peopleProblem(version: Version): string | null {
  const { author, message } = version;
  const problem =
    nameProblem(author.name, 'the author name') ?? lineProblem(author.email, 'the author email');
  if (problem !== null) return problem;
  if (/[<>]/.test(author.name + author.email)) return "the author holds '<' or '>'";
  if (!isWellFormed(message) || message.includes('\0')) return 'the message is not valid text';
  if (Buffer.byteLength(message) > MESSAGE_BYTES_MAX) {
    return `the message is over ${MESSAGE_BYTES_MAX} bytes`;
  }
  return null;
}

function listsProblem(version: Version): string | null {
  const { params, metrics, logs, extensions } = version;
  for (const { name, text } of params) {
    const problem = nameProblem(name, 'the name of a hyperparameter');
    if (problem !== null) return problem;
    if (!isWellFormed(text) || Buffer.byteLength(text) > MESSAGE_BYTES_MAX) {
      return `hyperparameter '${name}' is not valid text`;
    }
  }
  for (const { name, step } of metrics) {
    const problem = nameProblem(name, 'the name of a metric');
    if (problem !== null) return problem;
    if (step !== null && !(Number.isSafeInteger(step) && step >= 0)) {
      return `metric '${name}' has the step ${step}`;
    }
  }
  for (const { name } of logs) {
    const problem = nameProblem(name, 'the name of a log');
    if (problem !== null) return problem;
  }
  for (const { tag } of extensions) {
    const problem = nameProblem(tag, 'the tag of an extension');
    if (problem !== null) return problem;
  }
  if (!ascending(params, byName)) return 'two hyperparameters have one name';
  if (!ascending(metrics, compareMetrics)) return 'two metrics have one name and step';
  if (!ascending(logs, byName)) return 'two logs have one name';
  if (!ascending(extensions, byTag)) return 'two extensions have one tag';
  return null;
}

/** What is wrong with a version whose lists are in order, or null. */
function versionProblem(version: Version): string | null {
  const { parents, time, tzMinutes, git } = version;
  const model = modelNameProblem(version.model);
  if (model !== null) return `the model name ${model}`;
  const { number } = version;
  if (number !== null && !isVersionNumber(number)) return `its number is ${number}`;
  if (parents.length > PARENTS_MAX) return `it has ${parents.length} parents`;
  if (new Set(parents).size !== parents.length) return 'it has one parent twice';
  if (!Number.isSafeInteger(time) || time < 0) return `its time is ${time}`;
  if (!Number.isSafeInteger(tzMinutes) || Math.abs(tzMinutes) > TZ_MINUTES_MAX) {
    return `its time zone is ${tzMinutes}`;
  }
  if (git !== null && !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(git.commit)) return 'bad git commit';
  return peopleProblem(version) ?? listsProblem(version);
}

/** True for what may be behind the '@' of `model@n`. */
export function isVersionNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= NUMBER_MAX;
}

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

function optionalId(value: Packed, file: string): Id | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return idFromBytes(value, file);
  throw new CorruptError(`'${file}' is damaged: bad id`, { file });
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
    network: optionalId(f.any('network'), file),
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

/** The first 10 hex digits of an id, as people read it. */
export function shortId(id: Id): string {
  return id.slice(0, 10);
}

/**
 * The shortest prefix of 10 or more hex digits that no other of `ids` shares.
 * @param ids all ids that it could be taken for; `id` itself may be among them.
 */
export function uniqueShortId(id: Id, ids: Iterable<Id>): string {
  let length = 10;
  for (const other of ids) {
    if (other === id) continue;
    while (length < id.length && other.startsWith(id.slice(0, length))) length++;
  }
  return id.slice(0, length);
}
