/**
 * Pack indexes: what is put in is found, whole or in part; nothing else is; and no damaged byte leads
 * to a wrong answer. The expected answers come from a Map.
 */
import test, { type ExecutionContext } from 'ava';
import { crc32 } from '../../../../../lib/base/bytes/checksum.js';
import { type Id, sha256, sha256Hex } from '../../../../../lib/base/bytes/hash.js';
import { isDamage } from '../../../../../lib/base/errors.js';
import { IndexBuilder } from '../../../../../lib/storage/store/indexes/index-builder.js';
import { bucketOf, fanoutBits } from '../../../../../lib/storage/store/indexes/index-head.js';
import { IndexReader } from '../../../../../lib/storage/store/indexes/index-reader.js';
import {
  decodeBlobRow,
  decodeSegmentRow,
  ROW_BYTES,
  rowKey,
} from '../../../../../lib/storage/store/indexes/index-rows.js';
import { packName } from '../../../../../lib/storage/store/names.js';
import type {
  BlobEntry,
  SegmentEntry,
  SetId,
  SetInfo,
} from '../../../../../lib/storage/store/types.js';
import { seededRandom } from '../../../../helpers/rng.js';
import { blobEntry, CountingBackend, checkLargeIndex, id, SET, SIZES } from './large-index.js';

/** Segments in runs of four of one extent. */
function segmentEntry(n: number): SegmentEntry {
  const depth = n % 2;
  const inline = n % 5 === 0;
  return {
    id: id(`extent ${n >> 2}`),
    segment: n & 3,
    segments: 4,
    width: 4,
    count: 13 * 2 ** 20,
    base: depth > 0 ? id('base') : null,
    depth,
    headBytes: n & 0xff,
    hiBytes: 7,
    midBytes: 3,
    lowBytes: inline ? 9 : 0,
    set: SET,
    offset: 8 + 500 * n,
    inline,
    midOffset: inline ? 0 : 8 + 3 * n,
    lowOffset: 0,
    crc: n,
  };
}

interface Built {
  backend: CountingBackend;
  info: SetInfo;
  bytes: Uint8Array;
}

async function store(bytes: Uint8Array, info: SetInfo): Promise<CountingBackend> {
  const backend = new CountingBackend();
  await backend.writeAtomic(packName(info.id, 'idx'), bytes);
  return backend;
}

async function build(blobs: number, segments: number, order = (i: number) => i): Promise<Built> {
  const builder = new IndexBuilder();
  for (let i = 0; i < blobs; i++) builder.addBlob(blobEntry(order(i)));
  for (let i = 0; i < segments; i++) builder.addSegment(segmentEntry(order(i)));
  const { bytes, id: setId } = builder.finish(SIZES);
  const info = { id: setId, bytes: { ...SIZES, idx: bytes.length } };
  return { backend: await store(bytes, info), info, bytes };
}

async function findBlob(index: IndexReader, key: Id): Promise<BlobEntry | null> {
  const row = await index.find('blob', rowKey('blob', key));
  return row && decodeBlobRow(row, SET, index.sizes, 'f');
}

async function findSegment(index: IndexReader, key: Id, n: number): Promise<SegmentEntry | null> {
  const row = await index.find('segment', rowKey('segment', key, n));
  return row && decodeSegmentRow(row, SET, index.sizes, 'f');
}

async function checkFound(t: ExecutionContext, built: Built, blobs: number, segments: number) {
  const index = await IndexReader.open(built.backend, built.info);
  const step = Math.max(1, Math.floor(Math.max(blobs, segments) / 500));
  for (let i = 0; i < blobs; i += step) t.deepEqual(await findBlob(index, id(i)), blobEntry(i));
  for (let i = 0; i < segments; i += step) {
    t.deepEqual(await findSegment(index, id(`extent ${i >> 2}`), i & 3), segmentEntry(i));
  }
  for (let i = 0; i < 50; i++) {
    t.is(await findBlob(index, id(`nowhere ${i}`)), null);
    t.is(await findSegment(index, id(`nowhere ${i}`), 0), null);
  }
  t.is(await findSegment(index, id('extent 0'), 4), null);
  for (const [table, count] of [
    ['blob', blobs],
    ['segment', segments],
  ] as const) {
    const keys: string[] = [];
    const keyBytes = table === 'blob' ? 33 : 37;
    for (let lead = 0; lead < 256; lead++) {
      for (const row of await index.rowsOf(table, lead)) {
        t.is(row.length, ROW_BYTES[table]);
        const key = Buffer.from(row.subarray(0, keyBytes));
        // The segment number is little-endian in the row and ordered as a number.
        if (table === 'segment') key.subarray(33).reverse();
        keys.push(key.toString('hex'));
      }
    }
    t.is(keys.length, count, `all rows of ${table}`);
    t.deepEqual(keys, [...keys].sort(), 'in order');
  }
}

for (const rows of [0, 1, 2, 63, 64, 65, 129, 5000]) {
  test(`index of ${rows} rows: finds each, and nothing else`, async (t) => {
    const built = await build(rows, rows === 0 ? 1 : rows);
    await checkFound(t, built, rows, rows === 0 ? 1 : rows);
    await checkFound(t, await build(rows === 0 ? 1 : rows, 0), rows === 0 ? 1 : rows, 0);
  });
}

test('index of 40,000 rows: only the buckets that are asked for are read', async (t) => {
  const built = await build(40_000, 10_000);
  await checkFound(t, built, 40_000, 10_000);
  const index = await IndexReader.open(built.backend, built.info);
  t.true(index.memoryBytes < 64 * 1024, `${index.memoryBytes} bytes held`);
  built.backend.bytesRead = 0;
  await findBlob(index, id(27_777));
  t.true(built.backend.bytesRead < 200 * ROW_BYTES.blob, `${built.backend.bytesRead} bytes read`);
});

test('index of 60,000 rows: opening and a look-up read little', async (t) => {
  await checkLargeIndex(t, 60_000);
});

test('index: the order in which records come does not matter', async (t) => {
  const [forwards, backwards] = [await build(300, 300), await build(300, 300, (i) => 299 - i)];
  t.is(forwards.info.id, backwards.info.id);
  t.deepEqual(forwards.bytes, backwards.bytes);
  t.is(forwards.info.id as string, sha256Hex(forwards.bytes.subarray(0, -16)).slice(0, 32));
  const other = await build(300, 299);
  t.not(other.info.id, forwards.info.id);
});

test('index: every flipped bit of a small one is found when it is opened', async (t) => {
  const { bytes, info } = await build(3, 3);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    const error = await t.throwsAsync(IndexReader.open(await store(changed, info), info));
    t.true(isDamage(error), `bit ${bit}: ${error}`);
  }
});

test('index: every truncation is found when it is opened', async (t) => {
  const { bytes, info } = await build(2, 1);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    const error = await t.throwsAsync(IndexReader.open(await store(cut, info), info));
    t.true(isDamage(error), `${length} bytes: ${error}`);
    // Also if the manifest says the same wrong size.
    const said = { ...info, bytes: { ...info.bytes, idx: length } };
    t.true(isDamage(await t.throwsAsync(IndexReader.open(await store(cut, said), said))));
  }
});

test('index: of a large one no flipped byte gives a wrong answer', async (t) => {
  const rows = 20_000;
  const { bytes, info } = await build(rows, 10);
  const random = seededRandom(3);
  const headEnd = 48 + 8 * (2 ** fanoutBits(rows) + 1) + 4;
  for (let attempt = 0; attempt < 300; attempt++) {
    // Half of the flips in the head, half in the rows of the blobs that are asked for.
    const at = Math.floor(random() * (attempt % 2 ? headEnd : bytes.length - 16));
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ (1 << Math.floor(random() * 8));
    const backend = await store(changed, info);
    try {
      const index = await IndexReader.open(backend, info);
      t.true(at >= headEnd, `byte ${at} of the head was believed`);
      const row = Math.floor((at - headEnd) / ROW_BYTES.blob);
      if (row >= rows) continue;
      // Every row of the damaged bucket must be refused.
      const key = bytes.subarray(
        headEnd + row * ROW_BYTES.blob,
        headEnd + row * ROW_BYTES.blob + 33,
      );
      const error = await t.throwsAsync(index.find('blob', key));
      t.true(isDamage(error), `${error}`);
      t.true(isDamage(await t.throwsAsync(index.rowsOf('blob', key[1] as number))));
    } catch (error) {
      t.true(isDamage(error), `byte ${at}: ${error}`);
    }
  }
});

/** Changes the head of an idx and makes both its checksums and its name right again. */
function resum(bytes: Uint8Array, headEnd: number, patch: (bytes: Buffer) => void): Buffer {
  const changed = Buffer.from(bytes);
  patch(changed);
  changed.writeUInt32LE(crc32(changed.subarray(0, headEnd - 4)), headEnd - 4);
  sha256()
    .update(changed.subarray(0, -16))
    .digest()
    .copy(changed, changed.length - 16, 0, 16);
  return changed;
}

test('index: lying counts and fan-outs are damage though the sums are right', async (t) => {
  const { bytes } = await build(100, 100);
  const headEnd = 48 + 8 * 4 + 4;
  const lies: Record<string, (b: Buffer) => void> = {
    'more blobs': (b) => b.writeUInt32LE(101, 8),
    'fewer segments': (b) => b.writeUInt32LE(99, 12),
    'the most blobs': (b) => b.writeUInt32LE(0xffffffff, 8),
    'the most segments': (b) => b.writeUInt32LE(0xffffffff, 12),
    'another size of .blob': (b) => b.writeBigUInt64LE(9n, 16),
    'a size beyond 2^53': (b) => b.writeBigUInt64LE(2n ** 60n, 24),
    'a bucket beyond the rows': (b) => b.writeUInt32LE(101, 48),
    'buckets out of order': (b) => b.writeUInt32LE(99, 56),
    'rows in no bucket': (b) => b.writeUInt32LE(98, 56),
  };
  for (const [what, patch] of Object.entries(lies)) {
    const changed = resum(bytes, headEnd, patch);
    const setId = changed.subarray(-16).toString('hex') as SetId;
    const info = { id: setId, bytes: { ...SIZES, idx: changed.length } };
    const error = await t.throwsAsync(
      IndexReader.open(await store(changed, info), info),
      undefined,
      what,
    );
    t.true(isDamage(error), `${what}: ${error}`);
  }
});

test('index: rows with impossible fields are damage', (t) => {
  const builder = new IndexBuilder();
  builder.addBlob(blobEntry(1));
  builder.addSegment(segmentEntry(1));
  const blobRow = Buffer.from(builder.row('blob', id(1)) as Uint8Array);
  const segmentRow = Buffer.from(builder.row('segment', id('extent 0'), 1) as Uint8Array);
  const blobLies: Record<string, (b: Buffer) => void> = {
    algorithm: (b) => b.writeUInt8(2, 0),
    kind: (b) => b.writeUInt8(7, 33),
    'depth without base': (b) => b.writeUInt16LE(0, 34),
    'depth beyond the bound': (b) => b.writeUInt16LE(5000, 34),
    offset: (b) => b.writeBigUInt64LE(2n ** 46n, 36),
    recordBytes: (b) => b.writeUInt32LE(0xffffffff, 44),
    'algorithm of the base': (b) => b.writeUInt8(0, 52),
  };
  for (const [what, patch] of Object.entries(blobLies)) {
    const row = Buffer.from(blobRow);
    patch(row);
    const error = t.throws(() => decodeBlobRow(row, SET, SIZES, 'f'), undefined, what);
    t.true(isDamage(error), `${what}: ${error}`);
  }
  const segmentLies: Record<string, (b: Buffer) => void> = {
    algorithm: (b) => b.writeUInt8(2, 0),
    segment: (b) => b.writeUInt32LE(4, 33),
    width: (b) => b.writeUInt8(0, 37),
    'width 9': (b) => b.writeUInt8(9, 37),
    flags: (b) => b.writeUInt8(2, 38),
    'depth without base': (b) => b.writeUInt16LE(0, 39),
    count: (b) => b.writeBigUInt64LE(2n ** 60n, 41),
    offset: (b) => b.writeBigUInt64LE(2n ** 46n, 49),
    headBytes: (b) => b.writeUInt32LE(2 ** 31, 57),
    hiBytes: (b) => b.writeUInt32LE(2 ** 31, 61),
    midBytes: (b) => b.writeUInt32LE(2 ** 31, 65),
    lowBytes: (b) => b.writeUInt32LE(1, 69),
    midOffset: (b) => b.writeBigUInt64LE(2n ** 44n, 73),
    'algorithm of the base': (b) => b.writeUInt8(0, 89),
  };
  for (const [what, patch] of Object.entries(segmentLies)) {
    const row = Buffer.from(segmentRow);
    patch(row);
    const error = t.throws(() => decodeSegmentRow(row, SET, SIZES, 'f'), undefined, what);
    t.true(isDamage(error), `${what}: ${error}`);
  }
});

test('index: buckets are runs of leading bits', (t) => {
  t.is(fanoutBits(0), 0);
  t.is(fanoutBits(64), 0);
  t.is(fanoutBits(65), 1);
  t.is(fanoutBits(2 ** 24), 16);
  const key = Buffer.concat([Buffer.of(1, 0xab, 0xcd), Buffer.alloc(30)]);
  t.is(bucketOf(key, 0), 0);
  t.is(bucketOf(key, 1), 1);
  t.is(bucketOf(key, 8), 0xab);
  t.is(bucketOf(key, 16), 0xabcd);
});
