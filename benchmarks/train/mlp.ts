/**
 * A small trainer in plain typed arrays: a multi-layer perceptron with ReLU and softmax, SGD with
 * momentum or Adam, cosine learning rate. Deterministic: one seed, one result on every machine.
 *
 * It makes the real checkpoints that the demo and the tests version.
 */
import type { DataSet } from './digits.js';

/** One dense layer: out × in weights, row-major, and biases, as PyTorch's nn.Linear. */
export interface Layer {
  inputs: number;
  outputs: number;
  weight: Float32Array;
  bias: Float32Array;
}

export type Optimizer = 'sgd' | 'adam';

export interface TrainOptions {
  steps: number;
  batch: number;
  rate: number;
  optimizer: Optimizer;
  seed: number;
  /** Trains the last layer only. */
  headOnly?: boolean;
  /** Called after these steps. */
  checkpoints: readonly number[];
  onCheckpoint(step: number, loss: number): void;
}

/** mulberry32: floats in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Layers of these widths, He-initialised. */
export function makeLayers(widths: readonly number[], seed: number): Layer[] {
  const next = random(seed);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return widths.slice(1).map((outputs, i): Layer => {
    const inputs = widths[i] as number;
    const scale = Math.sqrt(2 / inputs);
    const weight = Float32Array.from({ length: inputs * outputs }, () => normal() * scale);
    return { inputs, outputs, weight, bias: new Float32Array(outputs) };
  });
}

/** Outputs of one layer for a batch: rows × outputs. */
function forwardLayer(
  layer: Layer,
  input: Float32Array,
  rows: number,
  relu: boolean,
): Float32Array {
  const { inputs, outputs, weight, bias } = layer;
  const out = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o] as number;
      const w = o * inputs;
      const x = r * inputs;
      for (let i = 0; i < inputs; i++) sum += (weight[w + i] as number) * (input[x + i] as number);
      out[r * outputs + o] = relu && sum < 0 ? 0 : sum;
    }
  }
  return out;
}

function forward(layers: readonly Layer[], input: Float32Array, rows: number): Float32Array[] {
  const activations = [input];
  for (const [i, layer] of layers.entries()) {
    activations.push(
      forwardLayer(layer, activations[i] as Float32Array, rows, i < layers.length - 1),
    );
  }
  return activations;
}

/** Share of images that the network labels rightly. */
export function accuracy(layers: readonly Layer[], data: DataSet): number {
  const logits = forward(layers, data.images, data.count).at(-1) as Float32Array;
  const classes = layers.at(-1)?.outputs ?? 1;
  let right = 0;
  for (let r = 0; r < data.count; r++) {
    let best = 0;
    for (let c = 1; c < classes; c++) {
      if ((logits[r * classes + c] as number) > (logits[r * classes + best] as number)) best = c;
    }
    if (best === data.labels[r]) right++;
  }
  return right / data.count;
}

/** Turns logits into the gradient of the mean cross-entropy, in place; returns the loss. */
function softmaxLoss(logits: Float32Array, labels: Uint8Array, classes: number): number {
  const rows = labels.length;
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) max = Math.max(max, logits[r * classes + c] as number);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Math.exp((logits[r * classes + c] as number) - max);
    for (let c = 0; c < classes; c++) {
      const p = Math.exp((logits[r * classes + c] as number) - max) / sum;
      if (c === labels[r]) loss -= Math.log(p + 1e-12);
      logits[r * classes + c] = (p - (c === labels[r] ? 1 : 0)) / rows;
    }
  }
  return loss / rows;
}

/** Gradient of one layer's parameters. */
export interface Gradient {
  weight: Float32Array;
  bias: Float32Array;
}

/** Mean cross-entropy of a batch and its gradient for every layer from `lowest` up. */
export function lossAndGradients(
  layers: readonly Layer[],
  images: Float32Array,
  labels: Uint8Array,
  lowest = 0,
): { loss: number; gradients: Gradient[] } {
  const activations = forward(layers, images, labels.length);
  let delta = activations.at(-1) as Float32Array;
  const loss = softmaxLoss(delta, labels, layers.at(-1)?.outputs ?? 1);
  const gradients: Gradient[] = [];
  for (let l = layers.length - 1; l >= lowest; l--) {
    const input = activations[l] as Float32Array;
    const back = backwardLayer(layers[l] as Layer, input, delta, l > lowest);
    gradients[l] = back.gradient;
    delta = back.delta;
  }
  return { loss, gradients };
}

/** Gradient of one layer; `delta` is rows × outputs. Gives the delta of the layer below if asked. */
function backwardLayer(
  layer: Layer,
  input: Float32Array,
  delta: Float32Array,
  below: boolean,
): { gradient: Gradient; delta: Float32Array } {
  const { inputs, outputs, weight } = layer;
  const rows = delta.length / outputs;
  const gradient = { weight: new Float32Array(weight.length), bias: new Float32Array(outputs) };
  const lower = new Float32Array(below ? rows * inputs : 0);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      const d = delta[r * outputs + o] as number;
      if (d === 0) continue;
      (gradient.bias[o] as number) += d;
      const w = o * inputs;
      const x = r * inputs;
      for (let i = 0; i < inputs; i++) {
        gradient.weight[w + i] = (gradient.weight[w + i] as number) + d * (input[x + i] as number);
        if (below) lower[x + i] = (lower[x + i] as number) + d * (weight[w + i] as number);
      }
    }
  }
  // The derivative of ReLU is 0 where its output is.
  if (below) for (let i = 0; i < lower.length; i++) if (input[i] === 0) lower[i] = 0;
  return { gradient, delta: lower };
}

/** State of the optimiser for one array of parameters. */
export interface Moments {
  first: Float32Array;
  second: Float32Array;
}

/** Updates parameters and moments in place. `step` counts from 1. */
function update(
  values: Float32Array,
  gradient: Float32Array,
  moments: Moments,
  { optimizer, rate, step }: { optimizer: Optimizer; rate: number; step: number },
): void {
  const { first, second } = moments;
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i] as number;
    if (optimizer === 'sgd') {
      first[i] = 0.9 * (first[i] as number) + g;
      values[i] = (values[i] as number) - rate * (first[i] as number);
      continue;
    }
    first[i] = 0.9 * (first[i] as number) + 0.1 * g;
    second[i] = 0.999 * (second[i] as number) + 0.001 * g * g;
    const m = (first[i] as number) / (1 - 0.9 ** step);
    const v = (second[i] as number) / (1 - 0.999 ** step);
    values[i] = (values[i] as number) - (rate * m) / (Math.sqrt(v) + 1e-8);
  }
}

/** Fresh moments for every layer: weight, then bias. */
export function makeMoments(layers: readonly Layer[]): Moments[] {
  return layers.flatMap((layer) =>
    [layer.weight, layer.bias].map((values) => ({
      first: new Float32Array(values.length),
      second: new Float32Array(values.length),
    })),
  );
}

/** Trains in place. `moments` are those of `makeMoments`, and are kept up to date. */
export function train(
  layers: readonly Layer[],
  moments: readonly Moments[],
  data: DataSet,
  options: TrainOptions,
): void {
  const next = random(options.seed);
  const width = layers[0]?.inputs ?? 0;
  const lowest = options.headOnly ? layers.length - 1 : 0;
  for (let step = 1; step <= options.steps; step++) {
    const images = new Float32Array(options.batch * width);
    const labels = new Uint8Array(options.batch);
    for (let r = 0; r < options.batch; r++) {
      const row = Math.floor(next() * data.count);
      images.set(data.images.subarray(row * width, (row + 1) * width), r * width);
      labels[r] = data.labels[row] as number;
    }
    const { loss, gradients } = lossAndGradients(layers, images, labels, lowest);
    const rate = options.rate * 0.5 * (1 + Math.cos((Math.PI * (step - 1)) / options.steps));
    for (let l = lowest; l < layers.length; l++) {
      for (const [p, part] of (['weight', 'bias'] as const).entries()) {
        const values = (layers[l] as Layer)[part];
        const gradient = (gradients[l] as Gradient)[part];
        update(values, gradient, moments[2 * l + p] as Moments, {
          optimizer: options.optimizer,
          rate,
          step,
        });
      }
    }
    if (options.checkpoints.includes(step)) options.onCheckpoint(step, loss);
  }
}
