/**
 * Shapes of values against those that onnxruntime gave for the same networks and inputs (strip.py in
 * fixtures/networks), three batch sizes each, and what is inferred where dimensions are open.
 */
import fs from 'node:fs';
import test from 'ava';
import type { Network } from '../../../../lib/pure/network/network.js';
import { graphsOf } from '../../../../lib/pure/network/network.js';
import { networkOfOnnx } from '../../../../lib/pure/network/onnx-network.js';
import { Dims } from '../../../../lib/pure/network/shapes/dims.js';
import { inferShapes } from '../../../../lib/pure/network/shapes/infer-shapes.js';
import {
  fixtureNetwork,
  rawGraph,
  rawModel,
  rawNode,
  rawTensor,
} from '../../../helpers/networks.js';
import { fixture } from '../../../helpers/paths.js';

interface Row {
  inputs: Record<string, number[]>;
  values: Record<string, number[]>;
}

for (const name of ['fashion-cnn', 'fashion-lenet', 'ppocr-cls', 'ppocr-rec', 'vad']) {
  test(`${name}: every shape is that of onnxruntime, for three batches`, async (t) => {
    const network = await fixtureNetwork(name);
    const rows = JSON.parse(fs.readFileSync(fixture('networks', `${name}.json`), 'utf8')) as Row[];
    t.is(rows.length, 3);
    for (const { inputs, values } of rows) {
      const shapes = inferShapes(network, { inputs: new Map(Object.entries(inputs)) });
      const found: Record<string, unknown> = {};
      const wanted: Record<string, unknown> = {};
      for (const { graph } of graphsOf(network.graph)) {
        for (const output of graph.nodes.flatMap((node) => node.outputs)) {
          if (values[output] === undefined) continue;
          wanted[output] = values[output];
          found[output] = shapes.of(graph, output).shape;
        }
      }
      t.true(Object.keys(wanted).length >= network.graph.nodes.length);
      t.deepEqual(found, wanted);
    }
  });
}

test('open dimensions keep their names, and shapes computed by the network follow them', async (t) => {
  const cnn = await fixtureNetwork('fashion-cnn');
  t.deepEqual(inferShapes(cnn).of(cnn.graph, 'logits').shape, ['batch', 10]);
  const fixed = inferShapes(cnn, { sizes: new Map([['batch', 4]]) });
  t.deepEqual(fixed.of(cnn.graph, 'logits').shape, [4, 10]);
  const { graph } = await fixtureNetwork('ppocr-rec');
  const rec = inferShapes({ producer: '', opsets: new Map([['', 9]]), graph });
  t.deepEqual(rec.problems, []);
  const shape = rec.of(graph, graph.outputs[0]!.name).shape!;
  t.is(shape[0], 'p2o.DynamicDimension.0');
  t.regex(String(shape[1]), /^floor\(.*p2o\.DynamicDimension\.1.*\/ 2\)$/);
});

function network(
  nodes: ReturnType<typeof rawNode>[],
  shape: (number | string | null)[],
  more: {
    initializers?: ReturnType<typeof rawTensor>[];
    opset?: number;
  } = {},
): Network {
  const graph = rawGraph(['x'], [nodes.at(-1)!.outputs[0]!], nodes);
  graph.inputs[0]!.shape = shape;
  graph.initializers.push(...(more.initializers ?? []));
  return networkOfOnnx(
    { ...rawModel(graph), opsets: [{ domain: '', version: more.opset ?? 17 }] },
    'm',
  );
}

function outputOf(made: Network): unknown {
  return inferShapes(made).of(made.graph, made.graph.outputs[0]!.name).shape;
}

test('Shape → Gather → Unsqueeze → Concat → Reshape gives what the exporter meant', (t) => {
  const nodes = [
    rawNode('Shape', ['x'], ['s']),
    rawNode('Gather', ['s', 'zero'], ['b']),
    rawNode('Unsqueeze', ['b', 'axis'], ['b1']),
    rawNode('Concat', ['b1', 'rest'], ['to'], {
      attributes: [{ name: 'axis', kind: 'int', value: 0 }],
    }),
    rawNode('Reshape', ['x', 'to'], ['y']),
  ];
  const initializers = [
    rawTensor('zero', [], new BigInt64Array([0n])),
    rawTensor('axis', [1], new BigInt64Array([0n])),
    rawTensor('rest', [3], new BigInt64Array([-1n, 12n, 64n])),
  ];
  t.deepEqual(outputOf(network(nodes, ['N', 'S', 768], { initializers })), ['N', 'S', 12, 64]);
  t.deepEqual(outputOf(network(nodes, [null, 128, 768], { initializers })), ['x.0', 128, 12, 64]);
});

test('a contradiction is told of with its node, and what does not depend on it keeps its shape', (t) => {
  const weights = rawTensor('w', [8, 4, 3, 3]);
  const made = network(
    [
      rawNode('Conv', ['x', 'w'], ['c'], { name: 'first' }),
      rawNode('Relu', ['c'], ['d']),
      rawNode('Relu', ['x'], ['y']),
    ],
    [1, 3, 8, 8],
    { initializers: [weights] },
  );
  const shapes = inferShapes(made);
  t.deepEqual(shapes.problems, [
    { node: 'first', op: 'Conv', what: 'gets 3 channels and has weights for 4' },
  ]);
  t.is(shapes.of(made.graph, 'd').shape, null);
  t.deepEqual(shapes.of(made.graph, 'y').shape, [1, 3, 8, 8]);
});

test('sizes beyond all bounds are contradictions, and nothing is allocated for them', (t) => {
  const huge = rawTensor('n', [4], new BigInt64Array([2n ** 40n, 2n ** 40n, 2n ** 40n, 4n]));
  const nodes = [
    rawNode('Expand', ['x', 'n'], ['e']),
    rawNode('Flatten', ['e'], ['y'], { attributes: [{ name: 'axis', kind: 'int', value: 4 }] }),
  ];
  const shapes = inferShapes(network(nodes, [1], { initializers: [huge] }));
  t.is(shapes.problems.length, 1);
  t.regex(shapes.problems[0]!.what, /has a dimension of/);
  const range = [rawNode('Range', ['zero', 'n1', 'one'], ['y'])];
  const initializers = [
    rawTensor('zero', [], new BigInt64Array([0n])),
    rawTensor('one', [], new BigInt64Array([1n])),
    rawTensor('n1', [], new BigInt64Array([2n ** 50n])),
  ];
  t.deepEqual(outputOf(network(range, [1], { initializers })), [2 ** 50]);
});

test('an operator that is not known says so, and the type that the file states is taken', (t) => {
  const graph = rawGraph(
    ['x'],
    ['z'],
    [
      { ...rawNode('Magic', ['x'], ['y'], { name: 'm' }), domain: 'my.ops' },
      rawNode('Relu', ['y'], ['z']),
    ],
  );
  graph.values.push({ name: 'y', kind: 'tensor', dataType: 1, shape: ['N', 7] });
  const made = networkOfOnnx(rawModel(graph), 'm');
  const shapes = inferShapes(made);
  t.deepEqual(shapes.of(made.graph, 'z').shape, ['N', 7]);
  t.deepEqual(shapes.problems, [
    { node: 'm', op: 'Magic', what: 'the operator my.ops.Magic is not known' },
  ]);
});

test('dims: equal expressions get one text, whatever the order in which they are made', (t) => {
  const dims = new Dims();
  const [h, n] = ['H', 'N'];
  t.is(dims.add(h, 0), 'H');
  t.is(dims.sub(dims.add(h, 3), 3), 'H');
  t.is(dims.mul(n, h), dims.mul(h, n));
  t.is(dims.floorDiv(dims.mul(dims.add(h, 1), 4), 2), '2·H + 2');
  t.is(dims.floorDiv(dims.add(h, 3), 2), dims.add(dims.floorDiv(dims.add(h, 1), 2), 1));
  t.is(dims.floorDiv(dims.product([n, h, 64]), dims.mul(n, 64)), 'H');
  t.is(dims.ceilDiv(h, 2), 'floor((H + 1) / 2)');
  t.is(dims.max(3, h), dims.max(h, 3));
  t.is(dims.mul(h, 0), 0);
  t.is(dims.floorDiv(h, 'H'), 1);
});

test('dims: expressions that grow without end become symbols, and names of symbols are no expressions', (t) => {
  const dims = new Dims();
  let grown: number | string = 'a0';
  for (let i = 1; i < 200; i++) grown = dims.add(dims.mul(grown, grown), `a${i}`);
  t.true(String(grown).length < 300);
  t.is(dims.fresh('N + 1'), '"N + 1"');
  t.not(dims.add(dims.fresh('N + 1'), 0), dims.add('N', 1));
});

test('loops in loops, ranks without end and lists joined a thousand times stay cheap', (t) => {
  const loop = (depth: number): ReturnType<typeof rawGraph> => {
    const inner: ReturnType<typeof rawNode>[] =
      depth === 0
        ? [
            rawNode('Concat', ['s', 's'], ['r'], {
              attributes: [{ name: 'axis', kind: 'int', value: 0 }],
            }),
          ]
        : [
            rawNode('Loop', ['', '', 's'], ['r'], {
              attributes: [{ name: 'body', kind: 'graph', value: loop(depth - 1) }],
            }),
          ];
    return rawGraph(['i', 'c', 's'], ['c', 'r'], inner);
  };
  const graph = rawGraph(
    ['x'],
    ['y'],
    [
      rawNode('Loop', ['', '', 'x'], ['y'], {
        attributes: [{ name: 'body', kind: 'graph', value: loop(60) }],
      }),
    ],
  );
  graph.inputs[0]!.shape = [4];
  const made = networkOfOnnx(rawModel(graph), 'm');
  const found = inferShapes(made).of(made.graph, 'y').shape;
  t.true(found === null || typeof found[0] === 'string', 'its length is open');
  const axes = {
    name: 'axes',
    kind: 'ints' as const,
    value: Array.from({ length: 60 }, (_, i) => i),
  };
  const deep = Array.from({ length: 50 }, (_, i) =>
    rawNode('Unsqueeze', [i === 0 ? 'x' : `u${i}`], [i === 49 ? 'y' : `u${i + 1}`], {
      attributes: [axes],
    }),
  );
  const ranks = inferShapes(network(deep, [2], { opset: 11 }));
  t.regex(ranks.problems[0]!.what, /has 121 dimensions/);
});
