/**
 * Two to eight versions side by side: values, curves, networks as one graph, layers that moved, texts; as
 * text, Markdown, CSV and JSON. Numbers against loops in the test.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import type { DescResult } from '../../lib/use/ops/desc.js';
import type { DiffResult, ManyDiffResult } from '../../lib/use/ops/diff.js';
import type { VersionTable } from '../../lib/use/ops/versions.js';
import { fixture } from '../helpers/paths.js';
import { bytes, onnxModel, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';
import {
  nudge,
  randomTensors,
  rawSafetensors,
  safetensors,
  type Tensors,
} from '../helpers/safetensors.js';

const SHAPES = {
  'body.0.weight': [32, 40],
  'body.0.bias': [32],
  'head.weight': [10, 32],
  'head.bias': [10],
};

/** The tensors of a checkpoint with one of them scaled. */
function scaled(tensors: Tensors, name: string, factor: number): Tensors {
  const { shape, values } = tensors[name]!;
  return { ...tensors, [name]: { shape, values: values.map((value) => value * factor) } };
}

function curve(steps: number, last: (step: number) => number): string {
  const rows = Array.from({ length: steps }, (_, i) => `${i * 10},${last(i * 10)}`);
  return `step,loss\n${rows.join('\n')}\n`;
}

/** base, a fine-tune of its head, one of everything. */
async function threeVersions(
  t: Parameters<typeof TestRepository.create>[0],
): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  const base = randomTensors(SHAPES, 1);
  const make = async (
    tag: string,
    tensors: Tensors,
    { lr, loss }: { lr: number; loss: (step: number) => number },
  ): Promise<void> => {
    await repo.write('model.safetensors', safetensors(tensors));
    await repo.write('config.json', `{\n  "lr": ${lr},\n  "layers": 2\n}\n`);
    await repo.write('loss.csv', curve(20, loss));
    await repo.dlv('add', 'model.safetensors', 'config.json');
    const flags = ['--param', `lr=${lr}`, '--param', 'opt=adam', '--log', 'loss.csv'];
    const { code, stderr } = await repo.dlv('commit', '-m', tag, ...flags);
    if (code !== 0) throw new Error(stderr);
    await repo.dlv('tag', tag);
  };
  const decay = (step: number): number => Math.round(1e6 / (1 + step)) / 1e6;
  await make('base', base, { lr: 0.1, loss: decay });
  await make('head', scaled(base, 'head.weight', 1.5), { lr: 0.01, loss: decay });
  const all = nudge(scaled(base, 'head.weight', 1.1), 1, 3);
  await make('all', all, { lr: 0.1, loss: (step) => decay(step) - (step < 100 ? 0 : 0.5) });
  return repo;
}

test('diff of three versions: what differs from the baseline, value by value and layer by layer', async (t) => {
  const repo = await threeVersions(t);
  const found = await repo.json<ManyDiffResult>('diff', 'base', 'head', 'all', '--sort', 'drift');
  t.deepEqual(
    found.ends.map(({ label }) => label),
    ['base', 'head', 'all'],
  );
  t.false(found.same);
  const lr = found.params.find(({ name }) => name === 'lr')!;
  t.deepEqual(
    lr.cells.map((cell) => cell?.value),
    [0.1, 0.01, 0.1],
  );
  t.true(Math.abs(lr.cells[1]!.delta! + 0.09) < 1e-12);
  t.true(found.params.find(({ name }) => name === 'opt')!.equal);
  const loss = found.metrics.find(({ name }) => name === 'loss')!;
  t.is(loss.direction, 'min');
  t.deepEqual(loss.cells[1]!.parting?.differs, null);
  t.like(loss.cells[2]!.parting, { differs: 100, step: 100, common: 20 });
  t.deepEqual(loss.leaders, [2]);
  const head = found.layers.find(({ name }) => name === 'head')!;
  const body = found.layers.find(({ name }) => name === 'body.0')!;
  t.is(found.layers[0], head);
  t.deepEqual([head.cells[0], body.cells[0], body.cells[1]], [null, null, null]);
  // The bias of the head stays, and is left out.
  t.deepEqual(head.tensors, ['head.weight', 'head.bias']);
  t.true(Math.abs(head.cells[1]!.relativeL2! - 0.5) < 1e-6, `${head.cells[1]!.relativeL2}`);
  t.true(Math.abs(head.cells[1]!.cosine! - 1) < 1e-9);
  t.deepEqual(
    found.pairs.map(({ texts }) => texts.map(({ path, added, removed }) => [path, added, removed])),
    [[['config.json', 1, 1]], []],
  );
});

test('diff: the baseline is any of the versions, and two with one are compared with it', async (t) => {
  const repo = await threeVersions(t);
  const found = await repo.json<ManyDiffResult>('diff', 'base', 'head', '--baseline', 'head');
  t.is(found.baseline, 1);
  t.deepEqual(
    found.pairs.map(({ before, after }) => [before.label, after.label]),
    [['head', 'base']],
  );
  const error = await repo.fails(2, 'diff', 'base', 'head', '--baseline', 'all');
  t.regex(error.message, /'all' is not one of the versions/);
  const many = ['base', 'head', 'all', 'base', 'head', 'all', 'base', 'head', 'all'];
  t.regex((await repo.fails(2, 'diff', ...many)).data.hint!, /at most 8/);
});

test('diff: as Markdown and CSV, in which names cannot be formulas or markup', async (t) => {
  const repo = await threeVersions(t);
  await repo.write('config.json', '{}\n');
  await repo.dlv('add', 'config.json');
  await repo.dlv('commit', '-m', 'x', '--param', '@cmd()|x=<b>1</b>');
  const md = (await repo.dlv('diff', 'base', 'head', 'HEAD', '--md')).stdout;
  t.regex(md, /^### Hyperparameters$/m);
  t.regex(md, /^\| lr \| 0\.1 \| 0\.01 \(-0\.09\) \|/m);
  t.true(md.includes('\\<b\\>1\\</b\\>') && md.includes('@cmd()\\|x'));
  const csv = (await repo.dlv('diff', 'base', 'head', 'HEAD', '--csv')).stdout;
  const rows = csv.trim().split('\n');
  t.is(rows[0], 'section,name,version,field,value');
  t.true(rows.includes('params,lr,head,value,0.01'));
  t.true(rows.some((row) => row.startsWith("params,'@cmd()|x,HEAD,value,")));
  t.true(rows.some((row) => /^layers,head,head,relative_l2,0\.(4999|5)\d*$/.test(row)));
  t.true(rows.includes('files,config.json,head,status,modified'));
  for (const flags of [[], ['--all']]) {
    const { stdout } = await repo.dlv('diff', 'base', 'head', '--csv', ...flags);
    t.is(stdout.includes('params,opt'), flags.length > 0);
  }
  t.is((await repo.fails(2, 'diff', 'base', 'head', '--csv', '--md')).code, 'DLV_USAGE');
  const json = await repo.json<DiffResult>('diff', 'base', 'head', '--only-changed');
  t.deepEqual(
    json.params.map(({ name }) => name),
    ['lr'],
  );
});

test('diff: as text the rows that differ, how many do not, and the layers that moved most', async (t) => {
  const repo = await threeVersions(t);
  const text = (await repo.dlv('diff', 'base', 'all', '--sort', 'drift', '--top', '1')).stdout;
  t.is((text.match(/ F32 /g) ?? []).length, 1);
  t.regex(text, /4 tensors changed/);
  t.regex(text, /^Layers, all from base$/m);
  t.regex(text, /beyond noise from step 100 on/);
  t.regex(text, /^ {2}… and 3 more tensors$/m);
  const three = (await repo.dlv('diff', 'base', 'head', 'all')).stdout;
  t.regex(three, /1 the same \(--all lists them\)/);
  t.regex(three, /^ {2}-\s+"lr": 0\.1,$/m);
  const same = await repo.dlv('diff', 'base', 'base');
  t.is(same.stdout.trim(), '');
  t.regex(same.stderr, /no differences/);
});

test('diff: a metric or hyperparameter that a version has not is a dash', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.dlv('add', 'a.txt');
  await repo.dlv('commit', '-m', 'a', '--param', 'lr=1', '--metric', 'loss=0.5');
  await repo.write('a.txt', 'b');
  await repo.dlv('add', 'a.txt');
  await repo.dlv('commit', '-m', 'b');
  const { stdout } = await repo.dlv('diff', 'net@1', 'net@2');
  t.regex(stdout, /^ {2}lr +1 +–$/m);
  t.regex(stdout, /^ {2}loss +min +0\.5 +–$/m);
});

test('diff: networks are one graph, whose layers are found by name, alias and structure', async (t) => {
  const repo = await TestRepository.create(t);
  const commits: Id[] = [];
  for (const name of ['fashion-cnn', 'fashion-lenet']) {
    await repo.write('net.onnx', await fs.readFile(fixture('networks', `${name}.onnx`)));
    commits.push((await repo.commit(name)).version);
  }
  const [cnn, lenet] = commits as [Id, Id];
  const { networks } = await repo.json<DiffResult>('diff', cnn, lenet);
  t.is(networks.length, 1);
  const { layers, kinds, edges, totals, isGraph } = networks[0]!;
  t.true(isGraph);
  t.deepEqual(
    totals.map((total) => total?.layers),
    [14, 8],
  );
  for (const side of [0, 1]) {
    const count = layers.filter(({ cells }) => cells[side] !== null).length;
    t.is(count, totals[side]!.layers);
    t.true(edges.filter(({ ends }) => ends[side]).length >= count - 1);
  }
  for (const { from, to } of edges) t.true(from < to);
  const conv = kinds.find(({ kind }) => kind === 'conv')!.cells[1]!;
  t.deepEqual(conv, { added: 0, removed: 2, changed: 2, equal: 0 });
  const changes = layers.flatMap(({ cells }) => cells[1]?.changes ?? []);
  t.true(changes.some(({ what, after }) => what === 'kernel_shape' && after === '[5,5]'));
  const text = (await repo.dlv('diff', cnn, lenet)).stdout;
  t.regex(text, /^Network of net\.onnx/m);
  t.regex(text, /- relu1 .*RELU/);
  t.regex(text, /kernel_shape \[3,3\] → \[5,5\]/);
  const short = (await repo.dlv('diff', cnn, lenet, '--top', '2')).stdout;
  const drawn = text.split('\n').filter((line) => /^ {2}[*|/ ]*[-+~] \w+\d /.test(line)).length;
  t.is(short.split('\n').filter((line) => /^ {2}[*|/ ]*[-+~] \w+\d /.test(line)).length, 2);
  const left = [
    ...short.matchAll(/… (\d+) more layers?(?: that differ|, (\d+) of which differ)$/gm),
  ];
  t.is(
    left.reduce((sum, [, all, odd]) => sum + Number(odd ?? all), 0),
    drawn - 2,
  );
  t.notRegex((await repo.dlv('diff', lenet, lenet)).stdout, /Network/);
  t.regex((await repo.dlv('diff', lenet, lenet, '--graph')).stdout, /Network of net\.onnx/);
});

test('desc: weights in numbers by layer, and one file of a version alone', async (t) => {
  const repo = await threeVersions(t);
  await repo.write('other.safetensors', safetensors(randomTensors({ x: [300] }, 9)));
  await repo.commit('two files');
  const found = await repo.json<DescResult>('desc', 'HEAD:model.safetensors', '--weights');
  t.is(found.files, 1);
  t.deepEqual(
    found.statistics.map(({ key }) => key),
    ['model.safetensors'],
  );
  const [{ layers, tensors } = { layers: [], tensors: [] }] = found.statistics;
  t.deepEqual(
    layers.map(({ name, tensors: own }) => [name, own.length]),
    [
      ['body.0', 2],
      ['head', 2],
    ],
  );
  const all = nudge(scaled(randomTensors(SHAPES, 1), 'head.weight', 1.1), 1, 3);
  for (const { name, statistics } of tensors) {
    const values = [...all[name]!.values];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    t.true(Math.abs(statistics!.mean! - mean) < 1e-9);
    t.is(statistics!.most, Math.max(...values));
    const counted = statistics!.histogram.reduce(
      (sum, one) => sum + one.negative + one.positive,
      0,
    );
    t.is(counted + statistics!.zeros, values.length);
  }
  t.is((await repo.json<DescResult>('desc')).statistics.length, 0);
  t.is((await repo.json<DescResult>('desc', '--weights')).statistics.length, 2);
  t.regex((await repo.dlv('desc', 'HEAD:model.safetensors', '--weights')).stdout, /by layer/);
  t.is((await repo.fails(1, 'desc', 'HEAD:nothing')).code, 'DLV_NOT_FOUND');
});

test('desc --weights: layers count what is trained; whole numbers have a row of their own', async (t) => {
  const repo = await TestRepository.create(t);
  const tensors = randomTensors({ 'bn.weight': [4], 'bn.bias': [4], 'bn.running_mean': [4] }, 5);
  await repo.write('model.safetensors', safetensors(tensors));
  const file = (dtype: string, shape: number[], bytes: number[]) => ({ dtype, shape, bytes });
  await repo.write(
    'odd.safetensors',
    rawSafetensors({
      'bn.weight': file('F32', [1], [0, 0, 128, 63]),
      'bn.num_batches_tracked': file('I64', [], [232, 3, 0, 0, 0, 0, 0, 0]),
      'q.weight': file('I8', [2], [128, 2]),
      'q.scale': file('F32', [1], [0, 0, 0, 63]),
      'm.mask': file('BOOL', [1], [1]),
    }),
  );
  await repo.commit('norms');
  const found = await repo.json<DescResult>('desc', '--weights');
  const rows = found.statistics.map(({ layers, buffers }) => [
    layers.map(({ name, dtypes, statistics }) => [
      name,
      dtypes.join(),
      statistics.elements,
      statistics.mean,
    ]),
    buffers,
  ]);
  const values = ['bn.weight', 'bn.bias'].flatMap((name) => [...tensors[name]!.values]);
  const mean = values.reduce((sum, value) => sum + value, 0) / 8;
  t.deepEqual(rows, [
    [[['bn', 'F32', 8, mean]], { tensors: 1, elements: 4 }],
    [
      [
        ['bn', 'F32', 1, 1],
        ['q', 'I8', 2, -63],
        ['q', 'F32', 1, 0.5],
      ],
      { tensors: 2, elements: 2 },
    ],
  ]);
  const { stdout } = await repo.dlv('desc', '--weights');
  t.regex(stdout, /not counted: 2 elements of 2 buffers/);
});

test('desc --weights: numbers of float64 hold where squares do not fit, and beyond 2^53', async (t) => {
  const repo = await TestRepository.create(t);
  const wide = (values: number[]) => new Uint8Array(Float64Array.from(values).buffer);
  await repo.write(
    'model.safetensors',
    rawSafetensors({
      'a.weight': { dtype: 'F64', shape: [2], bytes: wide([3e300, -1e300]) },
      'a.bias': { dtype: 'F64', shape: [2], bytes: wide([0, 0]) },
      'b.weight': { dtype: 'F64', shape: [4], bytes: wide([3e-300, -1e-300, 3e-300, -1e-300]) },
      'c.weight': { dtype: 'U64', shape: [1], bytes: Array(8).fill(255) },
    }),
  );
  await repo.commit('large');
  const [{ layers, tensors } = t.fail() as never] = (
    await repo.json<DescResult>('desc', '--weights')
  ).statistics;
  const near = (given: number | null, wanted: number): boolean =>
    Math.abs((given ?? Number.NaN) / wanted - 1) < 1e-12;
  const large = tensors[0]!.statistics!;
  t.true(near(large.mean, 1e300) && near(large.deviation, 2e300));
  t.true(near(large.l2, Math.sqrt(10) * 1e300) && near(large.l1, 4e300));
  t.true(near(large.kurtosis, 82 / 2 / 25));
  const [whole, small] = layers.map(({ statistics }) => statistics);
  t.true(near(whole!.mean, 5e299) && near(whole!.l2, Math.sqrt(10) * 1e300));
  t.true(near(small!.deviation, 2e-300) && near(small!.l2, Math.sqrt(20) * 1e-300));
  const { stdout } = await repo.dlv('desc', '--weights', '--all');
  t.regex(stdout, /1\.845e\+19/);
  t.notRegex(stdout, /NaN/);
});

test('desc --weights: NaN of any payload is in no octave', async (t) => {
  const repo = await TestRepository.create(t);
  const words = Uint32Array.from({ length: 2048 }, (_, i) =>
    i % 2 === 0 ? 2 ** 32 - 1 : 0x3f800000,
  );
  const data = new Uint8Array(words.buffer);
  await repo.write(
    'model.safetensors',
    rawSafetensors({ 'a.weight': { dtype: 'F32', shape: [2048], bytes: data } }),
  );
  await repo.commit('half of it never written');
  const [{ tensors } = t.fail() as never] = (await repo.json<DescResult>('desc', '--weights'))
    .statistics;
  t.like(tensors[0]!.statistics, {
    nans: 1024,
    histogram: [{ exponent: 0, negative: 0, positive: 1024 }],
  });
});

test('desc --weights: layers stand in the order of the network, without statistics of norms', async (t) => {
  const repo = await TestRepository.create(t);
  const node = (op: string, inputs: string[], output: string) =>
    bytes(1, ...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, op));
  const weight = (name: string, dims: number[]) => {
    const raw = new Float32Array(dims.reduce((product, size) => product * size, 1)).fill(0.5);
    return bytes(5, tensorProto({ name, dims, raw: new Uint8Array(raw.buffer) }));
  };
  // Weights stand in the file in another order than the operators that use them.
  const network = onnxModel(
    node('Gemm', ['x', 'p3', 'p4'], 'h'),
    node('BatchNormalization', ['h', 'p5', 'p6', 'p7', 'p8'], 'n'),
    node('Relu', ['n'], 'r'),
    node('MatMul', ['r', 'p1'], 'y'),
    weight('p1', [3, 2]),
    ...['p5', 'p6', 'p7', 'p8'].map((name) => weight(name, [3])),
    weight('p3', [4, 3]),
    weight('p4', [3]),
    bytes(11, bytes(1, 'x')),
    bytes(12, bytes(1, 'y')),
  );
  await repo.write('net.onnx', network);
  await repo.commit('net');
  const { networks, statistics } = await repo.json<DescResult>('desc', '--weights');
  const weighted = networks[0]!.layers.filter(({ parameters }) => parameters > 0);
  t.deepEqual(
    statistics[0]!.layers.map(({ name, statistics: { elements } }) => [name, elements]),
    weighted.map(({ name, parameters }) => [name, parameters]),
  );
  t.deepEqual(statistics[0]!.buffers, { tensors: 2, elements: 6 });
});

test('list: sizes of networks are columns, unless a hyperparameter is called so', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['fashion-cnn', 'fashion-lenet']) {
    await repo.write('net.onnx', await fs.readFile(fixture('networks', `${name}.onnx`)));
    await repo.commit(name);
  }
  const list = (...args: string[]) => repo.json<VersionTable>('list', ...args);
  const { rows } = await list(
    '--columns',
    'message,parameters,macs,layers',
    '--sort',
    'parameters',
  );
  t.deepEqual(
    rows.map(({ values }) => Object.values(values)),
    [
      ['fashion-lenet', 431080, 2293000, 8],
      ['fashion-cnn', 1431690, 9899136, 14],
    ],
  );
  t.is((await list('--where', 'macs < 5e6 and layers > 3')).fit, 1);
  await repo.write('other.txt', 'x');
  await repo.dlv('add', 'other.txt');
  await repo.dlv('commit', '-m', 'x', '--param', 'layers=77');
  t.is((await list('--where', 'layers = 77')).fit, 1);
});

test('diff: layers are those of weights where weights differ; a work tree has no hyperparameters', async (t) => {
  const repo = await TestRepository.create(t);
  const weights = randomTensors(SHAPES, 1);
  const state = randomTensors({ 'state.0.exp_avg': [32, 40], 'state.0.exp_avg_sq': [32, 40] }, 2);
  await repo.write('model.safetensors', safetensors(weights));
  await repo.write('optimizer.safetensors', safetensors(state));
  await repo.commit('one', { params: { lr: '0.1' }, metrics: [{ name: 'loss', value: 1 }] });
  await repo.write('model.safetensors', safetensors(nudge(weights, 1e-3, 3)));
  await repo.write('optimizer.safetensors', safetensors(scaled(state, 'state.0.exp_avg', 9)));
  await repo.commit('two', { params: { lr: '0.2' } });
  const rows = async (...words: string[]): Promise<string[]> =>
    (await repo.json<DiffResult>('diff', ...words)).layers.map(({ key }) => key);
  t.deepEqual(
    new Set(await rows('net@1', 'net@2', '--sort', 'drift')),
    new Set(['weights model.safetensors']),
  );
  const ofState = await rows('net@1:optimizer.safetensors', 'net@2:optimizer.safetensors');
  t.deepEqual(new Set(ofState), new Set(['optimizer optimizer.safetensors']));
  for (const words of [['--cached'], ['HEAD~1']]) {
    const { params, metrics, operation } = await repo.json<DiffResult>('diff', ...words);
    t.deepEqual([params, metrics, operation], [[], [], []], words.join(' '));
  }
  t.is((await repo.json<DiffResult>('diff', 'net@1', 'net@2')).params[0]?.name, 'lr');
  const { statistics } = await repo.json<DescResult>('desc', '--weights');
  const layers = statistics.find(({ role }) => role === 'optimizer')?.layers ?? [];
  t.deepEqual(
    layers.map(({ name }) => name),
    ['state.0.exp_avg', 'state.0.exp_avg_sq'],
  );
});
