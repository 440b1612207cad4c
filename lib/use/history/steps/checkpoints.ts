/**
 * The checkpoints of a version by step: the content of folders and files with a step in their name,
 * and their metrics, as the version, the trainer and the names give them.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { isUnreadable } from '../../../base/errors.js';
import { TRAINER_STATE_BYTES_MAX } from '../../../base/limits.js';
import { parseLoosely, readJsonLog } from '../../../pure/logs/readers/json-log.js';
import type { MetricSeries } from '../../../pure/logs/series.js';
import {
  metricsOfName,
  type NamedRole,
  roleOfName,
  seriesOf,
} from '../../../pure/paths/checkpoint-names.js';
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { Role } from '../../../pure/tensor/layout.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { streamFile } from '../../../storage/objects/stored/rebuild.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import type { FileEntry, Snapshot } from '../../../storage/repo/version/file-page.js';
import type { Metric } from '../../../storage/repo/version/version.js';
import type { OpContext } from '../../context.js';

/** What a file of a checkpoint is for: as its name says, else its tensors; 'other' if neither does. */
export type FileRole = Role | NamedRole | 'other';

export interface Checkpoint {
  /** The folder, or the one file, that is the checkpoint. */
  path: string;
  step: number;
  /** In path order. */
  files: FileEntry[];
  bytes: number;
  /** Numbers measured at its step, by name. */
  metrics: Map<string, number>;
}

/** Checkpoints of one run, by step. */
export interface Series {
  /** What their paths have in common: 'checkpoint-*'. */
  name: string;
  checkpoints: Checkpoint[];
}

/** The role of every file, by path. */
export function fileRoles(
  files: Iterable<Pick<FileEntry, 'path'>>,
  snapshots: readonly Snapshot[],
): Map<string, FileRole> {
  const byContent = new Map<string, Role>();
  // Weights come last and win: a file that holds all is called by what matters most.
  for (const role of ['ema', 'optimizer', 'weights'] as const) {
    for (const snapshot of snapshots) {
      if (snapshot.role !== role) continue;
      for (const path of snapshot.members) byContent.set(path, role);
    }
  }
  const roles = new Map<string, FileRole>();
  for (const { path } of files) {
    roles.set(path, roleOfName(path) ?? byContent.get(path) ?? 'other');
  }
  return roles;
}

/** Files by the series of checkpoints that they are part of; those of none are left out. */
export function groupSeries(files: readonly FileEntry[]): Series[] {
  const series = new Map<string, Map<string, Checkpoint>>();
  for (const file of files) {
    const place = seriesOf(file.path);
    if (place === null) continue;
    const checkpoints = series.get(place.series) ?? new Map<string, Checkpoint>();
    series.set(place.series, checkpoints);
    const { checkpoint: path, step } = place;
    const known = checkpoints.get(path);
    const checkpoint = known ?? { path, step, files: [], bytes: 0, metrics: metricsOfName(path) };
    checkpoint.files.push(file);
    checkpoint.bytes += file.size;
    checkpoints.set(path, checkpoint);
  }
  return [...series].map(([name, checkpoints]) => ({
    name,
    checkpoints: [...checkpoints.values()].sort(
      (a, b) => a.step - b.step || comparePaths(a.path, b.path),
    ),
  }));
}

/**
 * Adds what was measured at each step: what names say, then what the trainer wrote into
 * `trainer_state.json`, then the version's own metrics, each over the one before.
 */
export async function readMetrics(
  repo: ReadAccess,
  series: readonly Series[],
  metrics: readonly Metric[],
  context: Pick<OpContext, 'signal' | 'warn'>,
): Promise<void> {
  for (const { checkpoints } of series) {
    const bySteps = new Map<number, Map<string, number>>();
    for (const { files } of checkpoints) {
      throwIfAborted(context.signal);
      const state = files.find(({ path }) => path.endsWith('/trainer_state.json'));
      if (state !== undefined) addHistory(bySteps, await readState(repo, state, context));
    }
    for (const checkpoint of checkpoints) {
      for (const [name, value] of bySteps.get(checkpoint.step) ?? []) {
        checkpoint.metrics.set(name, value);
      }
      for (const { name, step, value } of metrics) {
        if (step === checkpoint.step) checkpoint.metrics.set(name, value);
      }
    }
  }
}

/** The curves of a trainer's state, as the logs of versions are read; none, with a warning, if it is damaged. */
async function readState(
  repo: ReadAccess,
  file: FileEntry,
  { warn }: Pick<OpContext, 'warn'>,
): Promise<readonly MetricSeries[]> {
  const unread = (why: string): readonly [] => {
    warn(`the metrics in '${file.path}' are left out: ${why}`);
    return [];
  };
  if (file.size > TRAINER_STATE_BYTES_MAX) {
    return unread(`it is larger than ${TRAINER_STATE_BYTES_MAX} bytes`);
  }
  const pieces: Uint8Array[] = [];
  try {
    const stored = await openStoredFile(repo, file);
    for await (const bytes of streamFile(repo, stored, {})) pieces.push(Buffer.from(bytes));
  } catch (error) {
    if (isUnreadable(error)) return unread(error.message);
    throw error;
  }
  const bytes = Buffer.concat(pieces);
  const content = readJsonLog(bytes);
  if (content !== null) return content.series;
  return parseLoosely(bytes.toString('utf8')) === undefined ? unread('it is no JSON') : [];
}

function addHistory(
  bySteps: Map<number, Map<string, number>>,
  series: readonly MetricSeries[],
): void {
  for (const { name, steps, values } of series) {
    for (const [i, step] of steps.entries()) {
      const known = bySteps.get(step) ?? new Map<string, number>();
      known.set(name, values[i] as number);
      bySteps.set(step, known);
    }
  }
}
