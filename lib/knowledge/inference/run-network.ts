/** A network on a data set, batch by batch: what every example came to. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { InferenceError, LimitError, UsageError } from '../../base/errors.js';
import { BATCH_BYTES_MAX } from '../../base/limits.js';
import {
  emptyClassOutcomes,
  enterScores,
  enterValues,
  type Outcomes,
  type ScoreKind,
} from '../../pure/metrics/outcomes.js';
import type { DataSet } from './data/data-set.js';
import { fedShape, type Preprocess, preprocess } from './data/preprocess.js';
import type { FedType, RunOptions, RuntimeValue } from './messages.js';
import { Runtime } from './runtime.js';

/** What is run, and how. */
export interface NetworkRun {
  /** File of the network; data files that it names lie beside it. */
  path: string;
  /** How errors call it. */
  label: string;
  set: DataSet;
  preprocess: Preprocess;
  batch: number;
  options: RunOptions;
  scores: ScoreKind;
  /** 'values' for networks that predict numbers; default: by labels and outputs. */
  task?: Outcomes['task'];
  /** Name of the output; default the first. */
  output?: string;
  signal?: AbortSignal;
  /** Told after each batch. */
  onExamples?: (count: number) => void;
}

/** What came of it. */
export interface RunResult {
  outcomes: Outcomes;
  /** Of onnxruntime. */
  version: string;
  batch: number;
  /** Milliseconds of one pass of a full batch: the median, after the first one. */
  latency: number;
}

const FED_TYPES = new Map<string, FedType>(
  (['float32', 'float64', 'int32', 'int64', 'uint8'] as const).map((type) => [type, type]),
);

/**
 * Runs all examples.
 * @throws {InferenceError} {UsageError} if inputs or labels do not fit the network; {AbortedError}
 */
export async function runNetwork(run: NetworkRun): Promise<RunResult> {
  const runtime = await Runtime.open(run.path, run.label, run.options, run.signal);
  try {
    return await passes(runtime, run);
  } finally {
    await runtime.close();
  }
}

async function passes(runtime: Runtime, run: NetworkRun): Promise<RunResult> {
  const { set } = run;
  const [input, more] = runtime.inputs;
  if (input === undefined || more !== undefined) {
    throw new UsageError(`'${run.label}' has ${runtime.inputs.length} inputs, not one`, {
      file: run.label,
      hint: `they are ${runtime.inputs.map(({ name }) => name).join(', ')}`,
    });
  }
  const output = outputOf(runtime, run);
  const type = FED_TYPES.get(input.type);
  if (type === undefined) {
    throw new UsageError(`input '${input.name}' of '${run.label}' takes ${input.type}`, {
      file: run.label,
      hint: `inputs of ${[...FED_TYPES.keys()].join(', ')} can be fed`,
    });
  }
  const dims = inputShape(input, run);
  const [fixed] = input.shape;
  const batch = typeof fixed === 'number' && fixed > 0 ? fixed : Math.min(run.batch, set.examples);
  const bytes = dims.reduce((product, one) => product * one, 8 * batch);
  if (bytes > BATCH_BYTES_MAX) throw tooLargeBatch(bytes);
  const times: number[] = [];
  let entry: Entry | null = null;
  for (let first = 0; first < set.examples; first += batch) {
    throwIfAborted(run.signal);
    const count = Math.min(batch, set.examples - first);
    const read = await set.data.rows(first, count);
    const fed = encode(preprocess(read, set.data.shape.slice(1), run.preprocess), type);
    const full = typeof fixed === 'number' && fixed > 0 ? padded(fed, batch / count) : fed;
    const rows = full.length === fed.length ? count : batch;
    const request = { input: input.name, output: output.name, type, dims: [rows, ...dims] };
    const result = await runtime.run({ ...request, bytes: full });
    entry ??= entryFor(result, rows, run);
    if (result.dims[0] !== rows || result.values.length !== rows * entry.width) {
      throw misshapen(run, output.name, result.dims);
    }
    entry.enter(first, result.values.subarray(0, count * entry.width));
    if (rows === batch) times.push(result.milliseconds);
    run.onExamples?.(count);
  }
  if (entry === null) throw new InferenceError(`'${run.label}' was run on no examples`);
  const steady = (times.length > 1 ? times.slice(1) : times).sort((a, b) => a - b);
  const latency = steady[Math.floor(steady.length / 2)] ?? Number.NaN;
  return { outcomes: entry.outcomes, version: runtime.version, batch, latency };
}

/** Repeats what is there, so that a network of a fixed batch gets a full one. */
function padded(bytes: Uint8Array, times: number): Uint8Array {
  if (times === 1) return bytes;
  const full = new Uint8Array(bytes.length * times);
  full.set(bytes);
  return full;
}

function tooLargeBatch(bytes: number): LimitError {
  return new LimitError(`a batch of ${bytes} bytes`, {
    limit: 'BATCH_BYTES_MAX',
    value: bytes,
    max: BATCH_BYTES_MAX,
    hint: 'take a smaller --batch',
  });
}

function outputOf({ outputs }: Runtime, { output, label }: NetworkRun): RuntimeValue {
  const found = output === undefined ? outputs[0] : outputs.find(({ name }) => name === output);
  if (found !== undefined) return found;
  throw new UsageError(`'${label}' has no output '${output ?? ''}'`, {
    file: label,
    hint: `its outputs are ${outputs.map(({ name }) => name).join(', ')}`,
  });
}

/** Shape of one example as the network takes it. Axes of 1 may be missing in the data, or too many. */
function inputShape({ name, shape }: RuntimeValue, run: NetworkRun): number[] {
  const given = fedShape(run.set.data.shape.slice(1), run.preprocess);
  const wanted = shape.slice(1);
  const isOpen = (size: number | string): boolean => typeof size === 'string' || size <= 0;
  const sizes = wanted.filter((size) => size !== 1);
  const rest = given.filter((size) => size !== 1);
  if (
    wanted.length === given.length &&
    wanted.every((size, i) => isOpen(size) || size === given[i])
  ) {
    return given;
  }
  if (sizes.length === rest.length && sizes.every((size, i) => isOpen(size) || size === rest[i])) {
    let at = 0;
    return wanted.map((size) => (size === 1 ? 1 : (rest[at++] as number)));
  }
  // Rows of pixels, as tables hold images; or images for a network that takes rows.
  const total = given.reduce((product, one) => product * one, 1);
  const isKnown = wanted.every((size) => !isOpen(size));
  const needed = wanted.reduce<number>((product, one) => product * Number(one), 1);
  const isRow = given.length === 1 || wanted.length === 1;
  if (isKnown && isRow && needed === total) return wanted.map(Number);
  throw new UsageError(
    `examples of shape [${given.join(', ')}] do not fit the input '${name}' of '${run.label}', ` +
      `[${shape.join(', ')}]`,
    { file: run.label, hint: 'images whose channels come last need --layout hwc' },
  );
}

function encode(values: Float64Array, type: FedType): Uint8Array {
  const typed = {
    float32: () => Float32Array.from(values),
    float64: () => values,
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
    uint8: () => Uint8Array.from(values),
  }[type]();
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** Where the outputs of batches go. */
interface Entry {
  outcomes: Outcomes;
  /** Numbers of one example. */
  width: number;
  enter(first: number, values: Float64Array): void;
}

function misshapen({ label }: NetworkRun, output: string, dims: readonly number[]): UsageError {
  return new UsageError(
    `output '${output}' of '${label}' has the shape [${dims.join(', ')}], not one row an example`,
    { file: label, hint: 'name another output: --output' },
  );
}

/** Decides by labels and the first batch what the network does. */
function entryFor(
  { dims, values }: { dims: readonly number[]; values: Float64Array },
  rows: number,
  run: NetworkRun,
): Entry {
  const { set, scores: kind } = run;
  const width = values.length / rows;
  if (dims[0] !== rows || !Number.isInteger(width) || width === 0) {
    throw misshapen(run, run.output ?? 'the first', dims);
  }
  const task = run.task ?? (set.areClasses && width > 1 ? 'classes' : 'values');
  if (task === 'values') {
    if (width !== set.truthWidth) {
      throw new UsageError(
        `'${run.label}' predicts ${width} numbers an example, the labels have ${set.truthWidth}`,
        { file: run.label },
      );
    }
    const columns = {
      absolute: new Float32Array(set.examples),
      squared: new Float32Array(set.examples),
    };
    const outcomes = { task, ...columns };
    const enter = (first: number, found: Float64Array): void =>
      enterValues(outcomes, { first, values: found, truth: set.truth, width });
    return { outcomes, width, enter };
  }
  const classes = Math.max(width, 2);
  const truth = classTruth(set, classes, run.label);
  const outcomes = emptyClassOutcomes(set.examples, classes);
  const enter = (first: number, found: Float64Array): void => {
    const scores = width === 1 ? twoSided(found, kind) : found;
    enterScores(outcomes, { first, scores, truth, kind });
  };
  return { outcomes, width, enter };
}

/** Scores of both classes where the network gives that of the second alone. */
function twoSided(scores: Float64Array, kind: ScoreKind): Float64Array {
  const both = new Float64Array(2 * scores.length);
  for (const [i, score] of scores.entries()) {
    both[2 * i] = kind === 'logits' ? 0 : 1 - score;
    both[2 * i + 1] = score;
  }
  return both;
}

/** The labels as classes. @throws {UsageError} for those that are none of the network. */
export function classTruth(
  { truth, areClasses }: DataSet,
  classes: number,
  label: string,
): Uint32Array {
  const wrong = areClasses ? truth.findIndex((one) => one >= classes) : 0;
  if (wrong < 0) return Uint32Array.from(truth);
  throw new UsageError(
    areClasses
      ? `label ${truth[wrong]} of example ${wrong} is not a class: the network has ${classes}, from 0`
      : 'the labels are not classes, which are whole numbers from 0',
    { file: label },
  );
}
