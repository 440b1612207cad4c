/** Networks of one operator each, in the forms in which exporters write it. */
import { type BoundedNetwork, node, randomWeight } from './bounded-networks.js';
import type { Rng } from './rng.js';

const ints = (...values: number[]) => ({ ints: values });
const int = (value: number) => ({ int: value });

type Nodes = BoundedNetwork['nodes'];
type More = Partial<BoundedNetwork>;

/** Over a map of 4 × 6 × 6 named z; what they make is named a, and averaged over the map. */
export function mapVariants(rng: Rng): BoundedNetwork[] {
  const first = randomWeight(rng, [4, 2, 3, 3], 0.5);
  const head = (channels: number) => randomWeight(rng, [channels, 4], 0.6);
  const make = (title: string, nodes: Nodes, more: More & { channels?: number } = {}) => {
    const { channels = 4, weights, ...rest } = more;
    return {
      title,
      example: [2, 6, 6],
      opset: 13,
      ...rest,
      nodes: [
        node('Conv', ['x', 'c'], 'z', { pads: ints(1, 1, 1, 1) }),
        ...nodes,
        node('GlobalAveragePool', ['a'], 'g'),
        node('Flatten', ['g'], 'f'),
        node('MatMul', ['f', 'w'], 'y'),
      ],
      weights: { c: first, w: head(channels), ...weights },
    };
  };
  const pool = (op: string, attributes: Nodes[number]['attributes'], opset = 13) =>
    make(
      `${op} ${opset} ${JSON.stringify(attributes)}`,
      [node(op, ['z'], 'a', { kernel_shape: ints(3, 3), ...attributes })],
      { opset },
    );
  const pads = (mode: string, opset: number) =>
    make(`Pad ${opset}, ${mode}`, [node('Pad', ['z', 'pads'], 'a', { mode: { text: mode } })], {
      opset,
      settings: { pads: [0, 0, 1, 2, 0, 0, 2, 1] },
    });
  const resize = (opset: number, mode: string, form: string, scale = 2) =>
    make(
      `Resize ${opset}, ${mode}, ${form}, by ${scale}`,
      [
        node(
          'Resize',
          opset === 10 ? ['z', 'scales'] : ['z', opset === 11 ? 'roi' : '', 'scales'],
          'a',
          opset === 10
            ? { mode: { text: mode } }
            : { mode: { text: mode }, coordinate_transformation_mode: { text: form } },
        ),
      ],
      { opset, lists: { roi: [], scales: [1, 1, scale, scale] } },
    );
  const transposed = (title: string, dims: number[], attributes: Nodes[number]['attributes']) =>
    make(
      `ConvTranspose, ${title}`,
      [node('ConvTranspose', ['z', 't', 'd'], 'a', { kernel_shape: ints(3, 3), ...attributes })],
      {
        channels: 4,
        weights: { t: randomWeight(rng, dims, 0.5), d: randomWeight(rng, [4], 0.2) },
      },
    );
  const slopes = randomWeight(rng, [4, 1, 1], 0.8);
  const relu = node('Relu', ['z'], 'r');
  return [
    make(
      'Clip by attributes',
      [node('Clip', ['z'], 'a', { min: { float: -0.5 }, max: { float: 0.8 } })],
      { opset: 9 },
    ),
    make('Clip by inputs, the greatest alone', [node('Clip', ['z', '', 'most'], 'a')], {
      constants: { most: 0.8 },
    }),
    make('Clip by constants', [
      node('Constant', [], 'least', { value_float: { float: 0 } }),
      node('Constant', [], 'most', { value_float: { float: 6 } }),
      node('Clip', ['z', 'least', 'most'], 'a'),
    ]),
    make('PRelu of slopes of both signs', [node('PRelu', ['z', 's'], 'a')], {
      weights: { s: slopes },
    }),
    make('PRelu of one slope', [node('PRelu', ['z', 's'], 'a')], {
      weights: { s: { dims: [1], values: Float32Array.of(-0.3) } },
    }),
    make('Elu', [node('Elu', ['z'], 'a', { alpha: { float: 0.5 } })]),
    make('LeakyRelu of a steep slope', [node('LeakyRelu', ['z'], 'a', { alpha: { float: 1.5 } })]),
    make('HardSigmoid', [
      node('HardSigmoid', ['z'], 'a', { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
    ]),
    make('HardSwish', [node('HardSwish', ['z'], 'a')], { opset: 14 }),
    make(
      'HardSwish as exporters write it',
      [
        node('Add', ['z', 'three'], 'p'),
        node('Clip', ['p', 'zero', 'six'], 'q'),
        node('Mul', ['z', 'q'], 'm'),
        node('Div', ['m', 'six'], 'a'),
      ],
      { constants: { three: 3, zero: 0, six: 6 } },
    ),
    make('LRN', [
      node('LRN', ['z'], 'a', { size: int(3), alpha: { float: 0.1 }, bias: { float: 2 } }),
    ]),
    ...[7, 9, 15].map((opset) =>
      make(
        `BatchNormalization ${opset}`,
        [node('BatchNormalization', ['z', 's', 'h', 'm', 'v'], 'a')],
        {
          opset,
          weights: {
            s: randomWeight(rng, [4]),
            h: randomWeight(rng, [4]),
            m: randomWeight(rng, [4]),
            v: { dims: [4], values: Float32Array.of(0.5, 1, 2, 0.7) },
          },
        },
      ),
    ),
    pool('AveragePool', { pads: ints(1, 1, 1, 1) }),
    pool('AveragePool', { pads: ints(1, 1, 1, 1), count_include_pad: int(1) }),
    ...[13, 19, 22].flatMap((opset) => [
      pool('AveragePool', { strides: ints(2, 2), ceil_mode: int(1) }, opset),
      pool(
        'AveragePool',
        {
          strides: ints(2, 2),
          pads: ints(1, 1, 1, 1),
          ceil_mode: int(1),
          count_include_pad: int(1),
        },
        opset,
      ),
    ]),
    pool('AveragePool', { auto_pad: { text: 'SAME_UPPER' }, strides: ints(2, 2) }),
    pool('MaxPool', { strides: ints(2, 2), ceil_mode: int(1) }),
    pool('MaxPool', { dilations: ints(2, 2), pads: ints(1, 1, 1, 1) }),
    pool('MaxPool', { auto_pad: { text: 'SAME_LOWER' }, strides: ints(2, 2) }),
    ...[13, 18, 19].flatMap((opset) =>
      ['constant', 'reflect', 'edge'].map((mode) => pads(mode, opset)),
    ),
    make(
      'Pad by attributes',
      [node('Pad', ['z'], 'a', { pads: ints(0, 0, 1, 1, 0, 0, 1, 1), value: { float: 0.25 } })],
      { opset: 9 },
    ),
    make('Pad of two axes', [node('Pad', ['z', 'pads', '', 'axes'], 'a')], {
      opset: 18,
      settings: { pads: [1, 2, 2, 1], axes: [-1, 2] },
    }),
    ...[10, 11, 13, 18, 19].flatMap((opset) => [
      resize(opset, 'nearest', 'asymmetric'),
      resize(opset, 'linear', 'asymmetric'),
      resize(opset, 'linear', 'half_pixel', 3),
    ]),
    resize(13, 'linear', 'align_corners'),
    resize(13, 'linear', 'pytorch_half_pixel'),
    resize(13, 'nearest', 'half_pixel', 1.5),
    resize(13, 'linear', 'half_pixel', 0.5),
    resize(10, 'nearest', '', 0.5),
    make(
      'Resize to sizes',
      [
        node('Shape', ['z'], 'sh'),
        node('Slice', ['sh', 'zero', 'two'], 'front'),
        node('Concat', ['front', 'sizes'], 'all', { axis: int(0) }),
        node('Resize', ['z', '', '', 'all'], 'a', { mode: { text: 'linear' } }),
      ],
      { settings: { zero: [0], two: [2], sizes: [12, 12] } },
    ),
    make('Upsample', [node('Upsample', ['z', 'scales'], 'a')], {
      opset: 9,
      lists: { scales: [1, 1, 2, 2] },
    }),
    transposed('output padding', [4, 4, 3, 3], {
      strides: ints(2, 2),
      pads: ints(1, 1, 1, 1),
      output_padding: ints(1, 1),
    }),
    transposed('groups', [4, 2, 3, 3], { group: int(2), strides: ints(2, 2) }),
    transposed('an output shape', [4, 4, 3, 3], {
      strides: ints(2, 2),
      output_shape: ints(12, 12),
    }),
    transposed('dilation', [4, 4, 3, 3], { dilations: ints(2, 2) }),
    ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].map((text) =>
      make(
        `Conv, ${text}`,
        [node('Conv', ['z', 'k'], 'a', { auto_pad: { text }, strides: ints(2, 2) })],
        { weights: { k: randomWeight(rng, [4, 4, 3, 3], 0.4) } },
      ),
    ),
    make(
      'a depthwise Conv with dilation',
      [node('Conv', ['z', 'k', 'd'], 'a', { group: int(4), dilations: ints(2, 2) })],
      { weights: { k: randomWeight(rng, [4, 1, 3, 3], 0.5), d: randomWeight(rng, [4], 0.2) } },
    ),
    make(
      'Split with num_outputs',
      [
        relu,
        node('Split', ['r'], ['s1', 's2'], { axis: int(1), num_outputs: int(2) }),
        node('Concat', ['s2', 's1', 'z'], 'a', { axis: int(-3) }),
      ],
      { opset: 18, channels: 8 },
    ),
    make('Split of even parts', [
      node('Split', ['z'], ['s1', 's2'], { axis: int(-1) }),
      node('Sub', ['s1', 's2'], 'a'),
    ]),
    make(
      'Split by attribute',
      [
        node('Split', ['z'], ['s1', 's2'], { axis: int(1), split: ints(1, 3) }),
        node('Mul', ['s2', 's1'], 'a'),
      ],
      { opset: 11, channels: 3 },
    ),
    make(
      'Slice by attributes',
      [node('Slice', ['z'], 'a', { starts: ints(1, 0), ends: ints(-1, 99), axes: ints(2, 3) })],
      { opset: 9 },
    ),
    make('Slice backwards', [node('Slice', ['z', 'from', 'to', 'axes', 'steps'], 'a')], {
      settings: { from: [-1], to: [-5], axes: [-2], steps: [-2] },
    }),
    make('Dropout with an input', [node('Dropout', ['z', 'ratio'], 'a')], {
      constants: { ratio: 0.5 },
    }),
  ];
}

/** Over rows of features, 3 × 8, named z; what they make is named a, of as many elements or so many as are given. */
export function rowVariants(rng: Rng): BoundedNetwork[] {
  const weight = (...dims: number[]) => randomWeight(rng, dims, 0.5);
  const first = weight(8, 8);
  const make = (title: string, nodes: Nodes, more: More & { elements?: number } = {}) => {
    const { elements = 24, weights, ...rest } = more;
    return {
      title,
      example: [3, 8],
      opset: 13,
      ...rest,
      nodes: [
        node('MatMul', ['x', 'c'], 'z'),
        ...nodes,
        node('Flatten', ['a'], 'f'),
        node('MatMul', ['f', 'w'], 'y'),
      ],
      weights: { c: first, w: weight(elements, 4), ...weights },
    };
  };
  const norm = (
    title: string,
    inputs: string[],
    attributes: Nodes[number]['attributes'],
    dims = [8],
  ) =>
    make(`LayerNormalization ${title}`, [node('LayerNormalization', inputs, 'a', attributes)], {
      opset: 17,
      weights: { s: weight(...dims), h: weight(...dims) },
    });
  const mean = (
    [opset, title]: [number, string],
    inputs: string[],
    attributes: Nodes[number]['attributes'],
    elements: number,
  ) =>
    make(`ReduceMean ${opset}, ${title}`, [node('ReduceMean', inputs, 'a', attributes)], {
      opset,
      elements,
      settings: { last: [-1], both: [1, 2] },
    });
  return [
    norm('over the last axis', ['z', 's', 'h'], { axis: int(-1) }),
    norm('without a bias', ['z', 's'], { epsilon: { float: 1e-3 } }),
    norm('over two axes', ['z', 's', 'h'], { axis: int(1) }, [3, 8]),
    mean([13, 'axes as attribute'], ['z'], { axes: ints(-1), keepdims: int(0) }, 3),
    mean([18, 'axes as input'], ['z', 'last'], {}, 3),
    mean([18, 'two axes as input'], ['z', 'both'], { keepdims: int(1) }, 1),
    mean([18, 'no axes and nothing to do'], ['z'], { noop_with_empty_axes: int(1) }, 24),
    make('Softmax 11, whose axes are flattened', [node('Softmax', ['z'], 'a', { axis: int(1) })], {
      opset: 11,
    }),
    // The first axis of weights is no batch.
    make(
      'Softmax of a table over its first axis',
      [node('Softmax', ['t'], 'p', { axis: int(0) }), node('Mul', ['z', 'p'], 'a')],
      { weights: { t: weight(3, 8) } },
    ),
    make(
      'the mean of a table over its first axis',
      [
        node('ReduceMean', ['t'], 'p', { axes: ints(0), keepdims: int(0) }),
        node('Add', ['z', 'p'], 'a'),
      ],
      { weights: { t: weight(5, 8) } },
    ),
    make(
      'some rows of a table',
      [node('Slice', ['t', 'from', 'to'], 'p'), node('Add', ['z', 'p'], 'a')],
      { weights: { t: weight(5, 8) }, settings: { from: [1], to: [4] } },
    ),
    make('Softmax 13 over rows', [node('Softmax', ['z'], 'a', { axis: int(1) })]),
    make(
      'Gather of a table at fixed places',
      [node('Gather', ['table', 'places'], 'rows'), node('Add', ['z', 'rows'], 'a')],
      { weights: { table: weight(10, 8) }, settings: { places: [7, 0, -1] } },
    ),
    make(
      'Gather of a value at one place',
      [node('Gather', ['z', 'place'], 'a', { axis: int(1) })],
      { scalars: { place: -1 }, elements: 8 },
    ),
    make(
      'Gather of one row several times',
      [node('Gather', ['z', 'places'], 'a', { axis: int(-2) })],
      { settings: { places: [0, 0, 2] } },
    ),
    make('MatMul with the weights first', [node('MatMul', ['k', 'z'], 'a')], {
      weights: { k: weight(3, 3) },
    }),
    make(
      'MatMul with weights for each row',
      [node('Reshape', ['z', 'apart'], 'r'), node('MatMul', ['r', 'k'], 'a')],
      { settings: { apart: [0, 3, 1, 8] }, weights: { k: weight(3, 8, 8) } },
    ),
    make(
      'Gemm without a bias, transposed',
      [node('Flatten', ['z'], 'r'), node('Gemm', ['r', 'k'], 'a', { transB: int(1) })],
      { weights: { k: weight(24, 24) } },
    ),
    make(
      'a constant less a value, and over one',
      [node('Sub', ['two', 'z'], 's'), node('Exp', ['s'], 'e'), node('Div', ['two', 'e'], 'a')],
      { constants: { two: 2 } },
    ),
    make(
      'Reshape, Squeeze and Unsqueeze',
      [
        node('Reshape', ['z', 'target'], 'r'),
        node('Unsqueeze', ['r', 'axis'], 'u'),
        node('Squeeze', ['u', 'axis'], 's'),
        node('Transpose', ['s'], 'a', { perm: ints(0, 2, 1) }),
      ],
      { settings: { target: [0, -1, 4], axis: [-1] } },
    ),
    make(
      'Unsqueeze and Squeeze by attributes',
      [
        node('Unsqueeze', ['z'], 'u', { axes: ints(1) }),
        node('Squeeze', ['u'], 'a', { axes: ints(1) }),
      ],
      { opset: 11 },
    ),
    make(
      'Expand and Concat',
      [
        node('ReduceMean', ['z'], 'm', { axes: ints(1) }),
        node('Expand', ['m', 'rows'], 'e'),
        node('Sub', ['z', 'e'], 'd'),
        node('Concat', ['d', 'e'], 'a', { axis: int(1) }),
      ],
      { settings: { rows: [1, 3, 1] }, elements: 48 },
    ),
  ];
}
