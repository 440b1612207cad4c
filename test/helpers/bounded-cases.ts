/** Networks that use every operator that has bounds. */
import { type BoundedNetwork, node, randomWeight } from './bounded-networks.js';
import type { Rng } from './rng.js';

const ints = (...values: number[]) => ({ ints: values });

/** A dense network of ReLUs. */
export function denseNetwork(rng: Rng, sizes: readonly number[], act = 'Relu'): BoundedNetwork {
  const weights: BoundedNetwork['weights'] = {};
  const nodes = [];
  let value = 'x';
  for (let i = 0; i + 1 < sizes.length; i++) {
    const [from, to] = [sizes[i] as number, sizes[i + 1] as number];
    const isLast = i + 2 === sizes.length;
    weights[`w${i}`] = randomWeight(rng, [to, from], 1.5 / Math.sqrt(from));
    weights[`b${i}`] = randomWeight(rng, [to], 0.2);
    const out = isLast ? 'y' : `z${i}`;
    nodes.push(node('Gemm', [value, `w${i}`, `b${i}`], out, { transB: { int: 1 } }));
    if (!isLast) nodes.push(node(act, [out], `a${i}`));
    value = `a${i}`;
  }
  return {
    title: `${sizes.length - 1} dense layers, ${act}`,
    example: [sizes[0] as number],
    nodes,
    weights,
  };
}

/** Convolutions with pools and a residual block. */
export function convNetwork(rng: Rng): BoundedNetwork {
  return {
    title: 'convolutions, pools, a residual block',
    example: [2, 9, 9],
    weights: {
      c1: randomWeight(rng, [4, 2, 3, 3], 0.4),
      d1: randomWeight(rng, [4], 0.1),
      c2: randomWeight(rng, [4, 4, 3, 3], 0.3),
      c3: randomWeight(rng, [6, 2, 3, 3], 0.3),
      w: randomWeight(rng, [6, 5], 0.5),
      b: randomWeight(rng, [5], 0.1),
    },
    nodes: [
      node('Conv', ['x', 'c1', 'd1'], 'z1', { pads: ints(1, 1, 1, 1), kernel_shape: ints(3, 3) }),
      node('MaxPool', ['z1'], 'p1', { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
      node('Relu', ['p1'], 'a1'),
      node('Conv', ['a1', 'c2'], 'z2', { pads: ints(1, 1, 1, 1), kernel_shape: ints(3, 3) }),
      node('Add', ['a1', 'z2'], 's2'),
      node('Relu', ['s2'], 'a2'),
      node('Conv', ['a2', 'c3'], 'z3', {
        group: { int: 2 },
        strides: ints(2, 2),
        pads: ints(1, 1, 1, 1),
        kernel_shape: ints(3, 3),
      }),
      node('LeakyRelu', ['z3'], 'a3', { alpha: { float: 0.1 } }),
      node('GlobalAveragePool', ['a3'], 'g'),
      node('Flatten', ['g'], 'f'),
      node('MatMul', ['f', 'w'], 'm'),
      node('Add', ['m', 'b'], 'y'),
    ],
  };
}

/** One network for each other operator or group of them, over a map of 2 × 6 × 6. */
export function operatorNetworks(rng: Rng): BoundedNetwork[] {
  const head = {
    w: randomWeight(rng, [4, 72], 0.2),
    b: randomWeight(rng, [4], 0.2),
  };
  const tail = (value: string, width = 72) => [
    node('Flatten', [value], 'flat'),
    node('Gemm', ['flat', width === 72 ? 'w' : `w${width}`, 'b'], 'y', { transB: { int: 1 } }),
  ];
  const first = {
    c: randomWeight(rng, [2, 2, 3, 3], 0.5),
    k: randomWeight(rng, [2], 0.3),
  };
  const conv = node('Conv', ['x', 'c', 'k'], 'z', { pads: ints(1, 1, 1, 1) });
  const make = (
    title: string,
    nodes: BoundedNetwork['nodes'],
    more: Partial<BoundedNetwork> = {},
  ): BoundedNetwork => ({
    title,
    example: [2, 6, 6],
    nodes: [conv, ...nodes],
    ...more,
    weights: { ...first, ...head, ...more.weights },
  });
  const channel = (low: number) => {
    const weight = randomWeight(rng, [2], 0.3);
    return { ...weight, values: weight.values.map((value) => Math.abs(value) + low) };
  };
  const w18 = randomWeight(rng, [4, 18], 0.3);
  const acts = ['Sigmoid', 'Tanh', 'HardSigmoid'].map((op) =>
    make(op, [node(op, ['z'], 'a'), ...tail('a')]),
  );
  return [
    ...acts,
    make('HardSwish', [node('HardSwish', ['z'], 'a'), ...tail('a')], { opset: 14 }),
    make(
      'BatchNormalization',
      [
        node('BatchNormalization', ['z', 'g', 'h', 'm', 'v'], 'n'),
        node('Relu', ['n'], 'a'),
        ...tail('a'),
      ],
      {
        weights: {
          g: channel(0.5),
          h: randomWeight(rng, [2]),
          m: randomWeight(rng, [2]),
          v: channel(0.5),
        },
      },
    ),
    make(
      'PRelu and Clip',
      [node('PRelu', ['z', 's'], 'p'), node('Clip', ['p', 'least', 'most'], 'a'), ...tail('a')],
      {
        weights: {
          s: { dims: [2, 1, 1], values: channel(0.1).values },
          least: { dims: [], values: Float32Array.of(-0.5) },
          most: { dims: [], values: Float32Array.of(0.7) },
        },
      },
    ),
    make(
      'Mul, Sub, Div by parameters',
      [
        node('Mul', ['z', 's'], 'p'),
        node('Sub', ['p', 't'], 'q'),
        node('Div', ['q', 's'], 'r'),
        node('Relu', ['r'], 'a'),
        ...tail('a'),
      ],
      {
        weights: {
          s: { dims: [2, 1, 1], values: channel(0.5).values },
          t: { dims: [2, 1, 1], values: channel(0).values },
        },
      },
    ),
    make('products and squares of values', [
      node('Sigmoid', ['z'], 'gate'),
      node('Mul', ['z', 'gate'], 'a'),
      node('Mul', ['a', 'a'], 'sq'),
      ...tail('sq'),
    ]),
    make('a product of two values', [
      node('Transpose', ['z'], 't', { perm: ints(0, 1, 3, 2) }),
      node('MatMul', ['z', 't'], 'a'),
      ...tail('a'),
    ]),
    make(
      'AveragePool, Pad, Slice, Concat',
      [
        node('Relu', ['z'], 'a'),
        node('AveragePool', ['a'], 'p', { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
        node('Pad', ['p', 'pads'], 'q'),
        node('Slice', ['q', 'from', 'to', 'axes'], 'r'),
        node('Concat', ['r', 'p'], 's', { axis: { int: 1 } }),
        node('Transpose', ['s'], 't', { perm: ints(0, 2, 3, 1) }),
        node('Slice', ['t', 'zero', 'two', 'last'], 'u'),
        ...tail('u', 18),
      ],
      {
        weights: { w18 },
        settings: {
          pads: [0, 0, 1, 1, 0, 0, 1, 1],
          from: [1, 1],
          to: [4, 4],
          axes: [2, 3],
          zero: [0],
          two: [2],
          last: [3],
        },
      },
    ),
    make(
      'overlapping pools and ReduceMean',
      [
        node('MaxPool', ['z'], 'p', {
          kernel_shape: ints(3, 3),
          strides: ints(1, 1),
          pads: ints(1, 1, 1, 1),
        }),
        node('AveragePool', ['p'], 'q', {
          kernel_shape: ints(3, 3),
          strides: ints(2, 2),
          pads: ints(1, 1, 1, 1),
        }),
        node('ReduceMean', ['q'], 'r', { axes: ints(2), keepdims: { int: 0 } }),
        node('Flatten', ['r'], 'flat'),
        node('MatMul', ['flat', 'w6'], 'y'),
      ],
      { weights: { w6: randomWeight(rng, [6, 4]) } },
    ),
    make(
      'ConvTranspose and Resize',
      [
        node('ConvTranspose', ['z', 'ct'], 'u', { strides: ints(2, 2) }),
        node('Relu', ['u'], 'a'),
        node('MaxPool', ['a'], 'p', { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
        node('GlobalAveragePool', ['p'], 'g'),
        node('Flatten', ['g'], 'flat'),
        node('MatMul', ['flat', 'w3'], 'y'),
      ],
      { weights: { ct: randomWeight(rng, [2, 3, 3, 3], 0.4), w3: randomWeight(rng, [3, 4]) } },
    ),
  ];
}
