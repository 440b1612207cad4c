/**
 * Goal: records go into one set after another, each handed on once and in order, whatever overlaps;
 * what fails is neither handed on nor left behind.
 * Method: a backend in memory, sets that are full after a few records, receivers that fail.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { type Id, objectId } from '../../../../../lib/base/bytes/hash.js';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import {
  RollingWriter,
  removeSealed,
} from '../../../../../lib/storage/store/packs/rolling-writer.js';
import type { BlobRecord, SealedSet } from '../../../../../lib/storage/store/types.js';
import { randomBytes } from '../../../../helpers/rng.js';

function record(number: number): BlobRecord {
  const payload = randomBytes(500, number);
  const id = objectId('blob', payload);
  return { id, kind: 'blob', codec: 0, base: null, depth: 0, rawBytes: 500, payload };
}

/** A writer of sets of some four records, and what it handed on. */
function rolling(
  onSealed: (sealed: SealedSet) => Promise<void> | void = () => {},
  overlaps = false,
) {
  const backend = new MemoryBackend();
  const sealed: SealedSet[] = [];
  let names = 0;
  const writer = new RollingWriter({
    backend,
    tmpName: () => `tmp/1-1/set-${names++}`,
    fullBytes: 2000,
    overlaps,
    async onSealed(set) {
      await onSealed(set);
      sealed.push(set);
    },
  });
  const left = async (): Promise<number> => {
    let files = 0;
    for (let i = 0; i < names; i++) files += (await backend.list(`tmp/1-1/set-${i}`)).length;
    return files;
  };
  return { backend, writer, sealed, left };
}

test('rolling: overlapping records go into sets of the target size, each handed on once', async (t) => {
  let handing = 0;
  const { backend, writer, sealed, left } = rolling(async () => {
    t.is(handing++, 0, 'one at a time');
    await new Promise((resolve) => setImmediate(resolve));
    handing--;
  });
  const records = Array.from({ length: 30 }, (_, i) => record(i));
  await Promise.all(records.map((one) => writer.addBlob(one)));
  t.true(sealed.length >= 6);
  await writer.flush();
  await writer.flush();
  t.is(writer.open, null);
  t.is(new Set(sealed.map(({ info }) => info.id)).size, sealed.length);
  t.true(sealed.every(({ info }) => info.bytes.blob < 2000 + 1000));
  const bytes = sealed.reduce((sum, { info }) => sum + info.bytes.blob, 0);
  t.true(bytes > 30 * 500, 'every record is in a set');
  t.true((await left()) > 0);
  await removeSealed(backend, sealed);
  t.is(await left(), 0);
});

test('rolling: the open set is read until it was taken, and is gone after an abort', async (t) => {
  let seen: boolean | undefined;
  const first = record(1);
  const { writer, sealed, left } = rolling(async () => {
    seen = writer.open?.hasBlob(first.id);
  });
  await writer.addBlob(first);
  t.true(writer.open?.hasBlob(first.id));
  await writer.flush();
  t.true(seen, 'while it is handed on');
  t.is(writer.open, null);
  await writer.addBlob(record(2));
  const before = await left();
  await writer.abort();
  t.true((await left()) < before);
  await writer.flush();
  t.is(sealed.length, 1, 'what was aborted is not handed on');
});

test('rolling: a set that nobody takes leaves nothing behind, and later ones do without it', async (t) => {
  let fails = true;
  const { writer, sealed, left } = rolling(() => {
    if (fails) throw new Error('another command was first');
  });
  const lost = record(1);
  await writer.addBlob(lost);
  await t.throwsAsync(writer.flush(), { message: /another command/ });
  t.is(writer.open, null);
  t.is(await left(), 0);
  fails = false;
  await writer.addBlob(record(2));
  t.false(writer.open?.hasBlob(lost.id as Id));
  await writer.flush();
  t.is(sealed.length, 1);
});

test('rolling: after a failed write the writer says so until it is aborted', async (t) => {
  const { backend, writer, left } = rolling();
  await writer.addBlob(record(0));
  const create = backend.createWriter;
  const file = writer.open as unknown as object;
  t.truthy(file);
  backend.createWriter = () => Promise.reject(new Error('the disk is full'));
  const segment = {
    ...{ id: record(1).id, segment: 0, segments: 1, width: 1, count: 9_000_000, depth: 0 },
    ...{ base: null, head: new Uint8Array(4), hi: new Uint8Array(9_000_000) },
    ...{ mid: new Uint8Array(0), low: new Uint8Array(0) },
  };
  await t.throwsAsync(writer.addSegment(segment), { message: /disk is full/ });
  await t.throwsAsync(writer.addBlob(record(2)), { message: /disk is full/ });
  await t.throwsAsync(writer.flush(), { message: /disk is full/ });
  backend.createWriter = create;
  await writer.abort();
  t.is(await left(), 0);
  await writer.addBlob(record(3));
  await writer.flush();
});

/** Adds records until a set is full. */
async function fill(writer: RollingWriter, from: number): Promise<BlobRecord[]> {
  const records = Array.from({ length: 4 }, (_, i) => record(from + i));
  for (const one of records) await writer.addBlob(one);
  return records;
}

test('rolling: the next set is written while one is handed on, and both are read', async (t) => {
  const ends: (() => void)[] = [];
  const handOn = () => new Promise<void>((resolve) => ends.push(resolve));
  const { writer, sealed, left } = rolling(handOn, true);
  const [first] = await fill(writer, 0);
  const next = record(50);
  await writer.addBlob(next);
  t.is(sealed.length, 0);
  t.is(writer.unlisted.length, 2);
  t.true(writer.open?.hasBlob(next.id));
  t.true(writer.unlisted.some((set) => set.hasBlob(first!.id)));
  // A second full set waits for the first one.
  const second = fill(writer, 10);
  while (ends.length === 0) await nextTurn();
  await nextTurn();
  t.is(ends.length, 1, 'one at a time');
  ends[0]!();
  await second;
  t.is(sealed.length, 1);
  const flushed = writer.flush();
  for (let i = 1; i < 3; i++) {
    while (ends.length === i) await nextTurn();
    ends[i]!();
  }
  await flushed;
  t.is(sealed.length, 3);
  t.deepEqual(writer.unlisted, []);
  t.true((await left()) > 0);
});

test('rolling: what follows a set that nobody takes is not handed on, and the next record says why', async (t) => {
  let fails = true;
  const { writer, sealed, left } = rolling(() => {
    if (fails) throw new Error('another command was first');
  }, true);
  const [lost] = await fill(writer, 0);
  await writer.behind();
  await t.throwsAsync(writer.addBlob(record(20)), { message: /another command/ });
  t.deepEqual(writer.unlisted, []);
  t.is(await left(), 0);
  await fill(writer, 0);
  await t.throwsAsync(writer.flush(), { message: /another command/ });
  t.is(await left(), 0);
  await fill(writer, 0);
  await writer.abort();
  t.is(await left(), 0, 'whoever gives up need not be told');
  fails = false;
  await writer.addBlob(record(30));
  t.false(writer.open?.hasBlob(lost!.id));
  await writer.flush();
  t.is(sealed.length, 1);
});
