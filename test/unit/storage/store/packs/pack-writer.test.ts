/**
 * Writing one pack set: what is put in is read back at every stage, a set that stays small has one
 * file of planes, and a writer that failed leaves nothing behind.
 */
import fs from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { IoError } from '../../../../../lib/base/errors.js';
import { PACK_BYTES_TARGET, SMALL_SET_BYTES } from '../../../../../lib/base/limits.js';
import type { BackendWriter } from '../../../../../lib/storage/store/backends/backend.js';
import { FolderBackend } from '../../../../../lib/storage/store/backends/folder-backend.js';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../../lib/storage/store/packs/pack-writer.js';
import type { LentPayloads, SegmentRecord } from '../../../../../lib/storage/store/types.js';
import { verifySet } from '../../../../../lib/storage/store/verify.js';
import { tempDir } from '../../../../helpers/temp-dir.js';
import {
  type AnyRecord,
  addAll,
  blob,
  extentId,
  isBlob,
  plain,
  sampleRecords,
  segment,
} from '../records.js';

interface RecordSource {
  readBlob(id: AnyRecord['id']): Promise<AnyRecord | null>;
  readSegment(id: AnyRecord['id'], segment: number): Promise<AnyRecord | null>;
}

async function readBack(from: RecordSource, records: readonly AnyRecord[]): Promise<unknown[]> {
  const read = records.map((record) =>
    isBlob(record) ? from.readBlob(record.id) : from.readSegment(record.id, record.segment),
  );
  return (await Promise.all(read)).map(plain);
}

async function folder(t: ExecutionContext): Promise<FolderBackend> {
  const backend = new FolderBackend(await tempDir(t));
  t.teardown(() => backend.close());
  return backend;
}

/** Planes of 3 MiB, so that three segments pass the size at which classes are kept apart. */
function large(name: string, more: Partial<SegmentRecord> = {}): SegmentRecord {
  const part = (first: number): Uint8Array => new Uint8Array(1 << 20).fill(first);
  return segment(name, { count: 1 << 20, hi: part(1), mid: part(2), low: part(3), ...more });
}

/** Bytes of lent payloads, each read from its file. */
async function lentBytes({ payloads }: LentPayloads): Promise<Record<string, Buffer | null>> {
  const read = Object.entries(payloads).map(([plane, payload]) => {
    if (payload === null) return [plane, null] as const;
    const bytes = Buffer.alloc(payload.bytes);
    fs.readSync(payload.fd, bytes, 0, payload.bytes, payload.offset);
    return [plane, bytes] as const;
  });
  return Object.fromEntries(read);
}

test('writer: payloads are lent once they are in files, and never those of another record', async (t) => {
  const backend = await folder(t);
  await ObjectStore.init(backend);
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  const [a, b, c] = [large('a'), large('b', { mid: new Uint8Array(9) }), large('c')];
  await writer.addSegment(a);
  const waiting = (await writer.openSegment(a.id, 0))!;
  t.is(await writer.lendPayloads(waiting, ['hi', 'mid', 'low']), null);
  for (const record of [b, c]) await writer.addSegment(record);
  t.is(await writer.lendPayloads(waiting, ['hi']), null, 'it was opened before it had a place');
  for (const record of [a, b, c]) {
    const head = (await writer.openSegment(record.id, 0))!;
    const lent = (await writer.lendPayloads(head, ['hi', 'mid']))!;
    const { hi, mid } = record;
    t.deepEqual(await lentBytes(lent), { hi: Buffer.from(hi), mid: Buffer.from(mid), low: null });
    t.is(lent.payloads.mid?.crc, crc32(mid));
    lent.release();
  }
  const head = (await writer.openSegment(c.id, 0))!;
  await writer.abort();
  const next = await PackSetWriter.create(backend, 'tmp/1/1', { smallSetBytes: 0 });
  await next.addSegment(b);
  t.is(await next.lendPayloads(head, ['hi']), null, 'of a set that is gone');
  await next.abort();
});

test('writer: reads back every record before finish, after it, and from the store', async (t) => {
  const backend = await folder(t);
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  t.true(writer.isEmpty);
  const records = sampleRecords();
  for (const [i, record] of records.entries()) {
    await addAll(writer, [record]);
    t.deepEqual(
      await readBack(writer, records.slice(0, i + 1)),
      records.slice(0, i + 1).map(plain),
    );
  }
  t.false(writer.isEmpty);
  t.is(await writer.readBlob(extentId('nothing')), null);
  t.is(await writer.readSegment(extentId('a'), 1), null);
  const before = writer.totalBytes;
  const sealed = await writer.finish();
  t.deepEqual(await readBack(writer, records), records.map(plain));
  const { blob: blobs, hi, mid, low } = sealed.info.bytes;
  t.deepEqual([mid, low], [0, 0], 'a small set has one file of planes');
  t.deepEqual(Object.keys(sealed.files).sort(), ['blob', 'hi', 'idx']);
  t.is(blobs + hi, writer.totalBytes, 'the idx is not counted');
  // The header of .hi is written when the set is finished.
  t.is(before + 8, writer.totalBytes);
  await store.publish([sealed]);
  t.deepEqual(await readBack(store, records), records.map(plain));
  for await (const problem of verifySet(backend, sealed.info)) t.fail(problem.message);
  await writer.abort();
  t.deepEqual(await readBack(store, records), records.map(plain));
});

test('writer: payloads may be written over once a segment is added, also what was read of it', async (t) => {
  const writer = await PackSetWriter.create(await folder(t), 'tmp/1/0');
  const records = [segment('small'), large('one'), large('two'), large('three'), large('four')];
  const expected = records.map((record) => plain(structuredClone(record)));
  for (const [i, record] of records.entries()) {
    const read: Promise<SegmentRecord | null>[] = [];
    let isAdded = false;
    const added = writer.addSegment(record).then(() => {
      isAdded = true;
      for (const part of ['hi', 'mid', 'low'] as const) record[part].fill(0xee);
    });
    // Others look for it while it is being written.
    while (!isAdded) {
      read.push(writer.readSegment(record.id, record.segment));
      await new Promise(setImmediate);
    }
    await added;
    for (const found of await Promise.all(read)) {
      t.true(found === null || isDeepStrictEqual(plain(found), expected[i]));
    }
    const all = await readBack(writer, records.slice(0, i + 1));
    t.true(isDeepStrictEqual(all, expected.slice(0, i + 1)));
  }
  await writer.finish();
  t.true(isDeepStrictEqual(await readBack(writer, records), expected));
  await writer.abort();
});

test('writer: a set that grows keeps its plane classes apart', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  const records = [
    segment('small'),
    large('one'),
    large('two', { base: extentId('one'), depth: 1 }),
    large('three', { mid: new Uint8Array(0) }),
    large('four', { low: new Uint8Array(0) }),
    blob('text'),
  ];
  for (const [i, record] of records.entries()) {
    await addAll(writer, [record]);
    t.deepEqual(
      await readBack(writer, records.slice(0, i + 1)),
      records.slice(0, i + 1).map(plain),
    );
  }
  const sealed = await writer.finish();
  t.deepEqual(await readBack(writer, records), records.map(plain));
  const planes = (plane: 'hi' | 'mid' | 'low'): number =>
    records.reduce((sum, r) => sum + (isBlob(r) ? 0 : r[plane].length), 0);
  t.true(planes('hi') + planes('mid') + planes('low') >= SMALL_SET_BYTES);
  t.is(sealed.info.bytes.mid, planes('mid') + 8);
  t.is(sealed.info.bytes.low, planes('low') + 8);
  t.is(writer.largestClassBytes, Math.max(...Object.values(sealed.info.bytes)));
  await store.publish([sealed]);
  t.deepEqual(await readBack(store, records), records.map(plain));
  for await (const problem of verifySet(backend, sealed.info)) t.fail(problem.message);
});

test('writer: a partial read gives the classes asked for and no others', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  for (const records of [[segment('a')], [large('a'), large('b'), large('c')]]) {
    const writer = await PackSetWriter.create(backend, `tmp/1/${records.length}`);
    await addAll(writer, records);
    const record = records[0] as SegmentRecord;
    const check = async (from: PackSetWriter | ObjectStore): Promise<void> => {
      for (const classes of [[], ['hi'], ['mid'], ['low'], ['hi', 'low'], ['mid', 'hi']] as const) {
        const got = await from.readSegment(record.id, 0, classes);
        for (const plane of ['hi', 'mid', 'low'] as const) {
          const expected = (classes as readonly string[]).includes(plane) ? record[plane] : [];
          t.is(Buffer.compare(got?.[plane] as Uint8Array, Buffer.from(expected)), 0, plane);
        }
        t.deepEqual(Buffer.from(got?.head as Uint8Array), Buffer.from(record.head));
      }
    };
    await check(writer);
    const sealed = await writer.finish();
    await check(writer);
    await store.publish([sealed]);
    await check(store);
    await store.publish([], () => []);
  }
});

test('writer: a record that the set holds is ignored', async (t) => {
  const backend = new MemoryBackend();
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  const first = segment('a');
  await addAll(writer, [blob('x'), blob('x', { codec: 7 }), first, segment('a', {}, 99)]);
  t.true(writer.hasBlob(blob('x').id));
  t.true(writer.hasSegment(extentId('a'), 0));
  t.false(writer.hasSegment(extentId('a'), 1));
  const bytes = writer.totalBytes;
  await addAll(writer, [blob('x'), first]);
  t.is(writer.totalBytes, bytes);
  const { info } = await writer.finish();
  t.is((await writer.readBlob(blob('x').id))?.codec, 0);
  t.deepEqual(plain(await writer.readSegment(extentId('a'), 0)), plain(first));
  const other = await PackSetWriter.create(backend, 'tmp/1/1');
  await addAll(other, [blob('x'), first]);
  t.deepEqual((await other.finish()).info, info, 'the same records give the same set');
});

test('writer: overlapping calls keep their order and lose nothing', async (t) => {
  const records: AnyRecord[] = [];
  for (let i = 0; i < 60; i++) records.push(blob(`blob ${i}`), segment(`s${i}`, {}, i));
  for (let i = 0; i < 3; i++) records.push(large(`large ${i}`), blob(`later ${i}`));
  const ids: string[] = [];
  for (const overlap of [false, true]) {
    const backend = await folder(t);
    const writer = await PackSetWriter.create(backend, 'tmp/1/0');
    const add = (r: AnyRecord): Promise<void> =>
      isBlob(r) ? writer.addBlob(r) : writer.addSegment(r);
    if (overlap) {
      const [, sealed] = await Promise.all([Promise.all(records.map(add)), writer.finish()]);
      ids.push(sealed.info.id);
    } else {
      for (const record of records) await add(record);
      ids.push((await writer.finish()).info.id);
    }
    t.deepEqual(await readBack(writer, records), records.map(plain));
  }
  t.is(ids[0], ids[1]);
});

test('writer: abort removes its files at any stage, and those of no other', async (t) => {
  const backend = new MemoryBackend();
  await backend.writeAtomic('tmp/1/other', Uint8Array.of(1));
  for (const stage of ['empty', 'blobs', 'small', 'large', 'finished']) {
    const writer = await PackSetWriter.create(backend, 'tmp/1/0');
    if (stage !== 'empty') await writer.addBlob(blob('x'));
    if (stage === 'small' || stage === 'finished') await writer.addSegment(segment('a'));
    if (stage === 'large') await addAll(writer, [large('1'), large('2'), large('3')]);
    if (stage === 'finished') await writer.finish();
    await writer.abort();
    await writer.abort();
    t.deepEqual(
      backend.files().map(([name]) => name),
      ['tmp/1/other'],
      stage,
    );
    await t.throwsAsync(writer.addBlob(blob('y')));
  }
});

test('writer: abort waits for what is being written', async (t) => {
  const backend = await folder(t);
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  const adding = Promise.allSettled([writer.addBlob(blob('x')), writer.addSegment(large('a'))]);
  await writer.abort();
  await adding;
  t.deepEqual(await backend.list('tmp/1/0'), []);
  await t.throwsAsync(writer.addBlob(blob('z')));
  t.deepEqual(await backend.list('tmp/1/0'), []);
});

/** A backend whose n-th write fails. */
class FailingBackend extends MemoryBackend {
  left = Number.POSITIVE_INFINITY;

  override async createWriter(name: string): Promise<BackendWriter> {
    const writer = await super.createWriter(name);
    return {
      name,
      get offset() {
        return writer.offset;
      },
      write: async (bytes) => {
        if (this.left-- <= 0)
          throw new IoError(`cannot write '${name}': ENOSPC`, { errno: 'ENOSPC' });
        await writer.write(bytes);
      },
      overwrite: (offset, bytes) => writer.overwrite(offset, bytes),
      takeBack: (offset) => writer.takeBack(offset),
      syncAndClose: () => writer.syncAndClose(),
      close: () => writer.close(),
    };
  }
}

test('writer: after a failed write it refuses further use, and abort cleans up', async (t) => {
  for (let left = 0; ; left++) {
    const backend = new FailingBackend();
    const writer = await PackSetWriter.create(backend, 'tmp/1/0');
    backend.left = left;
    let failure: unknown = null;
    try {
      await addAll(writer, sampleRecords());
      await writer.finish();
    } catch (error) {
      failure = error;
    }
    if (failure === null) {
      t.true(left > 8, `${left} writes`);
      return;
    }
    t.is((failure as IoError).data.errno, 'ENOSPC');
    backend.left = Number.POSITIVE_INFINITY;
    t.is(await t.throwsAsync(writer.addBlob(blob('after the failure'))), failure as Error);
    t.is(await t.throwsAsync(writer.finish()), failure as Error);
    await writer.abort();
    t.deepEqual(backend.files(), []);
  }
});

test('writer: many heads without planes do not pile up in memory', async (t) => {
  const backend = new MemoryBackend();
  const options = { smallSetBytes: 1000 };
  const writer = await PackSetWriter.create(backend, 'tmp/1/0', options);
  const none = new Uint8Array(0);
  const parts = { hi: none, mid: none, low: none, head: new Uint8Array(900) };
  const records = Array.from({ length: 9 }, (_, i) => segment(`s${i}`, parts));
  for (const [i, record] of records.entries()) {
    await writer.addSegment(record);
    const written = (await backend.exists('tmp/1/0/set.hi'))
      ? await backend.size('tmp/1/0/set.hi')
      : 0;
    t.true(writer.totalBytes - written < 4000, `${i} waiting`);
    t.deepEqual(
      await readBack(writer, records.slice(0, i + 1)),
      records.slice(0, i + 1).map(plain),
    );
  }
  await writer.finish();
  t.deepEqual(await readBack(writer, records), records.map(plain));
});

test('writer: an empty set cannot be finished', async (t) => {
  const writer = await PackSetWriter.create(new MemoryBackend(), 'tmp/1/0');
  await t.throwsAsync(writer.finish());
});

test('writer: records that no reader would accept are refused', async (t) => {
  const bad: AnyRecord[] = [
    blob('x', { depth: 1 }),
    blob('x', { base: extentId('a') }),
    blob('x', { base: extentId('a'), depth: 5000 }),
    blob('x', { rawBytes: 2 ** 30 }),
    segment('a', { depth: 2 }),
    segment('a', { width: 0 }),
    segment('a', { width: 9 }),
    segment('a', { segments: 2 }),
    segment('a', { segment: 1 }),
  ];
  for (const record of bad) {
    const writer = await PackSetWriter.create(new MemoryBackend(), 'tmp/1/0');
    await t.throwsAsync(async () => {
      await addAll(writer, [record]);
      await writer.finish();
    });
  }
});

test('writer: a set is full when its largest file passes the target', async (t) => {
  const backend = new MemoryBackend();
  const writer = await PackSetWriter.create(backend, 'tmp/1/0');
  const hi = new Uint8Array(32 << 20);
  for (let i = 0; i * hi.length < PACK_BYTES_TARGET; i++) {
    t.false(writer.isFull);
    await writer.addSegment(
      segment(`s${i}`, { hi, mid: new Uint8Array(0), low: new Uint8Array(0) }),
    );
  }
  t.true(writer.isFull);
  t.true(writer.largestClassBytes > PACK_BYTES_TARGET);
  await writer.abort();
});
