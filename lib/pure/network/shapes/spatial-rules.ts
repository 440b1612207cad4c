/** Rules of operators that slide a window over an image, a sound or a volume. */
import { maxOf, minOf } from '../../../base/bytes/many.js';
import type { Dim, Shape } from '../network.js';
import { numbersOf, textOf } from '../network.js';
import {
  type NodeShapes,
  type Rule,
  ShapeConflict,
  type Shaped,
  shaped,
  UnknownShape,
} from './node-shapes.js';

export const SPATIAL: Record<string, Rule> = {
  Conv: (at) => [convolution(at, 1, at.dtype())],
  FusedConv: (at) => [convolution(at, 1, at.dtype())],
  ConvInteger: (at) => [convolution(at, 1, 'I32')],
  QLinearConv: (at) => [convolution(at, 3, at.dtype(7))],
  ConvTranspose: (at) => [transposed(at)],
  MaxPool: (at) => {
    const shape = pooled(at);
    return [shaped(at.dtype(), shape), shaped('I64', shape)];
  },
  AveragePool: (at) => [shaped(at.dtype(), pooled(at))],
  LpPool: (at) => [shaped(at.dtype(), pooled(at))],
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  MaxUnpool: (at) => [unpooled(at)],
  MaxRoiPool: (at) => {
    const [, channels = 1] = at.shape(0);
    const size = at.numberList('pooled_shape') ?? [];
    return [shaped(at.dtype(), [at.shape(1)[0] ?? 1, channels, ...size])];
  },
  RoiAlign: (at) => {
    const size = [at.number('output_height', 1), at.number('output_width', 1)];
    return [shaped(at.dtype(), [at.shape(1)[0] ?? 1, at.shape(0)[1] ?? 1, ...size])];
  },
  GridSample: (at) => {
    const [batch = 1, channels = 1] = at.shape(0);
    return [shaped(at.dtype(), [batch, channels, ...at.shape(1).slice(1, -1)])];
  },
  DepthToSpace: (at) => [blocks(at, 1)],
  SpaceToDepth: (at) => [blocks(at, -1)],
  Resize: (at) => [resized(at)],
  Upsample: (at) => [resized(at)],
  NonMaxSuppression: (at) => [shaped('I64', [at.open(0, 0), 3])],
};

/** Strides, dilations and padding of a window, one for each spatial dimension. */
interface Window {
  kernel: readonly Dim[];
  strides: readonly number[];
  dilations: readonly number[];
  /** Before and after; null: so much that the output is ⌈input / stride⌉ ('SAME'). */
  pads: readonly number[] | null;
  /** A last window that reaches behind the input counts. */
  ceil: boolean;
}

/** The window of a node. @throws {ShapeConflict} if its lists do not have one number a dimension. */
export function windowOf(at: NodeShapes, kernel: readonly Dim[]): Window {
  const { node } = at;
  const rank = kernel.length;
  const list = (name: string, otherwise: number, length = rank): readonly number[] => {
    const given = numbersOf(node, name);
    if (given === undefined || given.length === 0) return new Array<number>(length).fill(otherwise);
    if (given.length === length) return given;
    throw new ShapeConflict(`has ${given.length} ${name} for ${rank} dimensions`);
  };
  const auto = textOf(node, 'auto_pad') ?? 'NOTSET';
  const unpadded = new Array<number>(2 * rank).fill(0);
  const strides = list('strides', 1);
  if (strides.some((one) => one < 1)) throw new ShapeConflict('has a stride below 1');
  return {
    kernel,
    strides,
    dilations: list('dilations', 1),
    pads: auto.startsWith('SAME') ? null : auto === 'VALID' ? unpadded : list('pads', 0, 2 * rank),
    ceil: at.number('ceil_mode', 0) === 1,
  };
}

/** Output of dimension `axis` of a window. A `ceil` of true counts a last window that is not whole. */
function slide(at: NodeShapes, input: Dim, window: Window, axis: number): Dim {
  const { dims } = at;
  const stride = window.strides[axis] as number;
  if (window.pads === null) return dims.ceilDiv(input, stride);
  const before = window.pads[axis] as number;
  const after = window.pads[axis + window.kernel.length] as number;
  const reach = dims.mul(dims.sub(window.kernel[axis] as Dim, 1), window.dilations[axis] as number);
  const steps = dims.sub(dims.sub(dims.add(input, before + after), reach), 1);
  if (typeof steps !== 'number' || typeof input !== 'number') {
    return dims.add(window.ceil ? dims.ceilDiv(steps, stride) : dims.floorDiv(steps, stride), 1);
  }
  // onnxruntime rounds towards 0, so a window that is a little too large still gives one output.
  const count = (window.ceil ? Math.ceil(steps / stride) : Math.trunc(steps / stride)) + 1;
  if (count < 1) throw new ShapeConflict(`has a window larger than its input of ${input}`);
  // A last window that would begin in the padding behind the input is left out.
  return window.ceil && (count - 1) * stride >= input + before ? count - 1 : count;
}

function convolution(at: NodeShapes, weightIndex: number, dtype: Shaped['dtype']): Shaped {
  const input = at.shape(0);
  const weight = at.shape(weightIndex);
  if (input.length < 3 || weight.length !== input.length) {
    throw new ShapeConflict(`gets [${input.join(', ')}] and weights [${weight.join(', ')}]`);
  }
  const groups = at.number('group', 1);
  const channels = at.dims.mul(weight[1] as Dim, groups);
  if (typeof channels === 'number' && typeof input[1] === 'number' && channels !== input[1]) {
    throw new ShapeConflict(`gets ${input[1]} channels and has weights for ${channels}`);
  }
  const window = windowOf(at, weight.slice(2));
  const size = input.slice(2).map((dim, i) => slide(at, dim, window, i));
  return shaped(dtype, [input[0] as Dim, weight[0] as Dim, ...size]);
}

function transposed(at: NodeShapes): Shaped {
  const { dims } = at;
  const input = at.shape(0);
  const weight = at.shape(1);
  if (input.length < 3 || weight.length !== input.length) {
    throw new ShapeConflict(`gets [${input.join(', ')}] and weights [${weight.join(', ')}]`);
  }
  const window = windowOf(at, weight.slice(2));
  const given = at.numberList('output_shape');
  const extra = at.numberList('output_padding') ?? [];
  const size = input.slice(2).map((dim, i) => {
    if (given !== undefined) return given.at(i - input.length + 2) ?? given[i] ?? 1;
    const stride = window.strides[i] as number;
    const spread = dims.mul(dim, stride);
    if (window.pads === null) return spread;
    const reach = dims.mul(dims.sub(window.kernel[i] as Dim, 1), window.dilations[i] as number);
    const pads = (window.pads[i] as number) + (window.pads[i + window.kernel.length] as number);
    const begun = dims.add(dims.sub(spread, stride), reach);
    return dims.add(begun, (extra[i] ?? 0) + 1 - pads);
  });
  const channels = dims.mul(weight[1] as Dim, at.number('group', 1));
  return shaped(at.dtype(), [input[0] as Dim, channels, ...size]);
}

function pooled(at: NodeShapes): Shape {
  const [batch = 1, channels = 1, ...input] = at.shape(0);
  const kernel = at.numberList('kernel_shape') ?? [];
  if (kernel.length !== input.length)
    throw new ShapeConflict(`pools [${input.join(', ')}] by [${kernel}]`);
  const window = windowOf(at, kernel);
  return [batch, channels, ...input.map((dim, i) => slide(at, dim, window, i))];
}

function globalPool(at: NodeShapes): Shaped[] {
  return [
    shaped(
      at.dtype(),
      at.shape(0).map((dim, i) => (i < 2 ? dim : 1)),
    ),
  ];
}

function unpooled(at: NodeShapes): Shaped {
  if (at.optional(2) !== undefined) {
    const { elements } = at.input(2);
    if (elements === null) throw new UnknownShape();
    return shaped(at.dtype(), elements);
  }
  const [batch = 1, channels = 1, ...input] = at.shape(0);
  const { kernel, strides, pads } = windowOf(at, at.numberList('kernel_shape') ?? []);
  const size = input.map((dim, i) => {
    const stride = strides[i] ?? 1;
    const cut = (pads?.[i] ?? 0) + (pads?.[i + kernel.length] ?? 0);
    return at.dims.add(at.dims.mul(at.dims.sub(dim, 1), stride), (kernel[i] as number) - cut);
  });
  return shaped(at.dtype(), [batch, channels, ...size]);
}

function blocks(at: NodeShapes, direction: 1 | -1): Shaped {
  const { dims } = at;
  const [batch = 1, channels = 1, height = 1, width = 1] = at.shape(0);
  const side = at.number('blocksize', 1);
  const size =
    direction === 1
      ? [dims.floorDiv(channels, side * side), dims.mul(height, side), dims.mul(width, side)]
      : [dims.mul(channels, side * side), dims.floorDiv(height, side), dims.floorDiv(width, side)];
  return shaped(at.dtype(), [batch, ...size]);
}

function resized(at: NodeShapes): Shaped {
  const input = at.shape(0);
  const scalesAt = at.node.op === 'Upsample' || at.opset < 11 ? 1 : 2;
  const axes = (at.numberList('axes') ?? input.map((_, i) => i)).map((one) =>
    at.axis(one, input.length),
  );
  const sizes = at.optional(3);
  const made = [...input];
  if (sizes !== undefined && sizes.shape?.[0] !== 0) {
    if (sizes.elements === null) throw new UnknownShape();
    const wanted = sizes.elements;
    const policy = at.text('keep_aspect_ratio_policy', 'stretch');
    const ratios = axes.map((axis, i) => Number(wanted[i]) / Number(input[axis]));
    const ratio = policy === 'not_larger' ? minOf(ratios) : maxOf(ratios);
    axes.forEach((axis, i) => {
      if (policy === 'stretch') made[axis] = wanted[i] ?? 1;
      else if (Number.isNaN(ratio)) throw new UnknownShape();
      else made[axis] = Math.round((input[axis] as number) * ratio);
    });
    return shaped(at.dtype(), made);
  }
  const scales = at.numberList('scales') ?? at.numbers(scalesAt);
  if (scales === null) throw new UnknownShape();
  axes.forEach((axis, i) => {
    const scale = scales[i] ?? 1;
    const before = input[axis] as Dim;
    if (typeof before === 'number') made[axis] = Math.floor(before * Math.fround(scale));
    else if (Number.isInteger(scale)) made[axis] = at.dims.mul(before, scale);
    else if (Number.isInteger(1 / scale)) made[axis] = at.dims.floorDiv(before, 1 / scale);
    else made[axis] = at.open(0, axis);
  });
  return shaped(at.dtype(), made);
}
