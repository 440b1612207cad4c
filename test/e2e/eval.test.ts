/**
 * `dlv eval` on the digits of test/fixtures. Needs onnxruntime-node, which npm ci installs; without it
 * the tests that run a network say so loudly and check nothing.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { EvalResult } from '../../lib/use/ops/eval.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import type { VersionTable } from '../../lib/use/ops/versions.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { hasRuntime, linearNetwork, sumNetwork } from '../helpers/linear-network.js';
import { fixture } from '../helpers/paths.js';
import { madeOnce, TestRepository } from '../helpers/repository.js';
import { safetensors } from '../helpers/safetensors.js';

const IMAGES = fixture('digits', 'images.npy');
const LABELS = fixture('digits', 'labels.npy');
const SET = ['--data', IMAGES, '--labels', LABELS];
const PIXELS = 64;

/** The last bytes of the fixtures, which are all values. */
async function readDigits(): Promise<{ images: number[][]; labels: number[] }> {
  const labels = [...(await fs.readFile(LABELS)).subarray(-1797)];
  const bytes = (await fs.readFile(IMAGES)).subarray(-1797 * PIXELS);
  const images = labels.map((_, i) => [...bytes.subarray(i * PIXELS, (i + 1) * PIXELS)]);
  return { images, labels };
}

let read: ReturnType<typeof readDigits> | undefined;

/** The same, read once. */
function digits(): ReturnType<typeof readDigits> {
  read ??= readDigits();
  return read;
}

/** The nearest mean of some examples, as a linear network on pixels / 16. */
function nearestMean(images: number[][], labels: number[]) {
  const means = Array.from({ length: 10 }, (_, digit) => {
    const own = images.filter((_, i) => labels[i] === digit);
    return Array.from({ length: PIXELS }, (_, pixel) => {
      return own.reduce((sum, image) => sum + image[pixel]! / 16, 0) / own.length;
    });
  });
  const weights = Array.from({ length: PIXELS }, (_, pixel) => means.map((mean) => mean[pixel]!));
  const bias = means.map((mean) => -mean.reduce((sum, one) => sum + one * one, 0) / 2);
  return { weights, bias };
}

function score({ weights, bias }: ReturnType<typeof nearestMean>, image: number[]): number[] {
  return bias.map((one, c) => {
    return image.reduce((sum, pixel, i) => sum + (pixel / 16) * weights[i]![c]!, one);
  });
}

function skipped(t: ExecutionContext): boolean {
  if (hasRuntime()) return false;
  t.log('SKIPPED: onnxruntime-node is not installed; dlv eval is NOT tested');
  t.pass();
  return true;
}

/** Two versions: means of 20 examples, and of 900. */
const twoVersions = madeOnce(async (t) => {
  const { images, labels } = await digits();
  const repo = await TestRepository.create(t);
  const models = [20, 900].map((n) => nearestMean(images.slice(0, n), labels.slice(0, n)));
  for (const [i, model] of models.entries()) {
    await repo.write('net.onnx', linearNetwork({ ...model, example: [1, 8, 8] }));
    await repo.commit(`version ${i + 1}`);
  }
  const right = models.map((model) =>
    images.map((image, i) => {
      const scores = score(model, image);
      return scores.indexOf(Math.max(...scores)) === labels[i];
    }),
  );
  return { repo, right };
});

test('eval: accuracy is that of the network, versions are paired, and a second time nothing is run', async (t) => {
  if (skipped(t)) return;
  const { repo, right } = await twoVersions(t);
  const run = (...more: string[]) =>
    repo.json<EvalResult>('eval', 'net@1', 'net@2', ...SET, '--scale', '1/16', ...more);
  const result = await run('--metric', 'accuracy,top3,macro-f1,loss', '--batch', '100');
  t.is(result.data.examples, 1797);
  const [first, second] = result.versions;
  const hits = right.map((list) => list.filter(Boolean).length);
  t.is(first!.metrics[0]!.value, hits[0]! / 1797);
  t.is(second!.metrics[0]!.value, hits[1]! / 1797);
  for (const { metrics, network, known, note, latency, notFinite } of result.versions) {
    t.like({ network, known, notFinite }, { network: 'net.onnx', known: false, notFinite: 0 });
    t.regex(note!, /^[0-9a-f]{64}$/);
    t.true(latency.batch === 100 && latency.milliseconds > 0);
    for (const { value, interval } of metrics) {
      t.true(interval![0] < value! && value! < interval![1]);
    }
    t.true(metrics[1]!.value! > metrics[0]!.value!);
  }
  const [accuracy] = result.comparisons;
  const alone = (a: boolean[], b: boolean[]) => a.filter((one, i) => one && !b[i]).length;
  t.like(accuracy, {
    metric: 'accuracy',
    test: 'mcnemar-midp',
    onlyFirst: alone(right[0]!, right[1]!),
    onlySecond: alone(right[1]!, right[0]!),
    differs: true,
  });
  const again = await run('--metric', 'ece');
  t.deepEqual(
    again.versions.map(({ known, note }) => [known, note]),
    result.versions.map(({ note }) => [true, note]),
  );
  const fewer = await run('--limit', '50', '--no-record');
  t.deepEqual(
    fewer.versions.map(({ known, note }) => [known, note]),
    [
      [false, null],
      [false, null],
    ],
  );
  t.is((await repo.dlv('fsck')).code, 0);
});

test('eval: the text names versions, intervals and whether they differ', async (t) => {
  if (skipped(t)) return;
  const { repo } = await twoVersions(t);
  const scaled = JSON.stringify({ scale: '1/16' });
  await repo.write('how.json', scaled);
  const shown = await repo.dlv('eval', 'net@1', 'net@2', ...SET, '--preprocess', 'how.json');
  t.is(shown.code, 0);
  for (const words of [
    '1,797 examples',
    'net@2',
    'net.onnx',
    'accuracy',
    'differ',
    'Against net@1',
  ]) {
    t.true(shown.stdout.includes(words), words);
  }
});

test('eval: a fixed batch is filled up, and batches give the same outcomes', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const { images, labels } = await digits();
  const model = nearestMean(images.slice(0, 300), labels.slice(0, 300));
  await repo.write('fixed.onnx', linearNetwork({ ...model, batch: 7 }));
  await repo.write('open.onnx', linearNetwork(model));
  await repo.commit('two networks');
  const run = (network: string) =>
    repo.json<EvalResult>(
      'eval',
      ...SET,
      '--scale',
      '1/16',
      '--limit',
      '100',
      '--network',
      network,
    );
  const [fixed, open] = [await run('fixed.onnx'), await run('open.onnx')];
  t.is(fixed.versions[0]!.latency.batch, 7);
  t.is(fixed.versions[0]!.metrics[0]!.value, open.versions[0]!.metrics[0]!.value);
  const unclear = await repo.dlv('eval', ...SET);
  t.is(unclear.code, 2);
  t.regex(unclear.stderr, /defines 2 networks/);
});

test('eval: numbers of a table, and errors that name what does not fit', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  await repo.write('line.onnx', linearNetwork({ weights: [[2], [1]], bias: [1] }));
  await repo.write(
    'broken.onnx',
    linearNetwork({ weights: [[2], [1]], bias: [1], op: 'NoSuchOp' }),
  );
  await repo.commit('a line');
  await repo.write('t.csv', 'a,b,y\n1,0,3\n0,1,2.5\n1,1,6\n');
  const table = ['--data', 't.csv', '--labels', 't.csv#y', '--network', 'line.onnx'];
  const result = await repo.json<EvalResult>('eval', ...table);
  t.is(result.task, 'values');
  // 2a + b + 1 is 3, 2 and 4.
  const [mae, rmse] = result.versions[0]!.metrics;
  t.is(mae!.value, 2.5 / 3);
  t.true(Math.abs(rmse!.value! - Math.sqrt(4.25 / 3)) < 1e-7);
  for (const [args, code, what] of [
    [[...table, '--metric', 'accuracy'], 2, /is not for numbers/],
    [
      [...table.slice(0, 4), '--network', 'broken.onnx'],
      1,
      /'broken\.onnx' cannot be run: .*NoSuchOp/,
    ],
    [[...table.slice(0, 4), '--network', 'none.onnx'], 1, /no file 'none\.onnx'/],
    [[...SET, '--network', 'line.onnx'], 2, /do not fit the input 'x'/],
    [[...table, '--output', 'y'], 2, /no output 'y'/],
    [[...table, '--batch', '0'], 2, /batch is 0/],
    [[...table, '--threads', '513'], 2, /513 threads are more than 512/],
    [[...table, '--threads', '100000'], 2, /100000 threads are more/],
    [[...table, '--progressive', '--threads', '20000'], 2, /20000 threads are more/],
    [[...table, '--progressive', '--batch', '0'], 2, /batch is 0/],
    [[...table, '--scale', 'x'], 2, /--scale is 'x'/],
    [[...table, '--scale', '0'], 2, /scale of 0/],
    [['--data', 't.csv'], 2, /--labels/],
  ] as const) {
    const { code: got, stderr } = await repo.dlv('eval', ...args);
    t.is(got, code, `${args.join(' ')}: ${stderr}`);
    t.regex(stderr, what);
  }
});

test('eval: weights alone run through the network of another version, matrices turned as it has them', async (t) => {
  if (skipped(t)) return;
  const { images, labels } = await digits();
  const repo = await TestRepository.create(t);
  const [coarse, fine] = [20, 900].map((n) => nearestMean(images.slice(0, n), labels.slice(0, n)));
  await repo.write('net.onnx', linearNetwork(coarse!));
  await repo.commit('a network');
  const turned = fine!.bias.flatMap((_, c) => fine!.weights.map((row) => row[c]!));
  const save = (rows: number) =>
    repo.write(
      'model.safetensors',
      safetensors({
        'fc.weight': {
          shape: [rows, PIXELS],
          values: Float32Array.from(turned.slice(0, rows * PIXELS)),
        },
        'fc.bias': { shape: [rows], values: Float32Array.from(fine!.bias.slice(0, rows)) },
      }),
    );
  await repo.json('rm', 'net.onnx');
  await save(10);
  await repo.commit('weights alone');
  await repo.json('rm', 'model.safetensors');
  await repo.write('net.onnx', linearNetwork(fine!));
  await repo.commit('the same as a network');
  const run = (revision: string, ...more: string[]) =>
    repo.json<EvalResult>(
      'eval',
      revision,
      ...SET,
      '--scale',
      '1/16',
      '--metric',
      'accuracy,loss',
      ...more,
    );
  const fitted = await run('net@2', '--network', 'net@1:net.onnx');
  const [one] = fitted.versions;
  t.is(one!.network, 'net@1:net.onnx');
  t.deepEqual(one!.metrics, (await run('net@3')).versions[0]!.metrics);
  t.notDeepEqual(one!.metrics, (await run('net@1')).versions[0]!.metrics);
  t.true((await run('net@2', '--network', 'net@1:net.onnx')).versions[0]!.known);
  const own = await repo.dlv('eval', 'net@2', ...SET);
  t.regex(own.stderr, /defines no network/);
  t.regex(own.stderr, /--network <rev>:<path>/);
  await repo.json('rm', 'net.onnx');
  await save(9);
  await repo.commit('nine classes');
  const wrong = await repo.dlv('eval', 'net@4', ...SET, '--network', 'net@1:net.onnx');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /has no weights for 2 parameters of 'net\.onnx': w, b/);
});

test('eval: norms of a checkpoint are folded into the convolutions of a network', async (t) => {
  if (skipped(t)) return;
  const { images, labels } = await digits();
  const repo = await TestRepository.create(t);
  const [coarse, fine] = [20, 900].map((n) => nearestMean(images.slice(0, n), labels.slice(0, n)));
  for (const model of [coarse!, fine!]) {
    await repo.write('net.onnx', linearNetwork({ ...model, convolved: [8, 8] }));
    await repo.commit('a network');
  }
  await repo.json('rm', 'net.onnx');
  const of = (value: (c: number) => number) => ({
    shape: [10],
    values: new Float32Array(10).map((_, c) => value(c)),
  });
  const [gamma, variance, mean] = [of((c) => 1 + c / 10), of((c) => 0.5 + c), of((c) => c / 3 - 1)];
  const factor = (c: number) => gamma.values[c]! / Math.sqrt(variance.values[c]! + 1e-5);
  const turned = fine!.bias.flatMap((_, c) => fine!.weights.map((row) => row[c]! / factor(c)));
  for (const own of [null, of((c) => c / 7)]) {
    const shift = of((c) => fine!.bias[c]! - ((own?.values[c] ?? 0) - mean.values[c]!) * factor(c));
    await repo.write(
      'model.safetensors',
      safetensors({
        'conv.weight': { shape: [10, 1, 8, 8], values: Float32Array.from(turned) },
        ...(own === null ? {} : { 'conv.bias': own }),
        'norm.weight': gamma,
        'norm.bias': shift,
        'norm.running_mean': mean,
        'norm.running_var': variance,
      }),
    );
    await repo.commit(`own bias: ${own !== null}`);
  }
  const through = ['--network', 'net@1:net.onnx'];
  const result = await repo.json<EvalResult>(
    ...[
      'eval',
      'net@1',
      'net@3',
      'net@4',
      ...SET,
      '--scale',
      '1/16',
      '--metric',
      'loss',
      ...through,
    ],
  );
  const exact = await repo.json<EvalResult>(
    ...['eval', 'net@2', ...SET, '--scale', '1/16', '--metric', 'loss'],
  );
  const loss = ({ versions }: EvalResult, i: number) => versions[i]!.metrics[0]!.value!;
  t.true(Math.abs(loss(result, 0) - loss(exact, 0)) > 1e-2);
  t.true(Math.abs(loss(result, 1) - loss(exact, 0)) < 1e-5, `${loss(result, 1)}`);
  t.true(Math.abs(loss(result, 2) - loss(exact, 0)) < 1e-5, `${loss(result, 2)}`);
});

test('eval: a version without a network says so', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('note.txt', 'x');
  await repo.commit('no network');
  const { code, stderr } = await repo.dlv('eval', ...SET);
  t.is(code, 1);
  t.regex(stderr, /defines no network/);
});

test('eval: a module of the user is run when it is named, and several inputs find theirs', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  await repo.write('sum.onnx', sumNetwork());
  await repo.commit('sum', { paths: ['sum.onnx'] });
  await repo.write(
    'data.mjs',
    `export function load({ limit }) {
       const values = Array.from({ length: limit ?? 4 }, (_, i) => i);
       const shape = [values.length, 1];
       return {
         inputs: { b: { values: values.map((x) => 10 * x), shape }, a: { values, shape } },
         labels: { values: values.map((x) => 11 * x + (x === 2 ? 1.5 : 0.5)) },
       };
     }`,
  );
  const result = await repo.json<EvalResult>('eval', '--module', 'data.mjs', '--time', '1,3');
  const [version] = result.versions;
  t.deepEqual([result.task, result.data.path, result.data.examples], ['values', 'data.mjs', 4]);
  t.is(version!.metrics[0]!.value, (0.5 * 3 + 1.5) / 4);
  t.is(version!.calibration, null);
  t.deepEqual(
    version!.timings.map(({ batch }) => batch),
    [1, 3],
  );
  for (const { milliseconds, slowest, memoryBytes, passes } of version!.timings) {
    t.true(milliseconds > 0 && slowest >= milliseconds && memoryBytes > 1e6 && passes > 0);
  }
  const fewer = await repo.json<EvalResult>('eval', '--module', 'data.mjs', '--limit', '2');
  t.is(fewer.data.examples, 2);
  // What a data file lacks is said with the names that there are.
  await repo.write('wrong.mjs', (await repo.text('data.mjs'))!.replace('b: {', 'c: {'));
  // The command in one file imports through its loader.
  const installed = spawnSync(
    process.execPath,
    [DLV_BIN, 'eval', '--module', 'data.mjs', '--json'],
    {
      cwd: repo.dir,
      encoding: 'utf8',
    },
  );
  t.is(installed.status, 0, installed.stderr);
  const error = await repo.fails(2, 'eval', '--module', 'wrong.mjs');
  t.regex(error.message, /input 'b'/);
  t.is(error.data.hint, 'there are c, a');
});

test('eval: calibration and confusion are those of the outcomes', async (t) => {
  if (skipped(t)) return;
  const { repo, right } = await twoVersions(t);
  const result = await repo.json<EvalResult>('eval', 'net@2', ...SET, '--scale', '1/16');
  const [version] = result.versions;
  const hits = right[1]!.filter(Boolean).length;
  const bins = version!.calibration!;
  t.is(bins.length, 15);
  t.is(
    bins.reduce((sum, { examples }) => sum + examples, 0),
    1797,
  );
  const inBins = bins.reduce((sum, { examples, accuracy }) => sum + examples * accuracy, 0);
  t.is(Math.round(inBins), hits);
  t.true(bins.every(({ confidence }, i) => i === 0 || confidence >= bins[i - 1]!.confidence));
  const table = version!.confusion!;
  t.is(
    table.reduce((sum, row, i) => sum + row[i]!, 0),
    hits,
  );
  const { labels } = await digits();
  t.deepEqual(
    table.map((row) => row.reduce((sum, count) => sum + count, 0)),
    Array.from({ length: 10 }, (_, digit) => labels.filter((one) => one === digit).length),
  );
});

test('show: what an evaluation came to is read back without its data set', async (t) => {
  if (skipped(t)) return;
  const { repo } = await twoVersions(t);
  const names = ['accuracy', 'loss', 'ece'];
  const run = ['eval', 'net@2', ...SET, '--scale', '1/16', '--metric', names.join(',')];
  const { versions } = await repo.json<EvalResult>(...run);
  const { evaluations, notes } = await repo.json<ShowResult>('show', 'net@2');
  t.is(evaluations.length, 1);
  const [kept] = evaluations;
  t.like(kept, {
    note: notes[0],
    data: IMAGES,
    labels: LABELS,
    network: 'net.onnx',
    examples: 1797,
  });
  for (const { name, value } of versions[0]!.metrics) {
    t.true(Math.abs(kept!.metrics[name]! - value!) < 1e-12, name);
  }
  t.regex((await repo.dlv('show', 'net@2')).stdout, /Evaluations\n +1,797 examples .*accuracy 0\./);
  t.deepEqual((await repo.json<ShowResult>('show', 'net@1')).evaluations, []);
  // Two of one file differ by how its numbers went in.
  await repo.json('eval', 'net@2', ...SET);
  const { stdout } = await repo.dlv('show', 'net@2');
  t.regex(stdout, /net\.onnx +scale 1\/16 +accuracy/);
  t.regex(stdout, /net\.onnx +values as they are +accuracy/);
});

test('eval: what it found is a column of tables and queries, the newest of each version', async (t) => {
  if (skipped(t)) return;
  const { repo } = await twoVersions(t);
  const hint = await repo.fails(1, 'list', '--where', 'accuracy > 0.5');
  t.regex(hint.data.hint ?? '', /numbers of 'dlv eval' are eval\.accuracy/);
  await repo.json('eval', 'net@1', 'net@2', ...SET, '--limit', '20');
  const { versions } = await repo.json<EvalResult>('eval', 'net@1', 'net@2', ...SET);
  const [first, second] = versions.map(({ metrics }) => metrics[0]!.value as number);
  const table = await repo.json<VersionTable>('list', '--where', `eval.accuracy > ${first}`);
  t.deepEqual(
    table.rows.map(({ name, values }) => [name, values['eval.accuracy']]),
    [['net@2', second]],
  );
  t.is(table.better['eval.accuracy'], 'max');
  const sorted = await repo.json<VersionTable>(
    ...['list', '--sort', '-eval.accuracy', '--columns', 'name,eval.*'],
  );
  t.deepEqual(
    sorted.rows.map(({ name }) => name),
    ['net@2', 'net@1'],
  );
  t.true(sorted.columns.includes('eval.loss'));
  const asked = await repo.json<{ rows: unknown[][] }>(
    ...['query', `select m.name, m.eval.accuracy where m.eval.accuracy > ${first}`],
  );
  t.is(asked.rows.length, 1);
  t.true(JSON.stringify(asked.rows).includes(String(second)));
});

test('eval: bytes that go in as they are are told of, and what was scaled is not', async (t) => {
  if (skipped(t)) return;
  const { repo } = await twoVersions(t);
  const npy = Buffer.from(await fs.readFile(IMAGES));
  const first = npy.length - 1797 * PIXELS;
  for (let i = first; i < npy.length; i++) npy[i] = Math.min(255, npy[i]! * 16);
  await repo.write('bytes.npy', npy);
  const run = ['eval', 'net@2', '--data', 'bytes.npy', '--labels', LABELS];
  const told = async (...flags: string[]): Promise<boolean> =>
    /bytes, up to 255.*--scale 1\/255/.test((await repo.dlv(...run, ...flags)).stderr);
  t.true(await told());
  t.false(await told('--scale', '1/255'));
  t.false(await told('--mean', '128', '--std', '128'));
  t.false(/up to 255/.test((await repo.dlv('eval', 'net@2', ...SET)).stderr));
});
