/** `dlv run list`, `show`, `log` and `--recover`: what is known of runs, and bringing to an end what was cut short. */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable, NotFoundError } from '../../base/errors.js';
import { isMissing, readSmallFile } from '../../base/files/files.js';
import { yieldProcessor } from '../../base/files/processes/process-tree.js';
import { LOG_BYTES_MAX } from '../../base/limits.js';
import { type MetricsRead, readRunMetrics } from '../../storage/repo/runs/run-metrics.js';
import {
  listRuns as listRecords,
  type RunMetric,
  type RunRecord,
  type RunState,
  versionsOf,
} from '../../storage/repo/runs/run-record.js';
import type { OpContext } from '../context.js';
import { fewPoints } from '../history/curves.js';
import type { Repository } from '../repository.js';
import type { HeldOutcome } from '../running/commit-held.js';
import { type CommitRequest, commitRequest } from '../running/committer.js';
import { findRun } from '../running/find-run.js';
import { isCommandThere, type Recovered, recoverRun } from '../running/recover.js';
import { type ShownCheckpoint, shownCheckpoint } from '../running/shown-checkpoint.js';

export type { Recovered };

/** A run in a list. */
export interface RunEntry {
  run: string;
  name: string | null;
  kind: RunRecord['kind'];
  state: RunState;
  /** True if its command still runs although what carried it out is gone. */
  orphaned: boolean;
  command: string[];
  model: string;
  branch: string;
  started: number;
  ended: number | null;
  code: number | null;
  signal: string | null;
  seconds: number;
  /** Checkpoints that are versions, and that are not yet. */
  versions: number;
  waiting: number;
  /** The last version. */
  version: Id | null;
  number: number | null;
  metrics: RunMetric[];
}

/** Everything about a run. */
export interface RunDetails extends RunEntry {
  cwd: string;
  base: Id | null;
  cpuSeconds: number;
  peakBytes: number;
  pid: number | null;
  params: Record<string, string>;
  environment: Record<string, string>;
  git: { commit: string; dirty: boolean } | null;
  checkpoints: ShownCheckpoint[];
  stretches: RunRecord['stretches'];
  /** Points of each metric. */
  series: { name: string; steps: number[]; values: (number | null)[] }[];
  problems: string[];
}

function entryOf(record: RunRecord): RunEntry {
  const versions = versionsOf(record.checkpoints);
  const last = versions.at(-1);
  const { name, kind, state, command, model, branch, started, ended, code, signal } = record;
  return {
    run: record.id,
    ...{ name, kind, state, orphaned: state === 'crashed' && isCommandThere(record) },
    ...{ command, model, branch, started, ended, code, signal, seconds: record.seconds },
    versions: versions.length,
    waiting: record.checkpoints.filter((one) => one.state === 'held' || one.state === 'failed')
      .length,
    version: last?.version ?? null,
    number: last?.number ?? null,
    metrics: record.metrics,
  };
}

/** The process that trains. */
function pidOf({ kind, state, child, process }: RunRecord): number | null {
  return kind === 'track' && state === 'running' ? (process?.pid ?? null) : (child?.pid ?? null);
}

/**
 * The metrics of a run as they are now. Its record has them as they were when it was written, which is every few seconds
 * while the run goes on.
 */
function metricsNow({ metrics }: RunRecord, { series, counted }: MetricsRead): RunMetric[] {
  const now = new Map(metrics.map((one) => [one.name, one]));
  for (const { name, steps, values } of series) {
    const last = values.at(-1);
    if (last === undefined) continue;
    const step = counted.has(name) ? null : (steps.at(-1) ?? null);
    now.set(name, { name, count: values.length, step, last: Number.isFinite(last) ? last : null });
  }
  return [...now.values()];
}

/** Runs that are here, the newest first. */
export async function listRuns(
  { layout }: Repository,
  { limit }: { limit?: number },
  context: OpContext,
): Promise<RunEntry[]> {
  const runs = await listRecords(layout, (error) => {
    if (!isUnreadable(error)) throw error;
    context.warn(error.message);
  });
  const shown: RunEntry[] = [];
  for (const record of runs.slice(0, limit)) {
    const entry = entryOf(record);
    if (record.state !== 'running') shown.push(entry);
    else {
      const read = await readRunMetrics(layout, record.id);
      shown.push({ ...entry, metrics: metricsNow(record, read) });
    }
  }
  return shown;
}

/** Stretches of steps of a metric that is told by few points. */
const STRETCHES = 400;

/**
 * @param isThin  of each stretch of steps the least and the most, instead of all points.
 * @throws {NotFoundError} {AmbiguousError}
 */
export async function showRun(
  { layout }: Repository,
  { name, isThin = false }: { name: string; isThin?: boolean },
): Promise<RunDetails> {
  const record = await findRun(layout, name);
  const read = await readRunMetrics(layout, record.id);
  const { cwd, base, cpuSeconds, peakBytes, params, environment, git, stretches, problems } =
    record;
  return {
    ...entryOf(record),
    metrics: metricsNow(record, read),
    ...{ cwd, base, cpuSeconds, peakBytes, pid: pidOf(record) },
    ...{ params, environment, git, stretches, problems },
    checkpoints: record.checkpoints.map(shownCheckpoint),
    series: read.series.map((one) => {
      const { steps, values } = isThin ? fewPoints(one, STRETCHES) : one;
      return {
        name: one.name,
        steps: [...steps],
        values: [...values].map((value) => (Number.isFinite(value) ? value : null)),
      };
    }),
  };
}

/** What a run printed, of a long output its beginning and end. @throws {NotFoundError} */
export async function readOutput({ layout }: Repository, name: string): Promise<Uint8Array> {
  const { id } = await findRun(layout, name);
  try {
    return await readSmallFile(layout.runFile(id, 'output.log'), LOG_BYTES_MAX);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new NotFoundError(`run ${id} has no output yet`, {
      kind: 'file',
      name: 'output.log',
      hint: 'it is written with each checkpoint and at the end',
    });
  }
}

/** Recovers one run, or all that crashed. @throws {ConflictError} if the run still goes on. */
export async function recoverRuns(
  repo: Repository,
  name: string | null,
  context: OpContext,
): Promise<Recovered[]> {
  const all = await listRecords(repo.layout);
  const wanted =
    name === null
      ? all.filter(({ state, ended, checkpoints }) => {
          const isLeft = checkpoints.some((one) => /held|failed|writing/.test(one.state));
          return (state === 'crashed' && ended === null) || (state !== 'running' && isLeft);
        })
      : [await findRun(repo.layout, name)];
  const recovered: Recovered[] = [];
  for (const { id } of wanted) recovered.push(await recoverRun(repo, id, context));
  return recovered;
}

/** From now on others get the processor before this process. */
export function yieldToOthers(): void {
  yieldProcessor();
}

/** Makes versions of what a run holds: for the process that does it while the run goes on. */
export function commitHeldOf(
  repo: Repository,
  request: CommitRequest,
  onOutcome: (outcome: HeldOutcome) => void,
  context: OpContext,
): Promise<void> {
  return commitRequest(repo, request, onOutcome, context);
}
