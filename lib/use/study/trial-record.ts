/** What is known of a trial that has not ended: a file that each stretch of its training replaces as a whole. */
import path from 'node:path';
import { readSmallFile, statOrNull, writeFileAtomic } from '../../base/files/files.js';
import { LOG_BYTES_MAX } from '../../base/limits.js';
import type { Assignment } from '../../pure/search/space.js';

/** States of a trial; the last four have ended. */
export type TrialState = 'waiting' | 'running' | 'complete' | 'pruned' | 'failed' | 'nan';

/** How a trial did at a rule. */
export interface RungScore {
  iteration: number;
  metric: string;
  /** Null: it had none, or one that is not finite. */
  value: number | null;
  isKept: boolean;
}

/** A report of its trainer. */
export interface Point {
  iteration: number;
  time: number;
  values: Record<string, number | null>;
}

/** A trial that has not ended. */
export interface TrialRecord {
  /** Of the study, and what it is assigned: written down before it trains, and not searched again. */
  number: number;
  assignment: Assignment;
  iteration: number;
  /** Name of its last checkpoint in its folder; null before the first. */
  checkpoint: string | null;
  points: Point[];
  rungs: RungScore[];
  /** Seconds of training, of all stretches. */
  seconds: number;
  /** State that it came to, once it has; why, if it failed. */
  state: TrialState | null;
  message: string | null;
}

const FILE = 'record.json';

export function newRecord(): TrialRecord {
  return {
    number: 0,
    assignment: {},
    iteration: 0,
    checkpoint: null,
    points: [],
    rungs: [],
    seconds: 0,
    state: null,
    message: null,
  };
}

/** The record of a trial's folder. One that cannot be read is begun again: nothing depends on it. */
export async function readRecord(folder: string): Promise<TrialRecord> {
  const file = path.join(folder, FILE);
  if ((await statOrNull(file)) === null) return newRecord();
  try {
    const text = Buffer.from(await readSmallFile(file, LOG_BYTES_MAX)).toString();
    const record = { ...newRecord(), ...(JSON.parse(text) as TrialRecord) };
    const { checkpoint } = record;
    const isThere =
      checkpoint === null ||
      (await statOrNull(path.join(folder, path.basename(checkpoint)))) !== null;
    return isThere ? record : newRecord();
  } catch {
    return newRecord();
  }
}

/** Replaces the record; it is on the disk when this returns. */
export function writeRecord(folder: string, record: TrialRecord): Promise<void> {
  return writeFileAtomic(path.join(folder, FILE), Buffer.from(JSON.stringify(record)));
}

/** The last value of a metric at an iteration; null if there is none. */
export function valueAtIteration(
  points: readonly Point[],
  metric: string,
  iteration: number,
): number | null {
  const found = points.filter((point) => point.iteration === iteration).at(-1)?.values[metric];
  return found === undefined || found === null || !Number.isFinite(found) ? null : found;
}
