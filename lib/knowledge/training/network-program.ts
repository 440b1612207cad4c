/** A network as programs of the kernel: built once for a batch, then run step by step. */
import { LimitError, UsageError } from '../../base/errors.js';
import { TRAINED_BYTES_MAX } from '../../base/limits.js';
import { type Arena, COMPUTE_THREADS_MAX } from '../../base/native/compute.js';
import { loadKernel } from '../../base/native/kernel.js';
import { inferShapes } from '../../pure/network/shapes/infer-shapes.js';
import { Builder } from './builder.js';
import { type BatchLoss, type LossName, lossOf } from './loss.js';
import type { ModelFile } from './model-file.js';
import { OPERATOR_RULES } from './operators/rules.js';
import { type Step, sizeOf, type Value, type Weight } from './values.js';

/** What is built. */
export interface ProgramOptions {
  batch: number;
  /** Shape of an example as it is fed. */
  example: readonly number[];
  loss: LossName;
  /** Name of the output; default the first. */
  output?: string | undefined;
  frozen: ReadonlySet<string>;
  threads: number;
  /** Floats that are needed besides, by the weights that are trained: what the optimizer keeps. */
  keeps(weights: readonly Weight[]): number;
  draw(below: number): number;
}

/** Runs of operations that follow each other are one program. */
type Piece = Int32Array | Exclude<Step, readonly number[]>;

function piecesOf(steps: readonly Step[]): Piece[] {
  const pieces: Piece[] = [];
  let words: number[] = [];
  const close = (): void => {
    if (words.length > 0) pieces.push(Int32Array.from(words));
    words = [];
  };
  for (const step of steps) {
    if (typeof step === 'function') {
      close();
      pieces.push(step);
    } else words = words.concat(step);
  }
  close();
  return pieces;
}

/** A network that can be run and trained. */
export class NetworkProgram {
  readonly arena: Arena;
  /** All weights, running statistics included. */
  readonly weights: readonly Weight[];
  /** Where what the optimizer keeps begins. */
  readonly kept: number;
  readonly batch: number;
  readonly #loss: LossName;
  readonly #input: Value;
  readonly #output: Value;
  readonly #training: readonly Piece[];
  readonly #running: readonly Piece[];
  readonly #back: readonly Piece[];

  /**
   * @throws {UsageError} for an operator that cannot be trained, or shapes that do not fit; {LimitError} if a batch
   *   takes more memory than TRAINED_BYTES_MAX.
   */
  constructor(model: ModelFile, options: ProgramOptions) {
    const { batch, loss } = options;
    const { build, input, output } = buildNetwork(model, options);
    this.batch = batch;
    this.#loss = loss;
    this.#input = input;
    this.#output = output;
    this.weights = [...build.weights.values()];
    const trained = this.weights.filter(({ slot }) => slot.needsBack);
    if (trained.length === 0) {
      throw new UsageError(`'${model.label}' has no weights that are trained`, {
        file: model.label,
      });
    }
    this.kept = build.room(options.keeps(trained));
    const bytes = 4 * build.size;
    if (bytes > TRAINED_BYTES_MAX) {
      throw new LimitError(
        `training '${model.label}' in batches of ${batch} takes ${bytes} bytes`,
        {
          limit: 'TRAINED_BYTES_MAX',
          value: bytes,
          max: TRAINED_BYTES_MAX,
          hint: 'take a smaller batch',
        },
      );
    }
    this.#training = piecesOf(build.training);
    this.#running = piecesOf(build.running);
    this.#back = piecesOf(build.back);
    const threads = Math.min(options.threads, COMPUTE_THREADS_MAX);
    this.arena = loadKernel().openArena(build.size, threads);
  }

  /** Weights that are trained. */
  get trained(): Weight[] {
    return this.weights.filter(({ slot }) => slot.isWritten);
  }

  /** Numbers of a weight, in the arena. */
  numbers({ slot }: Weight): Float32Array {
    return this.arena.floats.subarray(slot.at, slot.at + slot.size);
  }

  /** Gradient of a weight, in the arena. */
  gradient({ slot }: Weight): Float32Array {
    return this.arena.floats.subarray(slot.back, slot.back + slot.size);
  }

  /** Where a batch goes, row-major. */
  get input(): Float32Array {
    const { at, size } = this.#input.slot;
    return this.arena.floats.subarray(at, at + size);
  }

  /** Outputs of the last pass. */
  get output(): Float32Array {
    const { at, size } = this.#output.slot;
    return this.arena.floats.subarray(at, at + size);
  }

  /** Numbers that the network gives for an example. */
  get outputWidth(): number {
    return this.#output.slot.size / this.batch;
  }

  #run(pieces: readonly Piece[]): void {
    const { arena } = this;
    for (const piece of pieces) {
      if (typeof piece === 'function') piece(arena.floats, arena.words);
      else arena.run(piece);
    }
  }

  #lossOf(targets: Float64Array, count: number, back: number): BatchLoss {
    const { floats } = this.arena;
    return lossOf(this.#loss, { floats, output: this.#output, targets, count, back });
  }

  /** Runs the batch in `input` as a network that is not trained. */
  run(): void {
    this.#run(this.#running);
  }

  /** The same, and its loss over the leading examples. */
  test(targets: Float64Array, count: number): BatchLoss {
    this.run();
    return this.#lossOf(targets, count, -1);
  }

  /** One pass forward and back: gradients of the mean loss stand at the weights then. */
  step(targets: Float64Array): BatchLoss {
    this.#run(this.#training);
    const { back } = this.#output.slot;
    const loss = this.#lossOf(targets, this.batch, back);
    this.#run(this.#back);
    return loss;
  }
}

function buildNetwork(
  model: ModelFile,
  options: ProgramOptions,
): { build: Builder; input: Value; output: Value } {
  const { graph } = model.network;
  const { batch, example } = options;
  const [fed, ...others] = graph.inputs;
  if (fed === undefined || others.length > 0) {
    throw new UsageError(`'${model.label}' has ${graph.inputs.length} inputs; one can be trained`, {
      file: model.label,
    });
  }
  const shape = [batch, ...example];
  const shapes = inferShapes(model.network, { inputs: new Map([[fed.name, shape]]) });
  const floats = new Set(model.spans.keys());
  const build = new Builder({ ...options, label: model.label, graph, shapes, floats });
  const input = build.feed(fed.name, shape);
  const wanted = outputOf(model, options);
  for (const node of graph.nodes) {
    build.begin(node);
    // What only works out shapes and other constants is known already.
    if (!node.inputs.some((name) => build.find(name) !== undefined)) continue;
    // Networks may end in a softmax, which the loss of classes has itself.
    const isLast = node.outputs[0] === wanted && node.op === 'Softmax';
    if (isLast && options.loss === 'cross-entropy') {
      build.alias(build.value(0), build.value(0).shape);
      continue;
    }
    const rule = node.domain === '' ? OPERATOR_RULES.get(node.op) : undefined;
    if (rule === undefined) throw unknownOperator(build, node.op);
    rule(build);
  }
  const output = build.find(wanted);
  if (output === undefined || output.shape[0] !== batch) {
    throw new UsageError(`the output '${wanted}' of '${model.label}' is not one row an example`, {
      file: model.label,
    });
  }
  build.begun(output.slot);
  build.finish();
  return { build, input, output };
}

function unknownOperator(build: Builder, op: string): UsageError {
  const error = build.refuse('cannot be trained by the built-in trainer');
  error.data.hint = `it trains ${[...OPERATOR_RULES.keys()].join(', ')}; '${op}' needs the trainer 'pytorch' or a command`;
  return error;
}

function outputOf({ network, label }: ModelFile, { output }: ProgramOptions): string {
  const names = network.graph.outputs.map(({ name }) => name);
  const found = output === undefined ? names[0] : names.find((name) => name === output);
  if (found !== undefined) return found;
  throw new UsageError(`'${label}' has no output '${output ?? ''}'`, {
    file: label,
    hint: `its outputs are ${names.join(', ')}`,
  });
}

/** Shape of an example that a network takes, where the file says it; 0 where it is open. */
export function exampleShape({ network, label }: ModelFile): number[] {
  const shape = network.graph.inputs[0]?.shape ?? null;
  if (shape === null || shape.length < 2) {
    throw new UsageError(`the input of '${label}' is not one row an example`, { file: label });
  }
  return shape.slice(1).map((size) => (typeof size === 'number' ? size : 0));
}

/** Floats of a list of shapes. */
export function floatsOf(weights: readonly Weight[]): number {
  return weights.reduce((sum, { shape }) => sum + Math.ceil(sizeOf(shape) / 16) * 16, 0);
}
