/** Jobs of trainers: the built-in one in this process, and trainers as processes that may say anything. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openDataSet } from '../../../../lib/knowledge/inference/data/data-set.js';
import { checkPreprocess } from '../../../../lib/knowledge/inference/data/preprocess.js';
import { trainBuiltIn } from '../../../../lib/knowledge/training/built-in.js';
import { readCheckpoint } from '../../../../lib/knowledge/training/checkpoint-file.js';
import { readJob } from '../../../../lib/knowledge/training/job.js';
import type { Message } from '../../../../lib/knowledge/training/messages.js';
import {
  openModelFile,
  readWeights,
  writeWeights,
} from '../../../../lib/knowledge/training/model-file.js';
import { prepareArrays } from '../../../../lib/knowledge/training/prepare-data.js';
import type { Listener } from '../../../../lib/knowledge/training/trainers/hearing.js';
import { runTrainer } from '../../../../lib/knowledge/training/trainers/run-trainer.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { type NodeText, trainedNetwork } from '../../../helpers/trained-network.js';

const DIGITS = path.join(PROJECT_ROOT, 'test/fixtures/digits');

const NODES: NodeText[] = [
  ['Conv', ['x', 'a', 'b'], 'c', { pads: [1, 1, 1, 1] }],
  ['BatchNormalization', ['c', 's', 'h', 'm', 'var'], 'n', {}],
  ['Relu', ['n'], 'r'],
  ['MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }],
  ['Flatten', ['p'], 'f'],
  ['Dropout', ['f'], 'd', { ratio: { f: 0.2 } }],
  ['Gemm', ['d', 'w', 'v'], 'y'],
];
const WEIGHTS = {
  a: [8, 1, 3, 3],
  b: [8],
  s: [8],
  h: [8],
  m: [8],
  var: [8],
  w: [128, 10],
  v: [10],
};

/** A folder with a network, the shipped digits as arrays, and a job. */
async function jobFolder(
  t: ExecutionContext,
): Promise<{ folder: string; job: Record<string, unknown> }> {
  const folder = await tempDir(t);
  await fs.writeFile(path.join(folder, 'net.onnx'), trainedNetwork(NODES, [1, 8, 8], WEIGHTS));
  const set = await openDataSet({
    data: path.join(DIGITS, 'images.npy'),
    labels: path.join(DIGITS, 'labels.npy'),
  });
  const part = {
    set,
    preprocess: checkPreprocess({ scale: 1 / 16 }),
    input: { name: 'x', example: [1, 8, 8] },
    label: 'net.onnx',
  };
  const rows = Array.from({ length: set.examples }, (_, i) => i);
  const arrays = async (key: string, wanted: number[]): Promise<object> => {
    const { inputs, targets } = await prepareArrays(folder, key, { ...part, rows: wanted });
    return { inputs: path.basename(inputs), targets: path.basename(targets) };
  };
  const train = await arrays(
    'train',
    rows.filter((row) => row % 5 !== 0),
  );
  const held = await arrays(
    'test',
    rows.filter((row) => row % 5 === 0),
  );
  await set.close();
  const job = {
    protocol: 1,
    network: 'net.onnx',
    weights: 'init',
    train,
    test: held,
    optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9 },
    schedule: { name: 'cosine', over: 60 },
    batch: 32,
    iterations: 60,
    report: 20,
    seed: 4,
    checkpoints: { folder: 'saved', every: 30 },
  };
  return { folder, job };
}

async function trained(folder: string, job: object): Promise<Message[]> {
  const heard: Message[] = [];
  await trainBuiltIn(readJob(job), { folder, say: (message) => heard.push(message) });
  return heard;
}

test('digits are learned; a job that goes on from a checkpoint ends with the same bytes, with any threads', async (t) => {
  const { folder, job } = await jobFolder(t);
  const heard = await trained(folder, job);
  const reports = heard.flatMap((one) => (one.event === 'metrics' ? [one] : []));
  t.deepEqual(
    reports.map(({ iteration }) => iteration),
    [20, 40, 60],
  );
  t.true((reports.at(-1)?.values.test_accuracy ?? 0) > 0.9, JSON.stringify(reports.at(-1)));
  t.like(heard.at(-1), { event: 'end', state: 'done', iteration: 60 });
  const again = {
    ...job,
    threads: 3,
    resume: 'saved/step-30.safetensors',
    checkpoints: { folder: 'other' },
  };
  const rest = await trained(folder, again);
  t.deepEqual(rest.at(-3), { ...reports.at(-1), time: (rest.at(-3) as { time: number }).time });
  const [whole, joined] = await Promise.all(
    ['saved', 'other'].map((one) => fs.readFile(path.join(folder, one, 'step-60.safetensors'))),
  );
  t.true(whole?.equals(joined as Buffer));
});

test('weights go into a copy of the network, and no other byte changes', async (t) => {
  const { folder, job } = await jobFolder(t);
  await trained(folder, { ...job, iterations: 2 });
  const { numbers } = await readCheckpoint(path.join(folder, 'saved/step-2.safetensors'));
  const model = await openModelFile(path.join(folder, 'net.onnx'));
  const names = Object.keys(WEIGHTS);
  const weights = new Map(names.map((name) => [name, numbers.get(name)!.values]));
  const target = path.join(folder, 'out.onnx');
  await writeWeights(model, target, weights);
  t.deepEqual(await readWeights(await openModelFile(target), names), weights);
  const [before, after] = await Promise.all([fs.readFile(model.path), fs.readFile(target)]);
  const isWeight = new Uint8Array(before.length);
  for (const { offset, shape } of model.spans.values()) {
    isWeight.fill(1, offset, offset + 4 * shape.reduce((product, one) => product * one, 1));
  }
  t.true(before.every((byte, i) => isWeight[i] === 1 || byte === after[i]));
});

test('frozen layers stay, and factors of rates are those of their weights', async (t) => {
  const { folder, job } = await jobFolder(t);
  const layers = [
    { parameters: ['a', 'b'], frozen: true },
    { parameters: ['w'], lr: 0 },
  ];
  await trained(folder, { ...job, weights: 'network', iterations: 3, layers });
  const { numbers } = await readCheckpoint(path.join(folder, 'saved/step-3.safetensors'));
  const before = await readWeights(await openModelFile(path.join(folder, 'net.onnx')), [
    'a',
    'w',
    'v',
  ]);
  t.deepEqual(numbers.get('a')?.values, before.get('a'));
  t.deepEqual(numbers.get('w')?.values, before.get('w'));
  t.notDeepEqual(numbers.get('v')?.values, before.get('v'));
});

test('a loss that is not finite ends the job with the state nan', async (t) => {
  const { folder, job } = await jobFolder(t);
  const heard = await trained(folder, { ...job, optimizer: { lr: 1e30 }, report: 100 });
  t.like(heard.at(-1), { event: 'end', state: 'nan' });
  t.like(heard.at(-2), { event: 'metrics', values: { loss: null } });
});

test('jobs that are not understood are refused with the setting that is wrong', async (t) => {
  const { job } = await jobFolder(t);
  const wrong: [object, RegExp][] = [
    [{ protocol: 2 }, /'protocol'/],
    [{ iterations: 0 }, /'iterations'.* whole number from 1/],
    [
      { optimizer: { name: 'lion' } },
      /'name' of the optimizer is "lion", not one of sgd, adam, adamw/,
    ],
    [{ optimizer: { nesterov: true } }, /nesterov needs a momentum/],
    [{ lr: 0.1 }, /setting 'lr' that means nothing/],
    [{ layers: [{ parameters: 'a' }] }, /'parameters'.*list of names/],
    [{ train: { inputs: 'x' } }, /'targets' of train/],
    [{ batch: 1.5 }, /'batch'/],
  ];
  for (const [change, message] of wrong) {
    t.throws(() => readJob({ ...job, ...change }), { code: 'DLV_USAGE', message });
  }
  t.throws(() => readJob([]), { message: /not a JSON object/ });
});

function listener(hear: (message: Message) => void = () => {}): Listener {
  return { hear, restart: () => {} };
}

test('trainers as processes: the built-in one, ones that fail, lie or are ended', async (t) => {
  const { folder, job } = await jobFolder(t);
  const file = path.join(folder, 'job.json');
  const heard: Message[] = [];
  await fs.writeFile(file, JSON.stringify({ ...job, iterations: 5, report: 5 }));
  const end = await runTrainer(
    { trainer: 'built-in', job: file },
    listener((message) => heard.push(message)),
  );
  t.deepEqual(end, { state: 'done', iteration: 5, message: null });
  t.deepEqual(
    heard.map(({ event }) => event),
    ['start', 'metrics', 'checkpoint'],
  );
  await fs.writeFile(file, JSON.stringify({ ...job, network: 'none.onnx' }));
  t.like(await runTrainer({ trainer: 'built-in', job: file }, listener()), { state: 'failed' });
  const told: Message[] = [];
  const program = `
    console.log('hello');
    console.log(JSON.stringify({event: 'checkpoint', iteration: 1, file: '../../x'}));
    console.log(JSON.stringify({event: 'metrics', iteration: 3, time: 1, values: {loss: 2, bad: 'x', none: null}}));
    console.error('out of memory');
    process.exit(3);`;
  const odd = await runTrainer(
    { trainer: { command: [process.execPath, '-e', program, '--'] }, job: file },
    listener((one) => told.push(one)),
  );
  t.is(odd.state, 'failed');
  t.regex(odd.message ?? '', /exit code 3: out of memory: it said 'hello'/);
  t.deepEqual(told, [{ event: 'metrics', iteration: 3, time: 1, values: { loss: 2, none: null } }]);
  t.like(
    await runTrainer({ trainer: { command: [path.join(folder, 'none')] }, job: file }, listener()),
    {
      state: 'failed',
    },
  );
  const stop = new AbortController();
  await fs.writeFile(file, JSON.stringify({ ...job, iterations: 1_000_000, report: 1 }));
  const running = runTrainer(
    { trainer: 'built-in', job: file },
    listener(() => stop.abort()),
    stop.signal,
  );
  await t.throwsAsync(running, { code: 'DLV_ABORTED' });
  const late = await runTrainer({ trainer: 'built-in', job: file, seconds: 0.2 }, listener());
  t.like(late, { state: 'failed' });
  t.regex(late.message ?? '', /longer than 0.2 seconds/);
});
