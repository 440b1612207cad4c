/** Studies from the shell: what its quick and its slow tests share. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { StudyResult } from '../../lib/use/ops/study.js';
import { dlv } from './dlv.js';
import { PROJECT_ROOT } from './paths.js';
import { tempDir } from './temp-dir.js';
import { type NodeText, trainedNetwork } from './trained-network.js';

export const NODES: NodeText[] = [
  ['Conv', ['x', 'a', 'b'], 'c', { pads: [1, 1, 1, 1] }],
  ['Relu', ['c'], 'r'],
  ['MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }],
  ['Flatten', ['p'], 'f'],
  ['Gemm', ['f', 'w', 'v'], 'y'],
];

export const WEIGHTS = { a: [4, 1, 3, 3], b: [4], w: [64, 10], v: [10] };

export const CONFIG = {
  ...{ weights: 'init', input_data: 'images.npy', labels: 'labels.npy', scale: '1/16' },
  ...{ optimizer: 'sgd', momentum: 0.9, batch: 16, report: 4, limit: 400 },
};

/** A repository with a small network, the digits beside it, and a config. */
export async function repository(t: ExecutionContext, config: object = {}): Promise<string> {
  const cwd = await tempDir(t);
  const digits = path.join(PROJECT_ROOT, 'test/fixtures/digits');
  for (const name of ['images.npy', 'labels.npy']) {
    await fs.copyFile(path.join(digits, name), path.join(cwd, name));
  }
  await fs.writeFile(path.join(cwd, 'net.onnx'), trainedNetwork(NODES, [1, 8, 8], WEIGHTS));
  await fs.writeFile(path.join(cwd, 'train.json'), JSON.stringify({ ...CONFIG, ...config }));
  const half = { data: 'images.npy', labels: 'labels.npy', scale: 0.0625, limit: 200 };
  await fs.writeFile(path.join(cwd, 'half.json'), JSON.stringify(half));
  await fs.writeFile(
    path.join(cwd, 'part.json'),
    JSON.stringify({ ...half, limit: 100, test_share: 0 }),
  );
  await dlv(['init', '--model', 'net'], { cwd });
  await dlv(['add', 'net.onnx'], { cwd });
  await dlv(['commit', '-m', 'net'], { cwd });
  return cwd;
}

/** Trials by id, with how they did. */
export function told({ trials }: StudyResult): unknown {
  return trials.map(({ trial, state, iterations, rungs, assignment }) => ({
    ...{ trial, state, iterations, rungs, assignment },
  }));
}
