/** What the writer of ONNX writes, the reader reads. */
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { readOnnxModel } from '../../../../lib/pure/formats/onnx/onnx-graph.js';
import { encodeOnnx } from '../../../../lib/pure/formats/onnx/onnx-writer.js';

test('onnx writer: nodes, attributes, values and tensors are read back', async (t) => {
  const values = Float32Array.of(1, -2, 3.5);
  const bytes = encodeOnnx(
    {
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'w', ''],
          outputs: ['y'],
          attributes: {
            pads: { ints: [0, -1, 300] },
            group: { int: 2 },
            alpha: { float: 0.5 },
            auto_pad: { text: 'SAME_UPPER' },
            scales: { floats: [1.5, 2] },
          },
        },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: ['N', 3] }],
      outputs: [{ name: 'y', type: 'float64', dims: null }],
      initializers: [
        { name: 'w', type: 'float32', dims: [3], bytes: new Uint8Array(values.buffer) },
      ],
    },
    17,
  );
  const model = await readOnnxModel(new MemorySource(Buffer.from(bytes), 'made'));
  t.deepEqual(
    model.opsets.map(({ version }) => Number(version)),
    [17],
  );
  const [node] = model.graph.nodes;
  t.deepEqual(node?.inputs, ['x', 'w', '']);
  const attributes = Object.fromEntries(node?.attributes.map((one) => [one.name, one.value]) ?? []);
  t.deepEqual(attributes, {
    pads: [0, -1, 300],
    group: 2,
    alpha: 0.5,
    auto_pad: 'SAME_UPPER',
    scales: [1.5, 2],
  });
  t.deepEqual(model.graph.inputs[0]?.shape, ['N', 3]);
  t.is(model.graph.outputs[0]?.shape, null);
  const [tensor] = model.graph.initializers;
  t.deepEqual(tensor?.shape, [3]);
  t.is(tensor?.dtype, 'F32');
});
