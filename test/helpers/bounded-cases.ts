/** Networks that use every operator that has bounds. */
import { type BoundedNetwork, node, randomWeight, runtimeNode } from './bounded-networks.js';
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
    ...['nearest', 'linear'].map((mode) =>
      make(
        `Resize, ${mode}`,
        [
          node('Resize', ['z', '', 'scales'], 'r', { mode: { text: mode } }),
          node('GlobalMaxPool', ['r'], 'g'),
          node('Squeeze', ['g', 'places'], 's'),
          node('Dropout', ['s'], 'd'),
          node('Identity', ['d'], 'i'),
          node('MatMul', ['i', 'w2'], 'y'),
        ],
        {
          settings: { places: [2, 3] },
          lists: { scales: [1, 1, 2, 2] },
          weights: { w2: randomWeight(rng, [2, 4]) },
        },
      ),
    ),
    make(
      'ConvTranspose',
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

/** Networks over rows of features: norms, Softmax and what transformers are made of. */
export function featureNetworks(rng: Rng): BoundedNetwork[] {
  const [tokens, width, heads] = [5, 8, 2];
  const weight = (...dims: number[]) =>
    randomWeight(rng, dims, 1 / Math.sqrt(dims.at(-1) as number));
  const make = (
    title: string,
    nodes: BoundedNetwork['nodes'],
    more: Partial<BoundedNetwork> = {},
  ): BoundedNetwork => ({
    title,
    example: [tokens, width],
    nodes: [
      node('MatMul', ['x', 'first'], 'z'),
      ...nodes,
      node('Flatten', ['a'], 'flat'),
      node('MatMul', ['flat', 'head'], 'y'),
    ],
    opset: 17,
    constants,
    ...more,
    weights: {
      first: weight(width, width),
      head: weight(tokens * width, 4),
      ...more.weights,
    },
  });
  const norm = { g: randomWeight(rng, [width], 0.5), h: randomWeight(rng, [width], 0.5) };
  const chain = (x: string, out: string): BoundedNetwork['nodes'] => [
    node('ReduceMean', [x], `${out}m`, { axes: ints(-1) }),
    node('Sub', [x, `${out}m`], `${out}d`),
    node('Pow', [`${out}d`, 'two'], `${out}p`),
    node('ReduceMean', [`${out}p`], `${out}v`, { axes: ints(-1) }),
    node('Add', [`${out}v`, 'epsilon'], `${out}e`),
    node('Sqrt', [`${out}e`], `${out}s`),
    node('Div', [`${out}d`, `${out}s`], `${out}q`),
    node('Mul', [`${out}q`, 'g'], `${out}w`),
    node('Add', [`${out}w`, 'h'], out),
  ];
  const constants = {
    two: 2,
    three: 3,
    four: 4,
    half: 0.5,
    one: 1,
    root: Math.SQRT2,
    scale: Math.sqrt(width / heads),
    epsilon: 1e-5,
  };
  const gelu = (x: string, out: string): BoundedNetwork['nodes'] => [
    node('Div', [x, 'root'], `${out}r`),
    node('Erf', [`${out}r`], `${out}e`),
    node('Add', [`${out}e`, 'one'], `${out}o`),
    node('Mul', [x, `${out}o`], `${out}p`),
    node('Mul', [`${out}p`, 'half'], out),
  ];
  const split = (name: string, order: readonly number[]): BoundedNetwork['nodes'] => [
    node('Reshape', [name, 'by heads'], `${name}r`),
    node('Transpose', [`${name}r`], `${name}t`, { perm: ints(...order) }),
  ];
  return [
    make(
      'LayerNormalization',
      [node('LayerNormalization', ['z', 'g', 'h'], 'a', { axis: { int: -1 } })],
      { weights: norm },
    ),
    make('a norm as a chain', chain('z', 'a'), { weights: norm }),
    make('Softmax', [node('Softmax', ['z'], 'a', { axis: { int: -1 } })]),
    make('Softmax of another axis', [
      node('Mul', ['z', 'four'], 'w'),
      node('Softmax', ['w'], 'a', { axis: { int: 1 } }),
    ]),
    make('Gelu as a chain', gelu('z', 'a')),
    ...['none', 'tanh'].map((approximate) =>
      make(
        `Gelu, ${approximate}`,
        [
          node('Mul', ['z', 'three'], 'w'),
          node('Gelu', ['w'], 'a', { approximate: { text: approximate } }),
        ],
        { opset: 20 },
      ),
    ),
    make(
      "the runtime's own operators of Gelu",
      [
        runtimeNode('BiasGelu', ['z', 'h'], 'b'),
        runtimeNode('FastGelu', ['b', 'h'], 'f'),
        runtimeNode('Gelu', ['f'], 'a'),
      ],
      { weights: { h: norm.h } },
    ),
    make('Exp and Elu', [
      node('Exp', ['z'], 'e'),
      node('Sub', ['e', 'two'], 'f'),
      node('Elu', ['f'], 'a'),
    ]),
    make('a cube and Tanh', [
      node('Pow', ['z', 'three'], 'c'),
      node('Tanh', ['c'], 't'),
      node('Neg', ['t'], 'a'),
    ]),
    make(
      'Split, Gather, Concat with a parameter',
      [
        node('Split', ['z', 'parts'], ['s1', 's2'], { axis: { int: 2 } }),
        node('Concat', ['s2', 's1'], 'c', { axis: { int: 2 } }),
        node('Gather', ['c', 'row'], 'g', { axis: { int: 1 } }),
        node('Unsqueeze', ['g', 'axis'], 'u'),
        node('Expand', ['u', 'five rows'], 'e'),
        node('Sub', ['c', 'e'], 'a'),
      ],
      { settings: { parts: [3, 5], axis: [1], 'five rows': [1, tokens, 1] }, scalars: { row: 1 } },
    ),
    make(
      'a transposed weight',
      [
        node('Transpose', ['tw'], 'wt', { perm: ints(1, 0) }),
        node('MatMul', ['z', 'wt'], 'm'),
        node('Add', ['m', 'h'], 'n'),
        node('Relu', ['n'], 'a'),
      ],
      { weights: { tw: weight(width, width), h: norm.h } },
    ),
    make(
      'an attention block',
      [
        ...chain('z', 'n'),
        ...['q', 'k', 'v'].flatMap((name) => [
          node('MatMul', ['n', `w${name}`], `${name}0`),
          node('Add', [`${name}0`, `b${name}`], name),
        ]),
        ...split('q', [0, 2, 1, 3]),
        ...split('k', [0, 2, 3, 1]),
        ...split('v', [0, 2, 1, 3]),
        node('MatMul', ['qt', 'kt'], 'qk'),
        node('Div', ['qk', 'scale'], 'scaled'),
        node('Softmax', ['scaled'], 'shares', { axis: { int: -1 } }),
        node('MatMul', ['shares', 'vt'], 'mixed'),
        node('Transpose', ['mixed'], 'turned', { perm: ints(0, 2, 1, 3) }),
        node('Reshape', ['turned', 'whole'], 'joined'),
        node('MatMul', ['joined', 'wo'], 'o'),
        node('Add', ['z', 'o'], 'r1'),
        node('MatMul', ['r1', 'up'], 'u'),
        ...gelu('u', 'ug'),
        node('MatMul', ['ug', 'down'], 'd'),
        node('Add', ['r1', 'd'], 'a'),
      ],
      {
        settings: { 'by heads': [0, tokens, heads, width / heads], whole: [0, tokens, width] },
        weights: {
          ...norm,
          wq: weight(width, width),
          wk: weight(width, width),
          wv: weight(width, width),
          wo: weight(width, width),
          bq: randomWeight(rng, [width], 0.2),
          bk: randomWeight(rng, [width], 0.2),
          bv: randomWeight(rng, [width], 0.2),
          up: weight(width, 2 * width),
          down: weight(2 * width, width),
        },
      },
    ),
  ];
}

/** LRN over a map, then a head. */
export function responseNetwork(rng: Rng): BoundedNetwork {
  return {
    title: 'LRN',
    example: [3, 4, 4],
    nodes: [
      node('Conv', ['x', 'c'], 'z'),
      node('Relu', ['z'], 'r'),
      node('LRN', ['r'], 'n', { size: { int: 3 }, alpha: { float: 0.5 }, beta: { float: 0.75 } }),
      node('Flatten', ['n'], 'flat'),
      node('MatMul', ['flat', 'w'], 'y'),
    ],
    weights: { c: randomWeight(rng, [5, 3, 2, 2], 0.5), w: randomWeight(rng, [45, 4], 0.3) },
  };
}
