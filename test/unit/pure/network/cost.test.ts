/**
 * What a pass costs, against counts that others publish for the same networks, built here operator by
 * operator; and memory and receptive fields against sums done by hand.
 */
import test from 'ava';
import { networkCost } from '../../../../lib/pure/network/cost/network-cost.js';
import { receptiveFields } from '../../../../lib/pure/network/cost/receptive-field.js';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import type { Network } from '../../../../lib/pure/network/network.js';
import { inferShapes } from '../../../../lib/pure/network/shapes/infer-shapes.js';
import {
  alexnet,
  bert,
  caffeAlexnet,
  lenet5,
  mobilenetV2,
  resnet,
  vgg,
} from '../../../helpers/known-networks.js';
import { fixtureNetwork } from '../../../helpers/networks.js';

function costOf(network: Network, sizes: Record<string, number> = {}) {
  const shapes = inferShapes(network, { sizes: new Map(Object.entries(sizes)) });
  return { ...networkCost(network, layerView(network), shapes), shapes };
}

const KNOWN: [string, () => Network, { parameters: number; buffers: number; macs: number }][] = [
  ['LeNet-5, 32²', lenet5, { parameters: 61_706, buffers: 0, macs: 416_520 }],
  [
    'AlexNet (torchvision), 224²',
    alexnet,
    { parameters: 61_100_840, buffers: 0, macs: 714_188_480 },
  ],
  ['AlexNet (BVLC), 227²', caffeAlexnet, { parameters: 60_965_224, buffers: 0, macs: 724_406_816 }],
  ['VGG-16, 224²', () => vgg(16), { parameters: 138_357_544, buffers: 0, macs: 15_470_264_320 }],
  ['VGG-19, 224²', () => vgg(19), { parameters: 143_667_240, buffers: 0, macs: 19_632_062_464 }],
  ['ResNet-18', () => resnet(18), { parameters: 11_689_512, buffers: 9_600, macs: 1_814_073_344 }],
  [
    'ResNet-50 v1.5',
    () => resnet(50),
    { parameters: 25_557_032, buffers: 53_120, macs: 4_089_184_256 },
  ],
  [
    'ResNet-50 v1',
    () => resnet(50, true),
    { parameters: 25_557_032, buffers: 53_120, macs: 3_857_973_248 },
  ],
  [
    'ResNet-152 v1.5',
    () => resnet(152),
    { parameters: 60_192_808, buffers: 151_424, macs: 11_513_626_624 },
  ],
  [
    'ResNet-152 v1',
    () => resnet(152, true),
    { parameters: 60_192_808, buffers: 151_424, macs: 11_282_415_616 },
  ],
  ['MobileNetV2', mobilenetV2, { parameters: 3_504_872, buffers: 34_112, macs: 300_774_272 }],
  [
    'BERT-base, S = 128',
    () => bert(),
    { parameters: 109_482_240, buffers: 0, macs: 11_174_215_680 },
  ],
  [
    'BERT-base, S = 512',
    () => bert({ length: 512 }),
    { parameters: 109_482_240, buffers: 0, macs: 48_318_971_904 },
  ],
  [
    'MiniLM-L6, S = 128',
    () => bert({ layers: 6, hidden: 384, inner: 1536 }),
    { parameters: 22_713_216, buffers: 0, macs: 1_434_599_424 },
  ],
  [
    'MiniLM-L6, S = 256',
    () => bert({ layers: 6, hidden: 384, inner: 1536, length: 256 }),
    { parameters: 22_713_216, buffers: 0, macs: 3_020_046_336 },
  ],
];

for (const [name, make, wanted] of KNOWN) {
  test(`${name}: parameters, buffers and MACs to the unit`, (t) => {
    const { parameters, buffers, macs, uncounted, shapes } = costOf(make());
    t.deepEqual(shapes.problems, []);
    t.deepEqual([...uncounted], []);
    t.deepEqual({ parameters, buffers, macs }, wanted);
  });
}

test('LeNet of Caffe: the same, by layer, and every other operation', async (t) => {
  const cost = costOf(await fixtureNetwork('fashion-lenet'), { batch: 1 });
  t.is(cost.macs, 2_293_000);
  t.is(cost.parameters, 431_080);
  t.deepEqual(
    cost.layers[0]!.map(({ macs }) => macs),
    [288_000, 0, 1_600_000, 0, 0, 400_000, 0, 5000],
  );
  // Biases 11,520 + 3,200 + 500 + 10, pooling 4 compares for each of 2,880 and 800 outputs, ReLU 500.
  t.is(cost.other, 11_520 + 4 * 2880 + 3200 + 4 * 800 + 500 + 500 + 10);
  t.is(cost.flops, 2 * 2_293_000 + 30_450);
});

test('an open batch multiplies every number, and is never taken as 0', async (t) => {
  const cost = costOf(await fixtureNetwork('fashion-cnn'));
  t.is(cost.macs, '9899136·batch');
  t.is(cost.flops, '19869962·batch');
  t.is(cost.peakBytes, null);
  const four = costOf(await fixtureNetwork('fashion-cnn'), { batch: 4 });
  t.is(four.macs, 4 * 9_899_136);
  t.is(four.parameters, 1_431_690);
});

test('activations: all of them, and those that are needed at once', async (t) => {
  const { activationBytes, peakBytes } = costOf(await fixtureNetwork('fashion-lenet'), {
    batch: 1,
  });
  const outputs = [20 * 24 * 24, 20 * 12 * 12, 50 * 8 * 8, 50 * 4 * 4, 800, 500, 500, 10];
  t.is(activationBytes, 4 * outputs.reduce((sum, one) => sum + one, 0));
  // The first two: a pooling reads what the convolution wrote.
  t.is(peakBytes, 4 * (20 * 24 * 24 + 20 * 12 * 12));
});

test('of the branches of an If the one that the inputs fit is counted, and nothing of the other is missed', async (t) => {
  const network = await fixtureNetwork('vad');
  const inputs = new Map([
    ['input', [1, 512]],
    ['state', [2, 1, 128]],
  ]);
  const shapes = inferShapes(network, { inputs });
  const cost = networkCost(network, layerView(network), shapes);
  // 512 samples are of 16 kHz: the branch for 8 kHz ends with a convolution that they do not fit.
  t.is(shapes.problems.length, 1);
  t.deepEqual([...cost.uncounted], []);
  t.is(cost.macs, 198_144 + 148_608 + 49_152 + 12_288 + 24_576 + 131_072 + 128);
  t.not(cost.activationBytes, null);
});

test('receptive fields of VGG-16, AlexNet and ResNet-50; a mean over space sees all', (t) => {
  const last = (network: Network, op: string): unknown => {
    const { shapes } = costOf(network);
    const fields = receptiveFields(network.graph, shapes);
    const nodes = network.graph.nodes.filter((node) => node.op === op);
    return fields.get(nodes.at(-1)!.outputs[0]!);
  };
  const axis = { size: 212, start: 15.5, stride: 32 };
  t.deepEqual(last(vgg(16), 'MaxPool'), [axis, axis]);
  t.like(last(alexnet(), 'MaxPool'), [
    { size: 195, stride: 32 },
    { size: 195, stride: 32 },
  ]);
  // With the stride in the first convolution of a block, as the paper has it; later 427.
  t.like(last(resnet(50, true), 'Add'), [
    { size: 483, stride: 32 },
    { size: 483, stride: 32 },
  ]);
  t.like(last(resnet(50), 'Add'), [
    { size: 427, stride: 32 },
    { size: 427, stride: 32 },
  ]);
  t.is(last(resnet(50), 'GlobalAveragePool'), 'all');
});
