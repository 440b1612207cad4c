/**
 * Tensors that follow from stored ones: cast, in another order of dimensions, with rows added or gone.
 * Each takes few bytes, comes back bit for bit, and holds through gc, archive and damage.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { type Cast, castPlanes } from '../../lib/pure/codec/cast.js';
import { operate } from '../../lib/pure/codec/operation.js';
import { permutation } from '../../lib/pure/codec/permute.js';
import { mergePlanes, splitPlanes } from '../../lib/pure/tensor/planes.js';
import { openPlanes, readSegments } from '../../lib/storage/objects/planes/read-segments.js';
import { decodeSegmentHead } from '../../lib/storage/objects/planes/segment-head.js';
import { OBJECTS_FLAG, readFormat } from '../../lib/storage/repo/format.js';
import { packName } from '../../lib/storage/store/names.js';
import { archive } from '../../lib/use/ops/archive.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { gc } from '../../lib/use/ops/gc.js';
import { randomBytes, seededRandom } from '../helpers/rng.js';
import { compareVersions, fsckProblems } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

/** Weights of about a normal distribution. */
function weights(count: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(4 * count);
  for (let i = 0; i < count; i++) {
    const sum = random() + random() + random() + random() - 2;
    bytes.writeFloatLE(sum / 20, 4 * i);
  }
  return bytes;
}

function cast(bytes: Uint8Array, how: Cast, to: number): Buffer {
  const planes = splitPlanes(bytes, how.startsWith('F32') ? 4 : 2);
  const count = (planes[0] as Uint8Array).length;
  const target = Array.from({ length: to }, () => new Uint8Array(count));
  castPlanes(how, planes, target);
  const made = Buffer.alloc(to * count);
  mergePlanes(target, to, made);
  return made;
}

function permuted(bytes: Uint8Array, shape: readonly number[], axes: readonly number[]): Buffer {
  const planes = splitPlanes(bytes, 4);
  const count = bytes.length / 4;
  const target = planes.map(() => new Uint8Array(count));
  operate({ permute: permutation(shape, axes) ?? undefined }, { planes, count, first: 0 }, target);
  const made = Buffer.alloc(bytes.length);
  mergePlanes(target, 4, made);
  return made;
}

const ROWS = 120;
const COLUMNS = 96;
const TABLE = weights(ROWS * COLUMNS, 1);
const MORE = weights(9 * COLUMNS, 2);
const KERNEL = weights(32 * 24 * 3 * 3, 3);

/** A tensor of a safetensors file. */
interface Tensor {
  name: string;
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

/** A file of one tensor. */
function fileOf({ name, dtype, shape, data }: Tensor): Buffer {
  const text = JSON.stringify({ [name]: { dtype, shape, data_offsets: [0, data.length] } });
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

const table = (name: string, data: Uint8Array, shape: number[], dtype = 'F32'): Tensor => {
  return { name, dtype, shape, data };
};
const row = 4 * COLUMNS;

/** Each row times a factor of its own. */
function scaled(bytes: Buffer, rows: number): Buffer {
  const made = Buffer.alloc(bytes.length);
  for (let i = 0; i < bytes.length / 4; i++) {
    const factor = Math.fround(0.3 + Math.floor((i * rows * 4) / bytes.length) / 7);
    made.writeFloatLE(Math.fround(bytes.readFloatLE(4 * i) * factor), 4 * i);
  }
  return made;
}

/** What is stored first, and what follows from it. */
const CASES: Record<string, [Tensor, Tensor]> = {
  'a table that grew': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', Buffer.concat([TABLE, MORE]), [ROWS + 9, COLUMNS]),
  ],
  'a table that shrank': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', TABLE.subarray(0, 100 * row), [100, COLUMNS]),
  ],
  'rows put in front': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', Buffer.concat([MORE, TABLE]), [ROWS + 9, COLUMNS]),
  ],
  'rows taken from the front': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', TABLE.subarray(11 * row), [ROWS - 11, COLUMNS]),
  ],
  'a float16 copy of another name': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('x', cast(TABLE, 'F32→F16', 2), [ROWS, COLUMNS], 'F16'),
  ],
  'a bfloat16 copy': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', cast(TABLE, 'F32→BF16', 2), [ROWS, COLUMNS], 'BF16'),
  ],
  'a float16 copy with more rows': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('w', cast(Buffer.concat([TABLE, MORE]), 'F32→F16', 2), [ROWS + 9, COLUMNS], 'F16'),
  ],
  'float32 of a float16 one': [
    table('w', cast(TABLE, 'F32→F16', 2), [ROWS, COLUMNS], 'F16'),
    table('x', cast(cast(TABLE, 'F32→F16', 2), 'F16→F32', 4), [ROWS, COLUMNS]),
  ],
  'a transposed matrix of another name': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('onnx::MatMul_7', permuted(TABLE, [ROWS, COLUMNS], [1, 0]), [COLUMNS, ROWS]),
  ],
  'a transposed matrix in float16': [
    table('w', TABLE, [ROWS, COLUMNS]),
    table(
      'm',
      cast(permuted(TABLE, [ROWS, COLUMNS], [1, 0]), 'F32→F16', 2),
      [COLUMNS, ROWS],
      'F16',
    ),
  ],
  'a convolution that a normalization was folded into': [
    table('w', KERNEL, [32, 24, 3, 3]),
    table('onnx::Conv_9', scaled(KERNEL, 32), [32, 24, 3, 3]),
  ],
  'a convolution in the order of another framework': [
    table('w', KERNEL, [32, 24, 3, 3]),
    table('k', permuted(KERNEL, [32, 24, 3, 3], [2, 3, 1, 0]), [3, 3, 24, 32]),
  ],
};

/** A repository of two versions, with room for none but the changes that are tested. */
async function made(
  t: ExecutionContext,
  [first, second]: [Tensor, Tensor],
): Promise<{
  work: WorkRepository;
  stored: number;
}> {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  await work.commit({ 'a.safetensors': fileOf(first) });
  const { storedBytes } = await work.commit({ 'b.safetensors': fileOf(second) });
  return { work, stored: storedBytes };
}

for (const [what, tensors] of Object.entries(CASES)) {
  test(`derived: ${what} takes few bytes and comes back`, async (t) => {
    const { work, stored } = await made(t, tensors);
    const [before, after] = tensors.map(({ shape }) => shape[0] as number) as [number, number];
    const rows = after > before ? MORE.length : 0;
    t.true(stored < 2500 + rows, `${stored} bytes`);
    t.deepEqual(await fsckProblems(work.dir), []);
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
    await work.open(async (repo) => {
      t.true((await readFormat(repo.layout)).readRequired.includes(OBJECTS_FLAG));
    });
  });
}

test('derived: what has a base of its own kind gets no operation, and the format stays', async (t) => {
  const work = await WorkRepository.make(t);
  const changed = Buffer.from(TABLE);
  for (let i = 0; i < changed.length; i += 40) changed[i] = 7;
  await work.commit({ 'a.safetensors': fileOf(table('w', TABLE, [ROWS, COLUMNS])) });
  await work.commit({ 'a.safetensors': fileOf(table('w', changed, [ROWS, COLUMNS])) });
  await work.open(async (repo) => {
    t.false((await readFormat(repo.layout)).readRequired.includes(OBJECTS_FLAG));
  });
});

/** Ids of the extents in the repository with their sizes. */
async function extents(work: WorkRepository): Promise<Map<Id, { width: number; count: number }>> {
  return work.open(async (repo) => {
    const found = new Map<Id, { width: number; count: number }>();
    for await (const { entry } of repo.store.records()) {
      if ('segment' in entry) found.set(entry.id, { width: entry.width, count: entry.count });
    }
    return found;
  });
}

test('derived: every reader gives the same planes, leading ones too', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const half = cast(TABLE, 'F32→F16', 2);
  const wide = [
    table('w', TABLE, [ROWS, COLUMNS]),
    table('g', Buffer.concat([MORE, TABLE]), [ROWS + 9, COLUMNS]),
  ];
  await work.commit({ 'a.safetensors': fileOf(wide[0] as Tensor) });
  await work.commit({ 'g.safetensors': fileOf({ ...(wide[1] as Tensor), name: 'w' }) });
  await work.commit({ 'h.safetensors': fileOf(table('w', half, [ROWS, COLUMNS], 'F16')) });
  const again = permuted(Buffer.concat([MORE, TABLE]), [ROWS + 9, COLUMNS], [1, 0]);
  await work.commit({ 't.safetensors': fileOf(table('t', again, [COLUMNS, ROWS + 9])) });
  const all = [...(await extents(work))];
  t.is(all.length, 4);
  await work.open(async (repo) => {
    let deltas = 0;
    for (const planes of [1, 2, 3, 4]) {
      const requests = all.map(([id]) => ({ id, segment: 0, planes }));
      const forest = await openPlanes(repo.store, requests);
      t.true(forest.isShared);
      const found: Uint8Array[][] = [];
      await readSegments(repo.store, requests, {
        onSegment: (lent, request) => {
          found[request] = lent.map((plane) => plane.slice());
        },
      });
      for (const [i, request] of requests.entries()) {
        const { width } = (all[i] as (typeof all)[0])[1];
        const one = await repo.planes.lend(request);
        const other = await forest.reader.lend(request);
        const whole = await repo.planes.lend({ id: request.id, segment: 0 });
        t.is(one.planes.length, Math.min(width, planes));
        t.deepEqual(one.planes, whole.planes.slice(0, one.planes.length));
        t.deepEqual(other.planes, one.planes);
        t.deepEqual(found[i], one.planes as Uint8Array[]);
        await repo.hashes.check(request.id, 0, whole.planes);
        const record = await repo.store.readSegment(request.id, 0, []);
        if (record !== null && decodeSegmentHead(record).operation !== undefined) deltas++;
        for (const lease of [one, other, whole]) lease.release();
      }
      forest.close();
    }
    t.is(deltas, 4 * 3);
  });
});

test('derived: an extent of several segments grows over the end of its base', async (t) => {
  const bytes = randomBytes(SEGMENT_ELEMENTS + 40_000, 5);
  const longer = Buffer.concat([bytes, randomBytes(SEGMENT_ELEMENTS, 6).subarray(0, 50_000)]);
  const longest = Buffer.concat([longer, randomBytes(SEGMENT_ELEMENTS, 7)]);
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const file = (data: Uint8Array) => {
    return { 'a.safetensors': fileOf({ name: 'w', dtype: 'U8', shape: [data.length], data }) };
  };
  await work.commit(file(bytes));
  const grown = await work.commit(file(longer));
  t.true(grown.storedBytes < 56_000, `${grown.storedBytes}`);
  const third = await work.commit(file(longest));
  t.true(third.storedBytes < SEGMENT_ELEMENTS + 10_000, `${third.storedBytes}`);
  t.deepEqual(await fsckProblems(work.dir), []);
  await work.open((repo, context) => archive(repo, { budgets: [3] }, context));
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('derived: archive keeps what follows from others, gc keeps what others follow from', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  for (const [i, [first, second]] of Object.values(CASES).entries()) {
    await work.commit({ [`${i}a.safetensors`]: fileOf({ ...first, name: `${i}${first.name}` }) });
    await work.commit({ [`${i}b.safetensors`]: fileOf({ ...second, name: `${i}${second.name}` }) });
  }
  const bytesOf = async () => {
    const sizes = await Promise.all(
      (await work.packs('.hi')).map((name) => fs.stat(work.file(`.dlv/packs/${name}`))),
    );
    return sizes.reduce((sum, { size }) => sum + size, 0);
  };
  const before = await bytesOf();
  await work.open((repo, context) => archive(repo, { budgets: [4], level: 'max' }, context));
  t.true((await bytesOf()) < 1.05 * before);
  await work.open((repo, context) => gc(repo, { pruneNow: true }, context));
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('derived: damage of a base is damage of all that follows from it', async (t) => {
  const { work } = await made(t, CASES['a transposed matrix of another name'] as [Tensor, Tensor]);
  const entry = await work.open(async (repo) => {
    for await (const { entry } of repo.store.records()) {
      if ('segment' in entry && entry.base === null) return entry;
    }
    throw new Error('no full record');
  });
  const inHi = entry.offset + entry.headBytes + 300;
  await work.damage(packName(entry.set, 'hi'), inHi);
  const report = await fsck(work.context);
  const affected = JSON.stringify(report);
  for (const file of ['a.safetensors', 'b.safetensors']) t.true(affected.includes(file), file);
  await fs.rm(work.file('b.safetensors'));
  await t.throwsAsync(
    work.open((repo, context) => checkout(repo, { revision: 'HEAD', force: true }, context)),
    { code: 'DLV_CORRUPT' },
  );
  t.false((await fs.readdir(work.dir)).includes(path.basename('b.safetensors')));
});
