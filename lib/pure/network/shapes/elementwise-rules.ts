/** Rules of operators that work element by element, and of those that keep the shape of their input. */

import { onnxDType } from '../../formats/onnx/onnx-tensor.js';
import type { Dim, Shape, ValueType } from '../network.js';
import { attributeOf } from '../network.js';
import { COMBINE, pairElements, SINGLE, stretchedPlaces } from './elements.js';
import {
  ELEMENTS_MAX,
  fixedCount,
  type NodeShapes,
  type Rule,
  ShapeConflict,
  type Shaped,
  shaped,
} from './node-shapes.js';

/** Operators whose first output is as their first input. */
const SAME = [
  ...[
    'Acos',
    'Acosh',
    'Asin',
    'Asinh',
    'Atan',
    'Atanh',
    'Celu',
    'Cos',
    'Cosh',
    'CumSum',
    'Elu',
    'Erf',
    'Exp',
  ],
  ...['Gelu', 'GroupNormalization', 'HardSigmoid', 'HardSwish', 'Hardmax', 'LRN'],
  ...[
    'LeakyRelu',
    'Log',
    'LogSoftmax',
    'LpNormalization',
    'MeanVarianceNormalization',
    'Mish',
    'PRelu',
  ],
  ...[
    'RMSNormalization',
    'ReverseSequence',
    'RotaryEmbedding',
    'ScatterElements',
    'ScatterND',
    'Scatter',
  ],
  ...[
    'Selu',
    'Shrink',
    'Sigmoid',
    'SimplifiedLayerNormalization',
    'Sin',
    'Sinh',
    'Softmax',
    'Softplus',
  ],
  ...['Softsign', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu', 'Trilu', 'BitwiseNot', 'Bernoulli'],
  ...['RandomNormalLike', 'RandomUniformLike', 'EyeLike', 'TensorScatter'],
];

/** Those of the same name in the domain com.microsoft too. */
const SAME_CONTRIB = ['BiasGelu', 'FastGelu', 'QuickGelu', 'BiasSplitGelu', 'GroupNorm'];

const PAIRS = [
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Mod',
  'Pow',
  'BitShift',
  'BitwiseAnd',
  'BitwiseOr',
  'BitwiseXor',
];
const COMPARISONS = [
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Xor',
];

export const ELEMENTWISE: Record<string, Rule> = {
  Cast: (at) => [cast(at, codeOf(at))],
  CastLike: (at) => [cast(at, at.dtype(1))],
  Clip: (at) => [{ ...at.input(0), elements: clipped(at) }],
  Dropout: (at) => [at.input(0), { ...at.input(0), dtype: 'BOOL', elements: null }],
  BatchNormalization: (at) => {
    checkWidth(at, 1);
    return [
      { ...at.input(0), elements: null },
      ...[1, 2, 3, 4].map((i) => ({ ...at.input(i), elements: null })),
    ];
  },
  InstanceNormalization: (at) => {
    checkWidth(at, 1);
    return [shaped(at.dtype(), at.shape(0))];
  },
  LayerNormalization: layerNorm,
  Where: (at) => [where(at)],
  IsNaN: (at) => [shaped('BOOL', at.shape(0))],
  IsInf: (at) => [shaped('BOOL', at.shape(0))],
  DynamicQuantizeLinear: (at) => [shaped('U8', at.shape(0)), shaped('F32', []), shaped('U8', [])],
  QuantizeLinear: (at) => [
    shaped(at.optional(2)?.dtype ?? codeOf(at, 'output_dtype') ?? 'U8', at.shape(0)),
  ],
  DequantizeLinear: (at) => [shaped(at.dtype(1), at.shape(0))],
  SkipLayerNormalization: skipNorm,
  SkipSimplifiedLayerNormalization: skipNorm,
};

for (const op of [...SAME, ...SAME_CONTRIB]) {
  ELEMENTWISE[op] = (at) => {
    const dtype = attributeOf(at.node, 'dtype') === undefined ? at.dtype() : codeOf(at, 'dtype');
    return [shaped(dtype, at.shape(0))];
  };
}
for (const op of Object.keys(SINGLE)) {
  const of = SINGLE[op] as (typeof SINGLE)[string];
  ELEMENTWISE[op] = (at) => {
    const input = at.input(0);
    const made = input.elements?.map((one) => of(at.dims, one)) ?? null;
    return [{ ...input, elements: made?.every((one) => one !== null) ? (made as Dim[]) : null }];
  };
}
for (const op of PAIRS) ELEMENTWISE[op] = (at) => [pair(at, at.dtype())];
for (const op of COMPARISONS) ELEMENTWISE[op] = (at) => [pair(at, 'BOOL')];
for (const op of ['Min', 'Max', 'Sum', 'Mean']) {
  ELEMENTWISE[op] = (at) => {
    if (at.inputs.length === 2) return [pair(at, at.dtype())];
    const shape = at.inputs.map((_, i) => at.shape(i)).reduce((a, b) => at.broadcast(a, b));
    return [shaped(at.dtype(), shape, at.inputs.length === 1 ? at.input(0).elements : null)];
  };
}

function pair(at: NodeShapes, dtype: ValueType): Shaped {
  const shape = legacyStretch(at) ?? at.broadcast(at.shape(0), at.shape(1));
  const combine = COMBINE[at.node.op];
  return shaped(dtype, shape, combine === undefined ? null : pairElements(at, shape, combine));
}

/** Before opset 7 the second operand was stretched to the first where `broadcast` said so. */
function legacyStretch(at: NodeShapes): Shape | null {
  return at.opset < 7 && at.number('broadcast', 0) === 1 ? at.shape(0) : null;
}

/** The type that an attribute names by its code, or, before opset 6, by its name. */
function codeOf(at: NodeShapes, name = 'to'): ValueType {
  const code = at.number(name, 0);
  return code === 8 ? 'STRING' : onnxDType(code);
}

const INTEGERS = new Set<ValueType>(['I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8']);

function cast(at: NodeShapes, dtype: ValueType): Shaped {
  const { shape, elements } = at.input(0);
  const made = (one: Dim): Dim => {
    if (typeof one !== 'number') return one;
    if (dtype === 'BOOL') return Number(one !== 0);
    return INTEGERS.has(dtype) ? Math.trunc(one) : one;
  };
  // A symbol as truth: it may be 0.
  const keeps = dtype !== 'BOOL' || elements?.every((one) => typeof one === 'number');
  return { dtype, shape, elements: keeps ? (elements?.map(made) ?? null) : null };
}

function clipped(at: NodeShapes): Dim[] | null {
  const { elements } = at.input(0);
  const low =
    at.optional(1) === undefined ? at.number('min', Number.NEGATIVE_INFINITY) : at.numbers(1)?.[0];
  const high =
    at.optional(2) === undefined ? at.number('max', Number.POSITIVE_INFINITY) : at.numbers(2)?.[0];
  if (elements === null || low === undefined || high === undefined) return null;
  // Dimensions are never below 0, so a lower bound of 0 does nothing to a symbol.
  if (!elements.every((one) => typeof one === 'number' || (low <= 0 && high >= 2 ** 31 - 1)))
    return null;
  return elements.map((one) =>
    typeof one === 'number' ? Math.min(Math.max(one, low), high) : one,
  );
}

/** @throws {ShapeConflict} unless a norm has one weight for each place on an axis. */
function checkWidth(at: NodeShapes, axis: number): void {
  const size = at.input(0).shape?.at(axis);
  const [width] = at.optional(1)?.shape ?? [];
  if (typeof size !== 'number' || typeof width !== 'number' || size === width) return;
  throw new ShapeConflict(`gets ${size} channels and has weights for ${width}`);
}

function layerNorm(at: NodeShapes): Shaped[] {
  const shape = at.shape(0);
  const axis = at.axis(at.number('axis', -1), shape.length);
  const statistics = shape.map((dim, i) => (i < axis ? dim : 1));
  return [shaped(at.dtype(), shape), shaped('F32', statistics), shaped('F32', statistics)];
}

/** Output, two statistics that nobody uses, and the sum before the norm. */
function skipNorm(at: NodeShapes): Shaped[] {
  const same = shaped(at.dtype(), at.shape(0));
  const none: Shaped = { dtype: 'F32', shape: null, elements: null };
  return [same, none, none, same];
}

function where(at: NodeShapes): Shaped {
  const shape = [0, 1, 2].map((i) => at.shape(i)).reduce((a, b) => at.broadcast(a, b));
  const count = fixedCount(shape);
  const inputs = [at.input(0), at.input(1), at.input(2)] as const;
  if (count === null || count > ELEMENTS_MAX || inputs.some(({ elements }) => elements === null)) {
    return shaped(at.dtype(1), shape);
  }
  const [when, yes, no] = inputs.map((input) => {
    const places = stretchedPlaces(input, shape);
    return places.map((place) => input.elements?.[place] as Dim);
  }) as [Dim[], Dim[], Dim[]];
  const sure = when.every((one) => typeof one === 'number');
  const made = when.map((one, i) => (one !== 0 ? yes[i] : no[i]) as Dim);
  return shaped(at.dtype(1), shape, sure ? made : null);
}
