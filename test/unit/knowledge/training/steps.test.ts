/**
 * Arithmetic of the built-in trainer: against steps of PyTorch (test/fixtures/training), against finite
 * differences, and against onnxruntime.
 */
import { readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { Runtime } from '../../../../lib/knowledge/inference/runtime.js';
import { readOptimizer } from '../../../../lib/knowledge/training/job.js';
import type { NetworkProgram } from '../../../../lib/knowledge/training/network-program.js';
import { keptFloats, Optimizer } from '../../../../lib/knowledge/training/optimizer.js';
import { hasRuntime } from '../../../helpers/linear-network.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { seededRandom } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { type NodeText, programOf, trainedNetwork } from '../../../helpers/trained-network.js';

const FOLDER = path.join(PROJECT_ROOT, 'test/fixtures/training');
const NETWORK = path.join(FOLDER, 'steps.onnx');

interface Golden {
  batch: number;
  example: number[];
  inputs: string[];
  classes: number[][];
  runs: Record<string, { optimizer: object; losses: number[]; weights: Record<string, string> }>;
}

const golden = JSON.parse(readFileSync(path.join(FOLDER, 'steps.json'), 'utf8')) as Golden;

function floats(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}

for (const threads of [1, 3]) {
  test(`${threads} threads: steps of all optimizers are those of PyTorch`, async (t) => {
    for (const [name, run] of Object.entries(golden.runs)) {
      const options = readOptimizer(run.optimizer);
      const program = await programOf(NETWORK, {
        ...golden,
        threads,
        keeps: (weights) => keptFloats(options, weights),
      });
      const optimizer = new Optimizer(program, options, () => ({ lr: 1, weight_decay: 1 }));
      for (const [i, input] of golden.inputs.entries()) {
        program.input.set(floats(input));
        const loss = program.step(Float64Array.from(golden.classes[i] as number[]));
        optimizer.step(options.lr);
        const wanted = run.losses[i] as number;
        t.true(Math.abs(loss.sum / golden.batch - wanted) < 1e-5, `${name}, loss of step ${i}`);
      }
      for (const weight of program.weights) {
        const wanted = floats(run.weights[weight.name] as string);
        const found = program.numbers(weight);
        const most = found.reduce((all, one, i) => Math.max(all, Math.abs(one - wanted[i]!)), 0);
        t.true(most < 1e-5, `${name}: ${weight.name} is ${most} off`);
      }
    }
  });
}

test('outputs of a network that is not trained are those of onnxruntime', async (t) => {
  if (!hasRuntime()) {
    t.log('SKIPPED: onnxruntime-node is not installed');
    t.pass();
    return;
  }
  const program = await programOf(NETWORK, golden);
  const input = floats(golden.inputs[0] as string);
  program.input.set(input);
  program.run();
  const runtime = await Runtime.open(NETWORK, 'steps.onnx', { threads: 1, optimization: 'all' });
  try {
    const dims = [golden.batch, ...golden.example];
    const bytes = new Uint8Array(input.buffer);
    const { values } = await runtime.run({
      inputs: [{ name: 'x', type: 'float32', dims, bytes }],
      output: 'logits',
    });
    const most = values.reduce(
      (all, one, i) => Math.max(all, Math.abs(one - program.output[i]!)),
      0,
    );
    t.true(most < 1e-5, `${most} off`);
  } finally {
    await runtime.close();
  }
});

/** Networks, each a way of operators to the weights in front of them. */
const CASES: Record<
  string,
  { example: number[]; nodes: NodeText[]; weights: Record<string, number[] | { shape: number[] }> }
> = {
  'windows of odd sizes, in groups, that leave rows over': {
    example: [4, 9, 7],
    nodes: [
      ['Conv', ['x', 'a', 'ab'], 'c', { strides: [2, 1], pads: [2, 0, 1, 1], group: 2 }],
      ['Conv', ['c', 'b'], 'd', { dilations: [2, 1], pads: [2, 1, 2, 1] }],
      [
        'AveragePool',
        ['d'],
        'e',
        { kernel_shape: [2, 3], strides: [2, 2], pads: [0, 1, 0, 1], count_include_pad: 1 },
      ],
      ['Flatten', ['e'], 'f'],
      ['Gemm', ['f', 'w', 'v'], 'y'],
    ],
    weights: { a: [6, 2, 3, 2], ab: [6], b: [5, 6, 3, 3], w: [40, 3], v: [3] },
  },
  'one spatial axis, same padding': {
    example: [2, 11],
    nodes: [
      ['Conv', ['x', 'a'], 'c', { auto_pad: 'SAME_UPPER', kernel_shape: [4], strides: [2] }],
      ['Tanh', ['c'], 't'],
      ['MaxPool', ['t'], 'p', { kernel_shape: [2], strides: [2] }],
      ['Flatten', ['p'], 'f'],
      ['MatMul', ['f', 'w'], 'y'],
    ],
    weights: { a: [3, 2, 4], w: [9, 4] },
  },
  'norms of images and rows, global pooling, a residual': {
    example: [3, 4, 5],
    nodes: [
      ['Conv', ['x', 'a'], 'c', {}],
      ['BatchNormalization', ['c', 's1', 'b1', 'm1', 'var1'], 'n', {}],
      ['Sigmoid', ['n'], 'g'],
      ['Add', ['g', 'c'], 'r'],
      ['GlobalAveragePool', ['r'], 'p'],
      ['Reshape', ['p', 'to'], 'q'],
      ['BatchNormalization', ['q', 's2', 'b2', 'm2', 'var2'], 'o', {}],
      ['Gemm', ['o', 'w'], 'y', { transB: 1 }],
    ],
    weights: {
      a: [6, 3, 2, 2],
      s1: [6],
      b1: [6],
      m1: [6],
      var1: [6],
      to: { shape: [-1, 6] },
      s2: [6],
      b2: [6],
      m2: [6],
      var2: [6],
      w: [3, 6],
    },
  },
  'one weight twice, softmax and concat in the middle, dropout': {
    example: [6],
    nodes: [
      ['Gemm', ['x', 'a'], 'c'],
      ['Dropout', ['c'], 'd', { ratio: { f: 0.3 } }],
      ['Gemm', ['d', 'a', 'b'], 'e'],
      ['Softmax', ['e'], 's', { axis: 1 }],
      ['Concat', ['s', 'c', 'e'], 'j', { axis: 1 }],
      ['LeakyRelu', ['j'], 'l', { alpha: { f: 0.3 } }],
      ['Gemm', ['l', 'w'], 'z'],
      ['Add', ['z', 'v'], 'y'],
    ],
    weights: { a: [6, 6], b: [6], w: [18, 3], v: [3] },
  },
};

/** Loss of one pass from the numbers that stand there. */
function lossOf(program: NetworkProgram, targets: Float64Array): number {
  return program.step(targets).sum / program.batch;
}

for (const [name, { example, nodes, weights }] of Object.entries(CASES)) {
  test(`gradients are those of finite differences: ${name}`, async (t) => {
    const file = path.join(await tempDir(t), 'n.onnx');
    await fs.writeFile(file, trainedNetwork(nodes, example, weights));
    for (const loss of ['cross-entropy', 'mse'] as const) {
      const batch = 5;
      let draws = seededRandom(3);
      const draw = (below: number): number => Math.floor(draws() * below);
      const program = await programOf(file, { batch, example, loss, draw });
      const random = seededRandom(17);
      for (let i = 0; i < program.input.length; i += 1) program.input[i] = 2 * random() - 1;
      const targets = Float64Array.from(
        { length: loss === 'mse' ? batch * program.outputWidth : batch },
        (_, i) => i % program.outputWidth,
      );
      const measure = (): number => {
        draws = seededRandom(3);
        return lossOf(program, targets);
      };
      measure();
      for (const weight of program.trained) {
        const numbers = program.numbers(weight);
        const slopes = program.gradient(weight).slice();
        const direction = Float32Array.from(numbers, () => random() - 0.5);
        const before = numbers.slice();
        const step = 1e-3;
        const [up, down] = [step, -step].map((by) => {
          numbers.set(before.map((one, i) => one + by * (direction[i] as number)));
          return measure();
        }) as [number, number];
        numbers.set(before);
        const found = slopes.reduce((sum, one, i) => sum + one * (direction[i] as number), 0);
        const wanted = (up - down) / (2 * step);
        t.true(
          Math.abs(found - wanted) < 2e-3 + 0.02 * Math.abs(wanted),
          `${loss}, ${weight.name}: ${found}, not ${wanted}`,
        );
      }
    }
  });
}

test('an operator that is not known is named, with what can be done', async (t) => {
  const file = path.join(await tempDir(t), 'n.onnx');
  const nodes: NodeText[] = [
    ['Gemm', ['x', 'w'], 'c'],
    ['Erf', ['c'], 'y'],
  ];
  await fs.writeFile(file, trainedNetwork(nodes, [4], { w: [4, 2] }));
  const error = await t.throwsAsync(programOf(file, { batch: 2, example: [4] }), {
    code: 'DLV_USAGE',
    message: /'y' \(Erf\) of .* cannot be trained/,
  });
  t.regex(String((error as unknown as { data: { hint: string } }).data.hint), /pytorch/);
});

test('a batch that takes too much memory is refused before it is taken', async (t) => {
  const file = path.join(await tempDir(t), 'n.onnx');
  const nodes: NodeText[] = [['Gemm', ['x', 'w'], 'y']];
  await fs.writeFile(file, trainedNetwork(nodes, [1000], { w: [1000, 2] }));
  await t.throwsAsync(programOf(file, { batch: 1_000_000, example: [1000] }), {
    code: 'DLV_LIMIT',
  });
});
