/**
 * Networks of ONNX files: what of a file becomes a node, a parameter or a body, how calls of functions
 * are replaced, and which files are refused. Models are made here, real ones are in fixtures/networks.
 */
import test from 'ava';
import { parseTextList, scopesOf } from '../../../../lib/pure/network/module-names.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import {
  fixtureNetwork,
  rawGraph,
  rawModel,
  rawNode,
  rawTensor,
} from '../../../helpers/networks.js';

test('a PyTorch export: nodes, parameters by name and shape, no weights', async (t) => {
  const network = await fixtureNetwork('fashion-lenet');
  t.is(network.producer, 'pytorch 1.13.0');
  t.is(network.opsets.get(''), 13);
  t.deepEqual(
    network.graph.nodes.map(({ op }) => op),
    ['Conv', 'MaxPool', 'Conv', 'MaxPool', 'Flatten', 'Gemm', 'Relu', 'Gemm'],
  );
  t.deepEqual(network.graph.inputs, [{ name: 'image', dtype: 'F32', shape: ['batch', 1, 28, 28] }]);
  const shapes = network.graph.parameters.map(({ name, shape }) => `${name} ${shape}`);
  t.deepEqual(shapes.slice(0, 3), ['0.weight 20,1,5,5', '0.bias 20', '2.weight 50,20,5,5']);
  t.true(
    network.graph.parameters.every(({ values }) => values === null),
    'biases are weights',
  );
});

test('a Paddle export: Constant nodes are parameters, scalars that say what a node does keep values', async (t) => {
  const { graph } = await fixtureNetwork('ppocr-rec');
  t.is(graph.nodes.length, 765 - 325);
  t.is(graph.parameters.length, 325);
  t.true(
    graph.parameters.some(({ name }) => name === 'conv2d_10.w_0' || /conv2d_\d+\.w_0/.test(name)),
  );
  const clip = graph.nodes.find(({ op }) => op === 'Clip');
  t.truthy(clip);
});

test('branches of If are bodies, with the tensors named as in the layout of the file', async (t) => {
  const { graph } = await fixtureNetwork('vad');
  t.deepEqual(
    graph.nodes.map(({ op, bodies }) => [op, bodies.map(({ name }) => name)]),
    [
      ['Equal', []],
      ['If', ['else_branch', 'then_branch']],
      ['Identity', []],
      ['Identity', []],
    ],
  );
  const [body] = graph.nodes[1]!.bodies;
  t.is(body!.graph.nodes.length, 113 - 59);
  const weight = body!.graph.parameters.find(({ name }) =>
    name.endsWith('encoder.0.reparam_conv.weight'),
  );
  t.is(
    weight?.tensor,
    'If_0/else_branch/If_0_else_branch__Inline_0__encoder.0.reparam_conv.weight',
  );
});

test('nodes out of order are put in one in which they can run; those in order stay', (t) => {
  const nodes = [
    rawNode('Add', ['c', 'x'], ['d']),
    rawNode('Relu', ['b'], ['c']),
    rawNode('Exp', ['x'], ['b']),
  ];
  const made = networkOfOnnx(rawModel(rawGraph(['x'], ['d'], nodes)), 'm.onnx');
  t.deepEqual(
    made.graph.nodes.map(({ op }) => op),
    ['Exp', 'Relu', 'Add'],
  );
});

test('a circle, a value made twice and one that nothing makes are refused by name', (t) => {
  const refuse = (nodes: ReturnType<typeof rawNode>[], message: RegExp): void => {
    t.throws(() => networkOfOnnx(rawModel(rawGraph(['x'], ['d'], nodes)), 'm.onnx'), {
      code: 'DLV_CORRUPT',
      message,
    });
  };
  refuse(
    [
      rawNode('Add', ['x', 'd'], ['b'], { name: 'first' }),
      rawNode('Relu', ['b'], ['d'], { name: 'second' }),
    ],
    /'m\.onnx'.*circle through '(first|second)'/,
  );
  refuse([rawNode('Relu', ['x'], ['d']), rawNode('Exp', ['x'], ['d'])], /'d' is made twice/);
  refuse([rawNode('Relu', ['y'], ['d'])], /uses the value 'y', which nothing makes/);
  refuse([rawNode('Relu', ['x'], ['b'])], /the output 'd' uses the value 'd'/);
});

test('calls of functions are replaced by their nodes, in each other too, with the attributes of the call', (t) => {
  const inner = {
    name: 'Act',
    domain: 'my',
    overload: '',
    inputs: ['a'],
    outputs: ['b'],
    attributes: ['slope'],
    defaults: [],
    nodes: [
      rawNode('LeakyRelu', ['a'], ['b'], {
        name: 'leaky',
        attributes: [{ name: 'alpha', kind: 'reference', value: 'slope' }],
      }),
    ],
  };
  const outer = {
    ...inner,
    name: 'Block',
    attributes: [],
    defaults: [{ name: 'k', kind: 'float' as const, value: 0.25 }],
    nodes: [
      rawNode('Exp', ['a'], ['t'], { name: 'exp' }),
      {
        ...rawNode('Act', ['t'], ['b'], {
          name: 'act',
          attributes: [{ name: 'slope', kind: 'reference', value: 'k' }],
        }),
        domain: 'my',
      },
    ],
  };
  const calls = ['x', 'y', 'z'].flatMap((name, i, all) => {
    const next = all[i + 1];
    return next === undefined
      ? []
      : [{ ...rawNode('Block', [name], [next], { name: `block${i}` }), domain: 'my' }];
  });
  const model = { ...rawModel(rawGraph(['x'], ['z'], calls)), functions: [inner, outer] };
  const { nodes } = networkOfOnnx(model, 'm.onnx').graph;
  t.deepEqual(
    nodes.map(({ name, inputs, outputs }) => [name, inputs, outputs]),
    [
      ['block0/exp', ['x'], ['y/t']],
      ['block0/act/leaky', ['y/t'], ['y']],
      ['block1/exp', ['y'], ['z/t']],
      ['block1/act/leaky', ['z/t'], ['z']],
    ],
  );
  t.deepEqual(nodes[1]!.attributes, [{ name: 'alpha', kind: 'float', value: 0.25 }]);
  const circular = { ...inner, nodes: [{ ...rawNode('Act', ['a'], ['b']), domain: 'my' }] };
  t.throws(() => networkOfOnnx({ ...model, functions: [circular, outer] }, 'm.onnx'), {
    code: 'DLV_CORRUPT',
    message: /'Act' calls itself/,
  });
});

test('functions that double with each level, and 10^6 nodes, are refused before they are made', (t) => {
  const functions = Array.from({ length: 40 }, (_, level) => {
    const called = (from: string, to: string): ReturnType<typeof rawNode> =>
      level === 0
        ? rawNode('Exp', [from], [to])
        : { ...rawNode(`F${level - 1}`, [from], [to]), domain: 'my' };
    return {
      name: `F${level}`,
      domain: 'my',
      overload: '',
      inputs: ['a'],
      outputs: ['b'],
      attributes: [],
      defaults: [],
      nodes: [called('a', 't'), called('t', 'b')],
    };
  });
  const call = { ...rawNode('F39', ['x'], ['d']), domain: 'my' };
  const limit = { code: 'DLV_LIMIT', message: /'m\.onnx' has more than 200000 nodes/ };
  t.throws(
    () => networkOfOnnx({ ...rawModel(rawGraph(['x'], ['d'], [call])), functions }, 'm.onnx'),
    limit,
  );
  const many = Array.from({ length: 1_000_000 }, () => rawNode('Exp', ['x'], ['']));
  t.throws(() => networkOfOnnx(rawModel(rawGraph(['x'], ['x'], many)), 'm.onnx'), limit);
});

test('an initializer that is an input too is a parameter; the learned float scalar of a bias has no value', (t) => {
  const graph = rawGraph(
    ['x', 'w'],
    ['d'],
    [
      rawNode('MatMul', ['x', 'w'], ['a']),
      rawNode('Add', ['a', 'bias'], ['b']),
      rawNode('Mul', ['b', 'half'], ['c']),
      rawNode('Reshape', ['c', 'to'], ['d']),
    ],
  );
  graph.initializers.push(
    rawTensor('w', [4, 1]),
    rawTensor('bias', [1], new Float32Array([3])),
    rawTensor('half', [], new Float32Array([0.5])),
    rawTensor('to', [2], new BigInt64Array([1n, -1n])),
  );
  const made = networkOfOnnx(rawModel(graph), 'm.onnx').graph;
  t.deepEqual(
    made.inputs.map(({ name }) => name),
    ['x'],
  );
  t.deepEqual(
    made.parameters.map(({ name, dtype, shape, values }) => [name, dtype, shape, values]),
    [
      ['w', 'F32', [4, 1], null],
      ['bias', 'F32', [1], null],
      ['half', 'F32', [], [0.5]],
      ['to', 'I64', [2], [1, -1]],
    ],
  );
});

test('modules that PyTorch names: either quote, escapes, and nothing from a text of another form', (t) => {
  t.deepEqual(parseTextList(`['', 'network', "it's", 'a\\\\b', 'q\\'']`), [
    '',
    'network',
    "it's",
    'a\\b',
    "q'",
  ]);
  for (const text of [
    '',
    '[',
    "['a'",
    "['a' 'b']",
    '[a]',
    "['a'] ",
    "['a']x",
    "['\\x41']",
    '[__import__()]',
  ]) {
    t.is(text === "['a'] " ? parseTextList(`${text}x`) : parseTextList(text), null, text);
  }
  t.deepEqual(parseTextList('[]'), []);
  const key = 'pkg.torch.onnx.name_scopes';
  t.deepEqual(scopesOf([{ key, value: "['', 'layer1', 'layer1.0', 'conv']" }]), [
    'layer1',
    'layer1.0',
  ]);
  const value =
    ': torchvision.ResNet/layer1: torch.nn.Sequential/layer1.0: Block/node: aten.conv2d.default';
  t.deepEqual(scopesOf([{ key: 'namespace', value }]), ['layer1', 'layer1.0']);
  t.deepEqual(scopesOf([]), []);
});
