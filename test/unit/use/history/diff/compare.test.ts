/** Comparison of tensors: views of one extent, numbers without meaning, hostile sizes. */
import test from 'ava';
import { CorruptError, isDamage, LimitError } from '../../../../../lib/base/errors.js';
import type { DType } from '../../../../../lib/pure/tensor/dtype.js';
import type { Skeleton, SkeletonTensor } from '../../../../../lib/pure/tensor/recipe.js';
import {
  openStoredFile,
  type StoredFile,
} from '../../../../../lib/storage/objects/stored/stored-file.js';
import {
  readTensor,
  type StoredTensor,
  tensorsOf,
} from '../../../../../lib/storage/objects/stored/tensors.js';
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
