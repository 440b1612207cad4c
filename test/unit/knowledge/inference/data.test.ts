/** Files of examples and labels, and what is declared to be done to them. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { DlvError } from '../../../../lib/base/errors.js';
import { openArray } from '../../../../lib/knowledge/inference/data/array.js';
import { openDataSet } from '../../../../lib/knowledge/inference/data/data-set.js';
import { DataRoom } from '../../../../lib/knowledge/inference/data/packed-source.js';
import {
  channelsOf,
  checkPreprocess,
  fedShape,
  parsePreprocess,
  preprocess,
} from '../../../../lib/knowledge/inference/data/preprocess.js';
import { Table } from '../../../../lib/knowledge/inference/data/table.js';
import { npyHeader } from '../../../../lib/pure/formats/tensor-headers.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { buildZip } from '../../../helpers/zip.js';

async function written(t: ExecutionContext, name: string, bytes: Uint8Array | string) {
  const file = path.join(await tempDir(t), name);
  await fs.writeFile(file, bytes);
  return file;
}

function npy(shape: number[], values: Float32Array | Uint8Array): Uint8Array {
  const dtype = values instanceof Float32Array ? 'F32' : 'U8';
  const header = npyHeader({ name: 'x', dtype, shape, bytes: values.byteLength });
  return Buffer.concat([header, new Uint8Array(values.buffer)]);
}

function idx(code: number, sizes: number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head[2] = code;
  head[3] = sizes.length;
  for (const [i, size] of sizes.entries()) head.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([head, data]);
}

test('arrays: rows of .npy and of a named part of .npz', async (t) => {
  const bytes = npy([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
  const array = (await openArray(await written(t, 'x.npy', bytes), null))!;
  t.deepEqual([...array.shape], [3, 2]);
  t.deepEqual([...(await array.rows(1, 2))], [3, 4, 5, 6]);
  t.false(array.isWhole);
  await array.close();
  const both = buildZip([
    { name: 'x.npy', data: bytes },
    { name: 'y.npy', data: npy([3], Uint8Array.of(0, 1, 2)), deflate: true },
  ]);
  const file = await written(t, 'd.npz', both);
  const labels = (await openArray(file, 'y'))!;
  t.true(labels.isWhole);
  t.deepEqual([...(await labels.rows(0, 3))], [0, 1, 2]);
  await labels.close();
  await t.throwsAsync(openArray(file, null), { code: 'DLV_USAGE' });
  const error = await t.throwsAsync<DlvError>(openArray(file, 'z'), { code: 'DLV_USAGE' });
  t.regex(error.data.hint!, /x, y/);
});

test('arrays: IDX is big-endian, may be compressed, and has just the bytes of its sizes', async (t) => {
  const words = idx(0x0b, [2, 2], Uint8Array.of(0, 1, 255, 255, 1, 0, 0, 2));
  for (const [name, bytes] of [
    ['plain', words],
    ['packed', gzipSync(words)],
  ] as const) {
    const array = (await openArray(await written(t, name, bytes), null))!;
    t.deepEqual([...(await array.rows(0, 2))], [1, -1, 256, 2], name);
    await array.close();
  }
  for (const bad of [
    idx(0x08, [3], Uint8Array.of(1, 2)),
    idx(0x08, [0xffffffff, 0xffffffff], Uint8Array.of(1)),
    idx(0x0a, [1], Uint8Array.of(1)),
    Buffer.from([0, 0, 8, 0]),
    Buffer.from([0, 0, 8, 9, 0]),
    gzipSync(words).subarray(0, 11),
  ]) {
    await t.throwsAsync(openArray(await written(t, 'bad', bad), null), { code: 'DLV_CORRUPT' });
  }
  // What broke off behind the header is found when rows are read, even if they would be there.
  const cut = (await openArray(await written(t, 'cut', gzipSync(words).subarray(0, -9)), null))!;
  await t.throwsAsync(cut.rows(0, 2), { code: 'DLV_CORRUPT' });
  await cut.close();
});

/** A .npy file of this dtype, as NumPy calls it. */
function npyOf(descr: string, shape: number[], data: Uint8Array): Buffer {
  const text = `{'descr': ${descr}, 'fortran_order': False, 'shape': (${shape.join(',')},), }`;
  const header = Buffer.alloc(10 + 246, 0x20);
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(246, 8);
  header.write(text, 10, 'latin1');
  return Buffer.concat([header, data]);
}

test('arrays: what holds no real numbers is refused, with its dtype and what to do', async (t) => {
  for (const [descr, bytes, what, hint] of [
    ["'<c8'", 8, /complex numbers \(dtype <c8\)/, /x\.real/],
    ["'>c16'", 16, /complex numbers \(dtype >c16\)/, /x\.real/],
    ["'<M8[ns]'", 8, /dates \(dtype <M8\[ns\]\)/, /int64/],
    ["'<m8[s]'", 8, /spans of time/, /int64/],
    ["'<U3'", 12, /texts \(dtype <U3\)/, /--classes/],
    ["'|S2'", 2, /texts \(dtype \|S2\)/, /--classes/],
    ["'<f16'", 16, /floats of a width that is not read \(dtype <f16\)/, /float32/],
    ["'|V2'", 2, /raw records \(dtype \|V2\)/, /float32/],
    ["[('a', '<f4'), ('b', '<f4')]", 8, /several fields \(a structured dtype\)/, /one field/],
  ] as const) {
    const content = npyOf(descr, [3], Buffer.alloc(3 * bytes));
    for (const [name, file] of [
      ['x.npy', content],
      ['x.npz', buildZip([{ name: 'x.npy', data: content, deflate: true }])],
    ] as const) {
      const place = await written(t, name, file);
      const error = await t.throwsAsync<DlvError>(openArray(place, null), { code: 'DLV_USAGE' });
      t.true(error.message.includes(place), error.message);
      t.regex(error.message, what);
      t.regex(error.data.hint!, hint);
    }
  }
  for (const [descr, bytes] of [
    ["'|b1'", 1],
    ["'<f2'", 2],
    ["'>f8'", 8],
    ["'<u8'", 8],
  ] as const) {
    const place = await written(t, 'x.npy', npyOf(descr, [3], Buffer.alloc(3 * bytes)));
    const array = (await openArray(place, null))!;
    t.deepEqual([...(await array.rows(0, 3))], [0, 0, 0], descr);
    await array.close();
  }
});

/** An IDX file that unpacks to more than is kept in memory: `rows` of 28 × 28. */
function large(rows: number): Buffer {
  const piece = 1 << 24;
  const pieces = Math.floor((rows * 784) / piece);
  const zeros = gzipSync(Buffer.alloc(piece), { level: 1 });
  const head = gzipSync(idx(0x08, [rows, 28, 28], Buffer.alloc(rows * 784 - pieces * piece, 7)));
  return Buffer.concat([head, ...Array<Buffer>(pieces).fill(zeros)]);
}

test('data sets: of packed files only what is asked for is unpacked, and headers are compared first', async (t) => {
  const rows = 2_000_000;
  const data = await written(t, 'x.gz', large(rows));
  const labels = await written(t, 'y.gz', gzipSync(idx(0x08, [rows], Buffer.alloc(rows, 3))));
  const set = await openDataSet({ data, labels, limit: 10 });
  t.is(set.examples, 10);
  t.deepEqual([...set.truth], Array(10).fill(3));
  t.deepEqual([...set.data.shape], [rows, 28, 28]);
  t.deepEqual([...(await set.data.rows(9, 1))], Array(784).fill(7));
  await t.throwsAsync(set.data.rows(10, 1), { code: 'DLV_TRUNCATED' });
  await set.close();
  const whole = await openDataSet({ data, labels });
  const error = await t.throwsAsync<DlvError>(whole.data.rows(0, 1), { code: 'DLV_LIMIT' });
  t.regex(error.data.hint!, /--limit/);
  await whole.close();
  const fewer = await written(t, 'z.gz', gzipSync(idx(0x08, [rows - 1], Buffer.alloc(0))));
  await t.throwsAsync(openDataSet({ data, labels: fewer }), {
    code: 'DLV_USAGE',
    message: /2000000 examples.*labels of 1999999/,
  });
});

test('arrays: packed files of one data set share what they may keep', async (t) => {
  const room = new DataRoom();
  const head = gzipSync(idx(0x08, [600 << 20], Buffer.alloc(0)));
  const first = (await openArray(await written(t, 'x.gz', head), null, { room }))!;
  const second = (await openArray(await written(t, 'y.gz', head), null, { room }))!;
  await t.throwsAsync(first.rows(0, 1), { code: 'DLV_CORRUPT', message: /ends after 8 bytes/ });
  await t.throwsAsync(second.rows(0, 1), { code: 'DLV_LIMIT' });
  await first.close();
  await second.close();
});

test('arrays: packed content ends where its header says, and has its checksum', async (t) => {
  const more = gzipSync(idx(0x08, [2], Uint8Array.of(1, 2, 3)));
  const array = (await openArray(await written(t, 'x.gz', more), null))!;
  await t.throwsAsync(array.rows(0, 1), { code: 'DLV_CORRUPT', message: /goes on after the 10/ });
  await array.close();
  // In another piece than the header.
  const later = Buffer.concat([gzipSync(idx(0x08, [2], Uint8Array.of(1, 2))), gzipSync('x')]);
  const other = (await openArray(await written(t, 'x.gz', later), null))!;
  await t.throwsAsync(other.rows(0, 2), { code: 'DLV_CORRUPT', message: /goes on after the 10/ });
  await other.close();
  for (const deflate of [false, true]) {
    const bytes = npy([4], Float32Array.of(1, 2, 3, 4));
    const zip = buildZip([{ name: 'x.npy', data: bytes, deflate }]);
    const good = (await openArray(await written(t, 'x.npz', zip), null))!;
    t.deepEqual(
      [...(await Promise.all([good.rows(2, 2), good.rows(0, 2)])).flatMap((x) => [...x])],
      [3, 4, 1, 2],
    );
    await good.close();
    if (deflate) continue;
    const at = zip.indexOf(Buffer.from(Float32Array.of(3, 4).buffer));
    zip[at] = (zip[at] as number) ^ 1;
    const bad = (await openArray(await written(t, 'x.npz', zip), null))!;
    await t.throwsAsync(bad.rows(0, 4), { code: 'DLV_CORRUPT', message: /checksum/ });
    await bad.close();
  }
});

test('tables: names of columns, quoted cells, names of classes; ragged rows and words are refused', async (t) => {
  const table = Table.parse('a,b,kind\n1,"2",cat\n3,4.5,dog\n', 'x.csv');
  t.deepEqual([...table.columns], ['a', 'b', 'kind']);
  const numbers = table.array(table.places(['b', 'a']));
  t.deepEqual([...(await numbers.rows(0, 2))], [2, 1, 4.5, 3]);
  t.deepEqual([...(await table.array([2], ['cat', 'dog']).rows(0, 2))], [0, 1]);
  t.throws(() => table.array([2]), { code: 'DLV_USAGE' });
  t.throws(() => table.places(['c']), { code: 'DLV_NOT_FOUND' });
  t.throws(() => Table.parse('1,2\n3\n', 'x.csv'), { code: 'DLV_USAGE' });
  t.deepEqual([...(await Table.parse('1,2\n3,4\n', 'x').array([0, 1]).rows(0, 2))], [1, 2, 3, 4]);
  t.throws(() => Table.parse('a\n\n1\n,\n', 'x.csv'), { code: 'DLV_USAGE' });
});

test('data sets: labels of the same table are no inputs; what does not fit is refused', async (t) => {
  const file = await written(t, 'x.csv', 'a,b,y\n1,2,0\n3,4,1\n5,6,1\n');
  const set = await openDataSet({ data: file, labels: `${file}#y`, limit: 2 });
  t.like(set, { examples: 2, truthWidth: 1, areClasses: true });
  t.deepEqual([...set.data.shape], [3, 2]);
  t.deepEqual([...set.truth], [0, 1]);
  const other = await openDataSet({ data: `${file}#a`, labels: `${file}#y`, limit: 2 });
  t.not(other.sha256, set.sha256);
  const short = await written(t, 'y.npy', npy([2], Uint8Array.of(0, 1)));
  await t.throwsAsync(openDataSet({ data: file, labels: short }), { code: 'DLV_USAGE' });
  await t.throwsAsync(openDataSet({ data: file, labels: `${file}.none` }), { code: 'DLV_IO' });
});

test('preprocessing: scale, then mean and std of each channel, and channels come first', (t) => {
  const declared = checkPreprocess({ scale: 0.5, mean: [1, 2], std: [1, 4], layout: 'hwc' });
  t.deepEqual(fedShape([1, 2, 2], declared), [2, 1, 2]);
  // Pixels (4, 8) and (12, 16): channel 0 is 4, 12; channel 1 is 8, 16.
  const fed = preprocess(Float64Array.of(4, 8, 12, 16), { data: [1, 2, 2], channels: 2 }, declared);
  t.deepEqual([...fed], [1, 5, 0.5, 1.5]);
  const flat = checkPreprocess({ mean: [1, 2] });
  const table = { data: [2], channels: 2 };
  t.deepEqual([...preprocess(Float64Array.of(1, 2, 3, 4), table, flat)], [0, 0, 2, 2]);
  t.throws(() => fedShape([2, 2], declared), { code: 'DLV_USAGE' });
  t.throws(() => checkPreprocess({ std: [0] }), { code: 'DLV_USAGE' });
  t.throws(() => checkPreprocess({ scale: 0 }), { message: /scale of 0/ });
});

test('preprocessing: channels are those of the network, also of pictures without an axis for them', (t) => {
  const of = (data: number[], taken: number[], count: number, layout?: 'hwc') => {
    const declared = checkPreprocess({ mean: Array(count).fill(1), ...(layout ? { layout } : {}) });
    return channelsOf({ data, taken, input: 'image' }, declared);
  };
  t.is(of([28, 28], [1, 28, 28], 1), 1);
  t.is(of([28, 28], [784], 1), 1);
  t.is(of([3, 8, 8], [3, 8, 8], 3), 3);
  t.is(of([8, 8, 3], [3, 8, 8], 3, 'hwc'), 3);
  t.is(of([3, 8, 8], [192], 3), 3);
  t.is(of([784], [1, 28, 28], 1), 1);
  t.is(of([784], [1, 28, 28], 784), 784);
  t.is(of([192], [3, 8, 8], 3), 3);
  for (const [data, taken, count] of [
    [[28, 28], [1, 28, 28], 28],
    [[28, 28], [784], 28],
    [[28, 28], [1, 28, 28], 3],
    [[3, 8, 8], [3, 8, 8], 8],
  ] as [number[], number[], number][]) {
    const text = `mean has ${count} numbers, and 'image' takes [${taken.join(', ')}], which has`;
    t.true(t.throws(() => of(data, taken, count)).message.startsWith(text));
  }
});

test('preprocessing: a declaration in JSON may hold fractions, and nothing that is not understood', (t) => {
  const text = '{"scale": "1/4", "mean": [0.5], "std": 2, "layout": "hwc"}';
  t.deepEqual(parsePreprocess(text, 'x'), { scale: 0.25, mean: [0.5], std: [2], layout: 'hwc' });
  for (const bad of ['', '[]', '{"rotate": 3}', '{"scale": "1/0"}', '{"mean": ["a"]}', 'null']) {
    t.throws(() => parsePreprocess(bad, 'x'), { code: 'DLV_USAGE' }, bad);
  }
});
