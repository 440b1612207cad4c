/**
 * Networks that slice and construct make: which layers they have, what runs in onnxruntime, what is kept of the
 * file that they come from, and what is said of changes that cannot be made.
 */
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import type { UsageError } from '../../../../lib/base/errors.js';
import { readOnnxModel } from '../../../../lib/pure/formats/onnx/onnx-graph.js';
import { inferShapes } from '../../../../lib/pure/network/shapes/infer-shapes.js';
import { editedFile, layersIn, networkIn, newFile } from '../../../helpers/edit-network.js';
import { fixture } from '../../../helpers/paths.js';
import { bytes, int, onnxModel, tensorProto } from '../../../helpers/protobuf.js';
import { cannotRun, distance, only, randomInput, runOnnx } from '../../../helpers/run-onnx.js';

const SMALL = `construct m as INPUT(3, 12, 12) -> CONV(units = 4, kernel = 3, pad = 1) -> BN -> RELU
  -> POOL("MAX") -> CONV(units = 6, kernel = 3) -> RELU -> FULL(units = 8) -> RELU -> FULL(units = 5) -> SOFTMAX`;
const change = (mutations: string): string => `construct b from m mutate ${mutations}`;

test('every layer that can be made runs, and dlv infers the shape that onnxruntime gives', async (t) => {
  const layers = [
    ...'RELU RELU6 PRELU ELU SELU CELU SIGMOID TANH HARDSIGMOID HARDSWISH SOFTPLUS SOFTSIGN SILU MISH GELU'.split(
      ' ',
    ),
    ...['LEAKYRELU(alpha = 0.2)', 'THRESHOLDEDRELU(alpha = 0.1)', 'ACT("RELU")', 'IDENTITY'],
    ...[
      'BN',
      'NORM("INSTANCE", epsilon = 0.001)',
      'LAYERNORM',
      'LRN(size = 3, k = 2)',
      'DROPOUT(0.25)',
    ],
    ...[
      'SOFTMAX(axis = 1)',
      'LOGSOFTMAX',
      'CONV',
      'CONV(units = 6, kernel = [3, 1], stride = [2, 1], groups = 2)',
    ],
    ...['CONV(kernel = 3, dilation = 2, pad = "same", bias = false, init = "zero")'],
    ...[
      'DECONV(units = 4, kernel = 2, stride = 2, pad = 0)',
      'POOL("AVG", kernel = 3, stride = 2, ceil = true)',
    ],
    ...[
      'POOL("MAX", pad = 1)',
      'GLOBALAVGPOOL',
      'GLOBALMAXPOOL',
      'FLATTEN',
      'FULL',
      'FULL(units = 3, bias = false)',
    ],
    ...['ADD(from = "conv1")', 'MUL(from = "conv1")', 'CONCAT(from = "conv1")'],
    ...['SUB(from = "conv1")', 'DIV(from = "conv1")'],
    ...['SCALE', 'SCALE(bias = false)', 'NORM("LP", axis = 1, p = 1)', 'LPNORM', 'MVN', 'ERF'],
    ...['SWISH', 'SWISH(alpha = 1.702)', 'SHRINK(lambda = 0.2, bias = 0.1)', 'CLIP(min = -0.5)'],
    ...['CLIP(max = 0.5)', 'CLIP(min = 0, max = 6)', 'LPPOOL(kernel = 3, p = 1)', 'GLOBALLPPOOL'],
    ...[
      'RESHAPE(shape = [12, -1])',
      'TRANSPOSE(order = [0, 2, 3, 1])',
      'UNSQUEEZE(axis = [2, -1])',
    ],
    ...[
      'UNSQUEEZE(axis = 1) -> SQUEEZE(axis = 1)',
      'UNSQUEEZE(axis = 1) -> EXPAND(shape = [3, 4, 6, 6])',
    ],
    ...['CAST(to = "F64") -> CAST(to = "F32")', 'OTHER("PAD", pad = [0, 1, 2, 3], value = 0.5)'],
    ...[
      'OTHER("PAD", pad = 1)',
      'OTHER("RESIZE")',
      'OTHER("RESIZE", scale = [1, 3], mode = "linear")',
    ],
    ...[
      'OTHER("DEPTHTOSPACE")',
      'OTHER("SPACETODEPTH", size = 3)',
      'OTHER("REDUCEMEAN", axis = 1)',
    ],
    ...['OTHER("REDUCEMAX", axis = [2, -1], keep = true)', 'OTHER("REDUCESUM", axis = -1)'],
    ...'Abs Neg Exp Floor Ceil Round Sign Sin Cos Tan'.split(' ').map((op) => `OP("${op}")`),
    ...[
      'OTHER("ABS") -> OTHER("SQRT")',
      'OTHER("EXP") -> OTHER("LOG")',
      'OTHER("EXP") -> OTHER("RECIPROCAL")',
    ],
  ];
  const base = await newFile(
    'construct m as INPUT(4, 6, 6) -> CONV("conv1", units = 4, kernel = 3, pad = 1) -> IDENTITY("end")',
  );
  const runs = !cannotRun(t);
  for (const layer of layers) {
    const file = await editedFile(base, change(`m["end"].insert = ${layer}`));
    const network = await networkIn(file);
    const { problems, of } = inferShapes(network, { sizes: new Map([['N', 2]]) });
    t.deepEqual(problems, [], layer);
    const output = of(network.graph, 'output').shape;
    if (!runs) continue;
    const given = only(await runOnnx(file, { input: randomInput([2, 4, 6, 6]) }));
    t.deepEqual(given.shape, output, layer);
    t.true(given.data.every(Number.isFinite), layer);
  }
});

test('a join may take what flows in once more', async (t) => {
  const file = await newFile(
    'construct m as INPUT(4) -> FULL("b", units = 3) -> ADD(from = "b") -> SUB(from = "b")',
  );
  t.deepEqual(await layersIn(file), ['b', 'add1', 'add2']);
  const twice = await editedFile(file, change('m["b"].insert = ADD(from = "b")'));
  t.is((await layersIn(twice)).length, 4);
  if (cannotRun(t)) return;
  const input = randomInput([2, 4]);
  const plain = only(
    await runOnnx(await newFile('construct m as INPUT(4) -> FULL("b", units = 3)'), { input }),
  );
  // b + b − b
  t.true(distance(only(await runOnnx(file, { input })), plain) < 1e-6);
});

test('insert, replace and delete: layers, weights that are carried, outputs that keep their names', async (t) => {
  const base = await newFile(SMALL);
  const names = await layersIn(base);
  t.deepEqual(names, [
    ...['conv1', 'conv1.relu', 'pool1', 'conv2', 'conv2.relu', 'fc1.flatten'],
    ...['fc1', 'fc1.relu', 'fc2', 'softmax1'],
  ]);
  const weights = async (file: Uint8Array) =>
    (await networkIn(file)).graph.parameters.map(({ name, shape }) => `${name} [${shape}]`);
  // Attributes and weights of the layer stay where the template says nothing else.
  const same = await editedFile(base, change('m["conv1"].replace = CONV'));
  t.deepEqual((await weights(same)).sort(), (await weights(base)).sort());
  const wide = await editedFile(
    base,
    change('m["conv1"].replace = CONV(units = 9), m["conv2"].replace = CONV'),
  );
  const told = await weights(wide);
  for (const one of [
    'conv1.weight [9,3,3,3]',
    'conv1.norm.weight [9]',
    'conv2.weight [6,9,3,3]',
    'fc1.weight [8,96]',
  ])
    t.true(told.includes(one), one);
  const cut = await editedFile(base, change('m["softmax1"].delete and m["*.relu"].delete'));
  t.deepEqual(await layersIn(cut), ['conv1', 'pool1', 'conv2', 'fc1.flatten', 'fc1', 'fc2']);
  t.deepEqual(
    (await networkIn(cut)).graph.outputs.map(({ name }) => name),
    ['output'],
  );
  const behind = await editedFile(base, change('m["conv*"].delete = RELU'));
  t.deepEqual(
    await layersIn(behind),
    names.filter((name) => !/conv\d.relu/.test(name)),
  );
  const twice = await editedFile(
    base,
    change('m["pool1"].insert = RELU("a"), m["pool1"].insert = TANH("b")'),
  );
  t.deepEqual((await layersIn(twice)).slice(2, 6), ['pool1', 'a', 'b', 'conv2']);
  if (cannotRun(t)) return;
  const input = randomInput([2, 3, 12, 12]);
  const before = only(await runOnnx(base, { input }));
  t.is(distance(only(await runOnnx(same, { input })), before), 0);
  for (const file of [wide, cut, behind, twice]) await runOnnx(file, { input });
  // What was cut off computes what was left: softmax of the scores.
  const soft = await editedFile(
    await editedFile(base, change('m["softmax1"].delete')),
    change('m["fc2"].insert = SOFTMAX'),
  );
  t.is(distance(only(await runOnnx(soft, { input })), before), 0);
});

test('initial values: within the limits of their rule, and the same for the same seed and name alone', async (t) => {
  const text = 'construct a as INPUT(4) -> FULL(units = 50) -> RELU -> FULL(units = 3)';
  const file = await newFile(text);
  t.true(file.equals(await newFile(`${text} seed 0`)));
  t.false(file.equals(await newFile(`${text} seed 1`)));
  // Another layer in between changes no weights of others.
  const weights = async (of: Buffer): Promise<Buffer> => {
    const { initializers } = (await readOnnxModel(new MemorySource(of))).graph;
    const data = initializers.find(({ name }) => name === 'fc2.weight')?.data;
    return data?.kind === 'inline' ? of.subarray(data.offset, data.offset + data.length) : of;
  };
  const other = await newFile(text.replace('RELU', 'TANH -> BN'));
  t.is((await weights(file)).length, 600);
  t.true((await weights(file)).equals(await weights(other)));
  if (cannotRun(t)) return;
  // The unit matrix shows the weights: Glorot's limit of 4 inputs and 3 outputs is √(6 / 7).
  const plain = await newFile('construct a as INPUT(4) -> FULL(units = 3)');
  const eye = {
    shape: [4, 4],
    data: Float32Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0)),
  };
  const { data } = only(await runOnnx(plain, { input: eye }));
  const most = Math.max(...data.map(Math.abs));
  t.true(most < Math.sqrt(6 / 7) && most > 0.4 * Math.sqrt(6 / 7));
  t.true(new Set(data).size === 12);
});

test('a slice: all on the ways, values from beside are inputs, and parts give the whole', async (t) => {
  const base = await newFile(
    `construct m as INPUT(2, 8, 8) -> CONV("a", units = 4, kernel = 3, pad = 1) -> RELU("r")
     -> CONV("b", units = 4, kernel = 3, pad = 1) -> ADD("s", from = "a") -> CONV("c", units = 3, kernel = 3)`,
  );
  const cut = (from: string, to: string) =>
    `slice x from m mutate x.input = m["${from}"] and x.output = m["${to}"]`;
  const head = await editedFile(base, cut('a', 'r'));
  const tail = await editedFile(base, cut('b', 'c'));
  const { inputs } = (await networkIn(tail)).graph;
  t.is(inputs.length, 2, 'the skip comes in from beside');
  t.deepEqual(await layersIn(tail), ['b', 's', 'c']);
  await t.throwsAsync(editedFile(base, cut('c', 'a')), { message: /no way leads/ });
  if (cannotRun(t)) return;
  const input = randomInput([2, 2, 8, 8]);
  const whole = only(await runOnnx(base, { input }));
  const middle = await runOnnx(head, { input });
  const skip = await runOnnx(await editedFile(base, cut('a', 'a')), { input });
  // Operators are fused otherwise, so that sums are rounded otherwise.
  t.true(distance(only(await runOnnx(tail, { ...middle, ...skip })), whole) < 1e-5);
});

test('what a change does not speak of is copied: unknown fields, functions, metadata, external data', async (t) => {
  const node = (op: string, input: string, output: string, ...more: Uint8Array[]) =>
    bytes(1, bytes(1, input), bytes(2, output), bytes(3, op), bytes(4, op), ...more);
  const value = (name: string) =>
    Buffer.concat([
      bytes(1, name),
      bytes(2, bytes(1, int(1, 1), bytes(2, bytes(1, bytes(2, 'N')), bytes(1, int(1, 4))))),
    ]);
  const external = bytes(
    5,
    tensorProto({
      name: 'w',
      dims: [4],
      raw: null,
      more: [bytes(13, bytes(1, 'location'), bytes(2, 'data.bin')), int(14, 1)],
    }),
  );
  const file = Buffer.concat([
    onnxModel(
      node('Relu', 'x', 'y', bytes(99, 'kept of a node')),
      bytes(
        1,
        bytes(1, 'y'),
        bytes(1, 'w'),
        bytes(2, 'z'),
        bytes(3, 'scale'),
        bytes(4, 'Mul'),
        bytes(6, 'a note'),
      ),
      node('Tanh', 'z', 'out'),
      external,
      bytes(10, 'a text about the graph'),
      bytes(11, value('x')),
      bytes(12, value('out')),
      bytes(13, value('y')),
      bytes(77, 'a field of a later ONNX'),
    ),
    bytes(14, bytes(1, 'epoch'), bytes(2, '12')),
    bytes(25, bytes(1, 'F'), bytes(10, 'own')),
    bytes(88, 'another of a later ONNX'),
  ]);
  const made = await editedFile(file, change('m["relu1"].insert = SIGMOID("gate")'));
  for (const text of [
    'kept of a node',
    'a note',
    'a text about the graph',
    'a field of a later ONNX',
    'epoch',
    'own',
    'another of a later ONNX',
    'data.bin',
  ])
    t.true(made.includes(text), text);
  t.true(made.length < file.length + 200);
  // The value behind the first layer has the name that it had, so that the second is copied as it is.
  t.true(made.includes(node('Tanh', 'z', 'out')));
  const gone = await editedFile(file, change('m["scale1"].delete'));
  t.false(gone.includes('data.bin'), 'what nothing needs any more is not kept');
});

test('bodies of If and Loop stay, and what they use keeps its name', async (t) => {
  const file = fs.readFileSync(fixture('networks', 'vad.onnx'));
  const network = await networkIn(file);
  const [first] = network.graph.nodes.filter(({ bodies }) => bodies.length > 0);
  t.truthy(first);
  await t.throwsAsync(editedFile(file, change('m["conv1"].insert = RELU')), {
    message: /in the body of an If or a Loop/,
  });
});

test('refused: operators that the version of a file does not have', async (t) => {
  const file = fs.readFileSync(fixture('networks', 'fashion-cnn.onnx'));
  for (const [layer, says] of [
    ['MISH', /wants Mish, which comes with opset 18: the network is of opset 13/],
    ['GELU', /opset 20/],
  ] as const) {
    const error = await t.throwsAsync(editedFile(file, change(`m["conv1"].insert = ${layer}`)), {
      message: says,
    });
    t.regex(String((error as { hint?: unknown }).hint), /export the network with opset (18|20)/);
  }
});

/** A mutation of SMALL that cannot be made, and what is said. */
const REFUSED: [string, RegExp][] = [
  [
    'm["conv1"].replace = CONV(units = 9)',
    /'conv2' would not fit: it gets 9 channels and has weights for 4.*\[N, 9, 6, 6\].*\[6, 4, 3, 3\]/,
  ],
  ['m["fc1"].replace = FULL(units = 9)', /'fc2' would not fit.*\[N, 9\].*\[5, 8\]/],
  ['m["pool1"].delete', /'fc1' would not fit/],
  ['m["conv1"].insert = BOGUS', /'BOGUS' is not a kind of layer/],
  [
    'm["conv1"].insert = OP("TopK")',
    /OP\("TopK"\) can be asked for, but no such layer can be made/,
  ],
  ['m["conv1"].insert = NORM("GRPUP")', /no layer of the type 'GRPUP'.*GROUP/],
  ['m["conv1"].insert = OTHER', /OTHER wants its type.*RESIZE/],
  ['m["conv1"].insert = RESHAPE', /wants the shape of an example/],
  ['m["conv1"].insert = RESHAPE(shape = [7, -1])', /Reshape|does not fit|would not fit|elements/],
  ['m["conv1"].insert = RESHAPE(shape = [-1, -1])', /shape has to be .* -1 for what is left/],
  ['m["conv1"].insert = EXPAND(shape = [-1])', /-1 is for RESHAPE/],
  ['m["conv1"].insert = TRANSPOSE(order = [1, 0, 2, 3])', /the batch, 0, stays in front/],
  ['m["conv1"].insert = TRANSPOSE(order = [0, 1, 1, 2])', /has order \[0, 1, 1, 2\]/],
  ['m["conv1"].insert = SQUEEZE(axis = 9)', /gets 4 dimensions/],
  ['m["conv1"].insert = SQUEEZE(axis = 0)', /leaves the batch/],
  ['m["conv1"].insert = CAST(to = "INT8")', /casts to one of F32, F16, F64, BF16/],
  ['m["conv1"].insert = CLIP', /wants min, max or both/],
  ['m["conv1"].insert = OTHER("PAD", pad = [1, 2, 3])', /pads 2 dimensions/],
  [
    'm["conv1"].insert = OTHER("RESIZE", scale = 2, mode = "best")',
    /"nearest", "linear" or "cubic"/,
  ],
  ['m["conv1"].insert = SUB(from = "conv*")', /joins two values|no layer|circle|do not fit/],
  ['m["conv1"].insert = RELU(__proto__ = 3)', /RELU has no '__proto__'/],
  ['m["conv1"].insert = FULL(constructor = 3)', /FULL has no 'constructor'/],
  ['m["conv1"].insert = RELU(units = 3)', /RELU has no 'units'/],
  ['m["conv1"].insert = CONV(kernl = 3)', /CONV has no 'kernl'/],
  ['m["conv1"].insert = CONV(kernel = 0)', /kernel has to be a whole number from 1/],
  ['m["conv1"].insert = CONV(pad = "around")', /pad has to be .*"same"/],
  ['m["conv1"].insert = POOL', /POOL wants its type/],
  ['m["conv1"].insert = POOL("MEAN")', /no layer of the type 'MEAN'/],
  ['m["conv1"].insert = RELU("r*")', /cannot be the name of one layer/],
  ['m["conv1"].insert = RELU("r$1")', /nothing captures \$1/],
  ['m["conv*"].insert = RELU("r")', /two layers called 'r'/],
  ['m["conv1"].insert = ADD', /joins what comes in with other layers/],
  ['m["conv1"].insert = ADD(from = "nothing")', /no layer fits what ADD is to join/],
  ['m["conv1"].insert = ADD(from = "conv2")', /circle|do not fit/],
  ['m["conv1"].insert = DROPOUT(1.5)', /ratio of 1.5/],
  ['m["conv1"].insert = CONV(groups = 3)', /3 groups: its 4 channels and 4 units/],
  ['m["conv1"].insert = CONV(kernel = [3, 2, 3])', /3 numbers of kernel for 2 dimensions/],
  ['m["fc1"].insert = CONV', /at least 3 dimensions/],
  ['m["conv1"].delete and m["conv1"].insert = RELU', /'conv1' is deleted and gets a layer/],
  ['m["conv1"].replace = CONV and m["conv*"].replace = CONV', /'conv1' is replaced twice/],
];

for (const [mutation, says] of REFUSED) {
  test(`refused: ${mutation}`, async (t) => {
    const base = await newFile(SMALL);
    const error = (await t.throwsAsync(editedFile(base, change(mutation)))) as UsageError;
    t.regex(`${error.message} ${error.data?.hint ?? ''}`, says);
    t.notRegex(error.message, /\[object|undefined|NaN/);
  });
}
