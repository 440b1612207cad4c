/**
 * Question: how many images a second does the built-in trainer take in steps of SGD with momentum?
 *
 *     npm run bench:train -- [--steps n] [--no-write]
 *
 * Two networks for images of 28 × 28: LeNet (431,080 weights) and a CNN with batch norm (104,586). Baseline: PyTorch
 * on the CPU, the same networks, batches and threads, if `DLV_PYTHON` or python3 has it. Seconds of the processor are
 * beside those by the clock, because on a busy machine the clock says what others do. Threads of PyTorch spin while they wait, so that with two of
 * them a busy machine is unfair to it.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadKernel } from '../lib/base/native/kernel.js';
import { readOptimizer } from '../lib/knowledge/training/job.js';
import { keptFloats, Optimizer } from '../lib/knowledge/training/optimizer.js';
import { seededRandom } from '../test/helpers/rng.js';
import { type NodeText, programOf, trainedNetwork } from '../test/helpers/trained-network.js';
import {
  describeSetting,
  markdownTable,
  PROJECT_ROOT,
  publish,
  runProcess,
  settingOf,
} from './harness.js';

const BATCH = 64;
const WARM_STEPS = 3;

const { values: flags } = parseArgs({
  options: { steps: { type: 'string', default: '100' }, 'no-write': { type: 'boolean' } },
});
const steps = Number(flags.steps);

const LENET: NodeText[] = [
  ['Conv', ['x', 'a', 'ab'], '1'],
  ['MaxPool', ['1'], '2', { kernel_shape: [2, 2], strides: [2, 2] }],
  ['Conv', ['2', 'b', 'bb'], '3'],
  ['MaxPool', ['3'], '4', { kernel_shape: [2, 2], strides: [2, 2] }],
  ['Flatten', ['4'], '5'],
  ['Gemm', ['5', 'c', 'cb'], '6', { transB: 1 }],
  ['Relu', ['6'], '7'],
  ['Gemm', ['7', 'd', 'db'], 'y', { transB: 1 }],
];

const WIDTHS = [32, 64, 128];

function cnn(): { nodes: NodeText[]; weights: Record<string, number[]> } {
  const nodes: NodeText[] = [];
  const weights: Record<string, number[]> = { w: [10, 1152], v: [10] };
  let [last, channels] = ['x', 1];
  for (const [i, width] of WIDTHS.entries()) {
    const name = (part: string): string => `${part}${i}`;
    weights[name('k')] = [width, channels, 3, 3];
    for (const part of ['b', 's', 'h', 'm', 'var']) weights[name(part)] = [width];
    const norm = ['conv', 's', 'h', 'm', 'var'].map(name);
    nodes.push(
      ['Conv', [last, name('k'), name('b')], name('conv'), { pads: [1, 1, 1, 1] }],
      ['BatchNormalization', norm, name('norm')],
      ['Relu', [name('norm')], name('relu')],
      ['MaxPool', [name('relu')], name('pool'), { kernel_shape: [2, 2], strides: [2, 2] }],
    );
    [last, channels] = [name('pool'), width];
  }
  nodes.push(['Flatten', [last], 'flat'], ['Gemm', ['flat', 'w', 'v'], 'y', { transB: 1 }]);
  return { nodes, weights };
}

const NETWORKS = {
  lenet: {
    nodes: LENET,
    weights: {
      ...{ a: [20, 1, 5, 5], ab: [20], b: [50, 20, 5, 5], bb: [50] },
      ...{ c: [500, 800], cb: [500], d: [10, 500], db: [10] },
    },
  },
  cnn: cnn(),
};

interface Timed {
  cpu: number;
  wall: number;
}

async function ours(file: string, threads: number): Promise<Timed> {
  const options = readOptimizer({ lr: 0.001, momentum: 0.9 });
  const example = [1, 28, 28];
  const keeps: Parameters<typeof programOf>[1]['keeps'] = (weights) => keptFloats(options, weights);
  const program = await programOf(file, { batch: BATCH, example, threads, keeps });
  const optimizer = new Optimizer(program, options, () => ({ lr: 1, weight_decay: 1 }));
  const random = seededRandom(1);
  for (let i = 0; i < program.input.length; i += 1) program.input[i] = random();
  const targets = Float64Array.from({ length: BATCH }, (_, i) => i % 10);
  let [cpu, clock] = [process.cpuUsage(), performance.now()];
  for (let i = -WARM_STEPS; i < steps; i += 1) {
    if (i === 0) [cpu, clock] = [process.cpuUsage(), performance.now()];
    program.step(targets);
    optimizer.step(options.lr);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / 1e6, wall: (performance.now() - clock) / 1000 };
}

async function torch(
  network: string,
  threads: number,
): Promise<(Timed & { version: string }) | null> {
  const script = path.join(PROJECT_ROOT, 'benchmarks/train/torch_speed.py');
  const args = [script, network, `${threads}`, `${BATCH}`, `${steps}`];
  try {
    const { stdout } = await runProcess(process.env.DLV_PYTHON ?? 'python3', args);
    return JSON.parse(stdout) as Timed & { version: string };
  } catch (error) {
    process.stderr.write(
      `SKIPPED: PyTorch cannot be run: ${(error as Error).message.slice(0, 200)}\n`,
    );
    return null;
  }
}

const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-bench-train-'));
const setting = settingOf('npm run bench:train');
const rows: string[][] = [
  [
    'network',
    'threads',
    'trainer',
    'images a CPU second',
    'images a second by the clock',
    'of PyTorch, CPU',
  ],
];
try {
  let version = '';
  for (const [name, { nodes, weights }] of Object.entries(NETWORKS)) {
    const file = path.join(folder, `${name}.onnx`);
    await fs.writeFile(file, trainedNetwork(nodes, [1, 28, 28], weights));
    for (const threads of [1, 2]) {
      const theirs = await torch(name, threads);
      const own = await ours(file, threads);
      const speed = (seconds: number): string => Math.round((BATCH * steps) / seconds).toString();
      const row = ({ cpu, wall }: Timed): string[] => [speed(cpu), speed(wall)];
      if (theirs !== null) {
        version = theirs.version;
        rows.push([name, `${threads}`, 'PyTorch', ...row(theirs), '1.00']);
      }
      const share = theirs === null ? '' : (theirs.cpu / own.cpu).toFixed(2);
      rows.push([name, `${threads}`, 'built in', ...row(own), share]);
    }
  }
  const what =
    `${steps} steps of SGD with momentum in batches of ${BATCH}, kernel ${loadKernel().info.isa}` +
    `${version === '' ? '' : `; PyTorch ${version}`}.`;
  const text = [what, markdownTable(rows), describeSetting(setting)].join('\n\n');
  process.stdout.write(`${text}\n`);
  if (!flags['no-write']) await publish('trainer', { setting, rows }, text, 'train');
} finally {
  await fs.rm(folder, { recursive: true, force: true });
}
