/** The file that an evaluate statement names after `with config =`: settings of training, as JSON. */
import path from 'node:path';
import { suggestNames } from '../../base/bytes/words/closest.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import { isMissing, readSmallFile } from '../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../base/limits.js';
import { type Preprocess, parsePreprocess } from '../../knowledge/inference/data/preprocess.js';
import { BUILT_IN } from '../../knowledge/training/built-in.js';
import {
  type OptimizerOptions,
  readOptimizer,
  readSchedule,
  type ScheduleOptions,
} from '../../knowledge/training/job.js';
import type { TrainerChoice } from '../../knowledge/training/trainers/run-trainer.js';
import type { Assignment } from '../../pure/search/space.js';

/** Settings that a statement may vary by another name. */
const ALIASES: Readonly<Record<string, string>> = {
  lr: 'base_lr',
  learning_rate: 'base_lr',
  batch_size: 'batch',
  max_iter: 'iterations',
};

const OPTIMIZER_KEYS = [
  'momentum',
  'dampening',
  'nesterov',
  'weight_decay',
  'beta1',
  'beta2',
  'eps',
];
const DATA_KEYS = ['labels', 'test_data', 'test_labels', 'test_share', 'limit'];
const PREPROCESS_KEYS = ['scale', 'mean', 'std', 'layout'];
const OTHER_KEYS = [
  'base_lr',
  'optimizer',
  'schedule',
  'batch',
  'iterations',
  'report',
  'seed',
  'loss',
  'weights',
].concat(['output', 'input_data', 'net', 'trainer']);
const KEYS = [...OTHER_KEYS, ...OPTIMIZER_KEYS, ...DATA_KEYS, ...PREPROCESS_KEYS];
/** Settings of the layers that a pattern names. */
export const LAYER_KEYS = ['lr', 'weight_decay', 'frozen'] as const;

/** The name by which a setting is known here. */
export function settingName(name: string): string {
  return ALIASES[name] ?? name;
}

/** A setting of layers: 'net["conv*"].lr'. */
export function layerKey(pattern: string, name: string): string {
  return `net[${JSON.stringify(pattern)}].${name}`;
}

/** What is trained on. Paths are absolute. */
export interface DataOptions {
  data: string;
  labels: string | null;
  testData: string | null;
  testLabels: string | null;
  /** Share of the data that is held back, where there are no test data. */
  testShare: number;
  preprocess: Partial<Preprocess>;
  limit: number | null;
}

/** Settings of layers by pattern. */
export interface LayerOptions {
  pattern: string;
  lr: number;
  weight_decay: number;
  frozen: boolean;
}

/** Settings of one trial. */
export interface TrialSettings {
  optimizer: OptimizerOptions;
  schedule: ScheduleOptions;
  layers: LayerOptions[];
  data: DataOptions;
  batch: number;
  report: number;
  seed: number;
  loss: 'cross-entropy' | 'mse';
  weights: 'network' | 'init';
  output: string | null;
  /** Settings that are the trainer's own. */
  others: Record<string, unknown>;
}

type Settings = Readonly<Record<string, unknown>>;

export class StudyConfig {
  readonly trainer: TrainerChoice;
  /** Iterations that the file asks for; null if it does not say. */
  readonly iterations: number | null;
  readonly seed: number;
  /** Its settings, with known names. */
  readonly settings: Settings;
  readonly #file: string;
  readonly #descriptions = new Map<string, Settings>();

  private constructor(file: string, settings: Settings) {
    this.#file = file;
    this.settings = settings;
    this.trainer = this.#trainer();
    this.seed = this.#whole(settings, 'seed', 0, 0);
    this.iterations =
      settings.iterations === undefined ? null : this.#whole(settings, 'iterations', 1, 1);
    for (const name of Object.keys(settings)) this.checkName(name);
  }

  /** @throws {IoError} {UsageError} for what is no config. */
  static async read(file: string): Promise<StudyConfig> {
    const given = await readObject(file);
    const settings: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(given)) {
      const known = settingName(name);
      if (known in settings) throw new UsageError(`'${file}' says '${known}' twice`, { file });
      settings[known] = value;
    }
    return new StudyConfig(file, settings);
  }

  #wrong(name: string, value: unknown, wanted: string): UsageError {
    return new UsageError(
      `'${name}' in '${this.#file}' is ${JSON.stringify(value)}, not ${wanted}`,
      {
        file: this.#file,
      },
    );
  }

  /** @throws {UsageError} for a setting that means nothing to the trainer. */
  checkName(name: string): void {
    if (KEYS.includes(name) || typeof this.trainer === 'object') return;
    throw new UsageError(`'${this.#file}' has a setting '${name}' that means nothing here`, {
      file: this.#file,
      ...suggestNames(name, KEYS, `settings are ${KEYS.join(', ')}`),
    });
  }

  #trainer(): TrainerChoice {
    const value = this.settings.trainer ?? BUILT_IN;
    if (value === BUILT_IN || value === 'pytorch') return value;
    const { command } = (value ?? {}) as { command?: unknown };
    if (
      Array.isArray(command) &&
      command.length > 0 &&
      command.every((one) => typeof one === 'string')
    ) {
      return { command: command as string[] };
    }
    throw this.#wrong(
      'trainer',
      value,
      `"${BUILT_IN}", "pytorch" or {"command": [program, argument, …]}`,
    );
  }

  #whole(settings: Settings, name: string, fallback: number, least: number): number {
    const value = settings[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    throw this.#wrong(name, value, `a whole number from ${least}`);
  }

  #oneOf<T extends string>(settings: Settings, name: string, values: readonly T[]): T {
    const value = settings[name] ?? values[0];
    // PyTorch writes cross_entropy.
    const plain = typeof value === 'string' ? value.toLowerCase().replaceAll('_', '-') : value;
    const found = values.find((one) => one === plain);
    if (found === undefined) throw this.#wrong(name, value, `one of ${values.join(', ')}`);
    return found;
  }

  /** Data sets that a value of input_data means are described in a file of their own if it ends in '.json'. */
  async describe(inputData: unknown, cwd: string): Promise<void> {
    if (typeof inputData !== 'string' || !inputData.endsWith('.json')) return;
    const file = path.resolve(cwd, inputData);
    this.#descriptions.set(inputData, { ...(await readObject(file)), '': path.dirname(file) });
  }

  /**
   * Settings of a trial: those of the file with those of an assignment in their place.
   * @param cwd  what paths in the statement are relative to; those of the file are relative to its folder.
   * @throws {UsageError}
   */
  trial(assignment: Assignment, cwd: string): TrialSettings {
    const merged: Record<string, unknown> = { ...this.settings };
    for (const [key, value] of Object.entries(assignment)) {
      if (!key.startsWith('net[')) merged[key] = value;
    }
    const optimizer: Record<string, unknown> = {};
    if (merged.optimizer !== undefined) optimizer.name = merged.optimizer;
    if (merged.base_lr !== undefined) optimizer.lr = merged.base_lr;
    for (const name of OPTIMIZER_KEYS) if (name in merged) optimizer[name] = merged[name];
    const schedule =
      typeof merged.schedule === 'string' ? { name: merged.schedule } : merged.schedule;
    const output = merged.output ?? null;
    if (output !== null && typeof output !== 'string')
      throw this.#wrong('output', output, 'a text');
    return {
      optimizer: readOptimizer(optimizer),
      schedule: readSchedule(schedule),
      layers: this.#layers(assignment),
      data: this.#data(merged, 'input_data' in assignment, cwd),
      batch: this.#whole(merged, 'batch', 64, 1),
      report: this.#whole(merged, 'report', 10, 1),
      seed: this.#whole(merged, 'seed', 0, 0),
      loss: this.#oneOf(merged, 'loss', ['cross-entropy', 'mse']),
      weights: this.#oneOf(merged, 'weights', ['network', 'init']),
      output: output as string | null,
      others: Object.fromEntries(Object.entries(merged).filter(([name]) => !KEYS.includes(name))),
    };
  }

  #layers(assignment: Assignment): LayerOptions[] {
    const net = this.settings.net ?? {};
    if (typeof net !== 'object' || Array.isArray(net)) throw this.#wrong('net', net, 'an object');
    const found = new Map<string, Record<string, unknown>>();
    for (const [pattern, settings] of Object.entries(net as object)) {
      found.set(pattern, { ...(settings as object) });
    }
    for (const [key, value] of Object.entries(assignment)) {
      const [, quoted, name] = /^net\[(".*")\]\.(\w+)$/.exec(key) ?? [];
      if (quoted === undefined || name === undefined) continue;
      const pattern = JSON.parse(quoted) as string;
      found.set(pattern, { ...found.get(pattern), [name]: value });
    }
    return [...found].map(([pattern, { lr = 1, weight_decay = 1, frozen = false, ...rest }]) => {
      const [odd] = Object.keys(rest);
      const isRight = [lr, weight_decay].every((one) => typeof one === 'number' && one >= 0);
      if (odd !== undefined || !isRight || typeof frozen !== 'boolean') {
        throw this.#wrong(
          `net["${pattern}"]`,
          found.get(pattern),
          `${LAYER_KEYS.join(', ')}: factors, and true or false`,
        );
      }
      return { pattern, lr: lr as number, weight_decay: weight_decay as number, frozen };
    });
  }

  #data(merged: Settings, isVaried: boolean, cwd: string): DataOptions {
    const given = merged.input_data;
    if (typeof given !== 'string' || given === '') {
      throw this.#wrong('input_data', given ?? null, 'the path of a data set');
    }
    const described = this.#descriptions.get(given);
    const settings = described ?? merged;
    const folder = described === undefined ? path.dirname(this.#file) : (described[''] as string);
    const text = (name: string): string | null => {
      const value = settings[name] ?? null;
      if (value === null) return null;
      if (typeof value !== 'string') throw this.#wrong(name, value, 'a path');
      return path.resolve(folder, value);
    };
    const data =
      described === undefined ? path.resolve(isVaried ? cwd : folder, given) : text('data');
    if (data === null) throw new UsageError(`'${given}' names no "data"`, { file: given });
    const share = settings.test_share ?? 0.2;
    if (typeof share !== 'number' || !(share >= 0 && share < 1)) {
      throw this.#wrong('test_share', share, 'a number from 0 to below 1');
    }
    const preprocess = Object.fromEntries(
      PREPROCESS_KEYS.flatMap((name) => (name in settings ? [[name, settings[name]]] : [])),
    );
    const limit = settings.limit === undefined ? null : this.#whole(settings, 'limit', 1, 1);
    return {
      data,
      labels: text('labels'),
      testData: text('test_data'),
      testLabels: text('test_labels'),
      testShare: share,
      preprocess: parsePreprocess(JSON.stringify(preprocess), this.#file),
      limit,
    };
  }
}

async function readObject(file: string): Promise<Record<string, unknown>> {
  const bytes = await readSmallFile(file, USER_TEXT_BYTES_MAX).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    throw new NotFoundError(`there is no config '${file}'`, {
      kind: 'path',
      name: file,
      hint: "it is a JSON object with input_data, labels and how to train: 'dlv help dql' lists its settings",
    });
  });
  const text = Buffer.from(bytes).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`'${file}' is not JSON: ${(error as Error).message}`, { file });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new UsageError(`'${file}' is not a JSON object with settings`, { file });
}
