/** Convolutions and pooling: operators that look at windows of images. */
import { operation } from '../../../base/native/compute.js';
import { numberOf, numbersOf, textOf } from '../../../pure/network/network.js';
import type { Builder } from '../builder.js';
import { sizeOf, type Value } from '../values.js';

/** Tasks that the gradient of weights is cut into at least, where there are images for it. */
const TASKS = 8;
/** COMPUTE_ROWS of native/compute.h. */
const BLOCK_ROWS = 96;

/** Sides of an operator with one spatial axis or two; one becomes two with a height of 1. */
function pair(list: readonly number[] | undefined, rank: number, fill: number): [number, number] {
  if (rank === 1) return [fill, list?.[0] ?? fill];
  return [list?.[0] ?? fill, list?.[1] ?? fill];
}

interface Sides {
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  /** Above and on the left. */
  pad: [number, number];
}

/** Sides of windows by the attributes of a node; what auto_pad leaves open follows from the output. */
function sidesOf(
  build: Builder,
  input: readonly number[],
  output: readonly number[],
  kernel: readonly number[],
): Sides {
  const { node } = build;
  const rank = kernel.length;
  const stride = pair(numbersOf(node, 'strides'), rank, 1);
  const dilation = pair(numbersOf(node, 'dilations'), rank, 1);
  const both = pair(kernel, rank, 1);
  const auto = textOf(node, 'auto_pad') ?? 'NOTSET';
  const pads = numbersOf(node, 'pads') ?? [];
  const pad = pair(pads.slice(0, rank), rank, 0);
  if (rank === 1) pad[0] = 0;
  if (pads.some((one) => one < 0)) throw build.refuse('has a negative padding');
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    for (let axis = 0; axis < rank; axis += 1) {
      const at = 2 - rank + axis;
      const span =
        (both[at] as number) * 1 + ((both[at] as number) - 1) * ((dilation[at] as number) - 1);
      const needed = ((output[2 + axis] as number) - 1) * (stride[at] as number) + span;
      const missing = Math.max(0, needed - (input[2 + axis] as number));
      pad[at] = auto === 'SAME_UPPER' ? Math.floor(missing / 2) : Math.ceil(missing / 2);
    }
  }
  if (rank === 1) stride[0] = dilation[0] = 1;
  return { kernel: both, stride, dilation, pad };
}

function spatial(build: Builder, { shape }: Value): [number, number, number, number] {
  const [images = 0, channels = 0, first = 1, second] = shape;
  if (shape.length < 3 || shape.length > 4) {
    throw build.refuse(`takes ${shape.length - 2} spatial axes; one or two can be trained`);
  }
  return second === undefined ? [images, channels, 1, first] : [images, channels, first, second];
}

function windowWords(
  build: Builder,
  [x, y]: [Value, Value],
  sides: Sides,
  groups: number,
): number[] {
  const { kernel, stride, pad, dilation } = sides;
  const [, outChannels, height, width] = spatial(build, y);
  return [
    ...spatial(build, x),
    ...[outChannels, height, width],
    ...kernel,
    ...stride,
    ...pad,
    ...dilation,
    groups,
  ];
}

export function conv(build: Builder): void {
  const { node } = build;
  const x = build.value(0);
  const groups = numberOf(node, 'group') ?? 1;
  const w = build.weight(1, 'weight', 1);
  const [, perGroup = 1, ...kernel] = w.shape;
  w.fanIn = perGroup * sizeOf(kernel);
  const b = build.has(2) ? build.weight(2, 'bias', w.fanIn) : null;
  const isTrained = x.slot.needsBack || w.slot.needsBack || (b?.slot.needsBack ?? false);
  const y = build.output(build.shape(), isTrained);
  const sides = sidesOf(build, x.shape, y.shape, kernel);
  const window = windowWords(build, [x, y], sides, groups);
  const bias = b?.slot.at ?? -1;
  const [images, outputs] = [x.shape[0] as number, y.shape[1] as number];
  build.forward(operation('conv', [...window, x.slot.at, w.slot.at, y.slot.at, bias, -1, 1]));
  build.backward(y, () => {
    const dy = build.gradient(y);
    if (w.slot.needsBack) {
      const blocks = Math.ceil(w.fanIn / BLOCK_ROWS) * groups;
      const parts = Math.min(images, blocks >= TASKS ? 1 : Math.ceil(TASKS / blocks));
      const room = parts > 1 ? build.room(parts * w.slot.size) : -1;
      build.into(w.slot, (at) =>
        operation('convWeight', [...window, x.slot.at, at, dy, -1, room, parts]),
      );
    }
    if (b !== null) {
      const places = sizeOf(y.shape.slice(2));
      build.into(b.slot, (at) => operation('biasBack', [images, outputs, places, dy, at]));
    }
    build.addInto(x.slot, (at) =>
      operation('convInput', [...window, at, w.slot.at, dy, -1, -1, 1]),
    );
  });
}

function pool(build: Builder, kind: 'maxPool' | 'meanPool', kernel: readonly number[]): void {
  const { node } = build;
  const x = build.value(0);
  const isGlobal = node.op.startsWith('Global');
  const shape = isGlobal ? [...x.shape.slice(0, 2), ...kernel.map(() => 1)] : build.shape();
  const y = build.output(shape, x.slot.needsBack);
  const sides = sidesOf(build, x.shape, y.shape, kernel);
  if (kind === 'meanPool' && sides.dilation.some((one) => one !== 1)) {
    throw build.refuse('has dilations, which averages are not trained with');
  }
  const window = windowWords(build, [x, y], sides, 1);
  const index = kind === 'maxPool' ? build.room(y.slot.size) : -1;
  const counts = numberOf(node, 'count_include_pad') ?? 0;
  build.forward(operation(kind, [...window, x.slot.at, y.slot.at, index, counts]));
  build.backward(y, () => {
    const dy = build.gradient(y);
    build.addInto(x.slot, (at) => operation(`${kind}Back`, [...window, at, dy, index, counts]));
  });
}

export function maxPool(build: Builder): void {
  if ((build.node.outputs[1] ?? '') !== '')
    throw build.refuse('gives indices, which is not trained');
  pool(build, 'maxPool', numbersOf(build.node, 'kernel_shape') ?? []);
}

export function averagePool(build: Builder): void {
  pool(build, 'meanPool', numbersOf(build.node, 'kernel_shape') ?? []);
}

export function globalMaxPool(build: Builder): void {
  pool(build, 'maxPool', build.value(0).shape.slice(2));
}

export function globalAveragePool(build: Builder): void {
  pool(build, 'meanPool', build.value(0).shape.slice(2));
}
