/**
 * Checkpoints without a network: layers from names and shapes, architectures of the common families, and
 * the pairing of a network's weights with a checkpoint.
 */
import test from 'ava';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import {
  architectureOfCard,
  architectureOfConfig,
  architectureOfMetadata,
  inferArchitecture,
} from '../../../../lib/pure/network/weights/architecture.js';
import { foldError } from '../../../../lib/pure/network/weights/fold-error.js';
import { groupParameters, totalOf } from '../../../../lib/pure/network/weights/groups.js';
import { pairTensors } from '../../../../lib/pure/network/weights/pair-tensors.js';
import {
  fixtureNetwork,
  rawGraph,
  rawModel,
  rawNode,
  rawTensor,
} from '../../../helpers/networks.js';

const tensors = (shapes: Record<string, number[]>, dtype = 'F32') =>
  Object.entries(shapes).map(([name, shape]) => ({ name, dtype, shape }));

/** The checkpoint that fashion-cnn was exported from. */
const CHECKPOINT = tensors({
  'conv1.weight': [32, 1, 5, 5],
  'bn1.weight': [32],
  'bn1.bias': [32],
  'bn1.running_mean': [32],
  'bn1.running_var': [32],
  'bn1.num_batches_tracked': [],
  'conv2.weight': [64, 32, 3, 3],
  'bn2.weight': [64],
  'bn2.bias': [64],
  'bn2.running_mean': [64],
  'bn2.running_var': [64],
  'bn2.num_batches_tracked': [],
  'conv3.weight': [128, 64, 3, 3],
  'bn3.weight': [128],
  'bn3.bias': [128],
  'bn3.running_mean': [128],
  'bn3.running_var': [128],
  'bn3.num_batches_tracked': [],
  'conv4.weight': [128, 128, 3, 3],
  'bn4.weight': [128],
  'bn4.bias': [128],
  'bn4.running_mean': [128],
  'bn4.running_var': [128],
  'bn4.num_batches_tracked': [],
  'fc1.weight': [1024, 1152],
  'fc1.bias': [1024],
  'fc2.weight': [10, 1024],
  'fc2.bias': [10],
});

test('groups: modules in order, kinds from names and shapes, buffers apart', (t) => {
  const groups = groupParameters(CHECKPOINT);
  t.deepEqual(
    groups
      .slice(0, 3)
      .map(({ name, kind, type, parameters, buffers }) => [name, kind, type, parameters, buffers]),
    [
      ['conv1', 'conv', 'CONV', 800, 0],
      ['bn1', 'norm', 'BATCH', 64, 65],
      ['conv2', 'conv', 'CONV', 18_432, 0],
    ],
  );
  t.deepEqual(totalOf(groups), { parameters: 1_432_042, buffers: 708, stored: 1_432_750 });
});

test('groups: embeddings, norms, recurrent layers, attention', (t) => {
  const kinds = groupParameters(
    tensors({
      'wte.weight': [50257, 768],
      'h.0.ln_1.weight': [768],
      'h.0.ln_1.bias': [768],
      'h.0.attn.bias': [1, 1, 1024, 1024],
      'h.0.attn.c_attn.weight': [768, 2304],
      'model.norm.weight': [4096],
      'model/batch_normalization_5/FusedBatchNormV3': [24],
      'stem.bn1.scale': [24],
      'rnn.weight_ih_l0': [512, 64],
      'rnn.weight_hh_l0': [512, 128],
      'gru.weight_ih_l0': [384, 64],
      'gru.weight_hh_l0': [384, 128],
      'mha.in_proj_weight': [96, 32],
    }),
  );
  t.deepEqual(
    kinds.map(({ name, kind, type }) => `${name} ${kind} ${type}`),
    [
      'wte embed EMBED',
      'h.0.ln_1 norm LAYER',
      'h.0.attn other PARAMETER',
      'h.0.attn.c_attn full FULL',
      'model.norm norm RMS',
      'model/batch_normalization_5 norm BATCH',
      'stem.bn1 norm BATCH',
      'rnn rnn LSTM',
      'gru rnn GRU',
      'mha attn ATTENTION',
    ],
  );
  const mask = kinds.find(({ name }) => name === 'h.0.attn')!;
  t.deepEqual([mask.parameters, mask.buffers], [0, 1024 * 1024]);
});

test('architectures: what config.json says, and nothing from what is no config', (t) => {
  const llama = architectureOfConfig(
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      num_hidden_layers: 32,
      hidden_size: 4096,
      x: {},
    }),
    'config.json',
  );
  t.deepEqual(llama, {
    name: 'LlamaForCausalLM',
    source: 'config.json',
    isInferred: false,
    sizes: { num_hidden_layers: 32, hidden_size: 4096 },
  });
  t.is(architectureOfConfig('{"architecture": "resnet50"}', 'c')?.name, 'resnet50');
  t.is(
    architectureOfConfig('{"_class_name": "UNet2DConditionModel"}', 'c')?.name,
    'UNet2DConditionModel',
  );
  for (const text of [
    '',
    '[]',
    'null',
    '{"lr": 1}',
    '{"architectures": []}',
    `{"model_type": "${'a'.repeat(300)}"}`,
  ]) {
    t.is(architectureOfConfig(text, 'c'), null, text.slice(0, 40));
  }
});

test('architectures: the metadata of a safetensors file, and the front matter of a card', (t) => {
  const metadata = new Map([
    ['format', 'pt'],
    ['ss_base_model_version', 'sd_v1'],
    ['ss_network_dim', '16'],
  ]);
  t.deepEqual(architectureOfMetadata(metadata, 'a.safetensors'), {
    name: 'sd_v1',
    source: 'the metadata of a.safetensors',
    isInferred: false,
    sizes: { ss_network_dim: '16' },
  });
  t.is(architectureOfMetadata(new Map([['format', 'pt']]), 'a'), null);
  const card =
    '---\nlicense: mit\nbase_model: "org/base-7b"\nlibrary_name: peft\ntags:\n- a\n---\n# Text';
  t.deepEqual(architectureOfCard(card, 'README.md'), {
    name: 'org/base-7b',
    source: 'the card README.md',
    isInferred: false,
    sizes: { base_model: 'org/base-7b', library_name: 'peft' },
  });
  for (const text of [
    '',
    '# base_model: x',
    '---\nbase_model:\n- a\n- b\n---\n',
    '---\nbase_model: [a, b]\n---\n',
    '---\nbase_model: x',
  ]) {
    t.is(architectureOfCard(text, 'README.md'), null, text);
  }
});

test('architectures: families by the names of their tensors, with what their shapes say', (t) => {
  const infer = (shapes: Record<string, number[]>) => inferArchitecture(tensors(shapes));
  t.like(
    infer({
      'model.embed_tokens.weight': [32000, 4096],
      'model.layers.0.self_attn.q_proj.weight': [4096, 4096],
      'model.layers.0.mlp.gate_proj.weight': [11008, 4096],
      'model.layers.1.self_attn.q_proj.weight': [4096, 4096],
    }),
    {
      name: 'Llama-like decoder',
      isInferred: true,
      sizes: { layers: 2, vocabulary: 32000, hidden: 4096 },
    },
  );
  const resnet: Record<string, number[]> = {};
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    for (let i = 0; i < blocks; i++) {
      for (const conv of [1, 2, 3])
        resnet[`layer${stage + 1}.${i}.conv${conv}.weight`] = [64, 64, 1, 1];
    }
  }
  t.is(infer(resnet)?.name, 'ResNet-50');
  t.is(
    infer({
      'h.0.attn.c_attn.weight': [8, 24],
      'h.0.mlp.c_fc.weight': [8, 32],
      'wte.weight': [9, 8],
    })?.name,
    'GPT-2',
  );
  t.is(inferArchitecture(CHECKPOINT), null);
});

test('pairs: folded convolutions by the name of their layer, the rest by name', async (t) => {
  const network = await fixtureNetwork('fashion-cnn');
  const { pairs, unpaired, unused } = pairTensors(layerView(network), CHECKPOINT);
  t.deepEqual(unpaired, []);
  t.deepEqual(unused, []);
  const shown = pairs.map(({ parameter, tensor, evidence, foldedNorm }) => {
    return `${parameter} ${tensor} ${evidence} ${foldedNorm}`;
  });
  t.deepEqual(shown.slice(0, 2), [
    'onnx::Conv_48 conv1.weight layer bn1',
    'onnx::Conv_49 bn1.bias layer bn1',
  ]);
  t.deepEqual(shown.slice(-2), ['fc2.weight fc2.weight name null', 'fc2.bias fc2.bias name null']);
});

test('pairs: a matrix that was transposed and renamed by its shape, if there is as much of both', (t) => {
  const graph = rawGraph(
    ['x'],
    ['y'],
    [
      rawNode('MatMul', ['x', 'onnx::MatMul_7'], ['a']),
      rawNode('MatMul', ['a', 'onnx::MatMul_8'], ['y']),
    ],
  );
  graph.initializers.push(rawTensor('onnx::MatMul_7', [4, 8]), rawTensor('onnx::MatMul_8', [8, 2]));
  const view = layerView(networkOfOnnx(rawModel(graph), 'm'));
  const found = pairTensors(view, tensors({ 'up.weight': [8, 4], 'down.weight': [2, 8] }));
  t.deepEqual(
    found.pairs.map(({ parameter, tensor, evidence, transposed }) => [
      parameter,
      tensor,
      evidence,
      transposed,
    ]),
    [
      ['onnx::MatMul_7', 'up.weight', 'shape', true],
      ['onnx::MatMul_8', 'down.weight', 'shape', true],
    ],
  );
  const two = pairTensors(view, tensors({ 'up.weight': [8, 4], 'other.weight': [8, 4] }));
  t.deepEqual(two.pairs, []);
  t.deepEqual(two.unpaired, ['onnx::MatMul_7', 'onnx::MatMul_8']);
});

test('a folded norm is told from one that is not by its error', (t) => {
  const channel = (scale: number) => ({
    weight: [1, -2, 3],
    folded: [1, -2, 3].map((one) => one * scale),
    gamma: 2,
    variance: 4 - 1e-5,
  });
  t.true(foldError([channel(1)]) < 1e-12);
  t.true(foldError([channel(1), channel(1.01)]) > 5e-3);
});
