/** The kinds of layers, and which operator is of which. */
import type { GraphNode } from '../network.js';
import { numbersOf } from '../network.js';
import type { GraphIndex } from './graph-index.js';

export const LAYER_KINDS = [
  ...([
    'conv',
    'deconv',
    'full',
    'pool',
    'norm',
    'act',
    'dropout',
    'add',
    'mul',
    'concat',
  ] as const),
  ...(['reshape', 'embed', 'attn', 'rnn', 'softmax', 'other'] as const),
] as const;
export type LayerKind = (typeof LAYER_KINDS)[number];

/** Kind and type of a layer: pool MAX, act RELU, norm BATCH, other SLICE. */
export interface LayerType {
  kind: LayerKind;
  type: string;
}

/** Kinds that `next` passes over: what they do is not what a network is built of. */
export const PASSED_KINDS: ReadonlySet<LayerKind> = new Set<LayerKind>([
  'act',
  'norm',
  'dropout',
  'reshape',
]);

const of = (kind: LayerKind, types: Record<string, string>): [string, LayerType][] =>
  Object.entries(types).map(([op, type]) => [op, { kind, type }]);
const named = (kind: LayerKind, ops: readonly string[]): [string, LayerType][] =>
  ops.map((op) => [op, { kind, type: op.toUpperCase() }]);

const TYPES = new Map<string, LayerType>([
  ...of('conv', { Conv: 'CONV', FusedConv: 'CONV', ConvInteger: 'CONV', QLinearConv: 'CONV' }),
  ...of('deconv', { ConvTranspose: 'DECONV' }),
  ...of('full', { Gemm: 'FULL', MatMulNBits: 'FULL', QLinearMatMul: 'FULL' }),
  ...of('pool', {
    MaxPool: 'MAX',
    AveragePool: 'AVG',
    LpPool: 'LP',
    MaxRoiPool: 'ROI_MAX',
    RoiAlign: 'ROI',
  }),
  ...of('pool', {
    GlobalAveragePool: 'GLOBAL_AVG',
    GlobalMaxPool: 'GLOBAL_MAX',
    GlobalLpPool: 'GLOBAL_LP',
  }),
  ...of('norm', { BatchNormalization: 'BATCH', LayerNormalization: 'LAYER', LRN: 'LRN' }),
  ...of('norm', {
    GroupNormalization: 'GROUP',
    GroupNorm: 'GROUP',
    InstanceNormalization: 'INSTANCE',
  }),
  ...of('norm', {
    RMSNormalization: 'RMS',
    SimplifiedLayerNormalization: 'RMS',
    LpNormalization: 'LP',
  }),
  ...of('norm', { SkipLayerNormalization: 'LAYER', SkipSimplifiedLayerNormalization: 'RMS' }),
  ...of('norm', { MeanVarianceNormalization: 'MVN', EmbedLayerNormalization: 'LAYER' }),
  ...named('act', [
    'Relu',
    'LeakyRelu',
    'PRelu',
    'Elu',
    'Selu',
    'Celu',
    'Sigmoid',
    'Tanh',
    'Gelu',
    'Erf',
    'Mish',
  ]),
  ...named('act', [
    'HardSigmoid',
    'HardSwish',
    'Softplus',
    'Softsign',
    'ThresholdedRelu',
    'Shrink',
    'Swish',
  ]),
  ...of('act', { Clip: 'CLIP', FastGelu: 'GELU', BiasGelu: 'GELU', QuickGelu: 'GELU' }),
  ...of('dropout', { Dropout: 'DROPOUT' }),
  ...of('add', { Add: 'ADD', Sub: 'SUB', Sum: 'ADD' }),
  ...of('mul', { Mul: 'MUL', Div: 'DIV' }),
  ...of('concat', { Concat: 'CONCAT' }),
  ...named('reshape', [
    'Reshape',
    'Flatten',
    'Squeeze',
    'Unsqueeze',
    'Transpose',
    'Expand',
    'Identity',
    'Cast',
  ]),
  ...named('rnn', ['LSTM', 'GRU', 'RNN']),
  ...named('attn', ['Attention', 'MultiHeadAttention', 'GroupQueryAttention']),
  ...of('softmax', { Softmax: 'SOFTMAX', LogSoftmax: 'LOG_SOFTMAX' }),
]);

/** What a node is on its own. */
export function typeOfNode(index: GraphIndex, node: GraphNode): LayerType {
  const { op, inputs } = node;
  if (op === 'MatMul' || op === 'MatMulInteger' || op === 'FusedMatMul') {
    const isFull = inputs.slice(0, 2).some((name) => index.isConstant(name));
    return isFull ? { kind: 'full', type: 'FULL' } : { kind: 'other', type: 'MATMUL' };
  }
  if (op === 'Gather' && index.isConstant(inputs[0] ?? '')) return { kind: 'embed', type: 'EMBED' };
  if (
    op === 'ReduceMean' &&
    isSpatial(numbersOf(node, 'axes') ?? index.parameter(inputs[1] ?? '')?.values)
  ) {
    return { kind: 'pool', type: 'GLOBAL_AVG' };
  }
  if (op === 'Clip') {
    const low = index.scalar(inputs[1]) ?? limitOf(node, 'min');
    const high = index.scalar(inputs[2]) ?? limitOf(node, 'max');
    if (low === 0 && high === 6) return { kind: 'act', type: 'RELU6' };
  }
  // A scale or a shift that is learned or fixed: no other part of the network flows in.
  const scales = op === 'Mul' || op === 'Div' || op === 'Add' || op === 'Sub';
  if (scales && inputs.some((name) => index.isConstant(name))) return SCALE;
  return TYPES.get(op) ?? { kind: 'other', type: op.toUpperCase() };
}

/** What an operator is whatever it works on. */
export function typeOfOperator(op: string): LayerType {
  const known = [...TYPES].find(([name]) => name.toLowerCase() === op.toLowerCase());
  return known?.[1] ?? { kind: 'other', type: op.toUpperCase() };
}

const SCALE: LayerType = { kind: 'norm', type: 'SCALE' };

function limitOf(node: GraphNode, name: string): number | undefined {
  const found = node.attributes.find((attribute) => attribute.name === name);
  return found?.kind === 'float' ? found.value : undefined;
}

/** The axes of an image or a volume, behind batch and channels. */
function isSpatial(axes: readonly number[] | null | undefined): boolean {
  if (axes === null || axes === undefined || axes.length < 2) return false;
  const sorted = [...axes].sort((a, b) => a - b).join();
  return sorted === '2,3' || sorted === '-2,-1' || sorted === '2,3,4';
}

/** Inputs that tell an operator how to work; they are no data that flows through the network. */
export const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Reshape: [1],
  Expand: [1],
  Tile: [1, 2],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Unsqueeze: [1],
  Pad: [1, 2, 3],
  Resize: [1, 2, 3],
  Upsample: [1],
  TopK: [1],
  ConstantOfShape: [0],
  Range: [0, 1, 2],
  OneHot: [1, 2],
  If: [0],
  Loop: [0, 1],
  Clip: [1, 2],
  Dropout: [1, 2],
  CumSum: [1],
  Trilu: [1],
};

/** True if an input says how an operator works. */
export function isSetting(node: GraphNode, input: number): boolean {
  return SETTINGS[node.op]?.includes(input) ?? (input === 1 && node.op.startsWith('Reduce'));
}

/** Word that ordinal names of a layer begin with: conv1, fc2, relu3, slice1. */
export function aliasWord({ kind, type }: LayerType): string {
  if (kind === 'full') return 'fc';
  if (type === 'SCALE') return 'scale';
  return kind === 'act' || kind === 'other' ? type.toLowerCase() : kind;
}
