/** Layers of sequences [N, steps, features]: recurrent ones, attention of a sequence to itself, embeddings. */
import type { Shape } from '../network.js';
import { type LayerInput, LayerProblem, type LayerTools } from './layer-parts.js';

/** Gates of each type: the rows of its weights are as many times its units. */
const GATES: Readonly<Record<string, number>> = { LSTM: 4, GRU: 3, RNN: 1 };

/** Steps and features of a sequence. */
function sequence(input: LayerInput, tools: LayerTools): { shape: Shape; features: number } {
  const shape = tools.shape(input, 2);
  if (shape.length !== 3) {
    throw new LayerProblem(
      `wants a sequence [N, steps, features] and gets [${shape.join(', ')}]`,
      'INPUT(28, 28) is a sequence of 28 steps',
    );
  }
  return { shape, features: tools.size(shape[2], 'features', shape) };
}

/**
 * ONNX has the steps first, and its runtime no other layout: they change places before and after. What both directions give
 * stands side by side. `last` gives what the last step gives, and for the other direction the first.
 */
export function buildRecurrent(type: string, input: LayerInput, tools: LayerTools): void {
  const { features } = sequence(input, tools);
  const units = tools.number('units', 0);
  if (units === 0) {
    throw new LayerProblem(
      'wants units: how many numbers a step gives',
      `write ${type}(units = 64)`,
    );
  }
  const directions = tools.flag('bidirectional', false) ? 2 : 1;
  const rows = (GATES[type] as number) * units;
  const steps = tools.node('Transpose', [input.name], { perm: [1, 0, 2] });
  const inputs = [
    steps,
    tools.drawn('weight', input, [directions, rows, features], [features, units]),
    tools.drawn('recurrent', input, [directions, rows, units], [units, units]),
    ...(tools.flag('bias', true) ? [tools.filled('bias', input, [directions, 2 * rows], 0)] : []),
  ];
  const attributes = {
    direction: directions === 2 ? 'bidirectional' : 'forward',
    hidden_size: units,
    // As PyTorch's GRU, whose reset gate comes behind the product.
    ...(type === 'GRU' ? { linear_before_reset: 1 } : {}),
  };
  if (tools.flag('last', false)) {
    const last = tools.node(type, inputs, attributes, { before: 1 });
    const turned = tools.node('Transpose', [last], { perm: [1, 0, 2] });
    tools.node('Reshape', [turned, tools.constant([0, directions * units])]);
    return;
  }
  const all = tools.node(type, inputs, attributes);
  const turned = tools.node('Transpose', [all], { perm: [2, 0, 1, 3] });
  tools.node('Reshape', [turned, tools.constant([0, 0, directions * units])]);
}

/** softmax(q·kᵀ/√d)·v for each head, with products before and behind. */
export function buildAttention(input: LayerInput, tools: LayerTools): void {
  const { features } = sequence(input, tools);
  const units = tools.number('units', features);
  const heads = tools.number('heads', 1);
  if (units % heads !== 0) {
    throw new LayerProblem(`has ${heads} heads: its ${units} units have to be a multiple of that`);
  }
  const width = units / heads;
  const product = (part: string, from: string, [inner, outer]: [number, number]): string => {
    const weight = tools.drawn(`${part}.weight`, input, [inner, outer], [inner, outer]);
    const found = tools.node('MatMul', [from, weight], {}, { part });
    if (!tools.flag('bias', true)) return found;
    return tools.node(
      'Add',
      [found, tools.filled(`${part}.bias`, input, [outer], 0)],
      {},
      { part },
    );
  };
  const split = tools.constant([0, 0, heads, width]);
  const headsOf = (part: string, perm: number[]): string => {
    const whole = product(part, input.name, [features, units]);
    return tools.node('Transpose', [tools.node('Reshape', [whole, split])], { perm });
  };
  const [q, k, v] = [
    headsOf('q', [0, 2, 1, 3]),
    headsOf('k', [0, 2, 3, 1]),
    headsOf('v', [0, 2, 1, 3]),
  ] as const;
  const scale = tools.filled('scale', input, [], 1 / Math.sqrt(width));
  const scores = tools.node('Mul', [tools.node('MatMul', [q, k]), scale]);
  const shares = tools.node('Softmax', [scores], { axis: -1 });
  const mixed = tools.node('Transpose', [tools.node('MatMul', [shares, v])], {
    perm: [0, 2, 1, 3],
  });
  const joined = tools.node('Reshape', [mixed, tools.constant([0, 0, units])]);
  product('out', joined, [units, units]);
}

/** A row of a table for each whole number that comes in; floats are cut to whole numbers. */
export function buildEmbedding(input: LayerInput, tools: LayerTools): void {
  const [size, units] = [tools.number('size', 0), tools.number('units', 0)];
  if (size === 0 || units === 0) {
    throw new LayerProblem(
      'wants size and units: how many rows its table has, and how many numbers a row',
      'write EMBED(size = 1000, units = 64)',
    );
  }
  const isWhole = input.dtype === 'I64' || input.dtype === 'I32';
  const rows = isWhole ? input.name : tools.node('Cast', [input.name], { to: 7 });
  const floats = { ...input, dtype: isWhole ? ('F32' as const) : (input.dtype ?? 'F32') };
  const table = tools.drawn('weight', floats, [size, units], [size, units]);
  tools.node('Gather', [table, rows], { axis: 0 });
}
