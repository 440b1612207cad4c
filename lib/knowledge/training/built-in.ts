/** The built-in trainer: carries out a job in this process, step by step. */
import path from 'node:path';
import { UsageError } from '../../base/errors.js';
import { makeDirectory } from '../../base/files/files.js';
import { drawsFor, type Examples, readExamples, Sampler } from './batches.js';
import {
  type Checkpoint,
  OPTIMIZER_PREFIX,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint-file.js';
import type { TrainingJob } from './job.js';
import type { EndState, Message } from './messages.js';
import { openModelFile, readWeights } from './model-file.js';
import { NetworkProgram } from './network-program.js';
import { keptFloats, Optimizer } from './optimizer.js';
import { rateFactor } from './schedule.js';
import type { Weight } from './values.js';

/** Name of this trainer in its messages and in configs. */
export const BUILT_IN = 'built-in';

/** Draws of a job by purpose; 1 is the sampler's. */
const DRAWS = { weights: 2, dropout: 3 } as const;

/** Steps between looks at the signal: each is one turn of the event loop. */
const STEPS_A_TURN = 1;

export interface TrainOptions {
  /** Paths of the job are relative to it. */
  folder: string;
  signal?: AbortSignal;
  say(message: Message): void;
}

/** What a job that runs holds. */
interface Run {
  job: TrainingJob;
  options: TrainOptions;
  program: NetworkProgram;
  optimizer: Optimizer;
  train: Examples;
  test: Examples | null;
  started: number;
}

/**
 * Trains. Results depend on the job alone, not on threads; on another instruction set, their last bits differ.
 * @returns the state that was told of at the end.
 * @throws {UsageError} {LimitError} {IoError} {CorruptError} before the first step, where the job cannot be carried out.
 */
export async function trainBuiltIn(job: TrainingJob, options: TrainOptions): Promise<EndState> {
  const started = performance.now();
  const place = (file: string): string => path.resolve(options.folder, file);
  const placed = (of: { inputs: string; targets: string }): Promise<Examples> =>
    readExamples({ inputs: place(of.inputs), targets: place(of.targets) });
  const model = await openModelFile(place(job.network), job.network);
  const train = await placed(job.train);
  const test = job.test === null ? null : await placed(job.test);
  const frozen = new Set(
    job.layers.filter((one) => one.frozen).flatMap(({ parameters }) => parameters),
  );
  let dropped = drawsFor(job.seed, DRAWS.dropout);
  const program = new NetworkProgram(model, {
    batch: job.batch,
    example: train.example,
    loss: job.loss,
    output: job.output ?? undefined,
    frozen,
    threads: job.threads,
    keeps: (weights) => keptFloats(job.optimizer, weights),
    draw: (below) => dropped.next(below),
  });
  for (const examples of test === null ? [train] : [train, test]) {
    checkTargets(job, examples, program.outputWidth);
  }
  const optimizer = new Optimizer(program, job.optimizer, (name) => settingsOf(job, name));
  const names = program.weights.map(({ name }) => name);
  const first =
    job.weights === 'init' ? firstWeights(job, program.weights) : await readWeights(model, names);
  for (const weight of program.weights) program.numbers(weight).set(first.get(weight.name) ?? []);
  if (job.resume !== null) {
    optimizer.done = restore(program, optimizer, await readCheckpoint(place(job.resume)));
  }
  const folder = place(job.checkpoints.folder);
  await makeDirectory(folder);
  options.say({
    event: 'start',
    trainer: BUILT_IN,
    parameters: program.trained.reduce((sum, { slot }) => sum + slot.size, 0),
    examples: train.count,
  });
  const run: Run = { job, options, program, optimizer, train, test, started };
  const state = await steps(run, folder, (done) => {
    // Random numbers are seeded for each step: a run that is resumed draws what an unbroken one would.
    dropped = drawsFor(job.seed, DRAWS.dropout, done);
  });
  options.say({ event: 'end', state, iteration: optimizer.done, time: secondsOf(run) });
  return state;
}

function secondsOf({ started }: Run): number {
  return Math.round(performance.now() - started) / 1000;
}

async function steps(run: Run, folder: string, begin: (done: number) => void): Promise<EndState> {
  const { job, options, program, optimizer, train } = run;
  const sampler = new Sampler(train.count, job.batch, job.seed);
  const size = train.inputs.length / train.count;
  const targets = new Float64Array(job.batch * train.width);
  let [sum, right, seen] = [0, 0, 0];
  while (optimizer.done < job.iterations) {
    if (optimizer.done % STEPS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    if (options.signal?.aborted) return 'stopped';
    const { done } = optimizer;
    begin(done);
    let row = 0;
    for (const example of sampler.batch(done)) {
      const { inputs } = train;
      program.input.set(inputs.subarray(example * size, (example + 1) * size), row * size);
      for (let i = 0; i < train.width; i += 1) {
        targets[row * train.width + i] = train.targets[example * train.width + i] as number;
      }
      row += 1;
    }
    const loss = program.step(targets);
    const rate = job.optimizer.lr * rateFactor(job.schedule, done, job.iterations);
    optimizer.step(rate);
    sum += loss.sum;
    right += loss.right;
    seen += job.batch;
    const isBroken = !Number.isFinite(loss.sum);
    const isLast = optimizer.done === job.iterations;
    if (isBroken || isLast || optimizer.done % job.report === 0) {
      report(run, { loss: sum / seen, ...accuracy(job, right / seen) }, rate, isBroken);
      [sum, right, seen] = [0, 0, 0];
    }
    if (isBroken) return 'nan';
    const { every } = job.checkpoints;
    if (isLast || (every > 0 && optimizer.done % every === 0)) await save(run, folder);
  }
  return 'done';
}

function accuracy(job: TrainingJob, share: number): { accuracy?: number } {
  return job.loss === 'cross-entropy' ? { accuracy: share } : {};
}

function report(run: Run, values: Record<string, number>, lr: number, isBroken: boolean): void {
  const { job, options, optimizer, test } = run;
  const told: Record<string, number> = { ...values, lr };
  if (test !== null && !isBroken) {
    const { loss, right } = testLoss(run, test);
    told.test_loss = loss;
    if (job.loss === 'cross-entropy') told.test_accuracy = right;
  }
  options.say({
    event: 'metrics',
    iteration: optimizer.done,
    time: secondsOf(run),
    values: Object.fromEntries(
      Object.entries(told).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
    ),
  });
}

function testLoss({ job, program }: Run, test: Examples): { loss: number; right: number } {
  const size = test.inputs.length / test.count;
  let [sum, right] = [0, 0];
  for (let at = 0; at < test.count; at += job.batch) {
    const count = Math.min(job.batch, test.count - at);
    program.input.set(test.inputs.subarray(at * size, (at + count) * size));
    const targets = test.targets.subarray(at * test.width, (at + count) * test.width);
    const loss = program.test(targets, count);
    sum += loss.sum;
    right += loss.right;
  }
  return { loss: sum / test.count, right: right / test.count };
}

async function save({ program, optimizer, options }: Run, folder: string): Promise<void> {
  const name = `step-${optimizer.done}.safetensors`;
  const shapes = new Map(program.weights.map((weight) => [weight.name, weight.shape]));
  const numbers = new Map(
    program.weights.map((weight) => [
      weight.name,
      { shape: weight.shape, values: program.numbers(weight) },
    ]),
  );
  for (const [key, values] of optimizer.kept()) {
    const shape = shapes.get(key.slice(key.indexOf('/') + 1)) ?? [values.length];
    numbers.set(`${OPTIMIZER_PREFIX}${key}`, { shape, values });
  }
  await writeCheckpoint(path.join(folder, name), optimizer.done, numbers);
  options.say({ event: 'checkpoint', iteration: optimizer.done, file: name });
}

/** Puts the numbers of a checkpoint in place. @returns after which step it was saved. */
function restore(
  program: NetworkProgram,
  optimizer: Optimizer,
  { iteration, numbers }: Checkpoint,
): number {
  const places = new Map<string, Float32Array>(
    program.weights.map((weight) => [weight.name, program.numbers(weight)]),
  );
  for (const [name, values] of optimizer.kept()) places.set(`${OPTIMIZER_PREFIX}${name}`, values);
  for (const [name, place] of places) {
    const found = numbers.get(name)?.values;
    if (found === undefined || found.length !== place.length) {
      throw new UsageError(`the checkpoint has no '${name}' of ${place.length} numbers`, {
        hint: 'go on from a checkpoint of the same network and optimizer',
      });
    }
    place.set(found);
  }
  return iteration;
}

function settingsOf(job: TrainingJob, name: string): { lr: number; weight_decay: number } {
  const own = job.layers.filter(({ parameters }) => parameters.includes(name)).at(-1);
  return own ?? { lr: 1, weight_decay: 1 };
}

function checkTargets(job: TrainingJob, examples: Examples, width: number): void {
  const { targets } = examples;
  if (job.loss === 'mse') {
    if (examples.width === width) return;
    throw new UsageError(
      `the network gives ${width} numbers an example, the targets have ${examples.width}`,
    );
  }
  const wrong =
    examples.width === 1
      ? targets.findIndex((one) => !(Number.isInteger(one) && one >= 0 && one < width))
      : 0;
  if (wrong < 0) return;
  throw new UsageError(
    `the target ${targets[wrong]} of example ${wrong} is not a class: the network has ${width}, from 0`,
    { hint: 'a network that predicts numbers is trained with the loss "mse"' },
  );
}

/**
 * First weights, as PyTorch's layers have them: weights and biases are uniform within ±1/√fan-in, scales and
 * variances are 1, shifts and means 0.
 */
function firstWeights(job: TrainingJob, weights: readonly Weight[]): Map<string, Float32Array> {
  return new Map(
    weights.map(({ name, role, slot, fanIn }, index) => {
      const values = new Float32Array(slot.size);
      if (role === 'scale' || role === 'variance') values.fill(1);
      if (role === 'weight' || role === 'bias') {
        const draws = drawsFor(job.seed, DRAWS.weights, index);
        const bound = 1 / Math.sqrt(fanIn);
        for (let i = 0; i < values.length; i += 1) {
          values[i] = bound * (draws.next(1 << 24) / (1 << 23) - 1);
        }
      }
      return [name, values];
    }),
  );
}
