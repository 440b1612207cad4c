/**
 * The bytes of the staging file: magic, canonical msgpack, sha256 of all before.
 *
 * Files are encoded and decoded one after the other: a model may have 10^5 of them.
 * @see docs/format/staging.md
 */

import { ID_BYTES, idBytes, idFromBytes, idOrNull, sha256Hex } from '../../../base/bytes/hash.js';
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  arrayHeader,
  checkMemory,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { PackedReader } from '../../../base/bytes/msgpack/packed-reader.js';
import { ConflictError, CorruptError, FormatVersionError } from '../../../base/errors.js';
import type { FileStat } from '../../../base/files/files.js';
import { PARENTS_MAX } from '../../../base/limits.js';
import { PathOrder, pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import { modelNameProblem, refNameProblem } from '../refs/ref-name.js';
import { type FileEntry, packFile, unpackFile } from '../version/file-page.js';
import { EntryScanner, ReadEntry } from './read-entry.js';
import {
  type StagedBranch,
  type StagedEntry,
  type StagedModel,
  type StagedSet,
  Staging,
} from './staging.js';

const MAGIC = Buffer.from('DLVS\x01\0\0\0', 'latin1');
const SUM_BYTES = 32;
/** Memory that is charged for a file, and for each byte of one whose fields are decoded. */
const ENTRY_CHARGE = 256;
const DECODED_CHARGE = 8;
/** Files between two looks at the memory that they take. */
const CHECKED_ENTRIES = 1024;
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

/** A part of the files of a line: what is new encoded, what was read as it was, many files at once. */
interface Piece {
  bytes: Uint8Array;
  /** True for the bytes of entries that were read, and so checked. */
  isRead: boolean;
}

function* encodeEntries(entries: readonly StagedEntry[]): Generator<Piece> {
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at] as StagedEntry;
    if (entry instanceof ReadEntry) {
      const { bytes, count } = entry.run(entries, at);
      yield { bytes, isRead: true };
      at += count;
    } else {
      yield { bytes: encodeCanonical(packEntry(entry)), isRead: false };
      at++;
    }
  }
}

/** The msgpack of the staging file in pieces: of 10^5 files, the values alone would take 100 MB. */
function* encodeBody(staging: Staging): Generator<Uint8Array> {
  const lines = staging.models();
  yield arrayHeader(lines.length);
  for (const line of lines) {
    yield arrayHeader(LINE_FIELDS);
    for (const value of packState(line)) yield encodeCanonical(value);
    const entries = staging.entries(line.model);
    yield arrayHeader(entries.length);
    for (const { bytes } of encodeEntries(entries)) yield bytes;
  }
}

/** The bytes of the staging file. */
export function encodeStaging(staging: Staging): Uint8Array {
  const body = Buffer.concat([MAGIC, ...encodeBody(staging)]);
  return Buffer.concat([body, sumOf(body)]);
}

/** The bytes of staging that is as it was read: those that it was read from. */
export function bytesAsRead(staging: Staging): Uint8Array {
  return readFrom.get(staging)?.bytes ?? encodeStaging(staging);
}

function sumOf(body: Uint8Array): Buffer {
  return Buffer.from(sha256Hex(body), 'hex');
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

/** What staging was read from. */
interface ReadFrom {
  bytes: Uint8Array;
  lines: { line: StagedModel; entries: readonly StagedEntry[] }[];
}

const readFrom = new WeakMap<Staging, ReadFrom>();

/**
 * The mirror of encodeStaging.
 * @param before  staging that was read earlier: if these are the same bytes, its entries are taken.
 * @throws {CorruptError} DLV_CORRUPT, {FormatVersionError} DLV_FORMAT_VERSION
 */
export function decodeStaging(
  bytes: Uint8Array,
  file: string,
  only: StagedBranch | null = null,
  before: Staging | null = null,
): Staging {
  const known = before === null ? undefined : readFrom.get(before);
  const isKnown = known !== undefined && Buffer.compare(known.bytes, bytes) === 0;
  const body = isKnown ? null : bodyOf(bytes, file);
  const read = body === null ? (known as ReadFrom) : { bytes, lines: readBody(body, file) };
  const staging = new Staging(only);
  for (const { line, entries } of read.lines) {
    staging.load(line.model, entries);
    const { branch, base, otherParents, sets } = line;
    const own = { otherParents: [...otherParents], sets: sets.map((set) => ({ ...set })) };
    Object.assign(staging.open(line.model), { branch, base, ...own });
  }
  if (only !== null) checkOnly(staging, only, file);
  if (body !== null) checkRead(staging, body, file);
  readFrom.set(staging, read);
  return staging;
}

/** What is to be checked of all lines together. @throws {CorruptError} */
function checkRead(staging: Staging, body: Uint8Array, file: string): void {
  try {
    staging.checkTogether();
  } catch (error) {
    // A rule that only damaged bytes break.
    if (!(error instanceof ConflictError)) throw error;
    throw damaged(file, error.message);
  }
  let at = 0;
  for (const piece of encodeBody(staging)) {
    if (Buffer.compare(body.subarray(at, at + piece.length), piece) !== 0) throw notCanonical(file);
    at += piece.length;
  }
}

/** Reads the files of all lines, each checked by itself. */
function readBody(body: Uint8Array, file: string): ReadFrom['lines'] {
  const scanner = new EntryScanner(body);
  const lines: ReadFrom['lines'] = [];
  let memory = 0;
  readLines(body, { file, staging: new Staging() }, (reader, line, count) => {
    const entries: StagedEntry[] = [];
    const order = new PathOrder();
    for (let left = count; left > 0; left--) {
      const start = reader.at;
      const entry = readEntry(reader, scanner, file);
      if (!order.follows(entry.path)) throw notCanonical(file);
      const blocking = order.add(entry.path);
      if (blocking !== null) throw damaged(file, `'${blocking}' is a file and a folder`);
      const isDecoded = !(entry instanceof ReadEntry);
      memory += ENTRY_CHARGE + (isDecoded ? DECODED_CHARGE * (reader.at - start) : 0);
      if (left % CHECKED_ENTRIES === 0) checkMemory(memory, file);
      entries.push(entry);
    }
    lines.push({ line, entries });
  });
  checkMemory(memory, file);
  return lines;
}

function readEntry(reader: PackedReader, scanner: EntryScanner, file: string): StagedEntry {
  const known = scanner.read(reader.at);
  if (known !== null) {
    reader.passTo(scanner.end);
    return known;
  }
  const { value } = reader.canonical();
  return Object.freeze(unpackEntry(value, file, (what, { path }) => refuse(file, what, path)));
}

function damaged(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what}`, { file });
}

function notCanonical(file: string): CorruptError {
  return new CorruptError(`'${file}' is not in canonical form`, { file });
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

/** Reads a body line by line. The lines are put into `staging`; `take` reads the files of each. */
function readLines(
  body: Uint8Array,
  { file, staging }: { file: string; staging: Staging },
  take: (reader: PackedReader, line: StagedModel, count: number) => void,
): void {
  const reader = new PackedReader(body, file, 'each');
  for (let lines = reader.array('lines'); lines > 0; lines--) {
    reader.array('line', LINE_FIELDS);
    const state = Array.from({ length: LINE_FIELDS - 1 }, () => reader.canonical().value);
    const line = unpackState(new Fields(state, file), staging);
    take(reader, line, reader.array('files'));
  }
  reader.end();
}

function checkOnly(staging: Staging, { model, branch }: StagedBranch, file: string): void {
  const [line, ...others] = staging.models();
  if (others.length === 0 && line?.model === model && line.branch === branch) return;
  throw new CorruptError(`'${file}' is damaged: it is not that of '${model}/${branch}'`, { file });
}

/**
 * Reads all that `encodeStaging` made of `staging`, and keeps none of it: a second list of all files would double the memory.
 * Files whose bytes were read already are compared with those alone.
 */
export function checkStagingBytes(bytes: Uint8Array, file: string, staging: Staging): void {
  const { only } = staging;
  const read = new Staging(only);
  // The sum was just made.
  const body = bytes.subarray(MAGIC.length, bytes.length - SUM_BYTES);
  readLines(body, { file, staging: read }, (reader, { model }) => {
    for (const piece of encodeEntries(staging.entries(model))) {
      if (piece.isRead) reader.pass(piece.bytes);
      else
        unpackEntry(reader.canonical().value, file, (what, { path }) => refuse(file, what, path));
    }
  });
  if (only !== null) checkOnly(read, only, file);
}
