/** Activations, dropout and what only changes shapes. */
import { operation } from '../../../base/native/compute.js';
import { numberOf } from '../../../pure/network/network.js';
import type { Builder } from '../builder.js';
import { sizeOf, type Value } from '../values.js';

/** Draws a dropout mask of so many whole numbers: a share that 2^24 tells apart. */
const DRAWN = 1 << 24;

export function relu(build: Builder): void {
  rectify(build, 0);
}

export function leakyRelu(build: Builder): void {
  rectify(build, numberOf(build.node, 'alpha') ?? 0.01);
}

function rectify(build: Builder, slope: number): void {
  const x = build.value(0);
  const y = build.output(x.shape, x.slot.needsBack);
  const { size } = x.slot;
  build.forward(operation('rectify', [size, x.slot.at, y.slot.at, -1, 0], [slope]));
  build.backward(y, () => {
    const dy = build.gradient(y);
    const step =
      (adds: number) =>
      (at: number): number[] =>
        operation('rectifyBack', [size, at, dy, x.slot.at, adds], [slope]);
    build.into(x.slot, step(0), step(1));
  });
}

/** An activation whose slope follows from its result. */
function smooth(build: Builder, of: (x: number) => number, slope: (y: number) => number): void {
  const x = build.value(0);
  const y = build.output(x.shape, x.slot.needsBack);
  const { size } = x.slot;
  const [X, Y] = [x.slot.at, y.slot.at];
  build.forward((floats) => {
    for (let i = 0; i < size; i += 1) floats[Y + i] = of(floats[X + i] as number);
  });
  build.backward(y, () => {
    const dy = build.gradient(y);
    build.into(x.slot, (at) => (floats) => {
      for (let i = 0; i < size; i += 1) {
        floats[at + i] = (floats[dy + i] as number) * slope(floats[Y + i] as number);
      }
    });
  });
}

export function sigmoid(build: Builder): void {
  smooth(
    build,
    (x) => 1 / (1 + Math.exp(-x)),
    (y) => y * (1 - y),
  );
}

export function tanh(build: Builder): void {
  smooth(build, Math.tanh, (y) => 1 - y * y);
}

/** Softmax over the last axis, or over all axes from one on, as versions of ONNX before 13 mean it. */
export function softmax(build: Builder): void {
  const x = build.value(0);
  const rank = x.shape.length;
  const axis = numberOf(build.node, 'axis') ?? -1;
  const from = axis < 0 ? axis + rank : axis;
  if (from !== rank - 1) throw build.refuse(`is over axis ${axis}; the last one can be trained`);
  const y = build.output(x.shape, x.slot.needsBack);
  const columns = x.shape.at(-1) as number;
  const rows = x.slot.size / columns;
  const [X, Y] = [x.slot.at, y.slot.at];
  build.forward((floats) => {
    for (let row = 0; row < rows; row += 1)
      softmaxRow(floats, X + row * columns, Y + row * columns, columns);
  });
  build.backward(y, () => {
    const dy = build.gradient(y);
    build.into(x.slot, (at) => (floats) => {
      for (let row = 0; row < rows; row += 1) {
        const begin = row * columns;
        let sum = 0;
        for (let i = begin; i < begin + columns; i += 1) {
          sum += (floats[dy + i] as number) * (floats[Y + i] as number);
        }
        for (let i = begin; i < begin + columns; i += 1) {
          floats[at + i] = (floats[Y + i] as number) * ((floats[dy + i] as number) - sum);
        }
      }
    });
  });
}

function softmaxRow(floats: Float32Array, from: number, to: number, count: number): void {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i += 1) most = Math.max(most, floats[from + i] as number);
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += Math.exp((floats[from + i] as number) - most);
  for (let i = 0; i < count; i += 1) {
    floats[to + i] = Math.exp((floats[from + i] as number) - most) / sum;
  }
}

/** Numbers are dropped with probability `ratio` in training, and the others grow by 1 / (1 − ratio). */
export function dropout(build: Builder): void {
  const x = build.value(0);
  const ratio = build.constants(1)?.[0] ?? numberOf(build.node, 'ratio') ?? 0.5;
  if (!(ratio >= 0 && ratio < 1)) throw build.refuse(`drops a share of ${ratio}`);
  if ((build.node.outputs[1] ?? '') !== '')
    throw build.refuse('gives its mask, which is not trained');
  const y = build.output(x.shape, x.slot.needsBack);
  const { size } = x.slot;
  const mask = build.room(size);
  const [X, Y] = [x.slot.at, y.slot.at];
  const kept = Math.fround(1 / (1 - ratio));
  const bound = Math.round(ratio * DRAWN);
  build.forward((floats) => {
    for (let i = 0; i < size; i += 1) floats[mask + i] = build.draw(DRAWN) < bound ? 0 : kept;
  }, 'training');
  build.forward(operation('multiply', [size, X, Y, mask], [0, 0]), 'training');
  build.forward(operation('sum', [size, X, Y, 0], [1, 0]), 'running');
  build.backward(y, () => {
    const dy = build.gradient(y);
    const step =
      (had: number) =>
      (at: number): number[] =>
        operation('multiply', [size, dy, at, mask], [0, had]);
    build.into(x.slot, step(0), step(1));
  });
}

export function identity(build: Builder): void {
  const x = build.value(0);
  build.alias(x, x.shape);
}

/** Flatten, Reshape, Squeeze, Unsqueeze: the same numbers in another shape. Examples stay apart. */
export function reshape(build: Builder): void {
  const x = build.value(0);
  const shape = build.shape();
  if (shape[0] !== build.batch || sizeOf(shape) !== x.slot.size) {
    throw build.refuse(
      `makes [${shape.join(', ')}] of [${x.shape.join(', ')}], which does not keep examples apart`,
    );
  }
  build.alias(x, shape);
}

/** Puts values behind each other along an axis. */
export function concat(build: Builder): void {
  const parts = build.node.inputs.map((_, i) => build.value(i));
  const [first] = parts as [Value];
  const given = numberOf(build.node, 'axis') ?? 1;
  const axis = given < 0 ? given + first.shape.length : given;
  if (axis === 0) throw build.refuse('joins along the axis of examples');
  const wide = parts.map(({ shape }) => sizeOf(shape.slice(axis)));
  const whole = wide.reduce((sum, one) => sum + one, 0);
  const rows = sizeOf(first.shape.slice(0, axis));
  const length = parts.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const shape = [...first.shape.slice(0, axis), length, ...first.shape.slice(axis + 1)];
  if (sizeOf(shape) !== rows * whole) throw build.refuse('joins values that do not fit together');
  const y = build.output(
    shape,
    parts.some(({ slot }) => slot.needsBack),
  );
  const starts = wide.map((_, i) => wide.slice(0, i).reduce((sum, one) => sum + one, 0));
  build.forward((floats) => {
    for (const [i, { slot }] of parts.entries()) {
      const [count, start] = [wide[i] as number, starts[i] as number];
      for (let row = 0; row < rows; row += 1) {
        const from = slot.at + row * count;
        floats.copyWithin(y.slot.at + row * whole + start, from, from + count);
      }
    }
  });
  build.backward(y, () => {
    const dy = build.gradient(y);
    for (const [i, { slot }] of parts.entries()) {
      const [count, start] = [wide[i] as number, starts[i] as number];
      build.into(slot, (at) => (floats) => {
        for (let row = 0; row < rows; row += 1) {
          const from = dy + row * whole + start;
          floats.copyWithin(at + row * count, from, from + count);
        }
      });
    }
  });
}
