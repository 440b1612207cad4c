/**
 * Logs that come with a version: keeps their bytes, reads what they say, and joins that with what the
 * user says. What the user says wins.
 */

import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { pushAll } from '../../../base/bytes/many.js';
import { DlvError, NotFoundError, UsageError } from '../../../base/errors.js';
import { listEntries, readSmallFile } from '../../../base/files/files.js';
import { statThrough } from '../../../base/files/places/user-paths.js';
import { BLOB_BYTES_MAX, LOG_BYTES_MAX, LOG_FILES_MAX, NESTING_MAX } from '../../../base/limits.js';
import type { Direction } from '../../../pure/logs/direction.js';
import type { LogFile } from '../../../pure/logs/log-content.js';
import { formatParam } from '../../../pure/logs/param-value.js';
import {
  isFileOfLog,
  type ReadLog,
  readLogFolder,
  readNamedLog,
} from '../../../pure/logs/read-logs.js';
import { type MetricSeries, telling } from '../../../pure/logs/series.js';
import type { PackSession } from '../../../storage/objects/session.js';
import type { NamedText } from '../../../storage/repo/version/knowledge.js';
import { encodeSeries, SERIES_LOG } from '../../../storage/repo/version/series.js';
import type { LogRef, Metric, Param } from '../../../storage/repo/version/version.js';

/** What was made of one log, for whoever gave it. */
export interface KeptLog {
  /** As it was given. */
  log: string;
  /** Files that are kept. */
  files: number;
  /** 'csv', 'tensorboard', …; null if no reader knows it: it is kept and says nothing. */
  format: string | null;
  /** Metrics with a series, and their points. */
  metrics: number;
  points: number;
  params: number;
  /** What was left out or damaged, in words; null if nothing was. */
  problem: string | null;
}

/** What all logs of a version say together. */
export interface StoredLogs {
  logs: LogRef[];
  kept: KeptLog[];
  series: MetricSeries[];
  /** Numbers without a step. */
  finals: Metric[];
  params: Param[];
  environment: NamedText[];
  directions: Map<string, Direction>;
}

/** Reads and stores logs. @param places  absolute paths of files and folders. @throws {UsageError} */
export async function storeLogs(
  session: PackSession,
  places: readonly string[],
  signal?: AbortSignal,
): Promise<StoredLogs> {
  const logs = new Map<string, LogRef>();
  const series = new Map<string, MetricSeries>();
  const finals = new Map<string, number>();
  const params = new Map<string, Param>();
  const environment = new Map<string, NamedText>();
  const directions = new Map<string, Direction>();
  const kept: KeptLog[] = [];
  let room = LOG_BYTES_MAX;
  for (const place of places) {
    throwIfAborted(signal);
    const { files, read } = await readPlace(place, room);
    for (const { name, bytes } of files) {
      room -= bytes.length;
      if (logs.has(name) || name === SERIES_LOG) throw takenName(name, place);
      logs.set(name, { name, id: await session.putBlob('blob', bytes), bytes: bytes.length });
    }
    for (const { content } of read) {
      for (const one of content?.series ?? []) series.set(one.name, one);
      for (const [name, value] of content?.finals ?? []) finals.set(name, value);
      for (const [name, value] of content?.params ?? []) {
        params.set(name, { name, text: formatParam(value) });
      }
      for (const [name, text] of content?.environment ?? []) environment.set(name, { name, text });
      for (const [name, direction] of content?.directions ?? []) directions.set(name, direction);
    }
    kept.push(keptLog(place, files.length, read));
  }
  return {
    logs: [...logs.values()],
    kept,
    series: [...series.values()],
    finals: [...finals].map(([name, value]): Metric => ({ name, value, step: null })),
    params: [...params.values()],
    environment: [...environment.values()],
    directions,
  };
}

/** Stores series as one blob. @returns null if there is none. */
export async function storeSeries(
  session: PackSession,
  series: readonly MetricSeries[],
): Promise<LogRef | null> {
  if (series.length === 0) return null;
  const bytes = encodeSeries(series);
  return { name: SERIES_LOG, id: await session.putBlob('blob', bytes), bytes: bytes.length };
}

function takenName(name: string, place: string): UsageError {
  return new UsageError(`cannot keep the log '${place}' as '${name}': the name is taken`, {
    name,
    hint: 'give logs of different names, or the folder that holds both',
  });
}

/** The points of a series that a version lists itself. */
export function pointsOf(series: MetricSeries): Metric[] {
  return telling(series).map((i) => ({
    name: series.name,
    value: series.values[i] as number,
    step: series.steps[i] as number,
  }));
}

function keptLog(log: string, files: number, read: readonly ReadLog[]): KeptLog {
  const contents = read.flatMap(({ content }) => (content === null ? [] : [content]));
  const metrics = contents.flatMap(({ series }) => series);
  const dropped = contents.reduce((sum, content) => sum + content.dropped, 0);
  const problems = contents.flatMap(({ problem }) => (problem === null ? [] : [problem]));
  if (dropped > 0) problems.push(`${dropped} points, names or settings were left out`);
  return {
    log,
    files,
    format: [...new Set(contents.map(({ format }) => format))].join(', ') || null,
    metrics: new Set(metrics.map(({ name }) => name)).size,
    points: metrics.reduce((sum, { steps }) => sum + steps.length, 0),
    params: new Set(contents.flatMap((content) => [...content.params.keys()])).size,
    problem: problems.length === 0 ? null : problems.join('; '),
  };
}

async function readPlace(
  place: string,
  room: number,
): Promise<{ files: LogFile[]; read: ReadLog[] }> {
  const { kind } = await statThrough(place);
  if (kind !== 'file' && kind !== 'folder' && kind !== 'denied') {
    throw new NotFoundError(`there is no log '${place}'`, {
      ...{ kind: 'file', name: place },
      hint: 'name a file, or the folder of a run, behind --log',
    });
  }
  const name = place.split(/[\\/]/).at(-1) as string;
  // What may not be looked at is an error of the reader.
  if (kind !== 'folder') {
    const bytes = await readLogFile(place, room);
    return { files: [{ name, bytes }], read: [{ name, content: readNamedLog(name, bytes) }] };
  }
  const inside = await filesOf(place);
  const isRun = inside.includes('meta.yaml');
  const wanted = inside.filter((file) => isFileOfLog(file, isRun));
  if (wanted.length === 0) {
    throw new UsageError(`the folder '${place}' has no log that is known`, {
      hint: 'event files, .wandb, runs of MLflow, .csv, .jsonl, .log and hparams.yaml are; or name a file',
    });
  }
  const files: LogFile[] = [];
  let left = room;
  for (const file of wanted) {
    const bytes = await readLogFile(path.join(place, ...file.split('/')), left);
    left -= bytes.length;
    files.push({ name: file, bytes });
  }
  const read = readLogFolder(files);
  return { files: files.map((file) => ({ ...file, name: `${name}/${file.name}` })), read };
}

/** Files below a folder, by their paths in it with '/'. Links are not followed. */
async function filesOf(folder: string, inside = '', depth = 0): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await listEntries(path.join(folder, inside))) {
    const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (entry.isFile()) files.push(name);
    else if (entry.isDirectory() && depth < NESTING_MAX) {
      pushAll(files, await filesOf(folder, name, depth + 1));
    }
    if (files.length > LOG_FILES_MAX) {
      throw new UsageError(`the log '${folder}' has more than ${LOG_FILES_MAX} files`, {
        hint: 'name the folder of one run',
      });
    }
  }
  return files;
}

async function readLogFile(file: string, room: number): Promise<Uint8Array> {
  const most = Math.min(BLOB_BYTES_MAX, room);
  try {
    return await readSmallFile(file, most);
  } catch (error) {
    if (!(error instanceof DlvError) || error.code !== 'DLV_LIMIT') throw error;
    const what = most < BLOB_BYTES_MAX ? 'makes the logs' : 'is';
    const max = most < BLOB_BYTES_MAX ? LOG_BYTES_MAX : BLOB_BYTES_MAX;
    throw new UsageError(`log '${file}' ${what} larger than ${max} bytes`, {
      hint: "version it as a file with 'dlv add'",
    });
  }
}
