/** `dlv desc`, and networks that versions keep. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { DescResult } from '../../lib/use/ops/desc.js';
import { fixture } from '../helpers/paths.js';
import { bytes as field, int } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

async function withNetwork(t: Parameters<typeof TestRepository.create>[0], name: string) {
  const repo = await TestRepository.create(t);
  const bytes = await fs.readFile(fixture('networks', `${name}.onnx`));
  await repo.write(`${name}.onnx`, bytes);
  return { repo, bytes };
}

test('desc: layers, parameters and cost of an ONNX network', async (t) => {
  const { repo } = await withNetwork(t, 'fashion-lenet');
  await repo.commit('one');
  const { networks, weights } = await repo.json<DescResult>('desc');
  t.deepEqual(weights, []);
  const [network, ...more] = networks;
  t.is(more.length, 0);
  t.like(network, {
    path: 'fashion-lenet.onnx',
    stored: true,
    producer: 'pytorch 1.13.0',
    parameters: 431_080,
    macs: 2_293_000,
    inputs: [{ name: 'image', dtype: 'F32', shape: [1, 1, 28, 28] }],
    outputs: [{ name: 'logits', dtype: 'F32', shape: [1, 10] }],
  });
  t.deepEqual(
    network!.layers.map(({ alias }) => alias),
    ['conv1', 'pool1', 'conv2', 'pool2', 'reshape1', 'fc1', 'relu1', 'fc2'],
  );
  t.deepEqual(network!.layers[0]!.next, ['pool1']);
  const shown = await repo.dlv('desc');
  for (const words of ['431,080', '2,293,000', 'conv1', 'pool MAX', 'image F32 [1, 1, 28, 28]']) {
    t.true(shown.stdout.includes(words), words);
  }
  const eight = await repo.json<DescResult>('desc', '--batch', '8');
  t.is(eight.networks[0]!.macs, 8 * 2_293_000);
  const nodes = await repo.json<DescResult>('desc', '--nodes');
  t.is(nodes.networks[0]!.layers[0]!.nodes![0]!.op, 'Conv');
});

test('desc: a network of 765 nodes, with layers in branches too, and a shape for its input', async (t) => {
  const { repo } = await withNetwork(t, 'ppocr-rec');
  await repo.commit('one');
  const open = await repo.json<DescResult>('desc');
  t.regex(String(open.networks[0]!.macs), /p2o\.DynamicDimension\.1/);
  const { stdout } = await repo.dlv('desc');
  t.regex(
    stdout,
    /^ {2}Open sizes +fill them in with --shape 'x=1,3,48,<p2o\.DynamicDimension\.1>'$/m,
  );
  const [, letter] = /^ +([a-z]) = p2o\.DynamicDimension\.1$/m.exec(stdout) ?? [];
  t.is(letter, 'a');
  t.regex(stdout, /^ {2}MACs +open \(/m);
  t.true(stdout.split('\n').every((line) => (line.match(/floor/g) ?? []).length <= 2));
  t.notRegex((await repo.dlv('desc', '--shape', 'x=1,3,48,320')).stdout, /Open sizes/);
  const fixed = await repo.json<DescResult>('desc', '--shape', 'x=1,3,48,320');
  t.is(fixed.networks[0]!.macs, 702_469_440);
  t.deepEqual(fixed.networks[0]!.outputs[0]!.shape, [1, 40, 6625]);
  const wrong = await repo.dlv('desc', '--shape', 'image=1,3');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /no network of this version has an input 'image'/);
  t.is((await repo.dlv('desc', '--shape', 'x=1,a')).code, 2);
  t.is((await repo.dlv('desc', '--batch', '0')).code, 2);
});

test('desc: versions of one network keep one blob, whatever their weights, and unchanged files keep it', async (t) => {
  const { repo, bytes } = await withNetwork(t, 'fashion-cnn');
  const made = [await repo.commit('one')];
  const [before] = (await repo.json<DescResult>('desc')).networks;
  t.true(before!.stored);
  // The producer's note about the file is no part of the network.
  const note = field(14, field(1, 'epoch'), field(2, '7'));
  await repo.write('fashion-cnn.onnx', Buffer.concat([bytes, note]));
  made.push(await repo.commit('two'));
  await repo.write('note.txt', 'text');
  made.push(await repo.commit('three'));
  const ids = new Set<string | null>();
  await repo.with(async (open) => {
    for (const { version } of made) ids.add((await open.version(version)).network);
  });
  t.is(ids.size, 1);
  t.false(ids.has(null));
  t.is((await repo.dlv('fsck')).code, 0);
});

test('desc: a damaged network does not stop a commit, and desc says why it has none', async (t) => {
  const repo = await TestRepository.create(t);
  const node = (op: string, from: string, to: string): Buffer =>
    field(1, field(1, from), field(2, to), field(4, op));
  const nodes = [node('Relu', 'b', 'a'), node('Exp', 'a', 'b')];
  const graph = field(7, ...nodes, field(2, 'g'), field(12, field(1, 'b')));
  await repo.write('loop.onnx', Buffer.concat([int(1, 8), graph, field(8, int(2, 17))]));
  await repo.commit('one');
  const shown = await repo.dlv('desc');
  t.is(shown.code, 0);
  t.regex(shown.stderr, /'loop\.onnx'.*circle/);
  t.deepEqual((await repo.json<DescResult>('desc')).networks, []);
});

test('desc: weights alone, with the architecture of config.json or as names tell', async (t) => {
  const repo = await TestRepository.create(t);
  const tensors = randomTensors(
    {
      'encoder.layer.0.attention.self.query.weight': [8, 8],
      'encoder.layer.0.attention.self.query.bias': [8],
      'encoder.layer.1.attention.self.query.weight': [8, 8],
      'embeddings.word_embeddings.weight': [30, 8],
      'embeddings.LayerNorm.weight': [8],
      'embeddings.LayerNorm.bias': [8],
    },
    1,
  );
  await repo.write('model.safetensors', safetensors(tensors));
  await repo.commit('one');
  const first = await repo.json<DescResult>('desc');
  t.like(first.architecture, {
    name: 'BERT-like encoder',
    isInferred: true,
    sizes: { layers: 2, vocabulary: 30, hidden: 8 },
  });
  const [weights] = first.weights;
  t.is(weights!.parameters, 64 + 8 + 64 + 240 + 16);
  const kinds = new Map(weights!.layers.map(({ name, kind, type }) => [name, `${kind} ${type}`]));
  t.is(kinds.get('embeddings.word_embeddings'), 'embed EMBED');
  t.is(kinds.get('embeddings.LayerNorm'), 'norm LAYER');
  t.is(kinds.get('encoder.layer.0.attention.self.query'), 'full FULL');
  const config = { architectures: ['BertModel'], num_hidden_layers: 2, hidden_size: 8 };
  await repo.write('config.json', JSON.stringify(config));
  await repo.commit('two');
  t.like((await repo.json<DescResult>('desc')).architecture, {
    name: 'BertModel',
    source: 'config.json',
    isInferred: false,
    sizes: { num_hidden_layers: 2, hidden_size: 8 },
  });
  t.regex(
    (await repo.dlv('desc')).stdout,
    /BertModel, num_hidden_layers 2, hidden_size 8 \(from config\.json\)/,
  );
});

test('desc: metadata of the file and a card say what the names of tensors do not', async (t) => {
  const repo = await TestRepository.create(t);
  const tensors = randomTensors({ 'fc.weight': [8, 8] }, 1);
  await repo.write(
    'model.safetensors',
    safetensors(tensors, { 'modelspec.architecture': 'tiny-v1' }),
  );
  await repo.commit('one');
  t.like((await repo.json<DescResult>('desc')).architecture, {
    name: 'tiny-v1',
    source: 'the metadata of model.safetensors',
  });
  await repo.write('README.md', '---\nbase_model: org/base\n---\n# A card\n');
  await repo.commit('two');
  t.like((await repo.json<DescResult>('desc')).architecture, {
    name: 'org/base',
    source: 'the card README.md',
  });
});

test('desc: a file that is forgotten takes its network with it; one beside it leaves it', async (t) => {
  const { repo } = await withNetwork(t, 'fashion-lenet');
  await repo.write('note.txt', 'text');
  await repo.write('other.txt', 'text');
  await repo.commit('one');
  const networkNow = async (): Promise<unknown> => {
    const { version } = await repo.json<DescResult>('desc');
    return repo.with(async (open) => (await open.version(version)).network);
  };
  const before = await networkNow();
  t.truthy(before);
  t.is((await repo.dlv('forget', '--path', 'note.txt')).code, 0);
  t.is(await networkNow(), before);
  t.is((await repo.dlv('forget', '--path', 'fashion-lenet.onnx')).code, 0);
  t.is(await networkNow(), null);
  t.deepEqual((await repo.json<DescResult>('desc')).networks, []);
});
