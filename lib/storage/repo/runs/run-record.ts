/**
 * The record of a run: what was run where, how it ended, and which checkpoints became versions.
 *
 * One JSON file for each run, `.dlv/runs/<id>/run.json`, replaced as a whole by the one process that carries out the
 * run. Other processes only read it. Whether a run that says that it is running still is, is told by the identity of
 * that process. @see docs/format/runs.md
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError, FormatVersionError } from '../../../base/errors.js';
import {
  isMissing,
  listDirectory,
  makeDirectory,
  readSmallFile,
  renameFile,
  statOrNull,
  WriteFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { RUN_RECORD_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';
import { isRunId } from '../processes/made-names.js';
import { type ProcessIdentity, processState } from '../processes/process-identity.js';

const FORM = 1;

/**
 * How a run stands. 'finished': it ended by itself with exit code 0; 'failed': with another one, or by a signal of
 * its own making; 'killed': by a signal from outside, Ctrl-C among them; 'crashed': what carried it out is gone
 * without having written its end. Its reader finds that out, and whoever recovers it writes it down.
 */
export type RunState = 'running' | 'finished' | 'failed' | 'killed' | 'crashed';

/** How a checkpoint of a run stands. */
export type CheckpointState =
  /** Seen, and not complete yet. */
  | 'writing'
  /** Complete, its files held, and not a version yet. */
  | 'held'
  | 'committed'
  /** Was never complete: the trainer was stopped while it wrote it, or it does not parse. */
  | 'incomplete'
  /** Could not be stored; its files are still held. */
  | 'failed';

/** A checkpoint that was seen while the run went on. */
export interface RunCheckpoint {
  /** From 1, in the order in which they were complete. */
  n: number;
  /** Its file or folder, relative to the work tree, with '/'; absolute if it is outside. */
  place: string;
  /** True if the place is a folder. */
  isFolder: boolean;
  /** What the checkpoints of its series have in common: 'out/checkpoint-*'. */
  series: string;
  step: number | null;
  files: number;
  bytes: number;
  /** When it was complete, milliseconds since 1970. */
  time: number;
  /** The latest time of writing of its files then, milliseconds since 1970, by the clock of their disk. */
  written: number;
  state: CheckpointState;
  version: Id | null;
  /** n of `model@n`. */
  number: number | null;
  /** Why it is incomplete or failed, in words. */
  problem: string | null;
  /**
   * If its version is that of another checkpoint that has the same files: paths in that version, each with the path
   * below its own place.
   */
  copies?: [string, string][];
}

/** The versions of checkpoints, each once, in the order of their last checkpoints. */
export function versionsOf<C extends Pick<RunCheckpoint, 'version'>>(
  checkpoints: readonly C[],
): C[] {
  const made = new Map<Id, C>();
  for (const one of checkpoints) {
    if (one.version === null) continue;
    made.delete(one.version);
    made.set(one.version, one);
  }
  return [...made.values()];
}

/** A stretch of a run: from one start of its command to its end. A run that is resumed has several. */
export interface RunStretch {
  started: number;
  ended: number | null;
  code: number | null;
  signal: string | null;
  seconds: number;
  cpuSeconds: number;
}

/** A metric so far. */
export interface RunMetric {
  name: string;
  count: number;
  step: number | null;
  /** Null: not finite. */
  last: number | null;
}

export interface RunRecord {
  id: string;
  /** 'command': `dlv run` started it; 'track': a program tells of itself. */
  kind: 'command' | 'track';
  name: string | null;
  /** Words of the command; secrets among them are masked. */
  command: string[];
  /** Where it was started, relative to the work tree, with '/'; absolute if outside. */
  cwd: string;
  /** The line that its versions go to. */
  model: string;
  branch: string;
  /** Tip of HEAD when it began: parent of its first version. */
  base: Id | null;
  started: number;
  ended: number | null;
  /** When this record was written, milliseconds since 1970. A running run writes it every few seconds. */
  updated: number;
  state: RunState;
  code: number | null;
  signal: string | null;
  /** Wall and processor time of all stretches, and the most memory that its processes had at once. */
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
  /** Who carries it out, and the process that it started. */
  process: ProcessIdentity | null;
  child: { pid: number; start: string } | null;
  /** Glob of the files and folders that are checkpoints; null: told by names. */
  checkpointPattern: string | null;
  environment: Record<string, string>;
  params: Record<string, string>;
  git: { commit: string; dirty: boolean } | null;
  metrics: RunMetric[];
  checkpoints: RunCheckpoint[];
  stretches: RunStretch[];
  /** Sentences about what went wrong on the way. */
  problems: string[];
}

/** Ten hexadecimal digits that no other run has. */
export function newRunId(): string {
  return randomBytes(5).toString('hex');
}

/** Text of the file. */
export function formatRun(record: RunRecord): string {
  return `${JSON.stringify({ form: FORM, ...record }, null, 1)}\n`;
}

function damaged(file: string, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: ${what}`, {
    file,
    hint: 'remove its folder if the run has ended; its versions do not need it',
  });
}

/** The mirror of formatRun; members that it does not know are passed over. @throws {CorruptError} {FormatVersionError} */
export function parseRun(text: string, file: string): RunRecord {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw damaged(file, 'it is no JSON');
  }
  if (typeof found !== 'object' || found === null) throw damaged(file, 'it is no object');
  const { form, ...rest } = found as Record<string, unknown>;
  if (typeof form === 'number' && form > FORM) {
    throw new FormatVersionError(`'${file}' was written by a newer dlv`, { file, form });
  }
  for (const [name, kind] of Object.entries(KINDS)) {
    const value = rest[name];
    const isRight = kind.some((one) =>
      one === 'list'
        ? Array.isArray(value)
        : one === 'null'
          ? value === null
          : typeof value === one,
    );
    if (!isRight) throw damaged(file, `its '${name}' is not what it has to be`);
  }
  const record = rest as unknown as RunRecord;
  if (!isRunId(record.id)) throw damaged(file, 'it has no id');
  if (!['running', 'finished', 'failed', 'killed', 'crashed'].includes(record.state)) {
    throw damaged(file, 'its state is none');
  }
  const areThere = record.checkpoints.every(
    (one) =>
      typeof one === 'object' &&
      one !== null &&
      Number.isSafeInteger(one.n) &&
      typeof one.place === 'string' &&
      typeof one.series === 'string' &&
      typeof one.state === 'string',
  );
  if (!areThere) throw damaged(file, 'its checkpoints are not in order');
  return record;
}

const KINDS: Record<string, readonly string[]> = {
  id: ['string'],
  kind: ['string'],
  name: ['string', 'null'],
  command: ['list'],
  cwd: ['string'],
  model: ['string'],
  branch: ['string'],
  base: ['string', 'null'],
  started: ['number'],
  ended: ['number', 'null'],
  updated: ['number'],
  state: ['string'],
  code: ['number', 'null'],
  signal: ['string', 'null'],
  seconds: ['number'],
  cpuSeconds: ['number'],
  peakBytes: ['number'],
  process: ['object'],
  child: ['object'],
  checkpointPattern: ['string', 'null'],
  environment: ['object'],
  params: ['object'],
  git: ['object'],
  metrics: ['list'],
  checkpoints: ['list'],
  stretches: ['list'],
  problems: ['list'],
};

/**
 * Replaces the record of a run. Its folder is made if it is not there.
 * @param how.durable  it is on the disk when this returns; else it is there as soon as the system writes it.
 */
export async function writeRun(
  layout: Layout,
  record: RunRecord,
  how: { durable: boolean },
): Promise<void> {
  const file = layout.runFile(record.id, 'run.json');
  const bytes = Buffer.from(formatRun(record));
  await makeDirectory(layout.run(record.id));
  if (how.durable) return writeFileAtomic(file, bytes);
  const target = await WriteFile.createTemporary(file);
  await target.write(bytes);
  await target.close();
  await renameFile(target.path, file);
}

/** The record of a run as its owner wrote it; null if there is none. @throws {CorruptError} {FormatVersionError} */
export async function readRunRecord(layout: Layout, id: string): Promise<RunRecord | null> {
  const file = layout.runFile(id, 'run.json');
  try {
    const bytes = await readSmallFile(file, RUN_RECORD_BYTES_MAX);
    return parseRun(Buffer.from(bytes).toString(), layout.nameOf(file));
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** A run of another host or container counts as running while its record is no older than this. */
const SIGN_OF_LIFE_MS = 5 * 60 * 1000;

/** True if what carries out a run is there. */
export async function isCarriedOut(layout: Layout, record: RunRecord): Promise<boolean> {
  if (record.process === null) return false;
  const file = layout.runFile(record.id, 'run.json');
  const found = await statOrNull(file);
  if (found === null) return false;
  const state = await processState(record.process, { file, mtimeNs: found.stat.mtimeNs });
  if (state !== 'unknown') return state === 'alive';
  return Date.now() - record.updated < SIGN_OF_LIFE_MS;
}

/** A run as it stands now; null if there is none. @throws {CorruptError} {FormatVersionError} */
export async function readRun(layout: Layout, id: string): Promise<RunRecord | null> {
  const record = await readRunRecord(layout, id);
  if (record === null || record.state !== 'running') return record;
  if (await isCarriedOut(layout, record)) return record;
  return { ...record, state: 'crashed' };
}

/** All runs that are here, the newest first. @param onDamage  is told of records that cannot be read. */
export async function listRuns(
  layout: Layout,
  onDamage: (error: unknown) => void = () => {},
): Promise<RunRecord[]> {
  const runs: RunRecord[] = [];
  for (const name of await listDirectory(layout.runs)) {
    if (!isRunId(name)) continue;
    try {
      const run = await readRun(layout, name);
      if (run !== null) runs.push(run);
    } catch (error) {
      onDamage(error);
    }
  }
  return runs.sort((a, b) => b.started - a.started || (a.id < b.id ? -1 : 1));
}

/** Milliseconds, rounded up, of a time of a file. */
export function millisecondsOf(mtimeNs: string): number {
  return Number((BigInt(mtimeNs) + 999_999n) / 1_000_000n);
}

/** A path as records have it: relative to the work tree, with '/'; absolute if it is outside. */
export function recordPlace(layout: Layout, file: string): string {
  const inside = path.relative(layout.workTree, file);
  if (inside === '') return '.';
  const isOutside = inside.startsWith('..') || path.isAbsolute(inside);
  return isOutside ? file : inside.split(path.sep).join('/');
}

/** The mirror of recordPlace. */
export function placeOf(layout: Layout, place: string): string {
  return path.resolve(layout.workTree, place);
}
