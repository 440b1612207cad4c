/** `dlv query` with slice and construct: what is made of several sources, again, and of files with data beside them. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ConstructionResult } from '../../lib/use/ops/construct.js';
import { bytes, externalData, int, onnxModel, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';

const NET =
  'INPUT(2, 6, 6) -> CONV(units = 3, kernel = 3) -> RELU -> POOL("MAX") -> FULL(units = 4)';

async function two(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const name of ['left', 'right']) await repo.json('query', `construct ${name} as ${NET}`);
  return repo;
}

test('construct: says what a mutation made, also under the name that the layer had', async (t) => {
  const repo = await two(t);
  const made = async (mutation: string): Promise<string> =>
    (
      await repo.dlv(
        'query',
        `construct x from m where m.model = "left" mutate ${mutation}`,
        '--dry-run',
      )
    ).stdout;
  t.regex(
    await made('m["fc1"].replace = FULL(units = 5)'),
    /^ +~ fc1, another layer of that name$/m,
  );
  t.regex(await made('m["conv1"].insert = TANH'), /^ +\+ conv1\.tanh behind conv1$/m);
});

test('construct: a branch a source, nothing twice, nothing by a dry run, nothing if one cannot be made', async (t) => {
  const repo = await two(t);
  const ask = (...args: string[]) => repo.json<ConstructionResult>('query', ...args);
  const insert = 'construct more from m mutate m["conv1"].insert = TANH';
  const before = await repo.json<{ versions: number }[]>('list');
  const preview = await ask(insert, '--dry-run');
  t.is(preview.dryRun, true);
  t.deepEqual(
    preview.versions.map(({ branch, version, name, networks }) => [
      branch,
      version,
      name,
      networks[0]?.changes[0]?.made,
    ]),
    [
      ['left-1', null, null, ['conv1.tanh']],
      ['right-1', null, null, ['conv1.tanh']],
    ],
  );
  t.deepEqual(await repo.json('list'), before);
  const made = await ask(insert);
  t.deepEqual(
    made.versions.map(({ name, branch, source }) => [name, branch, source?.name]),
    [
      ['more@1', 'left-1', 'left@1'],
      ['more@2', 'right-1', 'right@1'],
    ],
  );
  // What it has made is no source of it, and what is known is not made again.
  const again = await ask(insert);
  t.deepEqual(
    again.versions.map(({ isKnown, version }) => [isKnown, version]),
    [
      [true, made.versions[0]?.version],
      [true, made.versions[1]?.version],
    ],
  );
  const other = await repo.fails(1, 'query', insert.replace('TANH', 'RELU'));
  t.is(other.code, 'DLV_EXISTS');
  t.regex(other.data.hint ?? '', /--model/);
  const named = await repo.fails(2, 'query', insert, '--model', 'x', '--branch', 'b');
  t.regex(named.message, /--branch names one branch/);
  // One of the two has no such layer to fit: nothing is made of either.
  await repo.json(
    'query',
    `construct third as ${NET.replace('POOL("MAX")', 'CONV("tall", units = 3)')}`,
  );
  const wrong = await repo.fails(
    2,
    'query',
    'construct bad from m where m.model in ("left", "third") mutate m["tall"].replace = CONV(units = 5), m["conv1"].insert = BN',
  );
  t.regex(wrong.message, /construct cannot be made of third@1: 'fc1' would not fit/);
  t.is((await repo.dlv('log', 'bad')).code, 1);
  const none = await repo.dlv(
    'query',
    'construct none from m mutate m["nothing"].delete',
    '--json',
  );
  t.is(none.code, 1);
  t.regex(none.stdout, /nothing is made/);
  const loose = await ask(
    'construct q from m where m.model = "left" and m["conv*"].succ has RELU mutate m["conv*"].insert = BN',
    '-n',
  );
  t.regex(loose.hints.join(), /Capture in both/);
  const flags = await repo.fails(2, 'query', 'select m', '--dry-run');
  t.regex(flags.message, /--dry-run is for slice, construct and evaluate/);
  t.like(await repo.json('fsck'), { problems: [] });
});

test('construct: data files that a network names come along, where it names them', async (t) => {
  const repo = await TestRepository.create(t);
  const value = (name: string) =>
    Buffer.concat([
      bytes(1, name),
      bytes(2, bytes(1, int(1, 1), bytes(2, bytes(1, bytes(2, 'N')), bytes(1, int(1, 4096))))),
    ]);
  const data = Buffer.from(Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)).buffer);
  const tensor = tensorProto({
    ...{ name: 'w', dims: [4096], raw: null },
    more: externalData({ location: 'data/w.bin', offset: '0', length: String(data.length) }),
  });
  const file = onnxModel(
    bytes(1, bytes(1, 'x'), bytes(1, 'w'), bytes(2, 'y'), bytes(3, 'scale'), bytes(4, 'Mul')),
    bytes(1, bytes(1, 'y'), bytes(2, 'z'), bytes(3, 'end'), bytes(4, 'Relu')),
    bytes(5, tensor),
    bytes(11, value('x')),
    bytes(12, value('z')),
  );
  await repo.write('model.onnx', file);
  await repo.write('data/w.bin', data);
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'with data');
  const made = await repo.json<ConstructionResult>(
    'query',
    'construct more from m mutate m["relu1"].insert = SIGMOID("gate")',
  );
  t.true((made.versions[0]?.storedBytes ?? 0) < 4000, 'the weights are there already');
  await repo.json('checkout', 'more@1', '--out', 'out');
  t.deepEqual(await fs.readFile(path.join(repo.dir, 'out/more/data/w.bin')), data);
  const written = await fs.readFile(path.join(repo.dir, 'out/more/model.onnx'));
  t.true(written.includes('data/w.bin') && written.includes('Sigmoid'));
  const desc = await repo.json<{ networks: { layers: unknown[] }[] }>('desc', 'more@1');
  t.truthy(desc.networks);
  // Without the layer that uses it, the data is not there.
  await repo.json('query', 'construct bare from m where m.model = "net" mutate m["scale1"].delete');
  const listed = await repo.json<{ files: { path: string }[] }>('show', 'bare@1');
  t.deepEqual(
    listed.files.map((one) => one.path),
    ['bare/model.onnx'],
  );
  t.like(await repo.json('fsck'), { problems: [] });
});

test('sequences: what templates of several operators make is what conditions see', async (t) => {
  const repo = await TestRepository.create(t);
  const chain =
    'INPUT(9) -> EMBED(size = 20, units = 8) -> ATTN(heads = 2) -> RMSNORM -> LSTM(units = 4) -> GRU(units = 6, last = true) -> FULL(units = 2)';
  await repo.json('query', `construct text as ${chain}`);
  await repo.json(
    'query',
    'construct image as INPUT(4, 3, 3) -> GROUPNORM(groups = 2) -> CONV(units = 2, kernel = 1)',
  );
  for (const [template, name] of [
    ['EMBED', 'text'],
    ['ATTN', 'text'],
    ['RMSNORM', 'text'],
    ['LSTM', 'text'],
    ['GRU', 'text'],
    ['GROUPNORM', 'image'],
  ]) {
    const { rows } = await repo.json<{ rows: { values: unknown[] }[] }>(
      'query',
      `select m from m where m has ${template}`,
    );
    t.deepEqual(
      rows.map(({ values }) => values),
      [[`${name}@1`]],
      template,
    );
  }
  for (const [wrong, message] of [
    [
      'INPUT(4, 3, 3) -> LSTM(units = 2)',
      /'rnn1' wants a sequence \[N, steps, features\] and gets \[N, 4, 3, 3\]/,
    ],
    ['INPUT(9, 6) -> ATTN(heads = 4)', /has 4 heads: its 6 units/],
    ['INPUT(9) -> EMBED(units = 3)', /wants size and units/],
    ['INPUT(3, 4, 4) -> GROUPNORM(groups = 2)', /has 2 groups: its 3 channels/],
    ['INPUT(9, 6) -> LSTM(heads = 4)', /LSTM has no 'heads'/],
  ] as const) {
    t.regex((await repo.fails(2, 'query', `construct x as ${wrong}`)).message, message);
  }
});
