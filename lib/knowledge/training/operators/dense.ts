/** Products with weights, and what is added to them. */
import { operation } from '../../../base/native/compute.js';
import { numberOf } from '../../../pure/network/network.js';
import type { Builder } from '../builder.js';
import { sizeOf, type Value, type Weight } from '../values.js';

/** y = x · w (+ b): x of `rows` rows, w of inputs × outputs, turned or not. */
function product(
  build: Builder,
  x: Value,
  w: Weight,
  {
    rows,
    inputs,
    outputs,
    isTurned,
    y,
  }: {
    rows: number;
    inputs: number;
    outputs: number;
    isTurned: boolean;
    y: Value;
  },
): void {
  // Strides of w as inputs × outputs.
  const [along, across] = isTurned ? [1, inputs] : [outputs, 1];
  const [X, W, Y] = [x.slot.at, w.slot.at, y.slot.at];
  build.forward(
    operation('product', [rows, outputs, inputs, X, inputs, 1, W, along, across, Y, outputs, 0]),
  );
  build.backward(y, () => {
    const dy = build.gradient(y);
    const weight = (at: number): number[] =>
      isTurned
        ? operation('product', [outputs, inputs, rows, dy, 1, outputs, X, inputs, 1, at, inputs, 0])
        : operation('product', [
            inputs,
            outputs,
            rows,
            X,
            1,
            inputs,
            dy,
            outputs,
            1,
            at,
            outputs,
            0,
          ]);
    build.into(w.slot, weight);
    const input =
      (adds: number) =>
      (at: number): number[] =>
        operation('product', [
          rows,
          inputs,
          outputs,
          dy,
          outputs,
          1,
          W,
          across,
          along,
          at,
          inputs,
          adds,
        ]);
    build.into(x.slot, input(0), input(1));
  });
}

/** y += b of each column. */
function addBias(build: Builder, y: Value, b: Weight, [rows, columns]: [number, number]): void {
  build.forward(operation('bias', [rows, columns, 1, y.slot.at, b.slot.at]));
  build.backward(y, () => {
    build.into(b.slot, (at) => operation('biasBack', [rows, columns, 1, build.gradient(y), at]));
  });
}

export function gemm(build: Builder): void {
  const { node } = build;
  const odd = [numberOf(node, 'alpha') ?? 1, numberOf(node, 'beta') ?? 1].some((one) => one !== 1);
  if (odd || (numberOf(node, 'transA') ?? 0) !== 0) {
    throw build.refuse('has alpha, beta or transA, which are not trained');
  }
  const x = build.value(0);
  const isTurned = (numberOf(node, 'transB') ?? 0) !== 0;
  const w = build.weight(1, 'weight', 1);
  const [first = 1, second = 1] = w.shape;
  const [inputs, outputs] = isTurned ? [second, first] : [first, second];
  const rows = x.shape[0] as number;
  if (x.shape.length !== 2 || x.shape[1] !== inputs || w.shape.length !== 2) {
    throw build.refuse(`takes rows of ${inputs}, not [${x.shape.join(', ')}]`);
  }
  w.fanIn = inputs;
  const b = build.has(2) ? build.weight(2, 'bias', inputs) : null;
  if (b !== null && b.slot.size !== outputs) {
    throw build.refuse(`has a bias of ${b.slot.size} numbers for ${outputs} outputs`);
  }
  const isTrained = [x.slot, w.slot, ...(b === null ? [] : [b.slot])].some((s) => s.needsBack);
  const y = build.output([rows, outputs], isTrained);
  product(build, x, w, { rows, inputs, outputs, isTurned, y });
  if (b !== null) addBias(build, y, b, [rows, outputs]);
}

export function matMul(build: Builder): void {
  const x = build.value(0);
  const w = build.weight(1, 'weight', 1);
  const inputs = x.shape.at(-1) as number;
  const [first = 1, outputs = 1] = w.shape;
  if (w.shape.length !== 2 || first !== inputs) {
    throw build.refuse(`multiplies rows of ${inputs} by [${w.shape.join(', ')}]`);
  }
  w.fanIn = inputs;
  const rows = sizeOf(x.shape) / inputs;
  const y = build.output([...x.shape.slice(0, -1), outputs], x.slot.needsBack || w.slot.needsBack);
  product(build, x, w, { rows, inputs, outputs, isTurned: false, y });
}

/** Sum of two values of one shape, or of a value and a bias of its channels or last axis. */
export function add(build: Builder): void {
  const flipped = !build.isComputed(0);
  const [mine, other] = flipped ? [1, 0] : [0, 1];
  const x = build.value(mine);
  if (build.isComputed(other)) {
    sum(build, x, build.value(other));
    return;
  }
  const b = build.weight(other, 'bias', 1);
  const axis = biasAxis(build, x.shape, b.shape);
  const rows = sizeOf(x.shape.slice(0, axis));
  const channels = x.shape[axis] as number;
  const places = sizeOf(x.shape.slice(axis + 1));
  b.fanIn = channels;
  const y = build.output(x.shape, x.slot.needsBack || b.slot.needsBack);
  build.forward(operation('sum', [x.slot.size, x.slot.at, y.slot.at, 0], [1, 0]));
  build.forward(operation('bias', [rows, channels, places, y.slot.at, b.slot.at]));
  build.backward(y, () => {
    const dy = build.gradient(y);
    build.into(b.slot, (at) => operation('biasBack', [rows, channels, places, dy, at]));
    pass(build, x, dy, 1);
  });
}

/** Hands a gradient on. */
function pass(build: Builder, { slot }: Value, from: number, factor: number): void {
  const step =
    (kept: number) =>
    (at: number): number[] =>
      operation('sum', [slot.size, from, at, 0], [factor, kept]);
  build.into(slot, step(0), step(1));
}

function sum(build: Builder, x: Value, z: Value): void {
  if (x.shape.join() !== z.shape.join()) {
    throw build.refuse(`adds [${x.shape.join(', ')}] and [${z.shape.join(', ')}]`);
  }
  const y = build.output(x.shape, x.slot.needsBack || z.slot.needsBack);
  const { size } = x.slot;
  build.forward(operation('sum', [size, x.slot.at, y.slot.at, 0], [1, 0]));
  build.forward(operation('sum', [size, z.slot.at, y.slot.at, 0], [1, 1]));
  build.backward(y, () => {
    pass(build, x, build.gradient(y), 1);
    pass(build, z, build.gradient(y), 1);
  });
}

/** Axis of a value that a bias has one number for each place of. */
function biasAxis(build: Builder, shape: readonly number[], bias: readonly number[]): number {
  const wide = bias.findIndex((size) => size !== 1);
  const axis = wide < 0 ? shape.length - 1 : shape.length - bias.length + wide;
  const size = sizeOf(bias);
  if (axis > 0 && shape[axis] === size && bias.length <= shape.length) return axis;
  throw build.refuse(`adds [${bias.join(', ')}] to [${shape.join(', ')}], which is no bias`);
}
