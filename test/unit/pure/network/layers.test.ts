/**
 * The layer view: golden lists of real networks, patterns one by one, names of every kind of exporter,
 * and the relations `succ` and `next`.
 */
import test from 'ava';
import { layerView, linkLayers } from '../../../../lib/pure/network/layers/layer-view.js';
import {
  nameOfPath,
  nameOfWeight,
  plainTensorName,
} from '../../../../lib/pure/network/layers/names.js';
import type { Network } from '../../../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import { alexnet, caffeAlexnet, lenet5, resnet, vgg } from '../../../helpers/known-networks.js';
import {
  fixtureNetwork,
  goldenText,
  rawGraph,
  rawModel,
  rawNode,
  rawTensor,
} from '../../../helpers/networks.js';

for (const name of ['fashion-cnn', 'fashion-lenet', 'ppocr-cls', 'ppocr-rec', 'vad']) {
  test(`${name}: kinds, names, aliases, operators and next of every layer`, async (t) => {
    const lines: string[] = [];
    for (const part of layerView(await fixtureNetwork(name))) {
      lines.push(`# ${part.path || 'main graph'}: ${part.hidden.length} nodes of no layer`);
      const own = (text: string): string => text.slice(part.path.length);
      const { next } = linkLayers(part);
      part.layers.forEach(({ kind, type, name: called, alias, nodes }, i) => {
        const ops = nodes.map((node) => part.graph.nodes[node]!.op).join('+');
        const after = next[i]!.map((to) => own(part.layers[to]!.alias)).join(', ');
        lines.push(`${own(alias)} | ${kind} ${type} | ${own(called)} | ${ops} | ${after}`);
      });
    }
    const text = `${lines.join('\n')}\n`;
    t.is(text, goldenText(`networks/${name}.layers.txt`, text));
  });
}

test('a unique name for every layer, and every node in one layer or in none', async (t) => {
  for (const name of ['ppocr-rec', 'vad']) {
    const view = layerView(await fixtureNetwork(name));
    const names = view.flatMap(({ layers }) => layers.map((layer) => layer.name));
    t.is(new Set(names).size, names.length);
    for (const { graph, layers, hidden } of view) {
      const all = [...hidden, ...layers.flatMap(({ nodes }) => nodes)].sort((a, b) => a - b);
      t.deepEqual(all, [...graph.nodes.keys()]);
    }
  }
});

const f32 = (...values: number[]): Float32Array => new Float32Array(values);

function typesOf(
  nodes: ReturnType<typeof rawNode>[],
  tensors: ReturnType<typeof rawTensor>[] = [],
): string[] {
  const graph = rawGraph(['x'], [nodes.at(-1)!.outputs[0]!], nodes);
  graph.initializers.push(...tensors);
  const [main] = layerView(networkOfOnnx(rawModel(graph), 'm'));
  return main!.layers.map(({ kind, type }) => `${kind} ${type}`);
}

const constants = [
  rawTensor('sqrt2', [], f32(Math.SQRT2)),
  rawTensor('one', [], f32(1)),
  rawTensor('half', [], f32(0.5)),
  rawTensor('two', [], f32(2)),
  rawTensor('three', [], f32(3)),
  rawTensor('c1', [], f32(0.044715)),
  rawTensor('c2', [], f32(Math.sqrt(2 / Math.PI))),
  rawTensor('eps', [], f32(1e-5)),
  rawTensor('gamma.weight', [8]),
  rawTensor('beta.bias', [8]),
];

test('GELU is found in both forms, in any order of factors, and not where a factor is another', (t) => {
  const erf = (scale: string): ReturnType<typeof rawNode>[] => [
    rawNode('Div', ['x', scale], ['a']),
    rawNode('Erf', ['a'], ['b']),
    rawNode('Add', ['b', 'one'], ['c']),
  ];
  const first = [
    ...erf('sqrt2'),
    rawNode('Mul', ['x', 'c'], ['d']),
    rawNode('Mul', ['d', 'half'], ['y']),
  ];
  t.deepEqual(typesOf(first, constants), ['act GELU']);
  const second = [
    rawNode('Mul', ['half', 'x'], ['h']),
    ...erf('sqrt2'),
    rawNode('Mul', ['h', 'c'], ['y']),
  ];
  t.deepEqual(typesOf(second, constants), ['act GELU']);
  const other = [
    ...erf('two'),
    rawNode('Mul', ['x', 'c'], ['d']),
    rawNode('Mul', ['d', 'half'], ['y']),
  ];
  t.false(typesOf(other, constants).includes('act GELU'));
  const tanh = [
    rawNode('Pow', ['x', 'three'], ['p']),
    rawNode('Mul', ['p', 'c1'], ['q']),
    rawNode('Add', ['x', 'q'], ['r']),
    rawNode('Mul', ['r', 'c2'], ['s']),
    rawNode('Tanh', ['s'], ['u']),
    rawNode('Add', ['u', 'one'], ['v']),
    rawNode('Mul', ['x', 'v'], ['w']),
    rawNode('Mul', ['w', 'half'], ['y']),
  ];
  t.deepEqual(typesOf(tanh, constants), ['act GELU']);
});

test('norms that are spelled out: LAYER with γ and β, RMS with γ', (t) => {
  const layer = [
    rawNode('ReduceMean', ['x'], ['m']),
    rawNode('Sub', ['x', 'm'], ['d']),
    rawNode('Pow', ['d', 'two'], ['p']),
    rawNode('ReduceMean', ['p'], ['v']),
    rawNode('Add', ['v', 'eps'], ['e']),
    rawNode('Sqrt', ['e'], ['s']),
    rawNode('Div', ['d', 's'], ['n']),
    rawNode('Mul', ['n', 'gamma.weight'], ['g']),
    rawNode('Add', ['g', 'beta.bias'], ['y']),
  ];
  t.deepEqual(typesOf(layer, constants), ['norm LAYER']);
  const rms = [
    rawNode('Pow', ['x', 'two'], ['p']),
    rawNode('ReduceMean', ['p'], ['v']),
    rawNode('Add', ['v', 'eps'], ['e']),
    rawNode('Sqrt', ['e'], ['s']),
    rawNode('Reciprocal', ['s'], ['i']),
    rawNode('Mul', ['x', 'i'], ['n']),
    rawNode('Mul', ['gamma.weight', 'n'], ['y']),
  ];
  t.deepEqual(typesOf(rms, constants), ['norm RMS']);
});

test('a group never takes in a value that something else uses', (t) => {
  const nodes = [
    rawNode('Sigmoid', ['x'], ['s']),
    rawNode('Mul', ['x', 's'], ['m']),
    rawNode('Add', ['m', 's'], ['y']),
  ];
  t.deepEqual(typesOf(nodes), ['act SIGMOID', 'mul MUL', 'add ADD']);
  const bias = [
    rawNode('MatMul', ['x', 'w.weight'], ['a']),
    rawNode('Add', ['a', 'beta.bias'], ['b']),
    rawNode('Add', ['a', 'b'], ['y']),
  ];
  t.deepEqual(typesOf(bias, [...constants, rawTensor('w.weight', [8, 8])]), [
    'full FULL',
    'norm SCALE',
    'add ADD',
  ]);
});

test('attention: product, scale, mask, softmax and product are one layer', (t) => {
  const nodes = [
    rawNode('Relu', ['x'], ['q']),
    rawNode('MatMul', ['q', 'x'], ['a']),
    rawNode('Mul', ['a', 'half'], ['b']),
    rawNode('Add', ['b', 'q'], ['c']),
    rawNode('Softmax', ['c'], ['p']),
    rawNode('MatMul', ['p', 'x'], ['y']),
  ];
  t.deepEqual(typesOf(nodes, constants), ['act RELU', 'attn ATTENTION']);
});

test('next passes over activations, norms, dropout and reshaping; succ does not', (t) => {
  const tensors = [rawTensor('c1.weight', [4, 3, 3, 3]), rawTensor('c2.weight', [4, 4, 3, 3])];
  const graph = rawGraph(
    ['x'],
    ['y'],
    [
      rawNode('Conv', ['x', 'c1.weight'], ['a']),
      rawNode('Relu', ['a'], ['b']),
      rawNode('LRN', ['b'], ['c']),
      rawNode('MaxPool', ['c'], ['d']),
      rawNode('Conv', ['d', 'c2.weight'], ['e']),
      rawNode('Add', ['e', 'd'], ['y']),
    ],
  );
  graph.initializers.push(...tensors);
  const [main] = layerView(networkOfOnnx(rawModel(graph), 'm'));
  t.deepEqual(
    main!.layers.map(({ alias }) => alias),
    ['conv1', 'relu1', 'norm1', 'pool1', 'conv2', 'add1'],
  );
  t.deepEqual(linkLayers(main!), {
    succ: [[1], [2], [3], [4, 5], [5], []],
    next: [[3], [3], [3], [4, 5], [5], []],
  });
});

test('names of nodes: PyTorch, TensorFlow, Paddle, counters, and what is no name', (t) => {
  const cases: [string, string, string | null][] = [
    ['/conv1/Conv', 'Conv', 'conv1'],
    ['/layer1/layer1.0/conv1/Conv_2', 'Conv', 'layer1.0.conv1'],
    ['/Relu_1', 'Relu', null],
    ['StatefulPartitionedCall/model/conv2d_1/Conv2D', 'Conv', 'model.conv2d_1'],
    ['If_0_else_branch__Inline_0__/encoder/0/reparam_conv/Conv', 'Conv', 'encoder.0.reparam_conv'],
    ['p2o.Conv.0', 'Conv', null],
    ['node_conv2d_3', 'Conv', null],
    ['Conv_12', 'Conv', null],
    ['57', 'Gemm', null],
    ['', 'Gemm', null],
    ['fc7', 'Gemm', null],
    ['classifier', 'Gemm', 'classifier'],
    [`/${'a'.repeat(65536)}/Conv`, 'Conv', null],
  ];
  for (const [path, op, name] of cases) t.is(nameOfPath(path, op).name, name, path.slice(0, 80));
});

test('names of weights', (t) => {
  const cases: [string, string | null][] = [
    ['conv1.weight', 'conv1'],
    ['0.bias', '0'],
    ['onnx::Conv_48', null],
    ['123', null],
    ['conv2d_10.w_0', 'conv2d_10'],
    ['fc6_w_0', 'fc6'],
    ['model/dense/kernel:0', 'model.dense'],
    ['If_0_else_branch__Inline_0__encoder.0.conv.weight', 'encoder.0.conv'],
    ['x'.repeat(70000), null],
  ];
  for (const [weight, name] of cases) t.is(nameOfWeight(weight), name, weight.slice(0, 80));
});

test('modules of the exporter come first; names that stand twice get a number', (t) => {
  const conv = (from: string, to: string, scopes: string): ReturnType<typeof rawNode> => ({
    ...rawNode('Conv', [from, 'shared.weight'], [to]),
    modules: [{ key: 'pkg.torch.onnx.name_scopes', value: scopes }],
  });
  const graph = rawGraph(
    ['x'],
    ['c'],
    [
      conv('x', 'a', `['', 'net', "net.conv", 'conv2d']`),
      conv('a', 'b', "['', 'net', 'net.conv', 'conv2d_1']"),
      conv('b', 'c', 'not a list'),
    ],
  );
  graph.initializers.push(rawTensor('shared.weight', [3, 3, 3, 3]));
  const [main] = layerView(networkOfOnnx(rawModel(graph), 'm'));
  t.deepEqual(
    main!.layers.map(({ name }) => name),
    ['net.conv', 'net.conv#2', 'shared'],
  );
});

test('conv1, conv3 and conv5 are followed by the largest of a window, as their papers say', (t) => {
  const after = (network: Network, alias: string): string[] => {
    const [main] = layerView(network);
    const { next } = linkLayers(main!);
    const at = main!.layers.findIndex((layer) => layer.alias === alias);
    return next[at]!.map((to) => `${main!.layers[to]!.kind} ${main!.layers[to]!.type}`);
  };
  // (conv pool){2} (conv{2} pool){2} … of AlexNet; ReLU and LRN lie between.
  for (const alias of ['conv1', 'conv2', 'conv5']) {
    t.deepEqual(after(alexnet(), alias), ['pool MAX'], alias);
    t.deepEqual(after(caffeAlexnet(), alias), ['pool MAX'], alias);
  }
  t.deepEqual(after(alexnet(), 'conv3'), ['conv CONV']);
  t.deepEqual(after(vgg(16), 'conv2'), ['pool MAX']);
  t.deepEqual(after(lenet5(), 'conv1'), ['pool MAX']);
  t.deepEqual(after(resnet(18), 'conv20'), ['add ADD']);
});

test('names: a tensor is shown without what inlining put in front of its name', (t) => {
  for (const [name, shown] of [
    [
      'If_0/else_branch/If_0_else_branch__Inline_0__decoder.rnn.bias',
      'If_0/else_branch/decoder.rnn.bias',
    ],
    ['If_0/else_branch/If_0_else_branch__Inline_0__/stft/Sqrt', 'If_0/else_branch/stft/Sqrt'],
    ['a__Inline_12__conv.weight', 'conv.weight'],
    ['layer1.Inline_0.weight', 'layer1.Inline_0.weight'],
  ] as const) {
    t.is(plainTensorName(name), shown);
  }
});
