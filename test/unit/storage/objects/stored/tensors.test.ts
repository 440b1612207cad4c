/** Tensors read out of stored files are those of the file, whatever the format and the view. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import glob from 'fast-glob';
import { MemorySource } from '../../../../../lib/base/bytes/byte-source.js';
import { widen } from '../../../../../lib/pure/tensor/dtype.js';
import {
  loadTensors,
  streamTensors,
} from '../../../../../lib/storage/objects/stored/load-tensors.js';
import { readTensor } from '../../../../../lib/storage/objects/stored/read-tensor.js';
import { type StoredTensor, tensorsOf } from '../../../../../lib/storage/objects/stored/tensors.js';
import { compareTensors } from '../../../../../lib/use/history/diff/compare.js';
import { layoutOf, tensorBytes } from '../../../../helpers/layouts.js';
import { PROJECT_ROOT } from '../../../../helpers/paths.js';
import { seededRandom } from '../../../../helpers/rng.js';
import { safetensors } from '../../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../../trust/record.js';
import { WorkRepository } from '../work-repository.js';

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(new Uint8Array(piece));
  return Buffer.concat(parts);
}

test('tensors: every tensor of every fixture is stored and read back as its layout places it', async (t) => {
  t.timeout(600_000);
  const fixtures = path.join(PROJECT_ROOT, 'test', 'fixtures');
  const names = await glob(['**/*.{pt,npy,npz,onnx,safetensors}'], { cwd: fixtures });
  t.true(names.length > 20);
  const work = await WorkRepository.make(t);
  const files: Record<string, Uint8Array> = {};
  for (const name of names) files[name] = await fs.readFile(path.join(fixtures, name));
  await work.commit(files);
  let tensors = 0;
  await work.open(async (repo) => {
    const id = [...work.versions.keys()][0]!;
    for (const entry of (await repo.tree(id)).files) {
      const bytes = files[entry.path]!;
      const source = new MemorySource(bytes, entry.path);
      const layout = await layoutOf(bytes, entry.path);
      const stored = tensorsOf(await repo.openFile(entry));
      t.is(stored.length, layout.tensors.length, entry.path);
      for (const [i, tensor] of stored.entries()) {
        const expected = await tensorBytes(source, layout, layout.tensors[i]!);
        const found = await collect(readTensor(repo, tensor));
        t.deepEqual(found, expected, `${entry.path}: ${tensor.name}`);
        tensors++;
      }
      // All at once, in the order of their chains: the same bytes.
      const loaded = await loadTensors(repo, stored);
      for (const [i, array] of loaded.entries()) {
        const one = await collect(readTensor(repo, stored[i]!));
        t.deepEqual(Buffer.from(array), one, `${entry.path}: ${stored[i]!.name} loaded`);
      }
      const streamed: Buffer[] = stored.map(() => Buffer.alloc(0));
      for await (const { tensor, bytes } of streamTensors(repo, stored)) {
        streamed[tensor] = Buffer.concat([streamed[tensor]!, bytes]);
      }
      t.deepEqual(
        streamed,
        loaded.map((array) => Buffer.from(array)),
        entry.path,
      );
    }
  });
  t.true(tensors > 100);
  t.deepEqual(await fsckProblems(work.dir), []);
});

/** One stored tensor of a safetensors file. */
async function storedTensors(
  work: WorkRepository,
  bytes: Uint8Array,
): Promise<Map<string, StoredTensor>> {
  const { version } = await work.commit({ 'x.safetensors': bytes });
  return work.open(async (repo) => {
    const [entry] = (await repo.tree(version)).files;
    return new Map(tensorsOf(await repo.openFile(entry!)).map((tensor) => [tensor.name, tensor]));
  });
}

const view = (array: Float32Array | BigInt64Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

test('load: a view of a part of an extent, and two of the whole, in one pass', async (t) => {
  const work = await WorkRepository.make(t);
  const random = seededRandom(5);
  const values = new Float32Array(5000).map(() => random() - 0.5);
  const stored = await storedTensors(
    work,
    safetensors([{ name: 'w', dtype: 'F32', shape: [50, 100], bytes: view(values) }]),
  );
  const whole = stored.get('w')!;
  const part = { ...whole, shape: [7, 100], byteOffset: 400 * 3 };
  const turned = { ...whole, shape: [100, 50], strides: [1, 100] };
  await work.open(async (repo) => {
    const views = [part, whole, turned, whole];
    const loaded = await loadTensors(repo, views);
    const again = await loadTensors(repo, [whole, part]);
    t.deepEqual(
      again.map((array) => Buffer.from(array)),
      [loaded[1], loaded[0]].map((array) => Buffer.from(array!)),
    );
    for (const [i, array] of loaded.entries()) {
      t.deepEqual(Buffer.from(array), await collect(readTensor(repo, views[i]!)));
      t.is(array.byteOffset, 0);
      t.is(array.buffer.byteLength, array.length, 'memory of its own');
    }
  });
});

test('compare: numbers are those of a plain loop over all pairs', async (t) => {
  const work = await WorkRepository.make(t);
  const random = seededRandom(4);
  const count = 9000;
  const a = new Float32Array(count).map(() => random() - 0.5);
  const b = a.map((value, i) => (i % 3 === 0 ? value + 1e-3 * random() : value));
  [a[5], b[5], b[9], a[12]] = [Number.NaN, Number.NaN, Infinity, -0];
  b[12] = 0;
  const shape = [90, 100];
  const old = await storedTensors(
    work,
    safetensors([{ name: 'w', dtype: 'F32', shape, bytes: view(a) }]),
  );
  const now = await storedTensors(
    work,
    safetensors([{ name: 'w', dtype: 'F32', shape: [9000], bytes: view(b) }]),
  );
  const found = await work.open((repo) => compareTensors(repo, old.get('w')!, now.get('w')!));
  let [changed, max, dd, aa, bb, ab, nonFinite] = [0, 0, 0, 0, 0, 0, 0];
  const bitsA = new Uint32Array(a.buffer);
  const bitsB = new Uint32Array(b.buffer);
  for (let i = 0; i < count; i++) {
    if (bitsA[i] !== bitsB[i]) changed++;
    const [u, v] = [a[i]!, b[i]!];
    if (!Number.isFinite(u) || !Number.isFinite(v)) {
      nonFinite++;
      continue;
    }
    max = Math.max(max, Math.abs(v - u));
    dd += (v - u) ** 2;
    aa += u * u;
    bb += v * v;
    ab += u * v;
  }
  t.like(found, { equal: false, reshaped: true, dtypeChanged: false, nonFinite, maxAbs: max });
  t.is(found.changed, changed / count);
  t.true(Math.abs(found.relativeL2! - Math.sqrt(dd / aa)) < 1e-12);
  t.true(Math.abs(found.cosine! - ab / Math.sqrt(aa * bb)) < 1e-12);
  const same = await work.open((repo) => compareTensors(repo, old.get('w')!, old.get('w')!));
  t.like(same, { equal: true, changed: 0, maxAbs: 0, relativeL2: 0, cosine: 1 });
});

test('compare: int64 differences are exact, other counts and types give what they can', async (t) => {
  const work = await WorkRepository.make(t);
  const big = 2n ** 60n;
  const make = (values: bigint[], u8: number[]) =>
    safetensors([
      { name: 'n', dtype: 'I64', shape: [values.length], bytes: view(BigInt64Array.from(values)) },
      { name: 'b', dtype: 'U8', shape: [u8.length], bytes: Uint8Array.from(u8) },
      { name: 'e', dtype: 'F32', shape: [0], bytes: new Uint8Array(0) },
    ]);
  const old = await storedTensors(work, make([1n, -big, 5n], [1, 2, 3]));
  const now = await storedTensors(work, make([1n, big + 1n, 5n], [1, 2]));
  await work.open(async (repo) => {
    const n = await compareTensors(repo, old.get('n')!, now.get('n')!);
    t.is(n.maxAbs, String(2n * big + 1n));
    t.is(n.changed, 1 / 3);
    const b = await compareTensors(repo, old.get('b')!, now.get('b')!);
    t.like(b, { changed: null, maxAbs: null, reshaped: false, equal: false });
    const e = await compareTensors(repo, old.get('e')!, now.get('e')!);
    t.like(e, { equal: true, elements: 0 });
    const mixed = await compareTensors(repo, old.get('b')!, old.get('n')!);
    t.like(mixed, { dtypeChanged: true, changed: null, equal: false });
    t.is(typeof mixed.relativeL2, 'number');
  });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('widen: is what the bit patterns of half and bfloat16 say', (t) => {
  const half = widen(
    'F16',
    Uint8Array.of(0x00, 0x3c, 0x01, 0x00, 0xff, 0x7b, 0x00, 0xfc, 0x00, 0x80),
  );
  t.deepEqual([...half!], [1, 2 ** -24, 65504, -Infinity, -0]);
  const brain = widen('BF16', Uint8Array.of(0x80, 0x3f, 0x01, 0x00, 0x80, 0xff));
  t.deepEqual([...brain!], [1, 2 ** -133, -Infinity]);
});
