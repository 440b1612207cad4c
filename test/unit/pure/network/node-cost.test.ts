/** Operations of single operators, by the formulas of docs: N is the number of elements of the output. */
import test from 'ava';
import { networkCost } from '../../../../lib/pure/network/cost/network-cost.js';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import { inferShapes } from '../../../../lib/pure/network/shapes/infer-shapes.js';
import { type OpCase, opNetwork } from '../../../helpers/op-cases.js';

const floats = (...shape: number[]) => ({ shape, dtype: 'F32' });

function operations(op: string, inputs: OpCase['inputs'], attributes: OpCase['attributes'] = {}) {
  const network = opNetwork({ op, opset: 17, attributes, inputs, outputs: [[]] });
  const { macs, other, special, uncounted } = networkCost(
    network,
    layerView(network),
    inferShapes(network),
  );
  return uncounted.size > 0 ? null : [macs, other, special];
}

const CASES: [string, OpCase['inputs'], OpCase['attributes'], [number, number, number]][] = [
  // out 2·6·4·4 = 192, each of 3·3·3 products; a bias adds 192.
  ['Conv', [floats(2, 3, 6, 6), floats(6, 3, 3, 3), floats(6)], {}, [192 * 27, 192, 0]],
  ['Conv', [floats(1, 4, 6, 6), floats(8, 1, 3, 3)], { group: 4 }, [8 * 16 * 9, 0, 0]],
  [
    'ConvTranspose',
    [floats(1, 4, 5, 5), floats(4, 3, 2, 2)],
    { strides: [2, 2] },
    [100 * 12, 0, 0],
  ],
  ['Gemm', [floats(3, 4), floats(4, 5), floats(5)], {}, [60, 15, 0]],
  ['MatMul', [floats(2, 7, 3, 4), floats(4, 5)], {}, [14 * 60, 0, 0]],
  ['Einsum', [floats(2, 3, 4), floats(2, 4, 5)], { equation: 'bij,bjk->bik' }, [2 * 60, 0, 0]],
  [
    'BatchNormalization',
    [floats(2, 3, 4, 4), floats(3), floats(3), floats(3), floats(3)],
    {},
    [0, 96, 0],
  ],
  ['LayerNormalization', [floats(2, 8), floats(8), floats(8)], {}, [0, 128, 0]],
  ['LRN', [floats(1, 4, 2, 2)], { size: 5 }, [0, 16 * 13, 0]],
  ['MaxPool', [floats(1, 2, 4, 4)], { kernel_shape: [2, 2], strides: [2, 2] }, [0, 8 * 4, 0]],
  ['AveragePool', [floats(1, 2, 4, 4)], { kernel_shape: [2, 2], strides: [2, 2] }, [0, 8 * 5, 0]],
  ['GlobalAveragePool', [floats(1, 2, 4, 4)], {}, [0, 32 + 2, 0]],
  ['Relu', [floats(3, 4)], {}, [0, 12, 0]],
  ['Clip', [floats(3, 4)], {}, [0, 24, 0]],
  ['Sigmoid', [floats(3, 4)], {}, [0, 0, 12]],
  ['Softmax', [floats(3, 4)], {}, [0, 36, 12]],
  [
    'LSTM',
    [floats(7, 2, 3), floats(1, 20, 3), floats(1, 20, 5)],
    { hidden_size: 5 },
    [14 * 4 * 5 * 8, 9 * 70, 0],
  ],
  [
    'GRU',
    [floats(7, 2, 3), floats(2, 15, 3), floats(2, 15, 5)],
    { hidden_size: 5, direction: 'bidirectional' },
    [28 * 3 * 5 * 8, 8 * 140, 0],
  ],
  ['Transpose', [floats(3, 4)], {}, [0, 0, 0]],
  [
    'Resize',
    [floats(1, 1, 2, 2), null, { shape: [4], dtype: 'F32', values: [1, 1, 2, 2] }],
    { mode: 'linear' },
    [0, 128, 0],
  ],
];

for (const [op, inputs, attributes, wanted] of CASES) {
  test(`${op} ${JSON.stringify(attributes)}: MACs, other operations, special functions`, (t) => {
    t.deepEqual(operations(op, inputs, attributes), wanted);
  });
}

test('an operator that is not counted is named, not taken as free', (t) => {
  t.is(operations('StringSplit', [floats(1)]), null);
});
