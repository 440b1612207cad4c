/**
 * Whether one example may change the answer of another: what is said of a network, against what the runtime computes of
 * an example alone, and of the same one in a batch.
 */
import test from 'ava';
import { analyse, NoBounds } from '../../../../lib/pure/bounds/analysis.js';
import {
  type BoundedNetwork,
  modelOf,
  networkOf,
  node,
  randomWeight,
} from '../../../helpers/bounded-networks.js';
import { mapVariants, rowVariants } from '../../../helpers/operator-variants.js';
import { seededRandom } from '../../../helpers/rng.js';
import { cannotRun, only, randomInput, runOnnx } from '../../../helpers/run-onnx.js';

const EXAMPLES = 4;

const int = (value: number) => ({ int: value });
const ints = (...values: number[]) => ({ ints: values });
const rng = seededRandom(9);
const square = randomWeight(rng, [6, 6]);

type Row = [title: string, nodes: BoundedNetwork['nodes'], more?: Partial<BoundedNetwork>];

function networksOf(rows: readonly Row[]): BoundedNetwork[] {
  return rows.map(([title, nodes, more]) => {
    return { title, example: [6], nodes, weights: {}, opset: 17, ...more };
  });
}

const rows = { example: [3, 6] };
const maps = { example: [2, 4, 4] };

/** A step between examples, or along the batch. */
const JOINED = networksOf([
  ['Pad that moves examples', [node('Pad', ['x', 'p'], 'y')], { settings: { p: [1, 0, -1, 0] } }],
  ['Pad by attributes', [node('Pad', ['x'], 'y', { pads: ints(1, 0, -1, 0) })], { opset: 10 }],
  [
    'the first example beside each',
    [node('Gather', ['x', 'i'], 'f', { axis: int(0) }), node('Add', ['x', 'f'], 'y')],
    { scalars: { i: 0 } },
  ],
  ['Softmax', [node('Softmax', ['x'], 'y', { axis: int(0) })]],
  ['an old Softmax', [node('Softmax', ['x'], 'y', { axis: int(0) })], { opset: 11 }],
  ['LogSoftmax, counted from the end', [node('LogSoftmax', ['x'], 'y', { axis: int(-2) })]],
  [
    'ArgMax',
    [node('ArgMax', ['x'], 'a', { axis: int(0) }), node('Cast', ['a'], 'y', { to: int(1) })],
  ],
  ['CumSum', [node('CumSum', ['x', 'i'], 'y')], { scalars: { i: 0 } }],
  [
    'less than the mean of all',
    [
      node('ReduceMean', ['x'], 'm', { axes: ints(0), keepdims: int(1) }),
      node('Sub', ['x', 'm'], 'y'),
    ],
  ],
  ['a mean over everything', [node('ReduceMean', ['x'], 'm'), node('Sub', ['x', 'm'], 'y')]],
  [
    'products of examples',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 0) }),
      node('MatMul', ['x', 't'], 'g'),
      node('MatMul', ['g', 'x'], 'y'),
    ],
  ],
  [
    'attention between examples',
    [
      node('Gemm', ['x', 'x'], 'g', { transB: int(1) }),
      node('Softmax', ['g'], 's', { axis: int(-1) }),
      node('MatMul', ['s', 'x'], 'y'),
    ],
  ],
  [
    'all examples backwards',
    [node('Slice', ['x', 'from', 'to', 'axis', 'step'], 'r'), node('Add', ['x', 'r'], 'y')],
    { settings: { from: [-1], to: [-1000], axis: [0], step: [-1] } },
  ],
  [
    'a reshape that mixes rows',
    [node('Transpose', ['x'], 't', { perm: ints(1, 0) }), node('Reshape', ['t', 'shape'], 'y')],
    { settings: { shape: [-1, 6] } },
  ],
  [
    'axes that change places without a transpose',
    [
      node('Shape', ['x'], 'n', { start: int(0), end: int(1) }),
      node('Concat', ['six', 'n'], 'shape', { axis: int(0) }),
      node('Reshape', ['x', 'shape'], 'r'),
      node('Transpose', ['r'], 'y', { perm: ints(1, 0) }),
    ],
    { settings: { six: [6] } },
  ],
  [
    'a number for each place in the batch',
    [
      node('Shape', ['x'], 'n', { start: int(0), end: int(1) }),
      node('Squeeze', ['n'], 's'),
      node('Range', ['zero', 's', 'one'], 'r'),
      node('Cast', ['r'], 'f', { to: int(1) }),
      node('Unsqueeze', ['f', 'axis'], 'u'),
      node('Add', ['x', 'u'], 'y'),
    ],
    { scalars: { zero: 0, one: 1 }, settings: { axis: [1] } },
  ],
  [
    'divided by the number of examples',
    [
      node('Shape', ['x'], 'n', { start: int(0), end: int(1) }),
      node('Cast', ['n'], 'f', { to: int(1) }),
      node('Div', ['x', 'f'], 'y'),
    ],
  ],
  [
    'BatchNormalization in training',
    [
      node('BatchNormalization', ['x', 's', 'b', 'm', 'v'], ['y', 'mm', 'vv'], {
        training_mode: int(1),
      }),
    ],
    {
      weights: Object.fromEntries(
        ['s', 'b', 'm', 'v'].map((name) => [name, randomWeight(seededRandom(2), [6])]),
      ),
    },
  ],
  ['a mean over the batch and the map', [node('MeanVarianceNormalization', ['x'], 'y')], maps],
  [
    'a convolution along the batch',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 2, 0) }),
      node('Conv', ['t', 'w'], 'c', { pads: ints(1, 1) }),
      node('Transpose', ['c'], 'y', { perm: ints(2, 0, 1) }),
    ],
    { ...rows, weights: { w: randomWeight(rng, [6, 6, 3]) } },
  ],
  [
    'the largest of neighbours in the batch',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 2, 0) }),
      node('MaxPool', ['t'], 'c', { kernel_shape: ints(3), pads: ints(1, 1) }),
      node('Transpose', ['c'], 'y', { perm: ints(2, 0, 1) }),
    ],
    rows,
  ],
  [
    'scales of the whole batch',
    [
      node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
      node('DequantizeLinear', ['q', 's', 'z'], 'y'),
    ],
  ],
  [
    'sorted along the batch',
    [
      node('Shape', ['x'], 'n', { start: int(0), end: int(1) }),
      node('TopK', ['x', 'n'], ['y', 'i'], { axis: int(0) }),
    ],
  ],
  ['a triangle over the batch', [node('Trilu', ['x'], 'y', { upper: int(0) })]],
  [
    'a step beside the batch under the same name as a size',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 0) }),
      node('Softmax', ['t'], 's', { axis: int(-1) }),
      node('Transpose', ['s'], 'y', { perm: ints(1, 0) }),
    ],
  ],
]);

const lstm = (size: number) => ({
  w: randomWeight(rng, [1, 4 * size, 6], 0.5),
  r: randomWeight(rng, [1, 4 * size, size], 0.5),
});

/** What exporters write, also where the batch is not the first axis for a while. */
const APART = networksOf([
  [
    'an LSTM over steps that come first',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 0, 2) }),
      node('LSTM', ['t', 'w', 'r'], ['h', '', ''], { hidden_size: int(2) }),
      node('Squeeze', ['h', 'axis'], 's'),
      node('Transpose', ['s'], 'y', { perm: ints(1, 0, 2) }),
    ],
    { ...rows, weights: lstm(2), settings: { axis: [1] } },
  ],
  [
    'heads beside examples in one axis',
    [
      node('Transpose', ['x'], 't', { perm: ints(1, 0, 2) }),
      node('Reshape', ['t', 'heads'], 'h'),
      node('Transpose', ['h'], 'q', { perm: ints(1, 0, 2) }),
      node('Transpose', ['h'], 'k', { perm: ints(1, 2, 0) }),
      node('MatMul', ['q', 'k'], 'p'),
      node('Softmax', ['p'], 'a', { axis: int(-1) }),
      node('MatMul', ['a', 'q'], 'o'),
      node('Transpose', ['o'], 'b', { perm: ints(1, 0, 2) }),
      node('Reshape', ['b', 'back'], 'c'),
      node('Transpose', ['c'], 'y', { perm: ints(1, 0, 2) }),
    ],
    { ...rows, settings: { heads: [3, -1, 3], back: [3, -1, 6] } },
  ],
  [
    'a mask that is repeated for the batch',
    [
      node('Shape', ['x'], 'shape'),
      node('Expand', ['m', 'shape'], 'mask'),
      node('Mul', ['x', 'mask'], 'y'),
    ],
    { ...rows, weights: { m: randomWeight(rng, [1, 3, 1]) } },
  ],
  [
    'a class token before the rows',
    [
      node('Shape', ['x'], 'n', { start: int(0), end: int(1) }),
      node('Concat', ['n', 'rest'], 'shape', { axis: int(0) }),
      node('Expand', ['token', 'shape'], 'e'),
      node('Concat', ['e', 'x'], 'all', { axis: int(1) }),
      node('MatMul', ['all', 'w'], 'y'),
    ],
    {
      ...rows,
      weights: { token: randomWeight(rng, [1, 1, 6]), w: square },
      settings: { rest: [1, 6] },
    },
  ],
  [
    'rows of all examples under each other, and back',
    [
      node('Reshape', ['x', 'flat'], 'f'),
      node('MatMul', ['f', 'w'], 'g'),
      node('Relu', ['g'], 'r'),
      node('Reshape', ['r', 'back'], 'y'),
    ],
    { ...rows, weights: { w: square }, settings: { flat: [-1, 6], back: [-1, 3, 6] } },
  ],
  [
    'a vector of weights',
    [node('MatMul', ['x', 'v'], 'd'), node('Unsqueeze', ['d', 'axis'], 'y')],
    { weights: { v: randomWeight(rng, [6]) }, settings: { axis: [1] } },
  ],
  [
    'an Einsum over heads',
    [node('Einsum', ['x', 'w'], 'y', { equation: { text: 'bsf,fg->bsg' } })],
    { ...rows, weights: { w: square } },
  ],
  [
    'a slice that keeps all examples',
    [node('Slice', ['x', 'from', 'to'], 'y')],
    { settings: { from: [0, 1], to: [1e9, 5] } },
  ],
  [
    'a Pad beside maps and norms of each',
    [node('Pad', ['x', 'p'], 'a'), node('InstanceNormalization', ['a', 's', 's'], 'y')],
    { ...maps, settings: { p: [0, 0, 1, 1, 0, 0, 1, 1] }, weights: { s: randomWeight(rng, [2]) } },
  ],
  [
    'means and largest of each',
    [
      node('ReduceMean', ['x'], 'm', { axes: ints(-1), keepdims: int(1) }),
      node('ReduceMax', ['x'], 'l', { axes: ints(1), keepdims: int(1) }),
      node('Concat', ['m', 'l'], 'y', { axis: int(-1) }),
    ],
  ],
]);

const RANDOM = networksOf([
  ['noise', [node('RandomNormalLike', ['x'], 'r'), node('Add', ['x', 'r'], 'y')]],
  [
    'noise that is the same for all examples',
    [node('RandomUniform', [], 'r', { shape: ints(6) }), node('Add', ['x', 'r'], 'y')],
  ],
  ['a draw', [node('Bernoulli', ['x'], 'y')]],
]);

async function joinedBy(network: BoundedNetwork): Promise<string | null> {
  try {
    analyse(await networkOf(network));
    return null;
  } catch (error) {
    if (error instanceof NoBounds && error.message.includes('together')) return error.op;
    throw error;
  }
}

/** How far answers in a batch are from those alone, of what they are in size. */
async function differenceInBatch(network: BoundedNetwork): Promise<number> {
  const file = modelOf(network);
  const x = randomInput([EXAMPLES, ...network.example], 3);
  const size = x.data.length / EXAMPLES;
  const batch = only(await runOnnx(file, { x }));
  const each = batch.data.length / EXAMPLES;
  let most = 0;
  for (let i = 0; i < EXAMPLES; i++) {
    const data = x.data.slice(i * size, (i + 1) * size);
    const alone = only(await runOnnx(file, { x: { shape: [1, ...network.example], data } }));
    for (let k = 0; k < each; k++) {
      const of = Math.abs(alone.data[k] as number);
      const gap = Math.abs((batch.data[i * each + k] as number) - (alone.data[k] as number));
      // Which is no number where an answer alone is of another size, or is none.
      most = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : Math.max(most, gap / (1 + of));
    }
  }
  return most;
}

test('bounds: a network in which one example may change the answer of another is refused', async (t) => {
  for (const network of JOINED) t.not(await joinedBy(network), null, network.title);
});

test('bounds: a network that draws random numbers has no answers to be certain of', async (t) => {
  for (const network of RANDOM) {
    const error = await t.throwsAsync(async () => analyse(await networkOf(network)));
    t.regex(error?.message ?? '', /draws random numbers/, network.title);
  }
});

test('bounds: networks that keep examples apart are not refused', async (t) => {
  const forms = [...mapVariants(seededRandom(1)), ...rowVariants(seededRandom(2))];
  for (const network of [...APART, ...forms]) t.is(await joinedBy(network), null, network.title);
});

test('bounds: the runtime agrees on which networks keep examples apart', async (t) => {
  if (cannotRun(t)) return t.pass();
  for (const network of APART) t.true((await differenceInBatch(network)) < 1e-5, network.title);
  for (const network of JOINED) t.true((await differenceInBatch(network)) > 1e-3, network.title);
});
