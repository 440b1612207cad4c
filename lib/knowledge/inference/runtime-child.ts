/**
 * The process that runs a network: loads onnxruntime, takes requests one after another, ends with its
 * parent. A network that crashes the runtime or takes all memory ends this process alone.
 */

import { createRequire } from 'node:module';
import { importFile } from '../../base/files/import-file.js';
import { scoreTokens } from '../../pure/metrics/token-scores.js';
import { halfToNumber } from '../../pure/tensor/dtype.js';
import type { Fed, FedType, Reply, Request, RuntimeValue } from './messages.js';
import { readPlaced } from './placed-tensor.js';

/** An optional package: whoever evaluates networks installs it. */
const PACKAGE = 'onnxruntime-node';

/** The part of onnxruntime's interface that is used here. */
interface Tensor {
  readonly dims: readonly number[];
  readonly type?: string;
  readonly data: ArrayLike<number | bigint>;
}

interface ValueMetadata {
  name: string;
  isTensor: boolean;
  type?: string;
  shape?: readonly (number | string)[];
}

interface Session {
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  run(feeds: Record<string, Tensor>, fetches: readonly string[]): Promise<Record<string, Tensor>>;
}

interface Runtime {
  readonly env: { readonly versions: { readonly node?: string; readonly common?: string } };
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: Record<string, unknown>): Promise<Session>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => Tensor;
}

const VIEWS: Record<FedType, new (buffer: ArrayBuffer) => unknown> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

let runtime: Runtime;
let session: Session;
/** Networks that were added, and tensors that are kept. */
const added = new Map<string, Session>();
const kept = new Map<string, Tensor>();
let loading: Promise<Reply | null> | null = null;
/** Bytes of this process before the runtime was loaded into it. */
let before = 0;

async function load({ path, options }: Extract<Request, { kind: 'load' }>): Promise<Reply> {
  const problem = await loadRuntime();
  if (problem !== null) return problem;
  session = await open(path, options);
  return loaded(session);
}

/** Loads the package, once. @returns what is wrong. */
function loadRuntime(): Promise<Reply | null> {
  loading ??= loadPackage();
  return loading;
}

async function loadPackage(): Promise<Reply | null> {
  let file: string;
  try {
    file = createRequire(import.meta.url).resolve(PACKAGE);
  } catch (error) {
    return { kind: 'missing', message: messageOf(error) };
  }
  before = process.memoryUsage.rss();
  const found = (await importFile(file)) as unknown as Runtime & { default?: Runtime };
  runtime = found.default ?? found;
  return null;
}

function open(
  model: string | Uint8Array,
  options: Extract<Request, { kind: 'load' }>['options'],
): Promise<Session> {
  return runtime.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.optimization,
    logSeverityLevel: 3,
    // Threads that wait in a loop take the time of what else runs here, and of each other.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

function loaded({ inputMetadata, outputMetadata }: Session): Reply {
  const { versions } = runtime.env;
  return {
    kind: 'loaded',
    version: versions.node ?? versions.common ?? 'unknown',
    inputs: inputMetadata.map(described),
    outputs: outputMetadata.map(described),
  };
}

async function add({ name, model, options }: Extract<Request, { kind: 'add' }>): Promise<Reply> {
  const problem = await loadRuntime();
  if (problem !== null) return problem;
  // A copy, because what came through the channel may begin at any offset.
  const made = await open(typeof model === 'string' ? model : Uint8Array.from(model), options);
  added.set(name, made);
  return loaded(made);
}

async function keep({ tensors }: Extract<Request, { kind: 'keep' }>): Promise<Reply> {
  for (const fed of tensors) kept.set(fed.name, tensorOf(fed));
  return { kind: 'kept' };
}

async function read({ tensor }: Extract<Request, { kind: 'read' }>): Promise<Reply> {
  kept.set(tensor.name, new runtime.Tensor('float32', await readPlaced(tensor), tensor.dims));
  return { kind: 'kept' };
}

async function passAdded(request: Extract<Request, { kind: 'pass' }>): Promise<Reply> {
  const { name, inputs, outputs } = request;
  const found = added.get(name);
  if (found === undefined) throw new Error(`no network '${name}' was added`);
  const feeds: Record<string, Tensor> = {};
  for (const fed of inputs) feeds[fed.name] = tensorOf(fed);
  for (const one of request.kept) feeds[one] = kept.get(one) as Tensor;
  for (const [input, one] of Object.entries(request.named ?? {})) {
    feeds[input] = kept.get(one) as Tensor;
  }
  const started = performance.now();
  const results = await found.run(feeds, outputs);
  const milliseconds = performance.now() - started;
  return {
    kind: 'passed',
    results: outputs.map((output) => {
      const { dims, data } = results[output] as Tensor;
      return { dims: [...dims], values: Float64Array.from(data, Number) };
    }),
    milliseconds,
  };
}

function tensorOf({ type, dims, bytes }: Fed): Tensor {
  // A copy, because what came through the channel may begin at any offset.
  return new runtime.Tensor(type, new VIEWS[type](Uint8Array.from(bytes).buffer), dims);
}

function described({ name, type, shape }: ValueMetadata): RuntimeValue {
  return { name, type: type ?? 'unknown', shape: [...(shape ?? [])] };
}

async function pass(
  inputs: readonly Fed[],
  output: string,
): Promise<{ result: Tensor; dims: number[]; milliseconds: number }> {
  const feeds = inputs.map((fed): [string, Tensor] => [fed.name, tensorOf(fed)]);
  const started = performance.now();
  const results = await session.run(Object.fromEntries(feeds), [output]);
  const milliseconds = performance.now() - started;
  const result = results[output] as Tensor;
  return { result, dims: [...result.dims], milliseconds };
}

/** Numbers of a tensor; those of 16 bits come as their bits. */
function numbersOf({ type, data }: Tensor): ArrayLike<number> {
  if (type === 'float16' && data instanceof Uint16Array)
    return Float64Array.from(data, halfToNumber);
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  return Float64Array.from(data, Number);
}

async function run({ inputs, output }: Extract<Request, { kind: 'run' }>): Promise<Reply> {
  const { result, dims, milliseconds } = await pass(inputs, output);
  return { kind: 'result', dims, values: Float64Array.from(numbersOf(result)), milliseconds };
}

/** An output of another shape comes back with no scores. */
async function score(request: Extract<Request, { kind: 'score' }>): Promise<Reply> {
  const { inputs, output, targets } = request;
  const { result, dims, milliseconds } = await pass(inputs, output);
  const [rows = 0, places = 0, vocabulary = 0] = dims;
  const fits = dims.length === 3 && rows * places === targets.length;
  const isKnown = fits && targets.every((token) => token < vocabulary);
  const scores = isKnown
    ? scoreTokens(numbersOf(result), vocabulary, targets)
    : { loss: new Float64Array(0), hits: new Uint8Array(0) };
  return { kind: 'scored', dims, scores, milliseconds };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The runtime counts, too: whoever runs the network needs it. */
async function memory(): Promise<Reply> {
  return { kind: 'memory', before, peak: 1024 * process.resourceUsage().maxRSS };
}

function answerTo(request: Request): Promise<Reply> {
  switch (request.kind) {
    case 'load':
      return load(request);
    case 'run':
      return run(request);
    case 'score':
      return score(request);
    case 'add':
      return add(request);
    case 'keep':
      return keep(request);
    case 'read':
      return read(request);
    case 'pass':
      return passAdded(request);
    default:
      return memory();
  }
}

process.on('message', (request: Request) => {
  const answer = answerTo(request);
  answer
    .catch((error: unknown): Reply => ({ kind: 'refused', message: messageOf(error) }))
    .then((reply) => process.send?.(reply))
    .catch(() => process.exit(1));
});
process.on('disconnect', () => process.exit(0));
// Whoever starts the process reads weights before it sends the first network.
loadRuntime().catch(() => {});
