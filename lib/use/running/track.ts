/**
 * Runs of programs that tell of themselves: the record is that of `dlv run`, and each piece of news is put into it under the
 * lock, since a program may have several processes of dlv that tell. What is held is the program's to put into its place.
 */
import type { Id } from '../../base/bytes/hash.js';
import {
  AbortedError,
  IoError,
  LockedError,
  NotFoundError,
  UsageError,
} from '../../base/errors.js';
import { listDirectory, makeDirectory, writeFileAtomic } from '../../base/files/files.js';
import { identityOf } from '../../base/files/process.js';
import { LOG_NAMES_MAX } from '../../base/limits.js';
import { maskWords } from '../../pure/logs/command-words.js';
import type { Layout } from '../../storage/repo/layout.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import { appendRows, type MetricRow } from '../../storage/repo/runs/run-metrics.js';
import {
  newRunId,
  type RunCheckpoint,
  type RunRecord,
  readRunRecord,
  recordPlace,
  writeRun,
} from '../../storage/repo/runs/run-record.js';
import { readGitDiff, readGitState } from '../../storage/repo/settings/gitinfo.js';
import type { Extension } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { letGo } from './checkpoints/hold.js';
import { noteEnd } from './note-end.js';
import { runExtension, runFacts } from './run-facts.js';

/** Rows of what a program told. */
const FROM_PROGRAM = 'api';
/** What all checkpoints of such a run have in common: each is a whole version. */
const SERIES = 'track';
const DIFF_BYTES_MAX = 1 << 20;

/** What a program says of itself when it begins. */
export interface TrackBegin {
  pid: number;
  name?: string | null;
  command: string[];
  model: string;
  branch: string;
  params?: Record<string, string>;
  environment?: Record<string, string>;
}

/** News of a run. */
export interface TrackNews {
  /** Metrics by name; a step that is null is none of a curve. */
  rows?: { step: number | null; time: number; values: Record<string, number | string> }[];
  /** A checkpoint whose files are in their place. */
  held?: Pick<RunCheckpoint, 'n' | 'place' | 'step'>;
  /** What the program used so far. */
  usage?: Pick<RunRecord, 'seconds' | 'cpuSeconds' | 'peakBytes'>;
  /** The last news. */
  end?: { state: 'finished' | 'failed'; problem?: string | null };
  /** Finds out what takes time: the state of the code. */
  facts?: boolean;
}

export interface TrackBegun {
  run: string;
  /** Folder in which the files of checkpoint n are put, in a folder `n`. */
  held: string;
}

export async function beginTracked(
  repo: StoreAccess,
  { pid, name = null, command, model, branch, params = {}, environment = {} }: TrackBegin,
  { cwd }: OpContext,
): Promise<TrackBegun> {
  const { layout } = repo;
  const id = newRunId();
  const now = Date.now();
  const record: RunRecord = {
    ...{ id, kind: 'track', name, command: maskWords(command).words },
    ...{ cwd: recordPlace(layout, cwd), model, branch },
    base: await readRef(layout, branchRefName(model, branch)),
    ...{ started: now, ended: null, updated: now, state: 'running', code: null, signal: null },
    ...{ seconds: 0, cpuSeconds: 0, peakBytes: 0, process: identityOf(pid), child: null },
    ...{ checkpointPattern: null, environment, params, git: null },
    ...{ metrics: [], checkpoints: [], problems: [] },
    stretches: [{ started: now, ended: null, code: null, signal: null, seconds: 0, cpuSeconds: 0 }],
  };
  await writeRun(layout, record, { durable: true });
  return { run: id, held: layout.heldCheckpoints(id) };
}

/** Puts news into the record. @throws {NotFoundError} {IoError} {LockedError} */
export async function tellTracked(repo: StoreAccess, id: string, news: TrackNews): Promise<void> {
  const { layout } = repo;
  const git = news.facts ? await gitOf(layout, id) : null;
  const rows = (news.rows ?? []).map(rowOf);
  await appendRows(
    layout,
    id,
    rows.flatMap(({ step, ...row }) => (step === null ? [] : [{ ...row, step }])),
  );
  const record = await change(repo, id, (one) => {
    for (const { step, values } of rows) noteMetrics(one, step, values);
    const { held, usage, end } = news;
    if (git !== null) one.git = git;
    if (usage !== undefined) {
      Object.assign(one, usage);
      Object.assign(one.stretches.at(-1) ?? {}, {
        ...{ seconds: usage.seconds, cpuSeconds: usage.cpuSeconds },
      });
    }
    if (held !== undefined) one.checkpoints.push(entryOf(held));
    if (end !== undefined) {
      const now = Date.now();
      Object.assign(one, { state: end.state, ended: now });
      Object.assign(one.stretches.at(-1) ?? {}, { ended: now });
      if (end.problem) one.problems.push(end.problem);
    }
  });
  if (news.end !== undefined) await noteEnd(repo, record);
}

/** Reads, changes and writes the record; whoever else has news of it waits. */
async function change(
  repo: StoreAccess,
  id: string,
  how: (record: RunRecord) => void | Promise<void>,
): Promise<RunRecord> {
  return repo.locked(async () => {
    const record = await recordOf(repo.layout, id);
    await how(record);
    record.updated = Date.now();
    const isDurable = record.ended !== null || record.checkpoints.length > 0;
    await writeRun(repo.layout, record, { durable: isDurable });
    return record;
  });
}

async function recordOf(layout: Layout, id: string): Promise<RunRecord> {
  const record = await readRunRecord(layout, id);
  if (record?.kind === 'track') return record;
  throw new NotFoundError(`there is no run '${id}' that a program tells of`, {
    kind: 'run',
    name: id,
    hint: 'its folder was removed: begin another run',
  });
}

type TrackRow = Omit<MetricRow, 'step'> & { step: number | null };

function rowOf({ step, time, values }: NonNullable<TrackNews['rows']>[number]): TrackRow {
  // JSON has no such numbers.
  const numbers = Object.entries(values).map(([name, value]): [string, number] => [
    name,
    typeof value === 'number' ? value : Number(value.replace('inf', 'Infinity')),
  ]);
  return { step, time, source: FROM_PROGRAM, values: new Map(numbers) };
}

function noteMetrics(
  { metrics }: RunRecord,
  step: number | null,
  values: ReadonlyMap<string, number>,
): void {
  for (const [name, value] of values) {
    const last = Number.isFinite(value) ? value : null;
    const one = metrics.find((other) => other.name === name);
    if (one !== undefined) Object.assign(one, { count: one.count + 1, step, last });
    else if (metrics.length < LOG_NAMES_MAX) metrics.push({ name, count: 1, step, last });
  }
}

function entryOf({ n, place, step }: Pick<RunCheckpoint, 'n' | 'place' | 'step'>): RunCheckpoint {
  return {
    ...{ n, place, step, isFolder: true, series: SERIES, files: 0, bytes: 0, time: Date.now() },
    // The program says that it is complete: nobody writes to it any more.
    written: Number.MAX_SAFE_INTEGER,
    ...{ state: 'held', version: null, number: null, problem: null },
  };
}

async function gitOf(layout: Layout, id: string): Promise<RunRecord['git']> {
  const git = await readGitState(layout.workTree);
  if (git?.dirty !== true) return git;
  const diff = await readGitDiff(layout.workTree, DIFF_BYTES_MAX);
  if (diff !== null && diff.text !== '') {
    const text = diff.cut ? `${diff.text}\n… cut off\n` : diff.text;
    await makeDirectory(layout.run(id));
    await writeFileAtomic(layout.runFile(id, 'changes.diff'), Buffer.from(text));
  }
  return git;
}

/** A checkpoint that a program holds and wants a version of. */
export interface TrackedCheckpoint {
  run: string;
  n: number;
}

/** Where the files of a checkpoint are, which paths of the line's last version they replace, and what its version says of the run. */
interface HeldFiles {
  from: string;
  keeps(tip: Id | null): Promise<{ replaced: readonly string[] }>;
  tellPaths(paths: readonly string[]): readonly Extension[];
}

/** What a version of a held checkpoint is made of. @throws {NotFoundError} {UsageError} */
export async function trackedCheckpoint(
  repo: StoreAccess,
  { run, n }: TrackedCheckpoint,
): Promise<HeldFiles> {
  const { layout } = repo;
  const record = await recordOf(layout, run);
  const entry = record.checkpoints.find((one) => one.n === n);
  if (entry === undefined) throw new UsageError(`run ${run} holds no checkpoint ${n}`, { run });
  const { id, name, kind, command, started, seconds, cpuSeconds, peakBytes } = record;
  return {
    from: layout.heldCheckpoint(id, n),
    // The checkpoint before of the run goes; what the run has nothing to do with stays.
    keeps: async (tip) => {
      const last = tip === null ? null : runFacts(await repo.version(tip));
      return { replaced: last?.run === id ? last.files.map(([own]) => own) : [] };
    },
    tellPaths: (paths) => [
      runExtension({
        ...{ run: id, name, kind, command, checkpoint: n, place: entry.place, series: SERIES },
        files: paths.map((own): [string, string] => [own, own]),
        ...{ others: {}, started, seconds, cpuSeconds, peakBytes },
      }),
    ],
  };
}

/** What became of a checkpoint: a version, or what was thrown. */
export type TrackedOutcome =
  | { version: Id; number: number | null; files: number; logicalBytes: number }
  | { error: unknown };

/** Notes it. What failed for want of room or of a lock stays held; what is wrong in itself does not. */
export async function settleTracked(
  repo: StoreAccess,
  { run, n }: TrackedCheckpoint,
  outcome: TrackedOutcome,
): Promise<void> {
  let isOver = true;
  await change(repo, run, (record) => {
    const entry = record.checkpoints.find((one) => one.n === n);
    if (entry === undefined) return;
    if ('version' in outcome) {
      const { version, number, files, logicalBytes } = outcome;
      Object.assign(entry, { state: 'committed', version, number, files, bytes: logicalBytes });
      return;
    }
    const { error } = outcome;
    isOver = ![IoError, LockedError, AbortedError].some((kind) => error instanceof kind);
    entry.state = isOver ? 'incomplete' : 'failed';
    entry.problem = error instanceof Error ? error.message : String(error);
  });
  if (isOver) await letGo(repo.layout, run, n);
}

/** Lets go of what a killed program was about to hold and never told of. */
export async function dropUntold(layout: Layout, { id, checkpoints }: RunRecord): Promise<void> {
  const told = new Set(checkpoints.map(({ n }) => String(n)));
  for (const name of await listDirectory(layout.heldCheckpoints(id)).catch(() => [])) {
    if (/^\d+$/.test(name) && !told.has(name)) await letGo(layout, id, Number(name));
  }
}
