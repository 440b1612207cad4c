/**
 * The bytes of the staging file: magic, canonical msgpack, sha256 of all before.
 *
 * Replaced as a whole, under the lock. Its mtime is part of its meaning (isClean).
 * @see docs/format/staging.md
 */
import { type FileStat, isMissing, ReadFile, writeFileAtomic } from '../../../base/bytes/files.js';
import { ID_BYTES, type Id, idBytes, idFromBytes, sha256 } from '../../../base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  Fields,
  type Packed,
} from '../../../base/bytes/msgpack.js';
import { CorruptError, DlvError, FormatVersionError, LimitError } from '../../../base/errors.js';
import { PARENTS_MAX, STAGING_BYTES_MAX } from '../../../base/limits.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { modelNameProblem, refNameProblem } from '../refs/ref-name.js';
import { packFile, unpackFile } from '../version/file-page.js';
import { type StagedEntry, type StagedModel, type StagedSet, Staging } from './staging.js';

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

function unpackEntry(value: Packed, file: string): StagedEntry {
  const f = new Fields(value, file, 7);
  const entry = unpackFile(f.any('file'), file);
  const stat = unpackStat(f.any('stat'), file);
  const stagedAtNs = time(f, 'time of staging');
  const format = f.string('format');
  const step = f.any('step');
  if (step !== null && !(Number.isSafeInteger(step) && (step as number) >= 0)) {
    throw new CorruptError(`'${file}' is damaged: bad step of '${entry.path}'`, { file });
  }
  const references = f.array('references');
  for (const path of references) {
    if (typeof path !== 'string' || pathProblem(path) !== null) {
      throw new CorruptError(`'${file}' is damaged: bad reference of '${entry.path}'`, { file });
    }
  }
  const roles = f.array('roles').map((index): Role => {
    const role = ROLES[index as number];
    if (role === undefined) throw new CorruptError(`'${file}' is damaged: bad role`, { file });
    return role;
  });
  const hint = { references: references as string[], roles };
  return { ...entry, stat, stagedAtNs, format, step: step as number | null, hint };
}

function unpackIdOrNull(value: Packed, file: string): Id | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return idFromBytes(value, file);
  throw new CorruptError(`'${file}' is damaged: bad id`, { file });
}

function unpackModel(value: Packed, file: string, staging: Staging): void {
  const f = new Fields(value, file, 6);
  const model = f.string('model');
  const branch = f.optionalString('branch');
  const problem = modelNameProblem(model) ?? (branch === null ? null : refNameProblem(branch));
  if (problem !== null || staging.get(model) !== undefined) {
    throw new CorruptError(`'${file}' is damaged: bad model or branch name`, { file });
  }
  const line: StagedModel = staging.open(model, branch);
  line.base = unpackIdOrNull(f.any('base'), file);
  const parents = f.array('other parents');
  if (parents.length > PARENTS_MAX) {
    throw new CorruptError(`'${file}' is damaged: ${parents.length} parents`, { file });
  }
  const ids = new Fields(parents, file);
  line.otherParents = parents.map(() => idFromBytes(ids.bytes('parent', ID_BYTES), file));
  line.sets = f.array('sets').map((row): StagedSet => {
    const set = new Fields(row, file, 3);
    return {
      id: set.string('set id'),
      storedBytes: set.count('stored bytes'),
      metadataBytes: set.count('metadata bytes'),
    };
  });
  for (const row of f.array('files')) staging.put(model, unpackEntry(row, file));
}

/** The mirror of encodeStaging. @throws {CorruptError} DLV_CORRUPT, {FormatVersionError} DLV_FORMAT_VERSION */
export function decodeStaging(bytes: Uint8Array, file: string): Staging {
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
      hint: 'update dlv',
    });
  }
  const staging = new Staging();
  const models = new Fields(decodeCanonical(body.subarray(MAGIC.length), file), file).items;
  try {
    for (const model of models) unpackModel(model, file, staging);
  } catch (error) {
    // A path twice, in two models or both file and folder: rules that only damaged bytes break.
    const isRule = error instanceof DlvError && /CONFLICT|USAGE/.test(error.code);
    if (isRule) throw new CorruptError(`'${file}' is damaged: ${error.message}`, { file });
    throw error;
  }
  if (Buffer.compare(encodeStaging(staging), bytes) !== 0) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return staging;
}

/** Staging as read from disk. */
export interface StagingOnDisk {
  staging: Staging;
  /** mtime of the file in nanoseconds, for `isClean`; 0 if there is no file. */
  writtenNs: bigint;
}

/** Reads the staging file; without one nothing is staged. @throws {CorruptError} DLV_CORRUPT */
export async function readStaging(layout: Layout): Promise<StagingOnDisk> {
  let source: ReadFile;
  try {
    source = await ReadFile.open(layout.staging);
  } catch (error) {
    if (isMissing(error)) return { staging: new Staging(), writtenNs: 0n };
    throw error;
  }
  try {
    if (source.size > STAGING_BYTES_MAX) {
      throw new LimitError(`'${layout.staging}' has ${source.size} bytes`, {
        file: layout.staging,
      });
    }
    const staging = decodeStaging(await source.read(0, source.size), layout.staging);
    return { staging, writtenNs: BigInt(source.stat.mtimeNs) };
  } finally {
    await source.close();
  }
}

/** Replaces the staging file. */
export async function writeStaging(lock: RepositoryLock, staging: Staging): Promise<void> {
  lock.assertHeld();
  await writeFileAtomic(lock.layout.staging, encodeStaging(staging));
}
