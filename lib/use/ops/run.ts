/** `dlv run`: carries out a command that trains, and makes versions of its checkpoints while it goes on. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { makeDirectory } from '../../base/files/files.js';
import { ownIdentity } from '../../base/files/process.js';
import { removeFolder } from '../../base/files/temporary.js';
import { MASK, maskWords, paramsOfWords, placeCheckpoint } from '../../pure/logs/command-words.js';
import { formatParam } from '../../pure/logs/param-value.js';
import type { Layout } from '../../storage/repo/layout.js';
import { branchRefName, checkModelName } from '../../storage/repo/refs/ref-name.js';
import { readRef } from '../../storage/repo/refs/refs.js';
import {
  listRuns,
  newRunId,
  placeOf,
  type RunRecord,
  recordPlace,
  writeRun,
} from '../../storage/repo/runs/run-record.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import type { Param } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import { knownModels, newBranchName } from '../history/lines/branches.js';
import { currentLine } from '../history/lines/lines.js';
import { type ParamValues, toParams } from '../history/version-content.js';
import type { Repository } from '../repository.js';
import { carryOut, type RunHost } from '../running/carrying/carry-out.js';
import { Scanner } from '../running/checkpoints/scan.js';
import { commitByProcess, commitByRepository, recoverBeside } from '../running/committer.js';
import { machineFacts } from '../running/facts.js';
import { findRun } from '../running/find-run.js';
import { isCommandThere, recoverRun, takeOver } from '../running/recover.js';
import { type ResumePoint, restoreLast } from '../running/resume.js';
import { type ShownCheckpoint, shownCheckpoint } from '../running/shown-checkpoint.js';

export type { RunStatus } from '../running/carrying/carry-out.js';
export type { ShownCheckpoint } from '../running/shown-checkpoint.js';

import { findFacts } from '../running/begin-facts.js';

/** What `dlv run` is asked for. */
export interface RunOptions {
  /** Words of the command; none with `resume`: those of the run. */
  command: readonly string[];
  /** What the user calls the run. */
  name?: string;
  /** `model/branch`, or a branch of HEAD's model, that its versions go to; default: one of its own. */
  branch?: string;
  /** Globs of files and folders that are checkpoints, relative to the context's folder. */
  checkpoints?: readonly string[];
  /** Training logs, files and folders, besides those that are found by name. */
  logs?: readonly string[];
  params?: ParamValues | readonly Param[];
  /** Id of a run that goes on from its last complete checkpoint. */
  resume?: string;
}

/** How a run went. */
export interface RunResult
  extends Pick<
    RunRecord,
    | 'name'
    | 'model'
    | 'branch'
    | 'state'
    | 'code'
    | 'signal'
    | 'seconds'
    | 'cpuSeconds'
    | 'peakBytes'
    | 'metrics'
    | 'problems'
  > {
  run: string;
  checkpoints: ShownCheckpoint[];
  /** What it went on from; null for a new run. */
  resumed: ResumePoint | null;
}

/** What a run would be. */
export interface RunPreview {
  dryRun: true;
  command: string[];
  model: string;
  /** Null: a branch of its own. */
  branch: string | null;
  base: Id | null;
  params: Record<string, string>;
  environment: Record<string, string>;
  /** Places that are checkpoints by their names or the globs, and are there already. */
  known: string[];
}

/** What surrounds a run: the terminal, signals, and how dlv was started. */
export type RunSurroundings = Pick<RunHost, 'output' | 'status' | 'signals' | 'env'> & {
  /** Words that start dlv; null: versions are made by this process. */
  self: readonly string[] | null;
};

/** Carries out a command. The repository is open only while the run begins. @throws {NotFoundError} {UsageError} */
export async function run(
  open: <T>(action: (repo: Repository) => Promise<T>) => Promise<T>,
  options: RunOptions,
  surroundings: RunSurroundings,
  context: OpContext,
): Promise<RunResult> {
  const { layout, record, words, resumed } = await open(async (repo) => {
    return options.resume === undefined
      ? { ...(await begin(repo, options, surroundings.env, context)), resumed: null }
      : await goOn(repo, options.resume, options, context);
  });
  const { self } = surroundings;
  if (self !== null && (await hasCrashed(layout))) recoverBeside(self, layout.workTree);
  const commit =
    self === null ? commitByRepository(open, context) : commitByProcess(self, layout.workTree);
  const host: RunHost = {
    ...surroundings,
    env: environmentOf(surroundings.env, record, resumed),
    warn: (message) => context.warn(message),
    commit,
  };
  const cwd = placeOf(layout, record.cwd);
  const logs = (options.logs ?? []).map((file) => path.resolve(context.cwd, file));
  const facts = (): Promise<void> => findFacts(layout, record, { words, cwd, env: host.env });
  try {
    await carryOut(layout, record, { words, cwd, logs, facts }, host);
  } catch (error) {
    // A command that cannot be started leaves no run.
    if (error instanceof NotFoundError && record.stretches.length === 0) {
      await removeFolder(layout.run(record.id));
    }
    throw error;
  }
  return resultOf(record, resumed);
}

/** Says what `run` would do. Nothing is run, and nothing written. */
export async function dryRun(
  repo: Repository,
  options: RunOptions,
  env: NodeJS.ProcessEnv,
  context: OpContext,
): Promise<RunPreview> {
  const { line, base } = await lineOf(repo, options, null);
  const { words } = maskWords(options.command);
  const scanner = new Scanner({
    cwd: context.cwd,
    patterns: options.checkpoints ?? [],
    logs: [],
  });
  const { places } = await scanner.scan(true);
  return {
    dryRun: true,
    command: words,
    model: line.model,
    branch: options.branch === undefined ? null : line.branch,
    base,
    params: paramsOf(options),
    environment: machineFacts(env),
    known: places.map(({ place }) => recordPlace(repo.layout, place)),
  };
}

async function begin(
  repo: Repository,
  options: RunOptions,
  env: NodeJS.ProcessEnv,
  context: OpContext,
): Promise<{ layout: Layout; record: RunRecord; words: string[] }> {
  const { layout } = repo;
  if (options.command.length === 0) {
    throw new UsageError('no command is given', {
      hint: "write it behind '--': dlv run -- python train.py",
    });
  }
  const id = newRunId();
  const { line, base } = await lineOf(repo, options, id);
  const now = Date.now();
  const record: RunRecord = {
    id,
    kind: 'command',
    name: options.name ?? null,
    command: maskWords(options.command).words,
    cwd: recordPlace(layout, context.cwd),
    model: line.model,
    branch: line.branch,
    base,
    ...{ started: now, ended: null, updated: now, state: 'running', code: null, signal: null },
    ...{ seconds: 0, cpuSeconds: 0, peakBytes: 0, process: ownIdentity(), child: null },
    checkpointPattern:
      options.checkpoints === undefined || options.checkpoints.length === 0
        ? null
        : options.checkpoints.join('\n'),
    environment: machineFacts(env),
    params: paramsOf(options),
    git: null,
    ...{ metrics: [], checkpoints: [], stretches: [], problems: [] },
  };
  await makeDirectory(layout.run(id));
  await writeRun(layout, record, { durable: false });
  return { layout, record, words: placeCheckpoint(options.command, null) };
}

/** The line of a new run, and the version that it begins from. */
async function lineOf(
  repo: Repository,
  { branch }: RunOptions,
  id: string | null,
): Promise<{ line: { model: string; branch: string }; base: Id | null }> {
  const { staging } = await readStaging(repo.layout);
  const head = await currentLine(repo, staging);
  const line =
    branch === undefined
      ? { model: checkModelName(head.model), branch: `run-${id ?? ''}` }
      : newBranchName(branch, head.model, await knownModels(repo, staging));
  const tip = await readRef(repo.layout, branchRefName(line.model, line.branch));
  return { line, base: tip ?? (line.model === head.model ? head.tip : null) };
}

function paramsOf({ command, params }: RunOptions): Record<string, string> {
  const words = placeCheckpoint(command, null);
  const found = [...paramsOfWords(words)].map(([name, value]) => [name, formatParam(value)]);
  const given = toParams(params).map(({ name, text }) => [name, text]);
  return Object.fromEntries([...found, ...given]) as Record<string, string>;
}

/** A run that goes on: what was complete is stored, its last checkpoint is at its place. */
async function goOn(
  repo: Repository,
  name: string,
  options: RunOptions,
  context: OpContext,
): Promise<{ layout: Layout; record: RunRecord; words: string[]; resumed: ResumePoint }> {
  const { layout } = repo;
  const before = await findRun(layout, name);
  const { id } = before;
  if (isCommandThere(before)) {
    throw new ConflictError(`the command of run ${id} still runs as process ${before.child?.pid}`, {
      run: id,
      hint: 'end it first',
    });
  }
  if (before.kind === 'track') {
    throw new UsageError(`run ${id} is of a program that tells of itself`, {
      run: id,
      hint: 'start the program again: it begins a run of its own',
    });
  }
  await recoverRun(repo, id, context);
  const record = await takeOver(repo, id);
  if (options.command.length === 0 && record.command.some((word) => word.includes(MASK))) {
    throw new UsageError(`the command of run ${id} had secrets, which are not kept`, {
      hint: `give it again: dlv run --resume ${id} -- ${record.command.join(' ')}`,
    });
  }
  const command = options.command.length === 0 ? record.command : options.command;
  if (command.length === 0) {
    throw new UsageError(`run ${id} has no command that could be started again`, { run: id });
  }
  const resumed = await restoreLast(repo, record, context);
  for (const { from, to } of resumed.setAside) {
    context.warn(`'${from}' is cut off: it is '${to}' now`);
  }
  const words = placeCheckpoint(command, resumed.checkpoint);
  Object.assign(record, {
    command: maskWords(command).words,
    ...{ state: 'running', code: null, signal: null, ended: null, process: ownIdentity() },
    params: { ...record.params, ...paramsOf({ ...options, command }) },
  });
  await writeRun(layout, record, { durable: true });
  return { layout, record, words, resumed };
}

/** The environment of the command: that of dlv, and what makes output come at once. */
function environmentOf(
  env: NodeJS.ProcessEnv,
  { id }: RunRecord,
  resumed: ResumePoint | null,
): NodeJS.ProcessEnv {
  return {
    PYTHONUNBUFFERED: '1',
    ...env,
    DLV_RUN: id,
    ...(resumed?.checkpoint ? { DLV_CHECKPOINT: resumed.checkpoint } : {}),
  };
}

function resultOf(record: RunRecord, resumed: ResumePoint | null): RunResult {
  const { name, model, branch, state, code, signal, seconds, cpuSeconds, peakBytes } = record;
  return {
    run: record.id,
    ...{ name, model, branch, state, code, signal, seconds, cpuSeconds, peakBytes },
    metrics: record.metrics,
    problems: record.problems,
    checkpoints: record.checkpoints.map(shownCheckpoint),
    resumed,
  };
}

/** True if a run of this repository crashed and has something left to store. */
async function hasCrashed(layout: Layout): Promise<boolean> {
  const runs = await listRuns(layout);
  return runs.some((one) => one.state === 'crashed' && one.ended === null && !isCommandThere(one));
}
