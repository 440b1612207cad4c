/**
 * `dlv eval` of weights through the network of another version. The oracle is onnxruntime on the same network with
 * the weights put in by hand and every norm an operator of its own. Needs onnxruntime-node, as eval.test.ts.
 */
import test, { type ExecutionContext } from 'ava';
import type { EvalResult } from '../../lib/use/ops/eval.js';
import { ARCHITECTURES } from '../helpers/architectures.js';
import { checkpointFiles } from '../helpers/checkpoint-files.js';
import { type Architecture, checkpointOf, networkOf } from '../helpers/folded-networks.js';
import { hasRuntime } from '../helpers/linear-network.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { safetensors, type Tensors } from '../helpers/safetensors.js';

const SET = [
  ...['--data', fixture('digits', 'images.npy'), '--labels', fixture('digits', 'labels.npy')],
  ...['--scale', '1/16', '--limit', '60', '--metric', 'loss'],
];

function skipped(t: ExecutionContext): boolean {
  if (hasRuntime()) return false;
  t.log('SKIPPED: onnxruntime-node is not installed; weights are NOT run');
  t.pass();
  return true;
}

const lossesOf = ({ versions }: EvalResult): number[] =>
  versions.map(({ metrics }) => metrics[0]!.value!);

/** Commits these files alone. */
async function put(repo: TestRepository, files: Record<string, Uint8Array>): Promise<void> {
  const known = await repo
    .json<{ files?: { path: string }[] }>('show')
    .catch(() => ({ files: [] }));
  for (const { path } of known.files ?? []) if (!(path in files)) await repo.json('rm', path);
  for (const [name, bytes] of Object.entries(files)) await repo.write(name, bytes);
  await repo.commit(Object.keys(files).join(', '));
}

/** The loss of the network with these weights in it, each norm an operator. */
async function oracle(
  repo: TestRepository,
  architecture: Architecture,
  seed: number,
): Promise<number> {
  await put(repo, { 'oracle.onnx': networkOf(architecture, seed, false) });
  return lossesOf(await repo.json<EvalResult>('eval', ...SET))[0]!;
}

function isNear(t: ExecutionContext, got: number, wanted: number): void {
  t.true(Math.abs(got - wanted) < 1e-5 * Math.max(1, wanted), `${got} is not ${wanted}`);
}

for (const [name, architecture] of Object.entries(ARCHITECTURES)) {
  test(`eval: equal weights give equal results in every format, those of their own network: ${name}`, async (t) => {
    if (skipped(t)) return;
    const repo = await TestRepository.create(t);
    const base = safetensors(checkpointOf(architecture, 1));
    await put(repo, { 'net.onnx': networkOf(architecture, 1, true), 'base.safetensors': base });
    for (const [path, bytes] of Object.entries(checkpointFiles(checkpointOf(architecture, 2)))) {
      await put(repo, { [path]: bytes });
    }
    const wanted = await oracle(repo, architecture, 2);
    const through = ['--network', 'net@1:net.onnx', ...SET];
    const result = await repo.json<EvalResult>('eval', 'net@2', 'net@3', 'net@4', ...through);
    const losses = lossesOf(result);
    for (const loss of losses) isNear(t, loss, wanted);
    t.is(new Set(losses).size, 1, String(losses));
    t.deepEqual(
      result.versions.map(({ weights }) => weights),
      Object.keys(checkpointFiles({})),
    );
    const own = lossesOf(await repo.json<EvalResult>('eval', 'net@1', ...SET));
    t.true(Math.abs(own[0]! - wanted) > 1e-2);
  });
}

test('eval: ε of folded norms is that of the checkpoint beside the network; else it is said to be a guess', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const architecture: Architecture = { ...ARCHITECTURES.lists!, epsilon: 1e-3 };
  const network = networkOf(architecture, 1, true);
  await put(repo, {
    'net.onnx': network,
    'a.safetensors': safetensors(checkpointOf(architecture, 1)),
  });
  await put(repo, { 'net.onnx': network });
  await put(repo, { 'w.safetensors': safetensors(checkpointOf(architecture, 2)) });
  const wanted = await oracle(repo, architecture, 2);
  const known = await repo.dlv('eval', 'net@3', ...SET, '--network', 'net@1:net.onnx', '--json');
  t.notRegex(known.stderr, /ε/);
  isNear(t, lossesOf(JSON.parse(known.stdout) as EvalResult)[0]!, wanted);
  const guessed = await repo.dlv('eval', 'net@3', ...SET, '--network', 'net@2:net.onnx', '--rerun');
  t.regex(guessed.stderr, /nothing says which ε .* 0\.00001 is taken, the default of PyTorch/);
});

const RESNET = ARCHITECTURES.resnet!;

test("eval: versions that hold the network beside changed weights give their weights', not the network's", async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const network = networkOf(RESNET, 1, true);
  for (const seed of [1, 2, 3]) {
    const model = safetensors(checkpointOf(RESNET, seed));
    await put(repo, { 'net.onnx': network, 'model.safetensors': model });
  }
  const wanted = [];
  for (const seed of [1, 2, 3]) wanted.push(await oracle(repo, RESNET, seed));
  const all = ['net@1', 'net@2', 'net@3'];
  for (const asked of [
    ['--network', 'net@1:net.onnx'],
    ['--weights', 'model.safetensors'],
  ]) {
    const { stdout, stderr } = await repo.dlv('eval', ...all, ...SET, ...asked, '--json');
    const result = JSON.parse(stdout) as EvalResult;
    for (const [i, loss] of lossesOf(result).entries()) isNear(t, loss, wanted[i]!);
    t.true(result.versions.every(({ weights }) => weights === 'model.safetensors'));
    t.notRegex(stderr, /warning/);
  }
  const own = await repo.json<EvalResult>('eval', ...all, ...SET);
  t.is(new Set(lossesOf(own)).size, 1);
  t.true(own.versions.every(({ weights }) => weights === null));
});

test('eval: of several checkpoints the one that all versions have is taken, else one has to be named', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const [first, second] = [1, 2].map((seed) => safetensors(checkpointOf(RESNET, seed)));
  await put(repo, { 'net.onnx': networkOf(RESNET, 3, true) });
  await put(repo, { 'model.safetensors': first! });
  await put(repo, { 'model.safetensors': second!, 'ema.safetensors': first! });
  const wanted = [await oracle(repo, RESNET, 1), await oracle(repo, RESNET, 2)];
  const through = [...SET, '--network', 'net@1:net.onnx'];
  const both = await repo.json<EvalResult>('eval', 'net@2', 'net@3', ...through);
  for (const [i, loss] of lossesOf(both).entries()) isNear(t, loss, wanted[i]!);
  const { code, message, data } = await repo.fails(1, 'eval', 'net@3', ...through);
  t.is(code, 'DLV_AMBIGUOUS');
  t.regex(message, /has weights in 'ema\.safetensors', 'model\.safetensors'/);
  t.deepEqual(data.candidates, ['ema.safetensors', 'model.safetensors']);
  t.is(data.hint, 'name one: --weights ema.safetensors');
  const named = await repo.json<EvalResult>(
    'eval',
    'net@3',
    ...through,
    '--weights',
    'ema.safetensors',
  );
  isNear(t, lossesOf(named)[0]!, wanted[0]!);
  t.is(named.versions[0]!.weights, 'ema.safetensors');
  const missing = await repo.fails(1, 'eval', 'net@2', ...through, '--weights', 'ema.safetensors');
  t.is(missing.code, 'DLV_NOT_FOUND');
  t.regex(missing.data.hint!, /it has weights in 'model\.safetensors'/);
  const usage = await repo.fails(
    2,
    'eval',
    'net@3',
    ...SET.slice(0, 6),
    '--progressive',
    '--weights',
    'x',
  );
  t.regex(usage.message, /--weights does not go with --progressive/);
});

test('eval: weights that the network does not take are an error; a branch that it does not have is told of', async (t) => {
  if (skipped(t)) return;
  const repo = await TestRepository.create(t);
  const tensors = checkpointOf(RESNET, 2);
  const network = networkOf(RESNET, 1, true);
  await put(repo, {
    'net.onnx': network,
    'base.safetensors': safetensors(checkpointOf(RESNET, 1)),
  });
  const some = (count: number, shape = [count]) => ({
    shape,
    values: new Float32Array(count).fill(1),
  });
  const without = (...names: string[]): Tensors =>
    Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.includes(name)));
  const refused: [Tensors, RegExp][] = [
    [{ ...tensors, 'fc.lora_A.weight': some(16, [2, 8]) }, /no place for 1 weight of .*fc\.lora_A/],
    [{ ...tensors, 'layer1.0.gamma': some(8) }, /no place for 1 weight of .*layer1\.0\.gamma/],
    [
      { ...tensors, 'layer3.0.weight': some(64, [8, 8]) },
      /no place for 1 weight .*layer3\.0\.weight/,
    ],
    [
      { ...tensors, 'bn9.running_mean': some(8), 'bn9.running_var': some(8) },
      /no place for 2 weights/,
    ],
    [without('bn1.running_var', 'bn1.running_mean'), /no weights for 1 parameter .*onnx::Conv_/],
    [without('fc.bias'), /no weights for 1 parameter of 'net\.onnx': fc\.bias/],
  ];
  for (const [given, message] of refused) {
    await put(repo, { 'w.safetensors': safetensors(given) });
    const error = await repo.fails(2, 'eval', ...SET, '--network', 'net@1:net.onnx');
    t.is(error.code, 'DLV_USAGE');
    t.regex(error.message, message);
  }
  await put(repo, {
    'w.safetensors': safetensors({
      ...tensors,
      'bn1.num_batches_tracked': some(1),
      // A matrix that two modules share, stored twice.
      'tied.weight': tensors['fc.weight']!,
      'aux1.conv.weight': some(64, [8, 8, 1, 1]),
      'aux1.bn.running_mean': some(8),
      'aux1.bn.running_var': some(8),
    }),
  });
  const { stdout, stderr } = await repo.dlv(
    'eval',
    ...SET,
    '--network',
    'net@1:net.onnx',
    '--json',
  );
  t.regex(
    stderr,
    /leaves out 3 weights of 'w\.safetensors', in 1 branch that it does not have: aux1/,
  );
  isNear(t, lossesOf(JSON.parse(stdout) as EvalResult)[0]!, await oracle(repo, RESNET, 2));
});
