/**
 * The bytes of the staging file: magic, canonical msgpack, sha256 of all before.
 *
 * Files are encoded and decoded one after the other: a model may have 10^5 of them.
 * @see docs/format/staging.md
 */

import { ID_BYTES, idBytes, idFromBytes, idOrNull, sha256Hex } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import { arrayHeader, encodeCanonical, type Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { PackedReader } from '../../../base/bytes/msgpack/packed-reader.js';
import { CorruptError, DlvError, FormatVersionError } from '../../../base/errors.js';
import type { FileStat } from '../../../base/files/files.js';
import { PARENTS_MAX } from '../../../base/limits.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import { modelNameProblem, refNameProblem } from '../refs/ref-name.js';
import { type FileEntry, packFile, unpackFile } from '../version/file-page.js';
import {
  type StagedBranch,
  type StagedEntry,
  type StagedModel,
  type StagedSet,
  Staging,
} from './staging.js';

const MAGIC = Buffer.from('DLVS\x01\0\0\0', 'latin1');
const SUM_BYTES = 32;
const TIME = /^(0|-?[1-9]\d{0,20})$/;

function packStat(stat: FileStat | null): Packed {
  return stat && [stat.size, stat.mtimeNs, stat.ctimeNs, stat.inode, stat.mode];
}

function packEntry(entry: StagedEntry): Packed {
  return [
    packFile(entry),
    packStat(entry.stat),
    entry.stagedAtNs,
    entry.format,
    entry.step,
    entry.hint.references,
    entry.hint.roles.map((role) => ROLES.indexOf(role)),
  ];
}

/** Values of a line: its state, then its files. */
const LINE_FIELDS = 6;

function packState(line: StagedModel): Packed[] {
  return [
    line.model,
    line.branch,
    line.base === null ? null : idBytes(line.base),
    line.otherParents.map(idBytes),
    line.sets.map((set) => [set.id, set.storedBytes, set.metadataBytes]),
  ];
}

/** Bytes that files were read from: most of them are written again as they are. */
const asRead = new WeakMap<StagedEntry, Uint8Array>();

/** The files of a line, each as it was read where it was. */
function* encodeEntries(entries: readonly StagedEntry[]): Generator<Uint8Array> {
  yield arrayHeader(entries.length);
  for (const entry of entries) yield asRead.get(entry) ?? encodeCanonical(packEntry(entry));
}

/** The msgpack of the staging file in pieces: of 10^5 files, the values alone would take 100 MB. */
function* encodeBody(staging: Staging): Generator<Uint8Array> {
  const lines = staging.models();
  yield arrayHeader(lines.length);
  for (const line of lines) {
    yield arrayHeader(LINE_FIELDS);
    for (const value of packState(line)) yield encodeCanonical(value);
    yield* encodeEntries(staging.entries(line.model));
  }
}

/** The bytes of the staging file. */
export function encodeStaging(staging: Staging): Uint8Array {
  const body = Buffer.concat([MAGIC, ...encodeBody(staging)]);
  return Buffer.concat([body, sumOf(body)]);
}

function sumOf(body: Uint8Array): Buffer {
  return Buffer.from(sha256Hex(body), 'hex');
}

/** True if a body is the one that its lines make, with files as they stand in it. */
function isCanonical(staging: Staging, body: Uint8Array): boolean {
  let at = 0;
  for (const piece of encodeBody(staging)) {
    if (Buffer.compare(body.subarray(at, at + piece.length), piece) !== 0) return false;
    at += piece.length;
  }
  return at === body.length;
}

function time(f: Fields, field: string): string {
  const text = f.string(field);
  if (!TIME.test(text)) {
    throw new CorruptError(`'${f.file}' is damaged: bad ${field}`, { file: f.file, field });
  }
  return text;
}

function unpackStat(value: Packed, file: string): FileStat | null {
  if (value === null) return null;
  const f = new Fields(value, file, 5);
  return {
    size: f.count('stat size'),
    mtimeNs: time(f, 'mtime'),
    ctimeNs: time(f, 'ctime'),
    inode: time(f, 'inode'),
    mode: f.count('stat mode'),
  };
}

/**
 * One file of a line. `packEntry` makes the same value of it again, unless `refuse` has returned.
 * @param refuse is told of each path that the file names as a part of its checkpoint and that no
 *   version can hold; the entry goes without it if `refuse` returns.
 */
export function unpackEntry(
  value: Packed,
  file: string,
  refuse: (what: string, entry: FileEntry) => void,
): StagedEntry {
  const f = new Fields(value, file, 7);
  const entry = unpackFile(f.any('file'), file);
  const stat = unpackStat(f.any('stat'), file);
  const stagedAtNs = time(f, 'time of staging');
  const format = f.string('format');
  const step = f.any('step');
  if (step !== null && !(Number.isSafeInteger(step) && (step as number) >= 0)) {
    throw new CorruptError(`'${file}' is damaged: bad step of '${entry.path}'`, { file });
  }
  const references = f.array('references').filter((path): path is string => {
    if (typeof path === 'string' && pathProblem(path) === null) return true;
    refuse(typeof path === 'string' ? `the reference '${path}'` : 'a reference', entry);
    return false;
  });
  const roles = f.array('roles').map((index): Role => {
    const role = typeof index === 'number' ? ROLES[index] : undefined;
    if (role === undefined) throw new CorruptError(`'${file}' is damaged: bad role`, { file });
    return role;
  });
  // Each by its name: copying an object takes as long as all the rest.
  return {
    path: entry.path,
    mode: entry.mode,
    size: entry.size,
    sha256: entry.sha256,
    gitSha1: entry.gitSha1,
    recipe: entry.recipe,
    stat,
    stagedAtNs,
    format,
    step: step as number | null,
    hint: { references, roles },
  };
}

/** The state of a line, put into `staging`, and its files as they stand in the bytes. */
export function unpackLine(
  value: Packed,
  file: string,
  staging: Staging,
): { line: StagedModel; files: Packed[] } {
  const f = new Fields(value, file, LINE_FIELDS);
  const line = unpackState(f, staging);
  return { line, files: f.array('files') };
}

/** Reads the state of a line, all before its files, and puts it into `staging`. */
function unpackState(f: Fields, staging: Staging): StagedModel {
  const { file } = f;
  const model = f.string('model');
  const branch = f.optionalString('branch');
  const problem = modelNameProblem(model) ?? (branch === null ? null : refNameProblem(branch));
  if (problem !== null || staging.get(model) !== undefined) {
    throw new CorruptError(`'${file}' is damaged: bad model or branch name`, { file });
  }
  const base = idOrNull(f.any('base'), file);
  const parents = f.array('other parents');
  if (parents.length > PARENTS_MAX) {
    throw new CorruptError(`'${file}' is damaged: ${parents.length} parents`, { file });
  }
  const ids = new Fields(parents, file);
  const otherParents = parents.map(() => idFromBytes(ids.bytes('parent', ID_BYTES), file));
  const sets = f.array('sets').map((row): StagedSet => {
    const set = new Fields(row, file, 3);
    return {
      id: set.string('set id'),
      storedBytes: set.count('stored bytes'),
      metadataBytes: set.count('metadata bytes'),
    };
  });
  return Object.assign(staging.open(model, branch), { base, otherParents, sets });
}

/** The msgpack between magic and sum. @throws {CorruptError} {FormatVersionError} */
export function bodyOf(bytes: Uint8Array, file: string): Uint8Array {
  const end = bytes.length - SUM_BYTES;
  const body = bytes.subarray(0, Math.max(0, end));
  const isWhole = end >= MAGIC.length && sumOf(body).equals(bytes.subarray(end));
  if (!isWhole || Buffer.compare(body.subarray(0, 4), MAGIC.subarray(0, 4)) !== 0) {
    throw new CorruptError(`'${file}' is damaged: its checksum does not match its content`, {
      file,
      hint: "run 'dlv fsck --rebuild'; staged but uncommitted changes must be added again",
    });
  }
  if (Buffer.compare(body.subarray(0, MAGIC.length), MAGIC) !== 0) {
    throw new FormatVersionError(`'${file}' has the version ${body[4]}, this dlv reads 1`, {
      file,
      hint: 'upgrade dlv',
    });
  }
  return body.subarray(MAGIC.length);
}

/** The mirror of encodeStaging. @throws {CorruptError} DLV_CORRUPT, {FormatVersionError} DLV_FORMAT_VERSION */
export function decodeStaging(
  bytes: Uint8Array,
  file: string,
  only: StagedBranch | null = null,
): Staging {
  const staging = new Staging(only);
  const body = bodyOf(bytes, file);
  try {
    readLines(body, { file, staging }, (reader, model) => {
      const { value, bytes: own } = reader.canonical();
      const entry = unpackEntry(value, file, (what, { path }) => refuse(file, what, path));
      staging.put(model, entry);
      // Whoever changed it would write the bytes of before.
      asRead.set(Object.freeze(entry), own);
    });
  } catch (error) {
    // A path twice, in two models or both file and folder: rules that only damaged bytes break.
    const isRule = error instanceof DlvError && /CONFLICT|USAGE/.test(error.code);
    if (isRule) throw new CorruptError(`'${file}' is damaged: ${error.message}`, { file });
    throw error;
  }
  if (only !== null) checkOnly(staging, only, file);
  if (!isCanonical(staging, body)) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return staging;
}

function refuse(file: string, what: string, path: string): never {
  throw new CorruptError(
    `'${file}' is damaged: ${what} of '${path}' is not a path that a version may hold`,
    {
      file,
      hint: "run 'dlv fsck --rebuild': it keeps what is staged",
    },
  );
}

/** Reads a body file by file. The lines are put into `staging`, each file is read by `take`. */
function readLines(
  body: Uint8Array,
  { file, staging }: { file: string; staging: Staging },
  take: (reader: PackedReader, model: string) => void,
): void {
  const reader = new PackedReader(body, file);
  for (let lines = reader.array('lines'); lines > 0; lines--) {
    reader.array('line', LINE_FIELDS);
    const state = Array.from({ length: LINE_FIELDS - 1 }, () => reader.value());
    const { model } = unpackState(new Fields(state, file), staging);
    for (let files = reader.array('files'); files > 0; files--) take(reader, model);
  }
  reader.end();
}

function checkOnly(staging: Staging, { model, branch }: StagedBranch, file: string): void {
  const [line, ...others] = staging.models();
  if (others.length === 0 && line?.model === model && line.branch === branch) return;
  throw new CorruptError(`'${file}' is damaged: it is not that of '${model}/${branch}'`, { file });
}

/**
 * Reads all that the bytes of `staging` say, and keeps none of it: a second list of all files would double the memory.
 * Files whose bytes were read already are compared with those alone.
 */
export function checkStagingBytes(bytes: Uint8Array, file: string, staging: Staging): void {
  const { only } = staging;
  const read = new Staging(only);
  const entries = staging.models().flatMap(({ model }) => staging.entries(model));
  let at = 0;
  readLines(bodyOf(bytes, file), { file, staging: read }, (reader) => {
    const entry = entries[at++];
    const own = entry && asRead.get(entry);
    if (own) reader.pass(own);
    else unpackEntry(reader.value(), file, (what, { path }) => refuse(file, what, path));
  });
  if (only !== null) checkOnly(read, only, file);
}
