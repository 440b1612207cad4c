/** The job of a trainer, a JSON document: what is trained on what, how, and what is told. @see docs/format/trainers.md */
import { UsageError } from '../../base/errors.js';
import type { LossName } from './loss.js';

/** Version of the protocol that this dlv speaks. */
export const PROTOCOL = 1;

/** How weights move. */
export interface OptimizerOptions {
  name: 'sgd' | 'adam' | 'adamw';
  /** Learning rate before the schedule. */
  lr: number;
  weight_decay: number;
  /** Of sgd. */
  momentum: number;
  dampening: number;
  nesterov: boolean;
  /** Of adam and adamw. */
  beta1: number;
  beta2: number;
  eps: number;
}

/** How the learning rate changes; `iterations` of a cosine or a line are those of the job unless it says. */
export interface ScheduleOptions {
  name: 'constant' | 'step' | 'cosine' | 'linear';
  /** Of step: the rate is multiplied by `factor` after each so many iterations. */
  every: number;
  factor: number;
  /** Of cosine and linear: iterations after which the rate is `to` times the first one. */
  over: number;
  to: number;
  /** Iterations over which the rate grows from 0. */
  warmup: number;
}

/** Settings of some weights. */
export interface WeightSettings {
  /** Names of parameters of the network. */
  parameters: readonly string[];
  /** Factors of learning rate and weight decay. */
  lr: number;
  weight_decay: number;
  /** They stay as they are. */
  frozen: boolean;
}

/** Arrays of a data set, each a .npy file: float32 inputs as the network takes them, and what is true of them. */
export interface ArraysPlace {
  inputs: string;
  /** Classes (int64, one an example) or float32. */
  targets: string;
}

/** What a trainer is told. Paths are absolute or relative to the folder of the job. */
export interface TrainingJob {
  protocol: typeof PROTOCOL;
  /** An ONNX file. */
  network: string;
  /** Name of the output that is trained; null: the first. */
  output: string | null;
  /** 'network': those of the file; 'init': drawn from the seed. Running statistics and scales begin at 0 and 1 then. */
  weights: 'network' | 'init';
  train: ArraysPlace;
  /** Data that loss and accuracy are told of besides; null for none. */
  test: ArraysPlace | null;
  loss: LossName;
  optimizer: OptimizerOptions;
  schedule: ScheduleOptions;
  layers: readonly WeightSettings[];
  batch: number;
  /** Steps until the end, those of `resume` included. */
  iterations: number;
  /** Steps from one report to the next; the last step is always told of. */
  report: number;
  seed: number;
  threads: number;
  /** Folder for checkpoints, and steps between them; 0: one at the end. */
  checkpoints: { folder: string; every: number };
  /** A checkpoint of the same job that it goes on from; null: from the start. */
  resume: string | null;
  /** Further hyperparameters, for commands. */
  hyperparameters: Readonly<Record<string, unknown>>;
}

const DEFAULT_OPTIMIZER: OptimizerOptions = {
  name: 'sgd',
  lr: 0.01,
  weight_decay: 0,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
};

const DEFAULT_SCHEDULE: ScheduleOptions = {
  name: 'constant',
  every: 1000,
  factor: 0.1,
  over: 0,
  to: 0,
  warmup: 0,
};

/** A reader of one object: each key that is known is taken once, and what is left is refused. */
class Reader {
  readonly #left: Map<string, unknown>;
  readonly #where: string;

  /** @throws {UsageError} for what is no object. */
  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new UsageError(`${where} is not a JSON object`);
    }
    this.#where = where;
    this.#left = new Map(Object.entries(value));
  }

  take(key: string): unknown {
    const value = this.#left.get(key);
    this.#left.delete(key);
    return value;
  }

  wrong(key: string, value: unknown, wanted: string): UsageError {
    return new UsageError(`'${key}' of ${this.#where} is ${JSON.stringify(value)}, not ${wanted}`);
  }

  number(key: string, fallback: number, { least, most = Number.MAX_VALUE }: Range): number {
    const value = this.take(key) ?? fallback;
    if (typeof value === 'number' && value >= least && value <= most) return value;
    throw this.wrong(key, value, `a number from ${least}${most < 1e300 ? ` to ${most}` : ''}`);
  }

  whole(key: string, fallback: number | null, least: number): number {
    const value = this.take(key) ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    throw this.wrong(key, value, `a whole number from ${least}`);
  }

  flag(key: string): boolean {
    const value = this.take(key) ?? false;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, value, 'true or false');
  }

  text(key: string, fallback: string | null = null): string {
    const value = this.take(key) ?? fallback;
    if (typeof value === 'string' && value !== '') return value;
    throw this.wrong(key, value, 'a text');
  }

  oneOf<T extends string>(key: string, values: readonly T[], fallback: T): T {
    const value = this.take(key) ?? fallback;
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    throw this.wrong(key, value, `one of ${values.join(', ')}`);
  }

  /** @throws {UsageError} if something is left. */
  end(): void {
    const [key] = this.#left.keys();
    if (key === undefined) return;
    throw new UsageError(`${this.#where} has a setting '${key}' that means nothing here`);
  }
}

interface Range {
  least: number;
  most?: number;
}

/** Reads settings of an optimizer; those that are left out have PyTorch's defaults. @throws {UsageError} */
export function readOptimizer(value: unknown): OptimizerOptions {
  const read = new Reader(value ?? {}, 'the optimizer');
  const known = DEFAULT_OPTIMIZER;
  const name = read.oneOf('name', ['sgd', 'adam', 'adamw'], known.name);
  const decay = name === 'adamw' ? 0.01 : 0;
  const options: OptimizerOptions = {
    name,
    lr: read.number('lr', name === 'sgd' ? known.lr : 0.001, { least: 0 }),
    weight_decay: read.number('weight_decay', decay, { least: 0 }),
    momentum: read.number('momentum', 0, { least: 0, most: 1 }),
    dampening: read.number('dampening', 0, { least: 0, most: 1 }),
    nesterov: read.flag('nesterov'),
    beta1: read.number('beta1', known.beta1, { least: 0, most: 1 }),
    beta2: read.number('beta2', known.beta2, { least: 0, most: 1 }),
    eps: read.number('eps', known.eps, { least: 0 }),
  };
  read.end();
  if (options.nesterov && (options.momentum === 0 || options.dampening !== 0)) {
    throw new UsageError('nesterov needs a momentum, and no dampening');
  }
  return options;
}

/** @throws {UsageError} */
export function readSchedule(value: unknown): ScheduleOptions {
  const read = new Reader(value ?? {}, 'the schedule');
  const known = DEFAULT_SCHEDULE;
  const options: ScheduleOptions = {
    name: read.oneOf('name', ['constant', 'step', 'cosine', 'linear'], known.name),
    every: read.whole('every', known.every, 1),
    factor: read.number('factor', known.factor, { least: 0 }),
    over: read.whole('over', known.over, 0),
    to: read.number('to', known.to, { least: 0 }),
    warmup: read.whole('warmup', known.warmup, 0),
  };
  read.end();
  return options;
}

function readArrays(value: unknown, where: string): ArraysPlace {
  const read = new Reader(value, where);
  const arrays = { inputs: read.text('inputs'), targets: read.text('targets') };
  read.end();
  return arrays;
}

function readLayers(value: unknown): WeightSettings[] {
  if (!Array.isArray(value)) throw new UsageError("'layers' of the job is not a list");
  return value.map((one) => {
    const read = new Reader(one, 'an entry of layers');
    const parameters = read.take('parameters');
    if (!Array.isArray(parameters) || !parameters.every((name) => typeof name === 'string')) {
      throw read.wrong('parameters', parameters, 'a list of names');
    }
    const settings = {
      parameters,
      lr: read.number('lr', 1, { least: 0 }),
      weight_decay: read.number('weight_decay', 1, { least: 0 }),
      frozen: read.flag('frozen'),
    };
    read.end();
    return settings;
  });
}

/** Reads a job. @throws {UsageError} for another protocol, a setting that is missing, unknown or out of range. */
export function readJob(value: unknown): TrainingJob {
  const read = new Reader(value, 'the job');
  const protocol = read.take('protocol');
  if (protocol !== PROTOCOL) throw read.wrong('protocol', protocol, `${PROTOCOL}`);
  const test = read.take('test') ?? null;
  const output = read.take('output') ?? null;
  const resume = read.take('resume') ?? null;
  for (const [key, text] of Object.entries({ output, resume })) {
    if (text !== null && typeof text !== 'string') throw read.wrong(key, text, 'a text');
  }
  const places = new Reader(read.take('checkpoints'), 'checkpoints');
  const checkpoints = { folder: places.text('folder'), every: places.whole('every', 0, 0) };
  places.end();
  const hyperparameters = read.take('hyperparameters') ?? {};
  const job: TrainingJob = {
    protocol: PROTOCOL,
    network: read.text('network'),
    output: output as string | null,
    weights: read.oneOf('weights', ['network', 'init'], 'network'),
    train: readArrays(read.take('train'), 'train'),
    test: test === null ? null : readArrays(test, 'test'),
    loss: read.oneOf('loss', ['cross-entropy', 'mse'], 'cross-entropy'),
    optimizer: readOptimizer(read.take('optimizer')),
    schedule: readSchedule(read.take('schedule')),
    layers: readLayers(read.take('layers') ?? []),
    batch: read.whole('batch', 64, 1),
    iterations: read.whole('iterations', null, 1),
    report: read.whole('report', 10, 1),
    seed: read.whole('seed', 0, 0),
    threads: read.whole('threads', 1, 1),
    checkpoints,
    resume: resume as string | null,
    hyperparameters: hyperparameters as Record<string, unknown>,
  };
  read.end();
  return job;
}
