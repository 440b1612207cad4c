/** Networks with batch norms, by how their modules are called. Many have equal shapes, so that shapes say little. */
import { type Architecture, KERAS, type Step } from './folded-networks.js';

const relu = (from?: string, to?: string): Step => ({
  op: 'Relu',
  ...(from === undefined ? {} : { from: [from] }),
  ...(to === undefined ? {} : { to }),
});
const tail = (module: string, inputs: number): Step[] => [
  { op: 'GlobalAveragePool' },
  { op: 'Flatten' },
  { op: 'Gemm', module, shape: [10, inputs], hasBias: true },
];
const conv = (
  module: string,
  norm: string,
  shape: readonly number[],
  more: Partial<Step> = {},
): Step => ({
  ...{ op: 'Conv', module, norm, shape },
  ...more,
});

/** ResNet: conv1 and bn1, layer1.0.conv2 and layer1.0.bn2, downsample.0 and downsample.1. */
function resnet(): Architecture {
  const block = (name: string, inputs: number, stride: number, into: string): Step[] => {
    const isWider = stride > 1;
    return [
      conv(`${name}.conv1`, `${name}.bn1`, [8, inputs, 3, 3], { stride, from: [into] }),
      relu(),
      conv(`${name}.conv2`, `${name}.bn2`, [8, 8, 3, 3], { to: `${name}_main` }),
      ...(isWider
        ? [
            conv(`${name}.downsample.0`, `${name}.downsample.1`, [8, inputs, 1, 1], {
              ...{ stride, from: [into], to: `${name}_side` },
            }),
          ]
        : []),
      { op: 'Add', from: [`${name}_main`, isWider ? `${name}_side` : into] },
      relu(undefined, `${name}_out`),
    ];
  };
  return {
    steps: [
      conv('conv1', 'bn1', [8, 1, 3, 3]),
      relu(undefined, 'stem'),
      ...block('layer1.0', 8, 1, 'stem'),
      ...block('layer1.1', 8, 1, 'layer1.0_out'),
      ...block('layer2.0', 8, 2, 'layer1.1_out'),
      ...tail('fc', 8),
    ],
  };
}

/** As timm counts norms: bn1 is behind conv_pw, bn2 behind conv_dw, bn3 behind conv_pwl. */
function timm(): Architecture {
  const block = (name: string): Step[] => [
    conv(`${name}.conv_pw`, `${name}.bn1`, [8, 8, 1, 1]),
    relu(),
    conv(`${name}.conv_dw`, `${name}.bn2`, [8, 1, 3, 3], { groups: 8 }),
    relu(),
    conv(`${name}.conv_pwl`, `${name}.bn3`, [8, 8, 1, 1]),
  ];
  return {
    steps: [
      conv('conv_stem', 'bn1', [8, 1, 3, 3]),
      relu(),
      ...block('blocks.0.0'),
      ...block('blocks.10.0'),
      ...block('blocks.2.0'),
      conv('conv_head', 'bn2', [8, 8, 1, 1]),
      relu(),
      ...tail('classifier', 8),
    ],
  };
}

/** Lists of modules: features.0 and features.1, with biases, a transposed convolution of two groups, then a product. */
function lists(): Architecture {
  return {
    steps: [
      conv('features.0', 'features.1', [4, 1, 3, 3], { hasBias: true }),
      relu(),
      {
        op: 'ConvTranspose',
        module: 'features.3',
        norm: 'features.4',
        shape: [4, 2, 2, 2],
        groups: 2,
      },
      relu(),
      conv('features.6', 'features.7', [4, 4, 3, 3], { hasBias: true }),
      relu(),
      conv('features.9', 'features.10', [4, 4, 3, 3], { hasBias: true }),
      { op: 'GlobalAveragePool' },
      { op: 'Flatten' },
      { op: 'Gemm', module: 'head.0', norm: 'head.1', shape: [4, 4], hasBias: true },
      relu(),
      { op: 'Gemm', module: 'head.3', norm: 'head.5', shape: [4, 4], hasBias: true },
      relu(),
      { op: 'Gemm', module: 'head.7', shape: [10, 4], hasBias: true },
    ],
  };
}

/** Norms in front of convolutions, as in DenseNet: norm2 is folded into conv1, norm1 is not. */
function dense(): Architecture {
  return {
    steps: [
      { ...conv('conv0', 'layer.norm1', [4, 1, 3, 3]), isFolded: false },
      relu(),
      conv('layer.conv1', 'layer.norm2', [4, 4, 1, 1]),
      relu(),
      { op: 'Conv', module: 'layer.conv2', shape: [4, 4, 3, 3] },
      ...tail('classifier', 4),
    ],
  };
}

/** As Keras calls and lays out weights. */
function keras(): Architecture {
  return {
    ...{ words: KERAS, separator: '/', isChannelsLast: true },
    steps: [
      conv('Conv1', 'bn_Conv1', [4, 1, 3, 3]),
      relu(),
      conv('block_1_depthwise', 'block_1_depthwise_BN', [4, 1, 3, 3], { groups: 4 }),
      relu(),
      conv('block_1_project', 'block_1_project_BN', [4, 4, 1, 1]),
      conv('conv2_block1_1_conv', 'conv2_block1_1_bn', [4, 4, 3, 3], { hasBias: true }),
      relu(),
      ...tail('predictions', 4),
    ],
  };
}

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  ...{ resnet: resnet(), timm: timm(), lists: lists(), dense: dense(), keras: keras() },
};
