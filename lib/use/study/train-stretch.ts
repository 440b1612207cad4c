/** One stretch of a trial: a job up to some iteration, run by its trainer. */
import path from 'node:path';
import { makeDirectory, removeFile, writeFileAtomic } from '../../base/files/files.js';
import type { Executor } from '../../knowledge/training/executors/executor.js';
import { PROTOCOL, type TrainingJob } from '../../knowledge/training/job.js';
import type { Assignment } from '../../pure/search/space.js';
import type { OpContext } from '../context.js';
import type { SearchPlan } from './plan-study.js';
import type { StudyConfig } from './study-config.js';
import type { StudyData } from './study-data.js';
import { type SourceNetwork, weightsOf } from './study-sources.js';
import { type Point, type TrialRecord, writeRecord } from './trial-record.js';

/** What a stretch needs. */
export interface Stretch {
  /** Of the trial. */
  id: string;
  folder: string;
  record: TrialRecord;
  network: SourceNetwork;
  assignment: Assignment;
  config: StudyConfig;
  search: SearchPlan;
  data: StudyData;
  dataFolder: string;
  /** Up to which it goes. */
  iterations: number;
  executor: Executor;
  workers: number;
  /** Told of what the trainer says. */
  onReport(iteration: number, values: Record<string, number | null>): void;
}

/** Digits of the id of a trial that its jobs are named by. */
const JOB_DIGITS = 24;

/** Trains, and writes down what came of it. @throws {AbortedError} {UsageError} if the settings do not fit */
export async function trainStretch(stretch: Stretch, context: OpContext): Promise<void> {
  const { id, folder, record, iterations, executor, onReport } = stretch;
  const { signal } = context;
  await makeDirectory(folder);
  const job = await jobOf(stretch, context);
  const file = path.join(folder, 'job.json');
  await writeFileAtomic(file, Buffer.from(JSON.stringify(job)));
  const points: Point[] = [];
  let checkpoint: { iteration: number; file: string } | null = null;
  const began = performance.now();
  const end = await executor.run(
    {
      id: `${id.slice(0, JOB_DIGITS)}-${iterations}`,
      trainer: stretch.config.trainer,
      job: file,
    },
    {
      hear: (message) => {
        if (message.event === 'metrics') {
          points.push(message);
          onReport(message.iteration, message.values);
        }
        if (message.event === 'checkpoint') checkpoint = message;
      },
      restart: () => {
        points.length = 0;
        checkpoint = null;
      },
    },
    signal,
  );
  record.seconds += Math.round(performance.now() - began) / 1000;
  // Times go on from those of the stretch before.
  const before = record.points.at(-1)?.time ?? 0;
  record.points.push(
    ...points.map(({ iteration, time, values }) => ({ iteration, time: before + time, values })),
  );
  const saved = checkpoint as { iteration: number; file: string } | null;
  const former = record.checkpoint;
  if (end.state === 'done' && saved?.iteration === iterations) {
    record.iteration = iterations;
    record.checkpoint = saved.file;
  } else {
    record.iteration = Math.max(record.iteration, end.iteration);
    record.state = end.state === 'nan' ? 'nan' : 'failed';
    record.message =
      end.message ??
      (end.state === 'nan'
        ? 'the loss is not finite'
        : `the trainer ended at iteration ${end.iteration} and saved no checkpoint of iteration ${iterations}`);
  }
  await writeRecord(folder, record);
  if (former !== null && former !== record.checkpoint) await removeFile(path.join(folder, former));
}

async function jobOf(stretch: Stretch, { cwd, signal }: OpContext): Promise<TrainingJob> {
  const { config, assignment, network, record, search, iterations, executor, workers } = stretch;
  const settings = config.trial(assignment, cwd);
  const { train, test } = await stretch.data.prepare(
    settings.data,
    network,
    stretch.dataFolder,
    signal,
  );
  const { schedule } = settings;
  return {
    protocol: PROTOCOL,
    network: network.file,
    output: settings.output,
    weights: settings.weights,
    train,
    test,
    loss: settings.loss,
    optimizer: settings.optimizer,
    // A rate that falls has the whole trial for it, not one stretch.
    schedule: { ...schedule, over: schedule.over === 0 ? search.iterations : schedule.over },
    layers: settings.layers.map(({ pattern, ...rest }) => ({
      parameters: weightsOf(network, pattern),
      ...rest,
    })),
    batch: settings.batch,
    iterations,
    report: settings.report,
    seed: settings.seed,
    threads: executor.threads(workers),
    checkpoints: { folder: '.', every: 0 },
    resume: record.checkpoint,
    hyperparameters: { ...settings.others, ...assignment },
  };
}
