/**
 * Copies in other number types: 8-bit integers of stored floats, floats of stored integers, float64. Each
 * takes few bytes, comes back bit for bit, also where some elements were changed since, and is read only
 * by a dlv that knows how.
 */
import test from 'ava';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { openPlanes } from '../../lib/storage/objects/planes/read-segments.js';
import { QUANTISED_FLAG, readFormat } from '../../lib/storage/repo/format.js';
import { archive } from '../../lib/use/ops/archive.js';
import { seededRandom } from '../helpers/rng.js';
import { compareVersions, fsckProblems } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

const ROWS = 120;
const COLUMNS = 96;

/** Weights of about a normal distribution; each row is wider than the one before. */
function weights(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return new Float32Array(count).map((_, i) => {
    const sum = random() + random() + random() + random() - 2;
    return (sum / 20) * (1 + Math.floor(i / COLUMNS) / ROWS);
  });
}

/** A safetensors file of one tensor. */
function file(dtype: string, shape: number[], values: ArrayBufferView): Buffer {
  const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const text = JSON.stringify({ w: { dtype, shape, data_offsets: [0, data.length] } });
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** The nearest whole number, of two as near the even one, by its definition. */
function nearest(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

const clamp = (x: number, least: number, most: number) => Math.min(most, Math.max(least, x));

/** Symmetric int8 with a scale for each channel, as exporters make it. */
function int8(values: Float32Array, channels: number, channelOf: (i: number) => number) {
  const largest = new Float32Array(channels);
  values.forEach((value, i) => {
    const c = channelOf(i);
    largest[c] = Math.max(largest[c] as number, Math.abs(value));
  });
  const scales = largest.map((size) => size / 127.5);
  const integers = Int8Array.from(values, (value, i) => {
    return clamp(nearest(Math.fround(value / (scales[channelOf(i)] as number))), -128, 127);
  });
  return { scales, integers };
}

const TABLE = weights(ROWS * COLUMNS, 1);
const WIDE = weights(40 * 2000, 7);
const SHAPE = [ROWS, COLUMNS];
const whole = int8(TABLE, 1, () => 0);
const byRow = int8(TABLE, ROWS, (i) => Math.floor(i / COLUMNS));
const byColumn = int8(TABLE, COLUMNS, (i) => i % COLUMNS);

/** uint8 with a zero point that is not in the middle. */
function uint8(values: Float32Array): Uint8Array {
  const scale = Math.fround(0.3 / 255);
  return Uint8Array.from(values, (value) =>
    clamp(nearest(Math.fround(value / scale)) + 90, 0, 255),
  );
}

/** By the inverse of the scale, as PyTorch does it. */
function byInverse(values: Float32Array): Int8Array {
  const inverse = Math.fround(1 / Math.fround(0.2 / 127));
  return Int8Array.from(values, (value) => clamp(nearest(Math.fround(value * inverse)), -128, 127));
}

function transposed(values: Int8Array): Int8Array {
  return values.map((_, i) => values[(i % ROWS) * COLUMNS + Math.floor(i / ROWS)] as number);
}

const floats = file('F32', SHAPE, TABLE);
const changed = whole.integers.slice();
for (let i = 0; i < changed.length; i += 100) changed[i] = (changed[i] as number) ^ 1;

/** What is stored first, what follows from it, and the bytes that its changes may take besides. */
const CASES: Record<string, [first: Buffer, second: Buffer, more?: number]> = {
  'int8 of one scale': [floats, file('I8', SHAPE, whole.integers)],
  'int8 with a scale for each row': [floats, file('I8', SHAPE, byRow.integers)],
  'int8 with a scale for each column': [floats, file('I8', SHAPE, byColumn.integers)],
  'int8 of few rows with a scale for each of many columns': [
    file('F32', [40, 2000], WIDE),
    file('I8', [40, 2000], int8(WIDE, 2000, (i) => i % 2000).integers),
    // Five bytes for each column.
    10_000,
  ],
  'int8 of a transposed matrix': [floats, file('I8', [COLUMNS, ROWS], transposed(byRow.integers))],
  'uint8 with a zero point': [floats, file('U8', SHAPE, uint8(TABLE))],
  'int8 by the inverse of a scale': [floats, file('I8', SHAPE, byInverse(TABLE))],
  'int8 of which a hundredth was changed': [floats, file('I8', SHAPE, changed), 600],
  'float32 of int8': [
    file('I8', [2 * ROWS, COLUMNS], int8(weights(2 * ROWS * COLUMNS, 3), 1, () => 0).integers),
    file(
      'F32',
      [2 * ROWS, COLUMNS],
      Float32Array.from(
        int8(weights(2 * ROWS * COLUMNS, 3), 1, () => 0).integers,
        (q) => q * Math.fround(0.0037),
      ),
    ),
  ],
  'float64 of float32': [floats, file('F64', SHAPE, Float64Array.from(TABLE))],
  'float32 of float64': [
    file(
      'F64',
      SHAPE,
      Float64Array.from(TABLE, (value, i) => value + i * 1e-12),
    ),
    file(
      'F32',
      SHAPE,
      Float32Array.from(TABLE, (value, i) => Math.fround(value + i * 1e-12)),
    ),
  ],
};

for (const [what, [first, second, more = 0]] of Object.entries(CASES)) {
  test(`quantised: ${what} takes few bytes and comes back`, async (t) => {
    const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
    await work.commit({ 'a.safetensors': first });
    const { storedBytes } = await work.commit({ 'b.safetensors': second });
    t.true(storedBytes < 2500 + more, `${storedBytes} bytes`);
    t.deepEqual(await fsckProblems(work.dir), []);
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
    await work.open(async (repo) => {
      t.true((await readFormat(repo.layout)).readRequired.includes(QUANTISED_FLAG));
    });
    await work.open((repo, context) => archive(repo, { budgets: [4], level: 'max' }, context));
    t.deepEqual(await fsckProblems(work.dir), []);
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
  });
}

test('quantised: what only looks like it, such as another step of training, gets no operation', async (t) => {
  const work = await WorkRepository.make(t);
  const random = seededRandom(9);
  const noisy = TABLE.map((value) => value + 0.01 * (random() - 0.5));
  await work.commit({ 'a.safetensors': floats });
  await work.commit({ 'b.safetensors': file('I8', SHAPE, int8(noisy, 1, () => 0).integers) });
  await work.open(async (repo) => {
    t.false((await readFormat(repo.layout)).readRequired.includes(QUANTISED_FLAG));
  });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('quantised: a table of several segments, with a scale for each row', async (t) => {
  const rows = Math.ceil((SEGMENT_ELEMENTS + 50_000) / COLUMNS);
  const table = weights(rows * COLUMNS, 5);
  const { integers } = int8(table, rows, (i) => Math.floor(i / COLUMNS));
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  await work.commit({ 'a.safetensors': file('F32', [rows, COLUMNS], table) });
  const { storedBytes } = await work.commit({
    'b.safetensors': file('I8', [rows, COLUMNS], integers),
  });
  // Five bytes for each row and segment.
  t.true(storedBytes < 2 * 5 * rows + 20_000, `${storedBytes} bytes of ${integers.length}`);
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('quantised: leading planes of floats that follow from integers are those of the whole', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const [first, second] = CASES['float32 of int8'] as [Buffer, Buffer];
  await work.commit({ 'a.safetensors': first });
  await work.commit({ 'b.safetensors': second });
  await work.open(async (repo) => {
    for await (const { entry } of repo.store.records()) {
      if (!('segment' in entry) || entry.base === null) continue;
      const whole = await repo.planes.lend({ id: entry.id, segment: 0 });
      for (const planes of [1, 2, 3]) {
        const request = { id: entry.id, segment: 0, planes };
        const lease = await repo.planes.lend(request);
        const forest = await openPlanes(repo.store, [request]);
        const other = await forest.reader.lend(request);
        t.deepEqual(lease.planes, whole.planes.slice(0, lease.planes.length));
        t.deepEqual(other.planes, lease.planes);
        forest.close();
      }
    }
  });
});
