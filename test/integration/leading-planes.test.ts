/** Reading leading planes: half of the bytes, values within their bounds, copies that are no originals. */
import path from 'node:path';
import test from 'ava';
import * as dlv from '../../lib/index.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import type { AddResult } from '../../lib/use/ops/add.js';
import type { CatResult } from '../../lib/use/ops/cat.js';
import type { CheckoutResult } from '../../lib/use/ops/checkout.js';
import { countReads, type Reads } from '../helpers/count-reads.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

/** Two versions of a model of 1.5 MiB, the second stored as difference. */
async function twoVersions(t: Parameters<typeof TestRepository.create>[0]) {
  const repo = await TestRepository.create(t);
  const first = randomTensors(
    { 'a.weight': [512, 512], 'b.weight': [256, 512], 'b.bias': [64] },
    1,
  );
  const second = nudge(first, 1e-3, 2);
  for (const tensors of [first, second]) {
    await repo.write('model.safetensors', safetensors(tensors));
    await repo.commit('version');
  }
  return { repo, tensors: second };
}

/** Bytes of records that were read from packs. */
const ofPacks = (reads: Reads): number =>
  reads.total((file) => file.includes(`${path.sep}packs${path.sep}`) && !file.endsWith('.idx'));

async function packBytes(action: () => Promise<unknown>): Promise<number> {
  const reads = countReads();
  const { lendPayloads } = ObjectStore.prototype;
  // The kernel would read them by itself, uncounted.
  ObjectStore.prototype.lendPayloads = async () => null;
  try {
    await action();
    return ofPacks(reads);
  } finally {
    reads.stop();
    ObjectStore.prototype.lendPayloads = lendPayloads;
  }
}

/** Every value is close to the exact one, and not all are equal. */
function isNear(t: { true(is: boolean): unknown }, near: Float32Array, exact: Float32Array): void {
  t.true(
    near.every(
      (value, i) => Math.abs(value - (exact[i] as number)) <= Math.abs(exact[i] as number) / 256,
    ),
  );
  t.true(near.some((value, i) => value !== exact[i]));
}

test.serial('cat and checkout of leading planes read about half of the bytes', async (t) => {
  const { repo } = await twoVersions(t);
  const whole = await packBytes(() => repo.dlv('checkout', 'HEAD', '--out', '../whole'));
  const half = await packBytes(() =>
    repo.dlv('checkout', 'HEAD', '--planes', '2', '--out', '../half'),
  );
  const three = await packBytes(() =>
    repo.dlv('checkout', 'HEAD', '--planes', '3', '--out', '../three'),
  );
  t.true(half < 0.5 * whole, `${half} of ${whole}`);
  t.true(half < three && three < whole, `${half} < ${three} < ${whole}`);
  const place = 'HEAD:model.safetensors#a.weight';
  const all = await packBytes(() => repo.dlv('cat', place));
  const some = await packBytes(() => repo.dlv('cat', place, '--planes', '2'));
  t.true(some < 0.5 * all, `${some} of ${all}`);
});

test('checkout --planes: the same container, marked, and nothing that add takes for the original', async (t) => {
  const { repo, tensors } = await twoVersions(t);
  const args = ['checkout', 'HEAD', '--planes', '2', '--out', 'rough'];
  const result = await repo.json<CheckoutResult>(...args);
  t.deepEqual(result.approximate, ['model.safetensors']);
  const file = await repo.read('rough/model.safetensors');
  const { planes, files } = JSON.parse((await repo.text('rough/dlv-approximate.json')) as string);
  t.is(planes, 2);
  t.is(files[0].path, 'model.safetensors');
  const refused = await repo.fails(1, 'add', 'rough/model.safetensors');
  t.is(refused.code, 'DLV_CONFLICT');
  t.regex(refused.message, /approximate copy: 2 leading planes of/);
  // Without its mark, it is known by its checksum; elsewhere, by its mark.
  await repo.write('model.safetensors', file);
  t.is((await repo.fails(1, 'add', 'model.safetensors')).code, 'DLV_CONFLICT');
  const folder = await repo.dlv('add', '.');
  t.is(folder.code, 0);
  t.regex(folder.stderr, /skipped: it is an approximate copy/);
  const other = await TestRepository.create(t);
  await other.write('m.safetensors', file);
  t.is((await other.fails(1, 'add', 'm.safetensors')).code, 'DLV_CONFLICT');
  const taken = await other.json<AddResult>('add', '--approximate', 'm.safetensors');
  t.is(taken.files[0]?.tensors, 3);
  await other.json('commit', '-m', 'rough');
  const opened = await dlv.open(other.dir);
  for (const [name, { values }] of Object.entries(tensors)) {
    const { data } = await opened.readTensor('HEAD', name);
    const near = new Float32Array(data.buffer);
    if (name === 'b.bias') t.deepEqual(near, values);
    else isNear(t, near, values);
  }
  await opened.close();
});

test('readTensor with planes: bounds hold each value', async (t) => {
  const { repo, tensors } = await twoVersions(t);
  const opened = await dlv.open(repo.dir);
  const exact = tensors['a.weight']?.values as Float32Array;
  for (const planes of [1, 2, 3, 4, 8]) {
    const { data, bounds } = await opened.readTensor('HEAD', 'a.weight', { planes });
    const near = new Float32Array(data.buffer);
    const { least, greatest } = bounds as NonNullable<typeof bounds>;
    t.true(
      exact.every((value, i) => (least[i] as number) <= value && value <= (greatest[i] as number)),
    );
    t.true(
      near.every((value, i) => (least[i] as number) <= value && value <= (greatest[i] as number)),
    );
    if (planes >= 4) t.deepEqual(near, exact);
  }
  t.is((await opened.readTensor('HEAD', 'a.weight')).bounds, null);
  await t.throwsAsync(opened.readTensor('HEAD', 'a.weight', { planes: 0 }), {
    instanceOf: dlv.UsageError,
  });
  await opened.close();
});

test('cat --planes: raw, npy and safetensors; zip files go through checkout', async (t) => {
  const { repo, tensors } = await twoVersions(t);
  const exact = tensors['a.weight']?.values as Float32Array;
  const raw = await repo.dlv('cat', 'HEAD:model.safetensors#a.weight', '--planes', '2');
  isNear(t, new Float32Array(new Uint8Array(raw.stdoutBytes).buffer), exact);
  const file = await repo.dlv('cat', 'HEAD:model.safetensors', '--planes', '2');
  const said = await repo.json<CatResult>('cat', 'HEAD:model.safetensors', '--planes', '2');
  t.like(said, { planes: 2, bytes: file.stdoutBytes.length });
  const weights = await repo.dlv('cat', 'HEAD', '--format', 'safetensors', '--planes', '2');
  t.true(weights.stdoutBytes.includes('dlv.approximate'));
  t.is((await repo.json<CatResult>('cat', 'HEAD:model.safetensors', '--planes', '4')).planes, null);
  t.is((await repo.fails(2, 'cat', 'HEAD:model.safetensors', '--planes', '9')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'checkout', 'HEAD', '--planes', '2')).code, 'DLV_USAGE');
});
