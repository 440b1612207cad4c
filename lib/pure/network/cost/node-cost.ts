/**
 * What one node costs: multiply-adds of convolutions and products, other operations, and special functions.
 *
 * One MAC is one multiply and one add; biases, norms, activations and pooling are the other operations. A
 * function such as exp or tanh is one special operation, counted apart.
 */
import type { Dim, GraphNode, Shape } from '../network.js';
import { numberOf, numbersOf, textOf } from '../network.js';
import type { Dims } from '../shapes/dims.js';
import { readEquation } from '../shapes/matrix-rules.js';
import type { Shaped } from '../shapes/node-shapes.js';

/** Operations of one pass. A text is an expression of open dimensions. */
export interface Operations {
  macs: Dim;
  /** Other than MACs and special functions. */
  other: Dim;
  special: Dim;
}

export const NO_OPERATIONS: Operations = { macs: 0, other: 0, special: 0 };

/** What a node's inputs and outputs are. */
export interface NodeValues {
  node: GraphNode;
  inputs: readonly (Shaped | undefined)[];
  outputs: readonly Shaped[];
  dims: Dims;
}

/** null: the shapes are not known. */
type Count = (at: NodeValues) => Operations | null;

/** Other operations for each element of the output. */
const EACH: Record<string, number> = {
  ...{
    Add: 1,
    Sub: 1,
    Mul: 1,
    Div: 1,
    Neg: 1,
    Abs: 1,
    Relu: 1,
    LeakyRelu: 1,
    PRelu: 1,
    Max: 1,
    Min: 1,
    Clip: 2,
  },
  ...{
    BatchNormalization: 1,
    LayerNormalization: 8,
    InstanceNormalization: 8,
    GroupNormalization: 8,
    GroupNorm: 8,
  },
  ...{ RMSNormalization: 4, SimplifiedLayerNormalization: 4, SkipLayerNormalization: 9 },
  ...{ SkipSimplifiedLayerNormalization: 5, LpNormalization: 3, MeanVarianceNormalization: 8 },
  ...{
    ThresholdedRelu: 1,
    Mod: 1,
    Sum: 1,
    Mean: 1,
    Where: 1,
    Sign: 1,
    Floor: 1,
    Ceil: 1,
    Round: 1,
    Not: 1,
    And: 1,
  },
  ...{
    Or: 1,
    Xor: 1,
    Equal: 1,
    Greater: 1,
    Less: 1,
    GreaterOrEqual: 1,
    LessOrEqual: 1,
    HardSigmoid: 4,
  },
  ...{
    HardSwish: 5,
    Shrink: 2,
    IsNaN: 1,
    IsInf: 1,
    CumSum: 1,
    QuantizeLinear: 2,
    DequantizeLinear: 2,
  },
  ...{ DynamicQuantizeLinear: 4, RotaryEmbedding: 3 },
};
/** Special functions for each element of the output; those that do more have others in EACH. */
const SPECIAL: Record<string, number> = {
  ...{
    Sigmoid: 1,
    Tanh: 1,
    Erf: 1,
    Exp: 1,
    Log: 1,
    Sqrt: 1,
    Pow: 1,
    Reciprocal: 1,
    Sin: 1,
    Cos: 1,
    Gelu: 1,
  },
  ...{
    FastGelu: 1,
    BiasGelu: 1,
    QuickGelu: 1,
    Swish: 1,
    Mish: 1,
    Elu: 1,
    Selu: 1,
    Celu: 1,
    Softplus: 1,
    Softsign: 1,
  },
  ...{ Tan: 1, Asin: 1, Acos: 1, Atan: 1, Sinh: 1, Cosh: 1, Asinh: 1, Acosh: 1, Atanh: 1 },
};
/** Moves, looks up or names elements: no operation. */
const FREE = new Set([
  ...[
    'Reshape',
    'Flatten',
    'Squeeze',
    'Unsqueeze',
    'Transpose',
    'Concat',
    'Split',
    'Slice',
    'Expand',
    'Tile',
  ],
  ...[
    'Pad',
    'Gather',
    'GatherElements',
    'GatherND',
    'ScatterND',
    'ScatterElements',
    'Shape',
    'Size',
    'Range',
  ],
  ...[
    'ConstantOfShape',
    'Identity',
    'Cast',
    'CastLike',
    'Dropout',
    'DepthToSpace',
    'SpaceToDepth',
    'OneHot',
  ],
  ...[
    'EyeLike',
    'Trilu',
    'NonZero',
    'Compress',
    'Constant',
    'ReverseSequence',
    'EmbedLayerNormalization',
  ],
]);

const COUNTS: Record<string, Count> = {
  Conv: (at) => convolution(at, 1, 2),
  FusedConv: (at) => convolution(at, 1, 2),
  ConvInteger: (at) => convolution(at, 1, -1),
  QLinearConv: (at) => convolution(at, 3, 8),
  ConvTranspose: (at) => {
    const [input, weight] = [shapeOf(at.inputs[0]), shapeOf(at.inputs[1])];
    const macs = input && weight ? at.dims.product([...input, ...weight.slice(1)]) : null;
    return withBias(at, macs, 2);
  },
  MatMul: (at) => products(at, 0, 1, -1),
  FusedMatMul: (at) => products(at, 0, 1, -1),
  Gemm: (at) => products(at, 0, 1, 2),
  MatMulInteger: (at) => products(at, 0, 1, -1),
  QLinearMatMul: (at) => products(at, 0, 3, -1),
  MatMulNBits: (at) => counted(at, (count) => at.dims.mul(count, numberOf(at.node, 'K') ?? 1), 0),
  Einsum: einsum,
  LRN: (at) => counted(at, 0, 2 * (numberOf(at.node, 'size') ?? 1) + 3),
  MaxPool: (at) => counted(at, 0, windowSize(at)),
  LpPool: (at) => counted(at, 0, 2 * windowSize(at)),
  AveragePool: (at) => counted(at, 0, windowSize(at) + 1),
  GlobalAveragePool: (at) => folded(at, true),
  GlobalMaxPool: (at) => folded(at, false),
  GlobalLpPool: (at) => folded(at, true),
  Softmax: (at) => counted(at, 0, 3, 1),
  LogSoftmax: (at) => counted(at, 0, 3, 1),
  Resize: (at) => counted(at, 0, isNearest(at) ? 0 : 8),
  Upsample: (at) => counted(at, 0, isNearest(at) ? 0 : 8),
  LSTM: (at) => recurrent(at, 4, 9),
  GRU: (at) => recurrent(at, 3, 8),
  RNN: (at) => recurrent(at, 1, 2),
  Attention: attention,
  MultiHeadAttention: attention,
  ArgMax: (at) => folded(at, false),
  ArgMin: (at) => folded(at, false),
};

/** The operations of a node; null if its shapes are not known, undefined if the operator is not counted. */
export function nodeOperations(at: NodeValues): Operations | null | undefined {
  const { op } = at.node;
  const count = COUNTS[op];
  if (count !== undefined) return count(at);
  if (EACH[op] !== undefined || SPECIAL[op] !== undefined) {
    return counted(at, 0, EACH[op] ?? 0, SPECIAL[op] ?? 0);
  }
  if (op.startsWith('Reduce')) return folded(at, op === 'ReduceMean');
  return FREE.has(op) ? NO_OPERATIONS : undefined;
}

function shapeOf(value: Shaped | undefined): Shape | null {
  return value?.shape ?? null;
}

/** Operations in proportion to the elements of the output. */
function counted(
  { outputs, dims }: NodeValues,
  macs: 0 | ((count: Dim) => Dim),
  other: number,
  special = 0,
): Operations | null {
  const shape = shapeOf(outputs[0]);
  if (shape === null) return null;
  const count = dims.product(shape);
  return {
    macs: macs === 0 ? 0 : macs(count),
    other: dims.mul(count, other),
    special: dims.mul(count, special),
  };
}

function withBias(at: NodeValues, macs: Dim | null, bias: number): Operations | null {
  const output = shapeOf(at.outputs[0]);
  if (macs === null || output === null) return null;
  const hasBias = bias >= 0 && at.inputs[bias] !== undefined;
  return { macs, other: hasBias ? at.dims.product(output) : 0, special: 0 };
}

function convolution(at: NodeValues, weight: number, bias: number): Operations | null {
  const [output, kernel] = [shapeOf(at.outputs[0]), shapeOf(at.inputs[weight])];
  const macs = output && kernel ? at.dims.product([...output, ...kernel.slice(1)]) : null;
  return withBias(at, macs, bias);
}

/** Elements of the output times the length of the rows that are multiplied. */
function products(at: NodeValues, left: number, right: number, bias: number): Operations | null {
  const [output, a, b] = [
    shapeOf(at.outputs[0]),
    shapeOf(at.inputs[left]),
    shapeOf(at.inputs[right]),
  ];
  if (output === null || (a === null && b === null)) return null;
  const inner = innerOf(at, a, b);
  return inner === undefined
    ? null
    : withBias(at, at.dims.mul(at.dims.product(output), inner), bias);
}

function innerOf({ node }: NodeValues, a: Shape | null, b: Shape | null): Dim | undefined {
  const fromA = numberOf(node, 'transA') === 1 ? a?.at(-2) : a?.at(-1);
  if (typeof fromA === 'number') return fromA;
  const fromB = numberOf(node, 'transB') === 1 || b?.length === 1 ? b?.at(-1) : b?.at(-2);
  return typeof fromB === 'number' ? fromB : (fromA ?? fromB);
}

/** All letters of the equation are looped over, once for each product. */
function einsum({ node, inputs, dims }: NodeValues): Operations | null {
  const shapes = inputs.map(shapeOf);
  if (shapes.some((shape) => shape === null)) return null;
  try {
    const { sizes } = readEquation(textOf(node, 'equation') ?? '', shapes as Shape[]);
    const all = dims.product([...sizes.values()]);
    return { macs: dims.mul(all, Math.max(0, inputs.length - 1)), other: 0, special: 0 };
  } catch {
    return null;
  }
}

function windowSize({ node }: NodeValues): number {
  return (numbersOf(node, 'kernel_shape') ?? []).reduce((all, one) => all * one, 1);
}

function isNearest({ node }: NodeValues): boolean {
  return (textOf(node, 'mode') ?? 'nearest') === 'nearest';
}

/** Each element of the input once, and each of the output once more for a mean. */
function folded({ inputs, outputs, dims }: NodeValues, isMean: boolean): Operations | null {
  const [input, output] = [shapeOf(inputs[0]), shapeOf(outputs[0])];
  if (input === null || output === null) return null;
  const other = dims.add(dims.product(input), isMean ? dims.product(output) : 0);
  return { macs: 0, other, special: 0 };
}

/** X [T, B, I], weights [D, gates·H, I], recurrent weights [D, gates·H, H]. */
function recurrent({ inputs, dims }: NodeValues, gates: number, others: number): Operations | null {
  const [input, recurrence] = [shapeOf(inputs[0]), shapeOf(inputs[2])];
  if (input?.length !== 3 || recurrence?.length !== 3) return null;
  const [first = 1, second = 1, size = 1] = input;
  const [directions = 1, , hidden = 1] = recurrence;
  const units = dims.product([first, second, directions, hidden]);
  return {
    macs: dims.product([units, gates, dims.add(size, hidden)]),
    other: dims.mul(units, others),
    special: 0,
  };
}

/** Queries times keys, and weights times values, for S queries, T keys and h features. */
function attention({ node, inputs, dims }: NodeValues): Operations | null {
  const [query, key] = [shapeOf(inputs[0]), shapeOf(inputs[1])];
  if (node.domain !== '' && node.op === 'Attention') return fusedAttention(inputs, node, dims);
  if (query === null || key === null) return null;
  const keys = key.at(-2) as Dim;
  const heads =
    query.length === 4 ? query[1] : (numberOf(node, 'q_num_heads') ?? numberOf(node, 'num_heads'));
  const scores = dims.product([query[0] as Dim, heads ?? 1, query.at(-2) as Dim, keys]);
  return {
    macs: dims.mul(2, dims.mul(dims.product(query), keys)),
    other: dims.mul(3, scores),
    special: scores,
  };
}

/** With its projections: [B, S, I] times [I, 3h], then the core. */
function fusedAttention(
  inputs: NodeValues['inputs'],
  node: GraphNode,
  dims: Dims,
): Operations | null {
  const [input, weight] = [shapeOf(inputs[0]), shapeOf(inputs[1])];
  if (input?.length !== 3 || weight?.length !== 2) return null;
  const [batch = 1, length = 1, size = 1] = input;
  const hidden = dims.floorDiv(weight[1] as Dim, 3);
  const projected = dims.product([batch, length, size, weight[1] as Dim]);
  const core = dims.product([2, batch, length, length, hidden]);
  const scores = dims.product([batch, numberOf(node, 'num_heads') ?? 1, length, length]);
  return { macs: dims.add(projected, core), other: dims.mul(3, scores), special: scores };
}
