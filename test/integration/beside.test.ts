/** Formats of files, and layouts by what lies beside them: ONNX data and distributed checkpoints. */
import fs from 'node:fs/promises';
import test from 'ava';
import { ReadFile } from '../../lib/base/files/files.js';
import { WorkLayouts } from '../../lib/storage/ingest/work-layouts.js';
import { add } from '../../lib/use/ops/add.js';
import { cat } from '../../lib/use/ops/cat.js';
import { diff } from '../../lib/use/ops/diff.js';
import { showFile } from '../../lib/use/ops/show.js';
import { commit, gitRepository } from '../helpers/git-sources.js';
import { fixture } from '../helpers/paths.js';
import { bytes, externalData, onnxModel, tensorProto } from '../helpers/protobuf.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

const COUNT = 8192;
const DATA_BYTES = 4 * COUNT;
const values = (value: number): Buffer => Buffer.from(new Float32Array(COUNT).fill(value).buffer);
const model = (location: string, tensors: Record<string, number>): Buffer =>
  onnxModel(
    ...Object.entries(tensors).map(([name, place]) => {
      const more = externalData({ location, offset: String(place * DATA_BYTES) });
      return bytes(5, tensorProto({ name, dims: [COUNT], raw: null, more }));
    }),
  );

async function shown(repo: TestRepository, path: string): Promise<[string, string[], number]> {
  const { format, tensors, extents } = await repo.with((open) =>
    showFile(open, 'HEAD', path, repo.context),
  );
  return [format, tensors.map(({ name }) => name), extents];
}

async function firstValue(repo: TestRepository, path: string, revision = 'HEAD'): Promise<number> {
  const parts: Uint8Array[] = [];
  await repo.with((open) =>
    cat(open, { revision, path }, async (part) => parts.push(part) > 0, repo.context),
  );
  return Buffer.concat(parts).readFloatLE(0);
}

test('add: external data in a folder below its models is theirs, and stored once', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('m/data/shared.bin', Buffer.concat([values(1), values(2), values(3)]));
  await repo.write('m/decoder.onnx', model('./data/shared.bin', { w0: 0, w1: 1 }));
  await repo.write('m/past.onnx', model('data\\shared.bin', { p1: 1, p2: 2 }));
  await repo.commit('first', { paths: ['m/data'] });
  t.deepEqual(await shown(repo, 'm/data/shared.bin'), ['onnx-data', ['w0', 'w1', 'p1', 'p2'], 3]);
  t.is(await firstValue(repo, 'm/data/shared.bin#p2'), 3);
  t.deepEqual(repo.warnings, []);
  await repo.write('m/data/shared.bin', Buffer.concat([values(1), values(2), values(4)]));
  const { snapshots, files } = await repo.with((open) => diff(open, {}, repo.context));
  t.deepEqual(
    files.map(({ path }) => path),
    ['m/data/shared.bin'],
  );
  t.deepEqual(
    snapshots.map(({ tensors }) => tensors.map(({ name, status }) => [name, status])),
    [[['p2', 'changed']]],
  );
});

test('add: external data whose model was exported again, or came later, is laid out anew', async (t) => {
  const repo = await TestRepository.create(t);
  const data = 'm/w.bin';
  const valuesOf = async (...names: string[]): Promise<number[]> => {
    const found: number[] = [];
    for (const name of names) found.push(await firstValue(repo, `${data}#${name}`));
    return found;
  };
  await repo.write(data, Buffer.concat([values(1), values(2), values(3)]));
  await repo.commit('data alone', { step: 7 });
  t.deepEqual(await shown(repo, data), ['blob', [], 0]);
  await repo.write('m/a.onnx', model('w.bin', { w0: 0, w1: 1 }));
  await repo.commit('a model came', { paths: ['m/a.onnx'] });
  t.deepEqual(await valuesOf('w0', 'w1'), [1, 2]);
  await repo.write('m/a.onnx', model('w.bin', { w0: 2, w1: 0 }));
  // The bytes of the data are the same: what they mean is not.
  const { snapshots } = await repo.with((open) => diff(open, {}, repo.context));
  const changes = snapshots.flatMap(({ tensors }) => tensors);
  t.deepEqual(
    changes.map(({ name, status, numbers }) => [name, status, numbers?.maxAbs]),
    [
      ['w0', 'changed', 2],
      ['w1', 'changed', 1],
    ],
  );
  await repo.dlv('commit', '-a', '-m', 'places changed');
  t.deepEqual(await valuesOf('w0', 'w1'), [3, 1]);
  await repo.write('m/b.onnx', model('w.bin', { b: 1 }));
  await repo.commit('a second model', { paths: ['m/b.onnx'] });
  t.deepEqual(await valuesOf('w0', 'w1', 'b'), [3, 1, 2]);
  // Data that is not as it was staged is not staged with the model.
  await repo.write(data, Buffer.concat([values(4), values(5), values(6)]));
  await repo.write('m/b.onnx', model('w.bin', { b: 0 }));
  await repo.commit('the model alone', { paths: ['m/b.onnx'] });
  t.deepEqual(await valuesOf('w0', 'w1'), [3, 1]);
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});

test('commit: external data is laid out as the model that a checkout brought back alone says', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('m/w.bin', Buffer.concat([values(1), values(2)]));
  await repo.write('m/a.onnx', model('w.bin', { w: 0 }));
  await repo.commit('first');
  await repo.write('m/a.onnx', model('w.bin', { w: 1 }));
  await repo.commit('second', { step: 5 });
  t.is(await firstValue(repo, 'm/w.bin#w'), 2);
  t.is((await repo.dlv('checkout', 'HEAD~1', 'm/a.onnx')).code, 0);
  t.is((await repo.dlv('commit', '-m', 'the first model again')).code, 0);
  t.is(await firstValue(repo, 'm/w.bin#w'), 1);
  t.deepEqual((await repo.json<{ clean: boolean }>('status')).clean, true);
});

test('import: external data that stays as it was is laid out as the model of each commit says', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const weights = Buffer.concat([values(1), values(2)]);
  const first = { 'w.bin': weights, 'a.onnx': model('w.bin', { w: 0 }) };
  await commit(dir, 'first', first);
  await commit(dir, 'second', { 'a.onnx': model('w.bin', { w: 1 }) });
  await commit(dir, 'the first again', { 'a.onnx': first['a.onnx'] });
  const repo = await TestRepository.create(t);
  await repo.json('import', dir);
  const found = await Promise.all(
    ['source@1', 'source@2', 'source@3'].map((version) => firstValue(repo, 'w.bin#w', version)),
  );
  t.deepEqual(found, [1, 2, 1]);
});

test('add: models that name no file are not parsed for what lies beside them', async (t) => {
  const repo = await TestRepository.create(t);
  const nodes = Buffer.concat(Array.from({ length: 20 }, () => Buffer.alloc(1000)));
  await repo.write(
    'plain.onnx',
    onnxModel(bytes(5, tensorProto({ name: 'w', dims: [5000], raw: nodes }))),
  );
  await repo.write('data.bin', values(1));
  const parsed: string[] = [];
  const layouts = new WorkLayouts();
  const layoutOf = async () => {
    const source = await ReadFile.open(repo.file('data.bin'), 'data.bin');
    // The reader of a model asks for parts of it; a search reads it once, from its beginning.
    const { read } = ReadFile.prototype;
    ReadFile.prototype.read = function (offset, length) {
      if (this.name.endsWith('.onnx')) parsed.push(`${this.name} ${offset} ${length}`);
      return read.call(this, offset, length);
    };
    try {
      return (await layouts.of(source, 'data.bin', repo.file('data.bin'))).format;
    } finally {
      ReadFile.prototype.read = read;
      await source.close();
    }
  };
  t.is(await layoutOf(), 'blob');
  const { size } = await fs.stat(repo.file('plain.onnx'));
  t.deepEqual(parsed, [`plain.onnx 0 ${size}`]);
});

test('add: archives of a distributed checkpoint have the names of its metadata', async (t) => {
  const repo = await TestRepository.create(t);
  const folder = fixture('torch', 'distributed');
  await fs.mkdir(repo.file('ck'));
  for (const name of ['.metadata', '__0_0.distcp', '__1_0.distcp']) {
    await fs.copyFile(`${folder}/${name}`, repo.file(`ck/${name}`));
  }
  // The files alone: the metadata is read where it lies.
  await repo.with((open) => add(open, { paths: ['ck/__0_0.distcp'] }, repo.context));
  await repo.commit('first');
  t.deepEqual(repo.warnings, []);
  const [format, names] = await shown(repo, 'ck/__0_0.distcp');
  t.is(format, 'torch');
  t.true(names.includes('fc.weight[0:3,0:4]'));
  const { snapshots } = await repo.json<{
    snapshots: { key: string; role: string; step: number; files: number }[];
  }>('show', 'HEAD');
  t.deepEqual(
    snapshots.map(({ key, role, step, files }) => [key, role, step, files]),
    [
      ['ck/.metadata', 'weights', 300, 3],
      ['ck/.metadata', 'optimizer', 300, 3],
    ],
  );
});

test('add and show name one format, also of a file without tensors', async (t) => {
  const repo = await TestRepository.create(t);
  const tensors = randomTensors({ w: [4] }, 1);
  await repo.write('a.safetensors', safetensors(tensors));
  await repo.write(
    'a.safetensors.index.json',
    JSON.stringify({ weight_map: { w: 'a.safetensors' } }),
  );
  await repo.write('cut.safetensors', safetensors(tensors).subarray(0, 50));
  await repo.write('empty.pt', '');
  await repo.write('data.txt', 'text');
  await fs.mkdir(repo.file('ck'));
  await fs.copyFile(fixture('torch', 'distributed', '.metadata'), repo.file('ck/.metadata'));
  await repo.write('m.onnx', model('w.bin', { w: 0 }));
  const { files } = await repo.with((open) => add(open, { paths: ['.'] }, repo.context));
  await repo.commit('first', { paths: [] });
  const formats: [string, string][] = [];
  for (const { path } of files) formats.push([path, (await shown(repo, path))[0]]);
  t.deepEqual(
    formats,
    files.map(({ path, format }) => [path, format]),
  );
  t.deepEqual(Object.fromEntries(formats), {
    'a.safetensors': 'safetensors',
    'a.safetensors.index.json': 'safetensors-index',
    'ck/.metadata': 'torch-distributed',
    'cut.safetensors': 'blob',
    'data.txt': 'blob',
    'empty.pt': 'blob',
    'm.onnx': 'onnx',
  });
  t.is(repo.warnings.filter((text) => text.startsWith("'cut.safetensors' ")).length, 1);
  t.is(repo.warnings.filter((text) => text.startsWith("'empty.pt' is named like")).length, 1);
});
