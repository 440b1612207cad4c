/**
 * Small networks with batch norms, as exporters write them: each norm an operator of its own, or folded into the
 * layer in front of it, whose tensors then have names that a counter made. The weights are those of a checkpoint, put
 * in by hand: a network with its norms is what dlv's own folding is compared with.
 */

import { bytes, int, tensorProto } from './protobuf.js';
import { seededRandom } from './rng.js';
import type { Tensors } from './safetensors.js';

/** One operator of a network; the first input is the output of the one before where `from` is not given. */
export interface Step {
  op: 'Conv' | 'ConvTranspose' | 'Gemm' | 'Relu' | 'Add' | 'GlobalAveragePool' | 'Flatten';
  /** Module of its weights in the checkpoint, and of the norm behind it. */
  module?: string;
  norm?: string;
  from?: readonly string[];
  /** Name of what it gives. */
  to?: string;
  /** Shape of its weight as the network has it. */
  shape?: readonly number[];
  groups?: number;
  hasBias?: boolean;
  stride?: number;
  /** False: the network keeps the norm as an operator of its own. */
  isFolded?: boolean;
}

/** A network, and how its checkpoint names and lays out what it holds. */
export interface Architecture {
  steps: readonly Step[];
  /** What the checkpoint calls parts of modules; default: as PyTorch. */
  words?: Readonly<Record<'weight' | 'bias' | 'gamma' | 'beta' | 'mean' | 'variance', string>>;
  separator?: string;
  /** True if it holds kernels as height × width × inputs × outputs. */
  isChannelsLast?: boolean;
  /** ε of its norms; default 1e-5. */
  epsilon?: number;
}

const TORCH = {
  ...{ weight: 'weight', bias: 'bias', gamma: 'weight', beta: 'bias' },
  ...{ mean: 'running_mean', variance: 'running_var' },
};
export const KERAS = {
  ...{ weight: 'kernel', bias: 'bias', gamma: 'gamma', beta: 'beta' },
  ...{ mean: 'moving_mean', variance: 'moving_variance' },
};

interface Weights {
  weight: Float32Array;
  bias: Float32Array | null;
  norm: Record<'gamma' | 'beta' | 'mean' | 'variance', Float32Array> | null;
}

/** Outputs of a layer. */
function channels({ op, shape = [], groups = 1 }: Step): number {
  return op === 'Conv' || op === 'Gemm' ? (shape[0] ?? 0) : (shape[1] ?? 0) * groups;
}

function draw(architecture: Architecture, seed: number): Map<Step, Weights> {
  const random = seededRandom(seed);
  const list = (count: number, low: number, high: number): Float32Array =>
    new Float32Array(count).map(() => low + (high - low) * random());
  const drawn = new Map<Step, Weights>();
  for (const step of architecture.steps) {
    if (step.shape === undefined) continue;
    const count = channels(step);
    drawn.set(step, {
      weight: list(
        step.shape.reduce((a, b) => a * b, 1),
        -1,
        1,
      ),
      bias: step.hasBias === true ? list(count, -1, 1) : null,
      norm:
        step.norm === undefined
          ? null
          : {
              gamma: list(count, 0.5, 2),
              beta: list(count, -1, 1),
              mean: list(count, -1, 1),
              variance: list(count, 0.2, 2),
            },
    });
  }
  return drawn;
}

/** The checkpoint whose numbers a seed decides, in the order of its modules. */
export function checkpointOf(architecture: Architecture, seed: number): Tensors {
  const { words = TORCH, separator = '.', isChannelsLast = false } = architecture;
  const tensors: Tensors = {};
  for (const [step, { weight, bias, norm }] of draw(architecture, seed)) {
    const { module = '', shape = [], norm: normName = '' } = step;
    const count = channels(step);
    tensors[`${module}${separator}${words.weight}`] = isChannelsLast
      ? channelsLast(weight, step)
      : { shape: [...shape], values: weight };
    const add = (owner: string, word: string, values: Float32Array): void => {
      tensors[`${owner}${separator}${word}`] = { shape: [count], values };
    };
    if (bias !== null) add(module, words.bias, bias);
    if (norm === null) continue;
    for (const part of ['gamma', 'beta', 'mean', 'variance'] as const) {
      add(normName, words[part], norm[part]);
    }
  }
  return tensors;
}

/** Keras: height, width, inputs, outputs; of a convolution by channels its inputs, then outputs of each. */
function channelsLast(values: Float32Array, { op, shape = [], groups = 1 }: Step): Tensors[string] {
  const [first = 1, second = 1, height = 1, width = 1] = shape;
  if (op === 'Gemm') {
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i += 1) {
      out[(i % second) * first + Math.floor(i / second)] = values[i] as number;
    }
    return { shape: [second, first], values: out };
  }
  const isByChannel = groups > 1;
  const [inner, last] = isByChannel ? [groups, first / groups] : [second, first];
  const out = new Float32Array(values.length);
  for (let o = 0; o < first; o += 1) {
    for (let i = 0; i < second; i += 1) {
      for (let at = 0; at < height * width; at += 1) {
        const [a, b] = isByChannel ? [Math.floor(o / last), o % last] : [i, o];
        out[(at * inner + a) * last + b] = values[(o * second + i) * height * width + at] as number;
      }
    }
  }
  return { shape: [height, width, inner, last], values: out };
}

const FLOAT = 1;

function value(name: string, dims: readonly (number | string)[]): Buffer {
  const shape = dims.map((dim) => bytes(1, typeof dim === 'string' ? bytes(2, dim) : int(1, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, int(1, FLOAT), bytes(2, ...shape)))]);
}

function integers(name: string, values: readonly number[] | number): Buffer {
  return typeof values === 'number'
    ? bytes(5, bytes(1, name), int(3, values), int(20, 2))
    : bytes(5, bytes(1, name), ...values.map((one) => int(8, one)), int(20, 7));
}

function float(name: string, value: number): Buffer {
  const raw = Buffer.alloc(5, 0x15);
  raw.writeFloatLE(value, 1);
  return bytes(5, bytes(1, name), raw, int(20, 1));
}

/**
 * The file of the network with the weights of a seed. Its input is `x`, pictures of 1 × 8 × 8, its output `scores`.
 * @param isFolded  true: norms are folded; false: all are operators of their own.
 */
export function networkOf(architecture: Architecture, seed: number, isFolded: boolean): Buffer {
  const { epsilon = 1e-5 } = architecture;
  const drawn = draw(architecture, seed);
  const nodes: Buffer[] = [];
  const initializers: Buffer[] = [];
  let before = 'x';
  const last = architecture.steps.at(-1);
  const tensor = (name: string, dims: readonly number[], values: Float32Array): string => {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    initializers.push(bytes(5, tensorProto({ name, dims: [...dims], raw })));
    return name;
  };
  for (const [i, step] of architecture.steps.entries()) {
    const { op, module = '', norm: normName = '', shape = [], from = [before] } = step;
    const result = step === last ? 'scores' : (step.to ?? `value_${i}`);
    const weights = drawn.get(step);
    const folds = isFolded && step.isFolded !== false && weights?.norm != null;
    const inputs = [...from];
    const count = channels(step);
    if (weights !== undefined) {
      const made = folds ? folded(step, weights, epsilon) : weights;
      const name = (word: string, number: number): string =>
        folds ? `onnx::${op}_${3 * i + number + 20}` : `${module}.${word}`;
      inputs.push(tensor(name('weight', 0), shape, made.weight));
      if (made.bias !== null) inputs.push(tensor(name('bias', 1), [count], made.bias));
    }
    const ownNorm = folds ? null : (weights?.norm ?? null);
    const own = ownNorm === null ? result : `${result}_plain`;
    const path = module === '' ? `/${op}_${i}` : pathOf(module, op);
    nodes.push(node(op, { path, inputs, output: own }, attributesOf(step)));
    if (ownNorm !== null) {
      const parts = (['gamma', 'beta', 'mean', 'variance'] as const).map((part) =>
        tensor(`${normName}.${TORCH[part]}`, [count], ownNorm[part]),
      );
      const place = { path: pathOf(normName, 'BatchNormalization'), inputs: [own, ...parts] };
      nodes.push(
        node('BatchNormalization', { ...place, output: result }, [float('epsilon', epsilon)]),
      );
    }
    before = result;
  }
  const graph = [
    ...nodes,
    bytes(2, 'net'),
    ...initializers,
    bytes(11, value('x', ['N', 1, 8, 8])),
    bytes(12, value('scores', ['N', 10])),
  ];
  return Buffer.concat([int(1, 8), bytes(7, ...graph), bytes(8, int(2, 17))]);
}

/** `/layer1/layer1.0/layer1.0.conv1/Conv`, as PyTorch's exporter writes it. */
function pathOf(module: string, op: string): string {
  const words = module.split('.');
  const places = words.map((_, i) => words.slice(0, i + 1).join('.'));
  return `/${places.join('/')}/${op}`;
}

function node(
  op: string,
  { path, inputs, output }: { path: string; inputs: readonly string[]; output: string },
  attributes: readonly Buffer[],
): Buffer {
  const names = inputs.map((name) => bytes(1, name));
  return bytes(1, ...names, bytes(2, output), bytes(3, path), bytes(4, op), ...attributes);
}

function attributesOf({ op, groups = 1, shape = [], stride = 1 }: Step): Buffer[] {
  if (op === 'Gemm') return [integers('transB', 1)];
  if (op === 'ConvTranspose') return [integers('group', groups), integers('strides', [2, 2])];
  if (op !== 'Conv') return [];
  const side = Math.floor((shape[2] ?? 1) / 2);
  return [
    integers('group', groups),
    integers('pads', [side, side, side, side]),
    integers('strides', [stride, stride]),
  ];
}

/** W·γ/√(σ² + ε) and (b − μ)·γ/√(σ² + ε) + β, by the outputs of the layer. */
function folded(step: Step, { weight, bias, norm }: Weights, epsilon: number): Weights {
  if (norm === null) throw new Error('no norm');
  const { op, shape = [], groups = 1 } = step;
  const count = channels(step);
  const factors = Array.from(norm.variance, (variance, c) => {
    return (norm.gamma[c] as number) / Math.sqrt(variance + epsilon);
  });
  const size = weight.length / (shape[0] ?? 1);
  const window = size / (shape[1] ?? 1);
  const channel = (i: number): number => {
    const first = Math.floor(i / size);
    if (op !== 'ConvTranspose') return first;
    const group = Math.floor(first / ((shape[0] ?? 1) / groups));
    return group * (shape[1] ?? 1) + (Math.floor(i / window) % (shape[1] ?? 1));
  };
  return {
    weight: weight.map((one, i) => one * (factors[channel(i)] as number)),
    bias: new Float32Array(count).map((_, c) => {
      const shift = (bias?.[c] ?? 0) - (norm.mean[c] as number);
      return shift * (factors[c] as number) + (norm.beta[c] as number);
    }),
    norm: null,
  };
}
