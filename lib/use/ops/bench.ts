/**
 * `dlv bench`: what it costs to store and rebuild the snapshots of a repository, or given
 * checkpoints, and what other ways would cost. The short answer takes seconds; the full one has
 * three parts, each in its own file: storage, recovery, plans. The repository does not change.
 */

import os from 'node:os';
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { statOrNull } from '../../base/files/files.js';
import { copyTo, makeTemporaryFolder, removeFolder } from '../../base/files/temporary.js';
import type { Scheme } from '../../pure/plan/graph.js';
import { calibrate } from '../../storage/archive/calibrate.js';
import type { CostUnit, RecreationUnit } from '../../storage/archive/planning/storage-graph.js';
import type { OpContext } from '../context.js';
import { costsNow, measureGraph } from '../measure/bench-graph.js';
import { type BenchMachine, MachineWatch } from '../measure/bench-machine.js';
import { type PlansResult, sweepPlans } from '../measure/bench-plans.js';
import { benchRecovery, type RecoveryResult } from '../measure/bench-recovery.js';
import { benchStorage, type StorageResult } from '../measure/bench-storage.js';
import { type BriefResult, benchBriefly } from '../measure/brief.js';
import {
  type BenchSnapshot,
  chooseSubjects,
  LAST_SNAPSHOTS,
  type Subjects,
} from '../measure/subjects.js';
import { noProgress } from '../progress.js';
import { Repository } from '../repository.js';
import { commitFiles } from '../worktree/commit-files.js';
import { withRepository } from './with-repository.js';

export type { BenchSnapshot } from '../measure/subjects.js';

export type BenchPart = 'storage' | 'recovery' | 'plans';

/** Budgets that are swept if nobody says which. */
export const DEFAULT_BUDGETS: readonly number[] = [1, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4];
const DEFAULT_REPEAT = 5;
const DEFAULT_MOST_BYTES = 256 * 1024 * 1024;
const DEFAULT_TIME_LIMIT_SECONDS = 5;
const BRIEF_TIME_LIMIT_SECONDS = 12;

export interface BenchOptions {
  /** Measures every encoding, scheme, depth, cache state and planner; else only the short answer. */
  full?: boolean;
  /** Default: the last snapshots of HEAD's history. */
  revisions?: string[];
  /** Checkpoints instead of a repository, oldest first. */
  files?: string[];
  /** Default: all parts. */
  only?: BenchPart[];
  /** Snapshots that are measured if no revision is named. Default 10. */
  last?: number;
  /** Runs of each recovery. Default 5. */
  repeat?: number;
  /** Factors of the least recreation cost. */
  budgets?: number[];
  /** Default 'independent'. */
  scheme?: Scheme;
  /** What plans count as recreation. Default 'bytes'; 'ms' is predicted from times of this machine. */
  unit?: RecreationUnit;
  /** Bytes of tensors whose encodings are measured at most. Default 256 MiB. */
  mostBytes?: number;
  /**
   * Most time: of one planner on one budget with `full` (default 5), else of all that is measured
   * (default 12).
   */
  timeLimitSeconds?: number;
}

export interface BenchResult {
  machine: BenchMachine;
  snapshots: BenchSnapshot[];
  /** The short answer; null with `full`. */
  brief: BriefResult | null;
  /** null: not asked for. */
  storage: StorageResult | null;
  recovery: RecoveryResult | null;
  plans: PlansResult | null;
  /** Parts that were asked for and not measured to the end, since the run was interrupted. */
  leftOut: BenchPart[];
  seconds: number;
}

/** @throws {NotFoundError} {UsageError} {CorruptError} {NoRepositoryError} */
export async function bench(options: BenchOptions, context: OpContext): Promise<BenchResult> {
  const started = performance.now();
  check(options);
  const watch = new MachineWatch();
  const { files } = options;
  const parts =
    files === undefined
      ? await withRepository(context, (repo) => {
          repo.requireWhole('a benchmark');
          return measure(repo, options, context);
        })
      : await withFiles(files, context, (repo, within) => {
          return measure(repo, { last: files.length, ...options }, within);
        });
  return { machine: watch.finish(), ...parts, seconds: (performance.now() - started) / 1000 };
}

function check({ revisions = [], files, budgets = [], repeat, last }: BenchOptions): void {
  const refuse = (message: string, option: string, hint: string): never => {
    throw new UsageError(message, { option, hint });
  };
  if (files !== undefined && revisions.length > 0) {
    refuse('revisions and --files at once', '--files', 'measure one after the other');
  }
  if (files?.length === 0) refuse('--files names no file', '--files', 'name checkpoint files');
  const wrong = budgets.find((budget) => !(budget >= 1 && budget < Infinity));
  if (wrong !== undefined) {
    refuse(`a budget of ${wrong} cannot be kept`, '--budgets', 'budgets are factors from 1 up');
  }
  for (const [value, option] of [
    [repeat, '--repeat'],
    [last, '--last'],
  ] as const) {
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
    refuse(`${option} takes a whole number from 1 up, not ${value}`, option, 'for example 5');
  }
}

async function measure(
  repo: Repository,
  options: BenchOptions,
  context: OpContext,
): Promise<Pick<BenchResult, 'snapshots' | 'brief' | 'leftOut' | BenchPart>> {
  const { revisions = [], last = LAST_SNAPSHOTS } = options;
  context.progress.start('looking at what is stored', 0);
  const subjects = await chooseSubjects(repo, revisions, last, context);
  if (!options.full) {
    const limitMs = 1000 * (options.timeLimitSeconds ?? BRIEF_TIME_LIMIT_SECONDS);
    const { budgets } = options;
    const how = { limitMs, ...(budgets === undefined ? {} : { budgets }) };
    const brief = await benchBriefly(repo, subjects, how, context);
    const none = { storage: null, recovery: null, plans: null };
    return { snapshots: subjects.snapshots, brief, ...none, leftOut: [] };
  }
  const leftOut: BenchPart[] = [];
  // What was measured before an interruption is told all the same.
  const part = async <T>(name: BenchPart, run: () => Promise<T>): Promise<T | null> => {
    if (options.only?.includes(name) === false) return null;
    try {
      throwIfAborted(context.signal);
      const found = await run();
      if (context.signal?.aborted) leftOut.push(name);
      return found;
    } catch (error) {
      if (!context.signal?.aborted) throw error;
      leftOut.push(name);
      return null;
    }
  };
  const { mostBytes = DEFAULT_MOST_BYTES, repeat = DEFAULT_REPEAT } = options;
  const storage = await part('storage', () => benchStorage(repo, subjects, mostBytes, context));
  for (const missing of storage?.missing ?? []) context.warn(`not measured: ${missing}`);
  const recovery = await part('recovery', () => benchRecovery(repo, subjects, { repeat }, context));
  if (recovery !== null && recovery.notCold !== null) {
    context.warn(`cold reads were not measured: ${recovery.notCold}`);
  }
  const plans = await part('plans', () => benchPlans(repo, subjects, options, context));
  return { snapshots: subjects.snapshots, brief: null, storage, recovery, plans, leftOut };
}

async function benchPlans(
  repo: Repository,
  { survey }: Subjects,
  options: BenchOptions,
  context: OpContext,
): Promise<PlansResult> {
  const { unit = 'bytes', scheme = 'independent' } = options;
  const cost: CostUnit = unit === 'ms' ? { unit, time: await calibrate(repo) } : { unit };
  const measured = await measureGraph(repo, survey, { scheme, cost, level: 1 }, context);
  const timeLimitMs = 1000 * (options.timeLimitSeconds ?? DEFAULT_TIME_LIMIT_SECONDS);
  const budgets = options.budgets ?? DEFAULT_BUDGETS;
  const swept = await sweepPlans(measured.graph, { budgets, timeLimitMs }, context);
  return {
    scheme,
    unit,
    extents: survey.extents.length,
    candidates: measured.graph.edgeCount,
    snapshots: measured.graph.groups.length,
    now: costsNow(measured),
    ...swept,
  };
}

/**
 * Commits files to a repository of their own, in the order given and each in the place of the one
 * before, and removes it after `action`.
 * @throws {NotFoundError} if a file is not there.
 */
async function withFiles<T>(
  files: readonly string[],
  context: OpContext,
  action: (repo: Repository, context: OpContext) => Promise<T>,
): Promise<T> {
  const sources = files.map((file) => path.resolve(context.cwd, file));
  for (const [i, source] of sources.entries()) {
    const there = await statOrNull(source);
    if (there === null) {
      const name = files[i] as string;
      throw new NotFoundError(`there is no file '${name}'`, { kind: 'file', name });
    }
    if (!there.isFile) {
      throw new UsageError(`'${files[i]}' is not a file`, { hint: 'name checkpoint files' });
    }
  }
  const folder = await makeTemporaryFolder(path.join(os.tmpdir(), 'dlv-bench-'));
  const within: OpContext = { ...context, cwd: folder };
  try {
    await (await Repository.init(folder, 'files')).close();
    context.progress.start('storing the files', 0);
    for (const [i, source] of sources.entries()) {
      const name = `model${path.extname(source)}`;
      await copyTo(source, path.join(folder, name));
      await withRepository(within, async (repo) => {
        const message = path.basename(files[i] as string);
        const stage = { paths: [name] };
        const quiet = { ...within, progress: noProgress };
        await commitFiles(repo, { message, stage, allowEmpty: true }, quiet);
      });
    }
    return await withRepository(within, (repo) => action(repo, within));
  } finally {
    await removeFolder(folder);
  }
}
