/**
 * The trainer that makes the demo's checkpoints. Goal: they are real: the gradients are right, the
 * network learns, the files are what PyTorch users have, and the same options give the same bytes.
 */
import test from 'ava';
import { TINY_CHAIN, trainChain } from '../../../benchmarks/train/chain.js';
import { lossAndGradients, makeLayers } from '../../../benchmarks/train/mlp.js';
import { seededRandom } from '../../helpers/rng.js';

interface Header {
  __metadata__: Record<string, string>;
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] } | object;
}

function header(bytes: Uint8Array): { header: Header; dataAt: number } {
  const buffer = Buffer.from(bytes);
  const length = Number(buffer.readBigUInt64LE(0));
  return { header: JSON.parse(buffer.toString('utf8', 8, 8 + length)), dataAt: 8 + length };
}

function tensor(bytes: Uint8Array, name: string): Float32Array {
  const { header: all, dataAt } = header(bytes);
  const [from, to] = (all[name] as { data_offsets: [number, number] }).data_offsets;
  return new Float32Array(new Uint8Array(bytes.subarray(dataAt + from, dataAt + to)).buffer);
}

test('train: gradients equal differences of the loss', (t) => {
  const layers = makeLayers([6, 5, 4, 3], 3);
  const random = seededRandom(5);
  const images = new Float32Array(4 * 6).map(random);
  const labels = Uint8Array.of(0, 1, 2, 1);
  const { gradients } = lossAndGradients(layers, images, labels);
  for (const [l, layer] of layers.entries()) {
    for (const part of ['weight', 'bias'] as const) {
      for (let i = 0; i < layer[part].length; i++) {
        const kept = layer[part][i]!;
        const losses = [1e-2, -1e-2].map((step) => {
          layer[part][i] = kept + step;
          return lossAndGradients(layers, images, labels).loss;
        });
        layer[part][i] = kept;
        const slope = (losses[0]! - losses[1]!) / 2e-2;
        t.true(Math.abs(slope - gradients[l]![part][i]!) < 2e-3, `${part} ${i} of layer ${l}`);
      }
    }
  }
});

test('train: the tiny network learns and gives the same bytes again', async (t) => {
  const first = await trainChain(TINY_CHAIN);
  const again = await trainChain(TINY_CHAIN);
  t.deepEqual(
    first.map(({ step }) => step),
    [100, 200, 300],
  );
  t.true(first.at(-1)!.accuracy > 0.9, `accuracy ${first.at(-1)!.accuracy}`);
  for (const [i, { weights, optimizer }] of first.entries()) {
    t.true(Buffer.from(weights).equals(again[i]!.weights));
    t.true(Buffer.from(optimizer).equals(again[i]!.optimizer));
  }
});

test('train: files are safetensors with names, shapes and metadata as PyTorch users save them', async (t) => {
  const { weights, optimizer } = (await trainChain(TINY_CHAIN))[0]!;
  const { header: all, dataAt } = header(weights);
  t.is(dataAt % 8, 0);
  t.deepEqual(Object.keys(all), [
    '__metadata__',
    'fc1.weight',
    'fc1.bias',
    'fc2.weight',
    'fc2.bias',
  ]);
  t.deepEqual(all['fc1.weight'], {
    dtype: 'F32',
    shape: [32, 64],
    data_offsets: [0, 4 * 32 * 64],
  });
  t.is(all.__metadata__.step, '100');
  t.is(weights.length, dataAt + 4 * (32 * 64 + 32 + 10 * 32 + 10));
  t.true(tensor(weights, 'fc1.weight').every(Number.isFinite));
  t.true('fc1.weight.momentum_buffer' in header(optimizer).header);
});

test('train: a head-only fine-tune changes the last layer and nothing else', async (t) => {
  const last = (await trainChain(TINY_CHAIN)).at(-1)!;
  const before = Buffer.from(last.weights);
  const tune = { seed: 9, steps: 10, checkpoints: [10], from: last };
  const head = (await trainChain({ ...tune, headOnly: true }))[0]!;
  const all = (await trainChain({ ...tune, optimizer: 'adam' }))[0]!;
  t.is(head.step, 310);
  t.deepEqual(tensor(head.weights, 'fc1.weight'), tensor(last.weights, 'fc1.weight'));
  t.notDeepEqual(tensor(head.weights, 'fc2.weight'), tensor(last.weights, 'fc2.weight'));
  t.notDeepEqual(tensor(all.weights, 'fc1.weight'), tensor(last.weights, 'fc1.weight'));
  t.true('fc2.bias.exp_avg_sq' in header(all.optimizer).header);
  t.true(before.equals(last.weights), 'the checkpoint it started from is untouched');
});
