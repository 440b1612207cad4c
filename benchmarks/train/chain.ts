/**
 * Chains of real checkpoints: a network trained on the shipped digits, saved along the way, and
 * fine-tuned from any of its checkpoints. The same options give the same bytes.
 */
import { loadDigits, PIXELS } from './digits.js';
import { accuracy, type Layer, makeLayers, makeMoments, type Optimizer, train } from './mlp.js';
import { encodeOptimizer, encodeWeights } from './safetensors.js';

/** What to train. */
export interface ChainOptions {
  /** Widths of the hidden layers; 64 inputs and 10 outputs are added. Taken from `from` if given. */
  hidden?: readonly number[];
  /** Seed of the first weights and of the batches. */
  seed: number;
  steps: number;
  /** Steps after which to save, counted from the start of this chain. */
  checkpoints: readonly number[];
  optimizer?: Optimizer;
  /** Highest learning rate; it falls to 0 along a cosine. */
  rate?: number;
  batch?: number;
  /** Trains the last layer only. */
  headOnly?: boolean;
  /** Goes on from the weights of this checkpoint, with a fresh optimiser. */
  from?: Checkpoint;
}

/** One saved state of a network. */
export interface Checkpoint {
  /** Steps since the very first weights, over all chains that led here. */
  step: number;
  /** Loss of the last batch. */
  loss: number;
  /** Share of the test images that are labelled rightly. */
  accuracy: number;
  /** Bytes of model.safetensors. */
  weights: Uint8Array;
  /** Bytes of optimizer.safetensors: the optimiser's state at this step. */
  optimizer: Uint8Array;
  /** A copy of the network, to go on from. */
  layers: readonly Layer[];
}

/** The network of the demo: 64-512-512-10, six checkpoints. A few seconds on one core. */
export const DEMO_CHAIN: ChainOptions = {
  hidden: [512, 512],
  seed: 7,
  steps: 240,
  checkpoints: [40, 80, 120, 160, 200, 240],
};

/** A small network for tests: 64-32-10, three checkpoints. Well under a second. */
export const TINY_CHAIN: ChainOptions = {
  hidden: [32],
  seed: 1,
  steps: 300,
  checkpoints: [100, 200, 300],
};

function copyLayers(layers: readonly Layer[]): Layer[] {
  return layers.map((layer) => ({
    ...layer,
    weight: layer.weight.slice(),
    bias: layer.bias.slice(),
  }));
}

/** Trains and returns the checkpoints in order. `onCheckpoint` is called as each is made. */
export async function trainChain(
  options: ChainOptions,
  onCheckpoint: (checkpoint: Checkpoint) => void = () => {},
): Promise<Checkpoint[]> {
  const { from, optimizer = 'sgd', hidden = [] } = options;
  const digits = await loadDigits();
  const layers = from ? copyLayers(from.layers) : makeLayers([PIXELS, ...hidden, 10], options.seed);
  const moments = makeMoments(layers);
  const made: Checkpoint[] = [];
  train(layers, moments, digits.train, {
    steps: options.steps,
    batch: options.batch ?? 32,
    rate: options.rate ?? (optimizer === 'sgd' ? 0.05 : 0.001),
    optimizer,
    seed: options.seed + 1,
    headOnly: options.headOnly ?? false,
    checkpoints: options.checkpoints,
    onCheckpoint(chainStep, loss) {
      const step = (from?.step ?? 0) + chainStep;
      const share = accuracy(layers, digits.test);
      const metadata = {
        step: String(step),
        loss: loss.toFixed(6),
        accuracy: share.toFixed(6),
      };
      const checkpoint: Checkpoint = {
        step,
        loss,
        accuracy: share,
        weights: encodeWeights(layers, metadata),
        optimizer: encodeOptimizer(layers, moments, optimizer, metadata),
        layers: copyLayers(layers),
      };
      made.push(checkpoint);
      onCheckpoint(checkpoint);
    },
  });
  return made;
}
