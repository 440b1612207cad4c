/**
 * The rule of each operator against what onnxruntime gave for small inputs of every kind of padding, axis
 * and version; and the same with sizes open, which must agree when they are filled in.
 */
import test from 'ava';
import { inferShapes } from '../../../../lib/pure/network/shapes/infer-shapes.js';
import { type OpCase, opCases, opNetwork } from '../../../helpers/op-cases.js';

const cases = opCases();

function title({ op, opset, attributes, inputs }: OpCase): string {
  const shapes = inputs.map((input) => (input === null ? '–' : `[${input.shape}]`));
  return `${op}-${opset}(${shapes.join(', ')}) ${JSON.stringify(attributes)}`;
}

for (const op of new Set(cases.map((one) => one.op))) {
  test(`${op}: shapes are those of onnxruntime`, (t) => {
    for (const one of cases.filter((other) => other.op === op)) {
      const network = opNetwork(one);
      const shapes = inferShapes(network);
      t.deepEqual(shapes.problems, [], title(one));
      const found = network.graph.outputs.map(({ name }) => shapes.of(network.graph, name).shape);
      t.deepEqual(found, one.outputs, title(one));
    }
  });
}

test('with the first dimension open, an expression comes out that is never another number', (t) => {
  let open = 0;
  for (const one of cases) {
    const network = opNetwork(one);
    const [first] = network.graph.inputs;
    const size = first?.shape?.[0];
    if (first === undefined || typeof size !== 'number') continue;
    const inputs = [
      { ...first, shape: ['N', ...first.shape!.slice(1)] },
      ...network.graph.inputs.slice(1),
    ];
    const graph = { ...network.graph, inputs };
    const shapes = inferShapes({ ...network, graph });
    for (const [i, { name }] of graph.outputs.entries()) {
      const { shape } = shapes.of(graph, name);
      if (shape === null) continue;
      t.is(shape.length, one.outputs[i]!.length, title(one));
      for (const [d, dim] of shape.entries()) {
        if (typeof dim === 'number') t.is(dim, one.outputs[i]![d]!, title(one));
        else open++;
      }
    }
    const filled = inferShapes({ ...network, graph }, { sizes: new Map([['N', size]]) });
    const found = graph.outputs.map(({ name }) => filled.of(graph, name).shape);
    t.deepEqual(found, one.outputs, title(one));
  }
  t.true(open > 100);
});
