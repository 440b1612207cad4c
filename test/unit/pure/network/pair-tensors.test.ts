/**
 * Which tensors become which weights of a network: the order of the file says nothing, names and structure say what
 * is folded where, and what they leave open is left open. What comes of it is in e2e/eval-weights.
 */
import test from 'ava';
import fc from 'fast-check';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import { judgeLeftovers } from '../../../../lib/pure/network/weights/leftovers.js';
import { pairTensors } from '../../../../lib/pure/network/weights/pair-tensors.js';
import { ARCHITECTURES } from '../../../helpers/architectures.js';
import { networkIn } from '../../../helpers/edit-network.js';
import {
  type Architecture,
  checkpointOf,
  networkOf,
  type Step,
} from '../../../helpers/folded-networks.js';
import { rawGraph, rawModel, rawNode, rawTensor } from '../../../helpers/networks.js';

const viewOf = async (architecture: Architecture) =>
  layerView(await networkIn(networkOf(architecture, 1, true)));
const tensorsOf = (architecture: Architecture) =>
  Object.entries(checkpointOf(architecture, 1)).map(([name, { shape }]) => {
    return { name, dtype: 'F32', shape };
  });
const shapes = (all: Record<string, number[]>) =>
  Object.entries(all).map(([name, shape]) => ({ name, dtype: 'F32', shape }));

/** Tensor of each folded weight → its norm. */
function foldsIn({ pairs }: ReturnType<typeof pairTensors>): Record<string, string> {
  return Object.fromEntries(
    pairs.flatMap(({ tensor, foldedNorm, fold }) =>
      fold?.part === 'weight' && foldedNorm !== null ? [[tensor, foldedNorm]] : [],
    ),
  );
}

const conv = (module: string, norm: string, more: Partial<Step> = {}): Step => {
  return { op: 'Conv', module, norm, shape: [4, 4, 3, 3], ...more };
};
const tail: Step[] = [
  { op: 'GlobalAveragePool' },
  { op: 'Flatten' },
  { op: 'Gemm', module: 'fc', shape: [10, 4], hasBias: true },
];
const stem: Step = { op: 'Conv', module: 'stem', shape: [4, 1, 3, 3], hasBias: true };

test('pairs: any order of the tensors gives the same, all of them', async (t) => {
  for (const [name, architecture] of Object.entries(ARCHITECTURES)) {
    const view = await viewOf(architecture);
    const tensors = tensorsOf(architecture);
    const expected = pairTensors(view, tensors);
    t.deepEqual(expected.unpaired, [], name);
    t.deepEqual(expected.unused, [], name);
    const norms = Object.fromEntries(
      architecture.steps.flatMap(({ module, norm, isFolded }) =>
        norm === undefined || isFolded === false
          ? []
          : [
              [
                `${module}${architecture.separator ?? '.'}${architecture.words?.weight ?? 'weight'}`,
                norm,
              ],
            ],
      ),
    );
    t.deepEqual(foldsIn(expected), norms, name);
    fc.assert(
      fc.property(fc.shuffledSubarray(tensors, { minLength: tensors.length }), (shuffled) => {
        t.deepEqual(pairTensors(view, shuffled), expected, name);
      }),
      { numRuns: 20 },
    );
  }
});

test('pairs: norms that come before convolutions are not taken for those behind them', async (t) => {
  // bn1 of the block is folded into the convolution before the block, bn2 into its conv1: names say otherwise.
  const before: Architecture = {
    steps: [
      conv('conv0', 'block.bn1', { shape: [4, 1, 3, 3] }),
      { op: 'Relu' },
      conv('block.conv1', 'block.bn2'),
      { op: 'Relu' },
      { op: 'Conv', module: 'block.conv2', shape: [4, 4, 3, 3] },
      ...tail,
    ],
  };
  const open = pairTensors(await viewOf(before), tensorsOf(before));
  t.deepEqual(foldsIn(open), {});
  t.is(open.unpaired.length, 2);
  t.is(open.unused.length, 8);
  // Here conv2 has a bias of its own, and norm1, which stays an operator, does not stand behind conv1.
  const biased: Architecture = {
    steps: [
      { ...stem, norm: 'norm1', isFolded: false },
      { op: 'Relu' },
      conv('conv1', 'norm2', { hasBias: true }),
      { op: 'Relu' },
      { op: 'Conv', module: 'conv2', shape: [4, 4, 3, 3], hasBias: true },
      ...tail,
    ],
  };
  const found = pairTensors(await viewOf(biased), tensorsOf(biased));
  t.deepEqual(foldsIn(found), {});
  t.deepEqual(found.unused.length, 4);
});

test('pairs: a norm is only tied to a layer of as many channels that has a bias in the network', async (t) => {
  const wide: Architecture = {
    steps: [stem, conv('conv1', 'bn1', { shape: [4, 4, 3, 3] }), ...tail],
  };
  const tensors = tensorsOf(wide).map((one) =>
    one.name.startsWith('bn1') ? { ...one, shape: [5] } : one,
  );
  const found = pairTensors(await viewOf(wide), tensors);
  t.deepEqual(foldsIn(found), {});
  t.is(found.unpaired.length, 1);
});

function products(names: readonly string[], sizes: Readonly<Record<string, number[]>> = {}) {
  const nodes = names.map((name, i) => rawNode('MatMul', [`v${i}`, name], [`v${i + 1}`]));
  const graph = rawGraph(['v0'], [`v${names.length}`], nodes);
  for (const name of names) graph.initializers.push(rawTensor(name, sizes[name] ?? [4, 4]));
  return layerView(networkOfOnnx(rawModel(graph), 'm'));
}

test('pairs: equal shapes follow numbers, never other words; square matrices lie as their names say', (t) => {
  const view = products(['onnx::MatMul_7', 'onnx::MatMul_8']);
  const square = [4, 4];
  const numbered = pairTensors(view, shapes({ 'l.10.weight': square, 'l.9.weight': square }));
  t.deepEqual(
    numbered.pairs.map(({ tensor, transposed }) => [tensor, transposed]),
    [
      ['l.9.weight', true],
      ['l.10.weight', true],
    ],
  );
  const kernels = pairTensors(view, shapes({ 'd_1/kernel': square, 'd_2/kernel': square }));
  t.deepEqual(
    kernels.pairs.map(({ transposed }) => transposed),
    [false, false],
  );
  const worded = pairTensors(view, shapes({ 'q.weight': square, 'k.weight': square }));
  t.deepEqual(worded.pairs, []);
  t.deepEqual(worded.ambiguous[0], {
    parameter: 'onnx::MatMul_7',
    tensors: ['k.weight', 'q.weight'],
  });
  const unknown = pairTensors(products(['m']), shapes({ table: square }));
  t.deepEqual(unknown.pairs, []);
  t.deepEqual(unknown.ambiguous, [{ parameter: 'm', tensors: ['table', 'table transposed'] }]);
});

test('pairs: square matrices that kept their names lie as the others that did', (t) => {
  const names = ['a.weight', 'b.weight'];
  const ways = (wide: number[], given: number[]) => {
    const view = products(names, { 'a.weight': wide });
    const { pairs } = pairTensors(view, shapes({ 'a.weight': given, 'b.weight': [4, 4] }));
    return pairs.map(({ transposed }) => transposed);
  };
  t.deepEqual(ways([8, 4], [4, 8]), [true, true]);
  t.deepEqual(ways([8, 4], [8, 4]), [false, false]);
  const open = pairTensors(products(['b.weight']), shapes({ 'b.weight': [4, 4] }));
  t.deepEqual(open.ambiguous, [
    { parameter: 'b.weight', tensors: ['b.weight', 'b.weight transposed'] },
  ]);
});

test('pairs: gates of recurrent layers are not taken by their shape', (t) => {
  const graph = rawGraph(
    ['x'],
    ['y'],
    [rawNode('LSTM', ['x', 'onnx::LSTM_1', 'onnx::LSTM_2'], ['y'])],
  );
  graph.initializers.push(
    rawTensor('onnx::LSTM_1', [1, 16, 8]),
    rawTensor('onnx::LSTM_2', [1, 16, 4]),
  );
  const view = layerView(networkOfOnnx(rawModel(graph), 'm'));
  const given = shapes({ 'l.weight_ih_l0': [16, 8], 'l.weight_hh_l0': [16, 4] });
  const { pairs, unpaired, loose } = pairTensors(view, given);
  t.deepEqual(pairs, []);
  t.is(unpaired.length, 2);
  t.deepEqual(loose, []);
});

test('leftovers: whole branches are told from weights that the network should have taken', (t) => {
  const used = { 'layer1.0.conv.weight': [4, 4, 3, 3], 'fc.weight': [4, 4], 'wte.weight': [9, 4] };
  const judge = (left: Record<string, number[]>) => {
    const { missed, branches } = judgeLeftovers(
      shapes({ ...used, ...left }),
      new Set(Object.keys(left)),
    );
    return { missed, branches: branches.map(({ module, tensors }) => `${module} ${tensors}`) };
  };
  t.deepEqual(judge({ 'aux.0.weight': [4, 4], 'aux.1.running_mean': [4] }), {
    missed: [],
    branches: ['aux 2'],
  });
  for (const name of ['layer2.0.conv.weight', 'layer1.1.conv.weight', 'fc.lora_A.weight']) {
    t.deepEqual(judge({ [name]: [4, 4] }), { missed: [name], branches: [] });
  }
  for (const name of ['bn1.weight', 'fc.bias', 'scale', 'layer1.0.gamma', 'bn1.running_var']) {
    t.deepEqual(judge({ [name]: [4] }), { missed: [name], branches: [] });
  }
  t.deepEqual(judge({ 'attn.inv_freq': [4], 'bn1.num_batches_tracked': [], empty: [0] }), {
    missed: [],
    branches: [],
  });
});
