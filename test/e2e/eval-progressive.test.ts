/**
 * `dlv eval --progressive` on the digits of test/fixtures: the answers of all weights, from fewer bytes. Needs
 * onnxruntime-node, as eval.test.ts does.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { encodeOnnx } from '../../lib/pure/formats/onnx/onnx-writer.js';
import {
  evaluateProgressively,
  type ProgressiveResult,
} from '../../lib/use/ops/eval-progressive.js';
import { type BoundedNetwork, modelOf, node } from '../helpers/bounded-networks.js';
import { hasRuntime } from '../helpers/linear-network.js';
import { fixture } from '../helpers/paths.js';
import { bytes, int, onnxModel, tensorProto } from '../helpers/protobuf.js';
import { cloned } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { serveFolder } from '../helpers/web-server.js';

const IMAGES = fixture('digits', 'images.npy');
const LABELS = fixture('digits', 'labels.npy');
const PIXELS = 64;
const HIDDEN = 128;
const SET = ['--data', IMAGES, '--labels', LABELS, '--scale', '1/16', '--limit', '40'];

function skipped(t: ExecutionContext): boolean {
  if (hasRuntime()) return false;
  t.log('SKIPPED: onnxruntime-node is not installed; dlv eval --progressive is NOT tested');
  t.pass();
  return true;
}

/** Random features, and the nearest mean of them as a linear layer. */
async function digitNetwork(act = 'Relu'): Promise<BoundedNetwork> {
  const labels = [...(await fs.readFile(LABELS)).subarray(-1797)];
  const pixels = (await fs.readFile(IMAGES)).subarray(-1797 * PIXELS);
  const rng = seededRandom(7);
  const w0 = Float32Array.from({ length: HIDDEN * PIXELS }, () => rng() - 0.5);
  const means = new Float32Array(10 * HIDDEN);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 900; i++) {
    const label = labels[i] as number;
    counts[label]!++;
    for (let h = 0; h < HIDDEN; h++) {
      let sum = 0;
      for (let p = 0; p < PIXELS; p++) sum += (pixels[i * PIXELS + p]! / 16) * w0[h * PIXELS + p]!;
      means[label * HIDDEN + h]! += Math.max(0, sum);
    }
  }
  const w1 = means.map((sum, i) => sum / counts[Math.floor(i / HIDDEN)]!);
  const b1 = Float32Array.from({ length: 10 }, (_, c) => {
    const mean = w1.subarray(c * HIDDEN, (c + 1) * HIDDEN);
    return -mean.reduce((sum, one) => sum + one * one, 0) / 2;
  });
  return {
    title: 'digits',
    example: [PIXELS],
    weights: {
      w0: { dims: [HIDDEN, PIXELS], values: w0 },
      w1: { dims: [10, HIDDEN], values: w1 },
      b1: { dims: [10], values: b1 },
    },
    nodes: [
      node('Gemm', ['x', 'w0'], 'z', { transB: { int: 1 } }),
      node(act, ['z'], 'a'),
      node('Gemm', ['a', 'w1', 'b1'], 'y', { transB: { int: 1 } }),
    ],
  };
}

async function digitRepository(t: ExecutionContext, act?: string): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('digits.onnx', modelOf(await digitNetwork(act)));
  await repo.commit('digits');
  return repo;
}

test('eval --progressive: every answer is that of all weights, from fewer bytes', async (t) => {
  if (skipped(t)) return;
  const repo = await digitRepository(t);
  const run = (...flags: string[]) =>
    repo.json<ProgressiveResult>('eval', '--progressive', ...SET, '--check', ...flags);
  const result = await run();
  t.is(result.differing, 0);
  t.is(result.unbounded, null);
  t.is(result.answers.length, 40);
  t.deepEqual(result.stages[0]?.planes, [2, 2]);
  t.true((result.stages[0]?.settled as number) > 0.5, 'most are certain at two planes');
  t.true(result.bytes.mean < result.bytes.all && result.bytes.union <= result.bytes.all);
  t.is(result.stages.at(-1)?.settled, 1);
  t.true((result.accuracy as number) > 0.7);
  const whole = await repo.json<{ versions: { metrics: { value: number }[] }[] }>(
    'eval',
    ...SET,
    '--no-record',
  );
  t.is(whole.versions[0]?.metrics[0]?.value, result.accuracy as number);
  for (const decide of ['order2', 'above:1', 'within:0.3']) {
    t.is((await run('--decide', decide)).differing, 0, decide);
  }
  const near = await run('--guarantee', 'approximate', '--margin', '0.01');
  t.is(near.methods.approximate, 40);
  t.is(near.stages.length, 1);
  // Which planes are read depends on how fast they are, but no answer does.
  const soon = await run('--goal', 'time');
  t.is(soon.differing, 0);
  t.deepEqual(
    soon.answers.map((one) => one?.answer),
    result.answers.map((one) => one?.answer),
  );
  await repo.fails(2, 'eval', '--progressive', ...SET, '--decide', 'best');
  await repo.fails(2, 'eval', ...SET, '--decide', 'top1');
});

test('eval --progressive: interrupted, it reports the answers that were final by then', async (t) => {
  if (skipped(t)) return;
  const repo = await digitRepository(t);
  const whole = await repo.json<ProgressiveResult>('eval', '--progressive', ...SET);
  t.is(whole.unanswered, 0);
  const abort = new AbortController();
  const context = {
    cwd: repo.dir,
    warn: () => {},
    signal: abort.signal,
    // As Ctrl-C after the first answers.
    progress: { start() {}, finish() {}, advance: () => abort.abort() },
  };
  await repo.with(async (open) => {
    const set = { data: IMAGES, labels: LABELS, limit: 40, preprocess: { scale: 1 / 16 } };
    const options = { revision: 'HEAD', ...set };
    const part = await evaluateProgressively(open, options, context);
    t.true(part.unanswered > 0 && part.unanswered < 40, String(part.unanswered));
    t.is(part.answers.filter((one) => one === null).length, part.unanswered);
    for (const [i, one] of part.answers.entries()) {
      if (one !== null) t.deepEqual(one.answer, whole.answers[i]?.answer);
    }
    t.is((part.stages[0]?.settled as number) * 40, 40 - part.unanswered);
    t.true((part.accuracy as number) <= 1);
  });
});

test('eval --progressive: what an operator without bounds needs is read whole, and the rest by planes', async (t) => {
  if (skipped(t)) return;
  const repo = await digitRepository(t, 'Softsign');
  const result = await repo.json<ProgressiveResult>('eval', '--progressive', ...SET, '--check');
  t.regex(result.whole ?? '', /Softsign/);
  t.is(result.unbounded, null);
  t.is(result.differing, 0);
  t.deepEqual(result.stages[0]?.depths, { w0: 4, w1: 2 });
  t.true((result.stages[0]?.settled as number) > 0.5);
  t.like(result.reference, { threads: 1, optimization: 'disabled', batch: 1 });
  t.true(result.bytes.mean < result.bytes.all);
});

test('eval --progressive: where an operator without bounds makes the answer, all weights are read', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const network = await digitNetwork();
  const nodes = network.nodes.map((one) =>
    one.outputs[0] === 'y' ? { ...one, outputs: ['s'] } : one,
  );
  await repo.write(
    'digits.onnx',
    modelOf({ ...network, nodes: [...nodes, node('Softsign', ['s'], 'y')] }),
  );
  await repo.commit('digits');
  const result = await repo.json<ProgressiveResult>('eval', '--progressive', ...SET);
  t.regex(result.unbounded ?? '', /Softsign/);
  t.deepEqual(result.methods, { full: 40 });
  t.is(result.bytes.mean, result.bytes.all);
});

/** The network of digits with its weights in nodes that are constants. */
async function constantNetwork(): Promise<Buffer> {
  const { nodes, weights } = await digitNetwork();
  const attribute = (name: string, kind: number, value: Uint8Array): Buffer =>
    bytes(5, bytes(1, name), value, int(20, kind));
  const constants = Object.entries(weights).map(([name, { dims, values }]) => {
    const raw = new Uint8Array(values.buffer);
    const value = attribute('value', 4, bytes(5, tensorProto({ name, dims, raw })));
    return bytes(1, bytes(2, name), bytes(4, 'Constant'), value);
  });
  const rest = nodes.map(({ op, inputs, outputs }) =>
    bytes(
      ...([1, ...inputs.map((name) => bytes(1, name))] as [number, ...Buffer[]]),
      ...outputs.map((name) => bytes(2, name)),
      bytes(4, op),
      ...(op === 'Gemm' ? [attribute('transB', 2, int(3, 1))] : []),
    ),
  );
  const dimension = (dim: number | string): Buffer =>
    bytes(1, typeof dim === 'number' ? int(1, dim) : bytes(2, dim));
  const value = (name: string, ...dims: (number | string)[]): Buffer =>
    Buffer.concat([
      bytes(1, name),
      bytes(2, bytes(1, int(1, 1), bytes(2, ...dims.map(dimension)))),
    ]);
  return onnxModel(
    ...constants,
    ...rest,
    bytes(11, value('x', 'N', PIXELS)),
    bytes(12, value('y', 'N', 10)),
  );
}

test('eval --progressive: weights may be constants of nodes', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  await repo.write('digits.onnx', await constantNetwork());
  await repo.commit('digits');
  // Few images are settled by intervals alone, and each way to go on meets the network again.
  const result = await repo.json<ProgressiveResult>('eval', '--progressive', ...SET, '--check');
  t.is(result.differing, 0);
  t.is(result.unbounded, null);
  t.true(result.stages.length > 1);
});

/** The network of digits with weights of 16 bits, which are cast to float32, or with all values of float16. */
async function narrowNetwork(type: 'float16' | 'bfloat16', isThroughout: boolean) {
  const { nodes, weights } = await digitNetwork();
  const short = (value: number): number => {
    const word = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
    if (type === 'bfloat16') return word >>> 16;
    // Cuts off bits, which is as good as rounding here; weights are between 2^-14 and 2^16, or 0.
    const exponent = ((word >>> 23) & 255) - 112;
    if (exponent <= 0) return 0;
    return ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 1023);
  };
  const to = (code: number) => ({ to: { int: code } });
  const cast = (name: string): string => (isThroughout ? name : `${name}.f`);
  const inner = nodes.map((one) => ({
    ...one,
    inputs: one.inputs.map((name) => {
      if (name === 'x') return isThroughout ? 'x.h' : name;
      return name in weights ? cast(name) : name;
    }),
    outputs: one.outputs.map((name) => (isThroughout && name === 'y' ? 'y.h' : name)),
  }));
  const around = isThroughout
    ? [node('Cast', ['x'], 'x.h', to(10)), ...inner, node('Cast', ['y.h'], 'y', to(1))]
    : [...Object.keys(weights).map((name) => node('Cast', [name], cast(name), to(1))), ...inner];
  return encodeOnnx(
    {
      nodes: around,
      inputs: [{ name: 'x', type: 'float32', dims: ['N', PIXELS] }],
      outputs: [{ name: 'y', type: 'float32', dims: null }],
      initializers: Object.entries(weights).map(([name, { dims, values }]) => ({
        name,
        type,
        dims,
        bytes: new Uint8Array(Uint16Array.from(values, short).buffer),
      })),
    },
    13,
  );
}

test('eval --progressive: weights of 16 bits are read by one plane of two', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const kinds = [
    ['half.onnx', await narrowNetwork('float16', true)],
    ['cast-half.onnx', await narrowNetwork('float16', false)],
    ['cast-brain.onnx', await narrowNetwork('bfloat16', false)],
  ] as const;
  for (const [name, bytes] of kinds) await repo.write(name, bytes);
  await repo.commit('digits of 16 bits');
  for (const [name] of kinds) {
    const result = await repo.json<ProgressiveResult>(
      ...['eval', '--progressive', ...SET, '--check', '--network', name],
    );
    t.is(result.differing, 0, name);
    t.is(result.unbounded, null, name);
    t.is(result.whole, null, name);
    t.deepEqual(result.stages[0]?.planes, [1, 1], name);
    if (name === 'cast-half.onnx') t.true((result.stages[0]?.settled as number) > 0);
  }
});

test('eval --progressive: a partial clone fetches the planes that are needed, and no others', async (t) => {
  if (skipped(t)) return;
  const repo = await digitRepository(t);
  const top = path.dirname(repo.dir);
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'add', 'origin', url);
  await repo.json('push', '-u', 'origin');
  const web = await serveFolder(t, url);
  const { repo: clone } = await cloned(top, web.url, 'part', '--planes', '2');
  const start = web.bytes;
  const near = ['--guarantee', 'approximate', '--margin', '0'];
  const first = await clone.json<ProgressiveResult>('eval', '--progressive', ...SET, ...near);
  t.deepEqual(first.stages[0]?.planes, [2, 2]);
  t.is(web.bytes, start, 'two planes are here');
  const all = await clone.json<ProgressiveResult>('eval', '--progressive', ...SET, '--check');
  const rest = all.bytes.all - first.bytes.all * (first.stages[0]?.share as number);
  t.true(web.bytes - start >= rest, `${web.bytes - start} of ${rest}`);
  t.true(web.bytes - start < rest + 4096, `${web.bytes - start} of ${rest}`);
});
