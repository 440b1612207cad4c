/**
 * The bytes of the staging file: magic, canonical msgpack, sha256 of all before.
 *
 * Replaced as a whole, under the lock. Its mtime is part of its meaning (isClean).
 * @see docs/format/staging.md
 */

import { ID_BYTES, type Id, idBytes, idFromBytes, sha256 } from '../../../base/bytes/hash.js';
import {
  decodeAnyForm,
  encodeCanonical,
  Fields,
  type Packed,
} from '../../../base/bytes/msgpack.js';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { CorruptError, DlvError, FormatVersionError, LimitError } from '../../../base/errors.js';
import {
  type FileStat,
  isMissing,
  makeDurableDirectory,
  ReadFile,
  removeFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { listTree } from '../../../base/files/small-files.js';
import { TEMPORARY_PREFIX } from '../../../base/files/temporary-name.js';
import { PARENTS_MAX, STAGING_BYTES_MAX } from '../../../base/limits.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
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

/** The bytes of the staging file. */
export function encodeStaging(staging: Staging): Uint8Array {
  const body = encodeCanonical(
    staging
      .models()
      .map((line) => [
        line.model,
        line.branch,
        line.base === null ? null : idBytes(line.base),
        line.otherParents.map(idBytes),
        line.sets.map((set) => [set.id, set.storedBytes, set.metadataBytes]),
        staging.entries(line.model).map(packEntry),
      ]),
  );
  const digest = sha256().update(MAGIC).update(body).digest();
  return Buffer.concat([MAGIC, body, digest]);
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
 * One file of a line.
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
    const role = ROLES[index as number];
    if (role === undefined) throw new CorruptError(`'${file}' is damaged: bad role`, { file });
    return role;
  });
  const hint = { references, roles };
  return { ...entry, stat, stagedAtNs, format, step: step as number | null, hint };
}

function unpackIdOrNull(value: Packed, file: string): Id | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return idFromBytes(value, file);
  throw new CorruptError(`'${file}' is damaged: bad id`, { file });
}

/** The state of a line, put into `staging`, and its files as they are in the bytes. */
export function unpackLine(
  value: Packed,
  file: string,
  staging: Staging,
): { line: StagedModel; files: Packed[] } {
  const f = new Fields(value, file, 6);
  const model = f.string('model');
  const branch = f.optionalString('branch');
  const problem = modelNameProblem(model) ?? (branch === null ? null : refNameProblem(branch));
  if (problem !== null || staging.get(model) !== undefined) {
    throw new CorruptError(`'${file}' is damaged: bad model or branch name`, { file });
  }
  const base = unpackIdOrNull(f.any('base'), file);
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
  const files = f.array('files');
  const line = Object.assign(staging.open(model, branch), { base, otherParents, sets });
  return { line, files };
}

/** The msgpack between magic and sum. @throws {CorruptError} {FormatVersionError} */
export function bodyOf(bytes: Uint8Array, file: string): Uint8Array {
  const end = bytes.length - SUM_BYTES;
  const body = bytes.subarray(0, Math.max(0, end));
  const isWhole = end >= MAGIC.length && sha256().update(body).digest().equals(bytes.subarray(end));
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
  // Their canonical form is checked below: the lines and files are encoded again and compared.
  const models = new Fields(decodeAnyForm(bodyOf(bytes, file), file), file).items;
  const refuse = (what: string, { path }: FileEntry): never => {
    throw new CorruptError(
      `'${file}' is damaged: ${what} of '${path}' is not a path that a version may hold`,
      {
        file,
        hint: "run 'dlv fsck --rebuild': it keeps what is staged",
      },
    );
  };
  try {
    for (const model of models) {
      const { line, files } = unpackLine(model, file, staging);
      for (const row of files) staging.put(line.model, unpackEntry(row, file, refuse));
    }
  } catch (error) {
    // A path twice, in two models or both file and folder: rules that only damaged bytes break.
    const isRule = error instanceof DlvError && /CONFLICT|USAGE/.test(error.code);
    if (isRule) throw new CorruptError(`'${file}' is damaged: ${error.message}`, { file });
    throw error;
  }
  if (only !== null) checkOnly(staging, only, file);
  if (Buffer.compare(encodeStaging(staging), bytes) !== 0) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return staging;
}

function checkOnly(staging: Staging, { model, branch }: StagedBranch, file: string): void {
  const [line, ...others] = staging.models();
  if (others.length === 0 && line?.model === model && line.branch === branch) return;
  throw new CorruptError(`'${file}' is damaged: it is not that of '${model}/${branch}'`, { file });
}

/** Staging as read from disk. */
export interface StagingOnDisk {
  staging: Staging;
  /** mtime of the file in nanoseconds, for `isClean`; 0 if there is no file. */
  writtenNs: bigint;
}

/**
 * Reads the staging file, or that of one branch; without one nothing is staged.
 * @throws {CorruptError} DLV_CORRUPT
 */
export async function readStaging(
  layout: Layout,
  only: StagedBranch | null = null,
): Promise<StagingOnDisk> {
  const file = fileOf(layout, only);
  const found = await readStagingBytes(file);
  if (found === null) return { staging: new Staging(only), writtenNs: 0n };
  return { staging: decodeStaging(found.bytes, file, only), writtenNs: found.writtenNs };
}

function fileOf(layout: Layout, only: StagedBranch | null): string {
  return only === null ? layout.staging : layout.lineStaging(only.model, only.branch);
}

/** What is staged for branches apart from where HEAD is, each with its file; damage is told to `onDamage`. */
export async function readLineStagings(
  layout: Layout,
  onDamage: (file: string, error: unknown) => void,
): Promise<Staging[]> {
  const found: Staging[] = [];
  for (const name of await listTree(layout.lines, { skip: isUnfinished })) {
    const file = layout.lineFile(name);
    try {
      const read = await readStagingBytes(file);
      if (read === null) continue;
      const [line] = decodeStaging(read.bytes, file).models();
      const only = { model: line?.model ?? '', branch: line?.branch ?? '' };
      if (fileOf(layout, only) !== file) throw misplaced(file);
      found.push(decodeStaging(read.bytes, file, only));
    } catch (error) {
      onDamage(file, error);
    }
  }
  return found;
}

function isUnfinished(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

function misplaced(file: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: it is that of another branch`, { file });
}

/** Forgets what is staged for a branch apart from where HEAD is. */
export async function removeLineStaging(lock: RepositoryLock, only: StagedBranch): Promise<void> {
  lock.assertHeld();
  await removeFile(fileOf(lock.layout, only)).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** The bytes of the staging file and its mtime; null if there is none. @throws {LimitError} */
export async function readStagingBytes(
  file: string,
): Promise<{ bytes: Uint8Array; writtenNs: bigint } | null> {
  const source = await ReadFile.openIfThere(file);
  if (source === null) return null;
  try {
    checkSize(source.size, file);
    const bytes = await source.read(0, source.size);
    return { bytes, writtenNs: BigInt(source.stat.mtimeNs) };
  } finally {
    await source.close();
  }
}

function checkSize(size: number, file: string): void {
  if (size <= STAGING_BYTES_MAX) return;
  throw new LimitError(`'${file}' is ${size} bytes long`, {
    file,
    limit: 'STAGING_BYTES_MAX',
    value: size,
    max: STAGING_BYTES_MAX,
  });
}

/**
 * Replaces the staging file, after its new bytes were decoded: a file that no command can read would
 * stop the work on every model. @throws {BugError} {LimitError} before anything is written.
 */
export async function writeStaging(lock: RepositoryLock, staging: Staging): Promise<void> {
  lock.assertHeld();
  const file = fileOf(lock.layout, staging.only);
  if (staging.only !== null) await makeDurableDirectory(lock.layout.lines);
  const bytes = encodeStaging(staging);
  checkSize(bytes.length, file);
  checkReadable(file, () => decodeStaging(bytes, file, staging.only));
  await writeFileAtomic(file, bytes);
}
