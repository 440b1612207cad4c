/** A network on a data set, batch by batch: what every example came to. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { InferenceError, UsageError } from '../../base/errors.js';
import {
  emptyClassOutcomes,
  enterScores,
  enterValues,
  type Outcomes,
  type ScoreKind,
} from '../../pure/metrics/outcomes.js';
import type { DataSet } from './data/data-set.js';
import type { Preprocess } from './data/preprocess.js';
import { Feeder } from './feeds.js';
import type { RunOptions, RuntimeValue } from './messages.js';
import { languageOutput, languagePasses, TokenFeeder } from './run-language.js';
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
  if (set.windows !== null) {
    const language = { ...run, windows: set.windows };
    const found = await languagePasses(runtime, language, languageOutput(runtime, run));
    return { ...found, version: runtime.version };
  }
  const feeder = new Feeder(runtime.inputs, run);
  const output = outputOf(runtime, run);
  const batch = feeder.batch(Math.min(run.batch, set.examples));
  const times: number[] = [];
  let entry: Entry | null = null;
  for (let first = 0; first < set.examples; first += batch) {
    throwIfAborted(run.signal);
    const count = Math.min(batch, set.examples - first);
    const rows = feeder.fixed ?? count;
    const inputs = await feeder.read(first, count, rows);
    const result = await runtime.run({ inputs, output: output.name });
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

/** Passes of one size. */
export interface BatchTiming {
  batch: number;
  /** Median of the passes after the first one, and the slowest. */
  milliseconds: number;
  slowest: number;
  passes: number;
  /** What the process took for runtime, network and passes, at its most. */
  memoryBytes: number;
}

const TIMED_PASSES_MAX = 30;
const TIMED_MS_MAX = 3000;

/**
 * Times passes of some sizes, each in a process of its own, so that its memory is that of its size.
 * @throws as `runNetwork`
 */
export async function timeNetwork(
  run: Omit<NetworkRun, 'batch' | 'onExamples'>,
  sizes: readonly number[],
): Promise<BatchTiming[]> {
  const found: BatchTiming[] = [];
  for (const size of sizes) {
    const runtime = await Runtime.open(run.path, run.label, run.options, run.signal);
    try {
      found.push(await timeBatch(runtime, run, size));
    } finally {
      await runtime.close();
    }
  }
  return found;
}

async function timeBatch(
  runtime: Runtime,
  run: Omit<NetworkRun, 'batch' | 'onExamples'>,
  size: number,
): Promise<BatchTiming> {
  const { batch, pass: onePass } = await timedPass(runtime, run, size);
  const times: number[] = [];
  let total = 0;
  for (let pass = 0; pass <= TIMED_PASSES_MAX && total < TIMED_MS_MAX; pass += 1) {
    throwIfAborted(run.signal);
    const { milliseconds } = await onePass();
    times.push(milliseconds);
    total += milliseconds;
  }
  const steady = (times.length > 1 ? times.slice(1) : times).sort((a, b) => a - b);
  return {
    batch,
    milliseconds: steady[Math.floor(steady.length / 2)] as number,
    slowest: steady.at(-1) as number,
    passes: steady.length,
    memoryBytes: await runtime.memoryBytes(),
  };
}

/** A pass of some size, to be repeated. */
async function timedPass(
  runtime: Runtime,
  run: Omit<NetworkRun, 'batch' | 'onExamples'>,
  size: number,
): Promise<{ batch: number; pass: () => Promise<{ milliseconds: number }> }> {
  const { windows, examples } = run.set;
  if (windows !== null) {
    const feeder = new TokenFeeder(runtime.inputs, { label: run.label, windows });
    const batch = feeder.fixed ?? size;
    const { name: output } = languageOutput(runtime, run);
    const { inputs, targets } = feeder.read(0, Math.min(batch, examples), batch);
    return { batch, pass: () => runtime.score({ inputs, output, targets }) };
  }
  const feeder = new Feeder(runtime.inputs, run);
  const batch = feeder.batch(size);
  const { name: output } = outputOf(runtime, run);
  const inputs = await feeder.read(0, Math.min(batch, examples), batch);
  return { batch, pass: () => runtime.run({ inputs, output }) };
}

function outputOf(
  { outputs }: Runtime,
  { output, label }: Pick<NetworkRun, 'output' | 'label'>,
): RuntimeValue {
  const found = output === undefined ? outputs[0] : outputs.find(({ name }) => name === output);
  if (found !== undefined) return found;
  throw new UsageError(`'${label}' has no output '${output ?? ''}'`, {
    file: label,
    hint: `its outputs are ${outputs.map(({ name }) => name).join(', ')}`,
  });
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
  if (run.task === 'tokens') {
    throw new UsageError('the next tokens are predicted of texts: --tokenizer tokenizer.json');
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
