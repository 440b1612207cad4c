/** Comparison of tensors: views of one extent, numbers without meaning, hostile sizes. */
import test, { type ExecutionContext } from 'ava';
import { CorruptError, isDamage, LimitError } from '../../../../../lib/base/errors.js';
import type { DType } from '../../../../../lib/pure/tensor/dtype.js';
import type { Skeleton, SkeletonTensor } from '../../../../../lib/pure/tensor/recipe.js';
import { readTensor } from '../../../../../lib/storage/objects/stored/read-tensor.js';
import {
  openStoredFile,
  type StoredFile,
} from '../../../../../lib/storage/objects/stored/stored-file.js';
import { type StoredTensor, tensorsOf } from '../../../../../lib/storage/objects/stored/tensors.js';
import { readStaging } from '../../../../../lib/storage/repo/staging/staging-file.js';
import { compareTensors } from '../../../../../lib/use/history/diff/compare.js';
import type { Repository } from '../../../../../lib/use/repository.js';
import { safetensors } from '../../../../trust/model-files.js';
import { WorkRepository } from '../../../storage/objects/work-repository.js';

const COUNT = 6000;

/** A safetensors file of one tensor. */
function file(dtype: string, values: Float32Array | Float64Array): Buffer {
  const bytes = new Uint8Array(values.buffer);
  return safetensors([{ name: 'w', dtype, shape: [values.length], bytes }]);
}

/** What is staged, opened. */
async function stagedFiles(repo: Repository): Promise<StoredFile[]> {
  const { staging } = await readStaging(repo.layout);
  return Promise.all(staging.entries('m').map((entry) => openStoredFile(repo, entry)));
}

/** A stored tensor of float32 in an extent of its own. */
async function stored(work: WorkRepository, values: Float32Array): Promise<StoredTensor> {
  await work.add({ 'x.safetensors': file('F32', values) });
  const [made] = await work.open(stagedFiles);
  const [tensor] = tensorsOf(made as StoredFile);
  return tensor as StoredTensor;
}

function view(of: StoredTensor, shape: number[], strides: number[] | null): StoredTensor {
  return { ...of, shape, strides };
}

test('compare: views of one extent are equal only if they read the same elements', async (t) => {
  const work = await WorkRepository.make(t);
  const values = new Float32Array(COUNT).map((_, i) => i);
  const tensor = await stored(work, values);
  await work.open(async (repo) => {
    const compare = (a: StoredTensor, b: StoredTensor) => compareTensors(repo, a, b);
    const flat = view(tensor, [COUNT], [1]);
    const rows = view(tensor, [2, COUNT / 2], null);
    const reshaped = await compare(flat, rows);
    t.true(reshaped.equal && reshaped.reshaped);
    // The same strides with another shape, and strides of which one is a prefix of the other.
    const pairs = [
      [view(tensor, [2, COUNT / 2], [1, 2]), view(tensor, [COUNT / 2, 2], [1, 2])],
      [flat, view(tensor, [2, COUNT / 2], [1, 2])],
    ] as const;
    for (const [a, b] of pairs) {
      const found = await compare(a, b);
      t.false(found.equal);
      t.true((found.changed as number) > 0.9 && (found.maxAbs as number) > 0);
    }
  });
});

test('compare: sums beyond float64 give no number', async (t) => {
  const work = await WorkRepository.make(t);
  const ones = new Float64Array(4096).fill(1);
  const other = ones.slice();
  other[7] = 1e200;
  await work.add({ 'a.safetensors': file('F64', ones), 'b.safetensors': file('F64', other) });
  await work.open(async (repo) => {
    const [a, b] = (await stagedFiles(repo)).map((made) => tensorsOf(made)[0] as StoredTensor);
    const found = await compareTensors(repo, a as StoredTensor, b as StoredTensor);
    t.like(found, { equal: false, maxAbs: 1e200, relativeL2: null, cosine: null, nonFinite: 0 });
  });
});

/** Compares the only tensors of two files. */
async function compareFiles(t: ExecutionContext, before: Buffer, after: Buffer) {
  const work = await WorkRepository.make(t);
  await work.add({ 'a.safetensors': before, 'b.safetensors': after });
  return work.open(async (repo) => {
    const [a, b] = (await stagedFiles(repo)).map((made) => tensorsOf(made)[0] as StoredTensor);
    return compareTensors(repo, a as StoredTensor, b as StoredTensor);
  });
}

function typed(dtype: string, shape: number[], values: Float32Array | Uint8Array): Buffer {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return safetensors([{ name: 'w', dtype, shape, bytes }]);
}

test('compare: complex numbers differ by their distance, real ones beside them have no imaginary part', async (t) => {
  const count = 300_000;
  const real = new Float32Array(count).map((_, i) => i % 7);
  const pairs = (change: (i: number) => number): Buffer =>
    typed(
      'C64',
      [count],
      new Float32Array(2 * count).map((_, i) => (i % 2 ? 0 : (real[i / 2] as number)) + change(i)),
    );
  const plain = pairs(() => 0);
  const moved = pairs((i) => (i === 10 ? 3 : i === 11 ? 4 : 0));
  const found = await compareFiles(t, plain, moved);
  t.like(found, { maxAbs: 5, changed: 1 / count, signFlips: null, equal: false });
  for (const [a, b] of [
    [typed('F32', [count], real), moved],
    [moved, typed('F32', [count], real)],
  ] as const) {
    const cast = await compareFiles(t, a, b);
    t.like(cast, { maxAbs: 5, changed: null, equal: false, dtypeChanged: true });
  }
  t.like(await compareFiles(t, typed('F32', [count], real), plain), { maxAbs: 0, relativeL2: 0 });
});

test('compare: of packed values those that differ are counted, not their bytes', async (t) => {
  const bytes = new Uint8Array(5000).fill(0x12);
  const other = bytes.slice();
  other[3] = 0x13;
  other[4] = 0x21;
  const packed = (dtype: string, shape: number[], values: Uint8Array): Buffer =>
    typed(dtype, shape, values);
  const four = await compareFiles(t, packed('F4', [10_000], bytes), packed('F4', [10_000], other));
  t.like(four, { changed: 3 / 10_000, equal: false, maxAbs: null });
  // Four values in three bytes: which of them differ depends on an order that nothing says.
  const shape = [(5001 * 4) / 3];
  const six = (values: Uint8Array): Buffer =>
    packed('F6_E2M3', shape, Buffer.concat([values, Buffer.from([1])]));
  t.like(await compareFiles(t, six(bytes), six(other)), { changed: null, equal: false });
  t.like(await compareFiles(t, six(bytes), six(bytes)), { changed: 0, equal: true });
});

test('tensors: an extent of another size than the view says is damage', async (t) => {
  const work = await WorkRepository.make(t);
  const tensor = await stored(work, new Float32Array(COUNT).fill(1.5));
  await work.open(async (repo) => {
    const lies: [DType, number, number][] = [
      ['F16', 2, COUNT],
      ['F64', 8, COUNT],
      ['U8', 1, COUNT],
      ['F32', 4, COUNT - 1],
      ['F32', 4, COUNT + 1],
    ];
    for (const [dtype, width, count] of lies) {
      const home = { ...tensor.home, width, count } as StoredTensor['home'];
      const lying = { ...tensor, dtype, shape: [count], home };
      const read = async (): Promise<void> => {
        for await (const _ of readTensor(repo, lying)) t.fail('no value is given');
      };
      t.true(isDamage(await t.throwsAsync(read)), `${dtype} of ${count}`);
    }
  });
});

test('tensors: a view that names elements without end is refused', async (t) => {
  const work = await WorkRepository.make(t);
  const tensor = await stored(work, new Float32Array(COUNT));
  await work.open(async (repo) => {
    const read = async (): Promise<void> => {
      for await (const _ of readTensor(repo, view(tensor, [2 ** 40], [0]))) t.fail('endless');
    };
    await t.throwsAsync(read, { instanceOf: LimitError });
  });
});

test('tensors: a strided view of packed elements is damage', async (t) => {
  const work = await WorkRepository.make(t);
  await work.add({ 'x.safetensors': file('F32', new Float32Array(COUNT)) });
  const [made] = (await work.open(stagedFiles)) as [StoredFile];
  const skeleton = made.skeleton as Skeleton;
  const [first] = skeleton.tensors as [SkeletonTensor];
  const lying = { ...first, dtype: 'I4' as const, shape: [4, 4], strides: [4, 1] };
  const changed = { ...made, skeleton: { ...skeleton, tensors: [lying] } };
  t.throws(() => tensorsOf(changed), { instanceOf: CorruptError });
});
