/**
 * Goal: records of a forest of deltas count as right only if payloads, hashes and ids all agree, and the first that
 * does not is named by its place; slots keep bases from one call to the next.
 * Method: a chain, a record on the same root and one of several runs, in a file; then each of their bytes that
 * counts changed in turn, and every beginning of a plan.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { CorruptError } from '../../../../lib/base/errors.js';
import { RUN_ELEMENTS } from '../../../../lib/base/limits.js';
import { ERROR_ARGUMENT } from '../../../../lib/base/native/failure.js';
import { loadKernel } from '../../../../lib/base/native/kernel.js';
import type { NativeKernel } from '../../../../lib/base/native/kernel-types.js';
import type { FilePayload } from '../../../../lib/pure/codec/chain-plan.js';
import {
  type CheckedRecord,
  encodeCheckPlan,
  RecordChecker,
} from '../../../../lib/pure/codec/check-plan.js';
import { encodeSegment } from '../../../../lib/pure/codec/segment.js';
import { ExtentHasher } from '../../../../lib/pure/tensor/extent-id.js';
import { randomBytes, seededRandom } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const { native } = loadKernel();
const WIDTH = 4;
/** The addon, which reads files and checks many at once, and the way without it, one by one. */
const WAYS: readonly (readonly [string, NativeKernel | null])[] = [
  ...(native === null ? [] : [['the addon', native] as const]),
  ['one by one', null],
];

async function hashed(planes: readonly Uint8Array[]) {
  const count = planes[0]!.length;
  const hasher = new ExtentHasher(WIDTH, count);
  for (let from = 0; from < count; from += RUN_ELEMENTS) {
    await hasher.addRun(planes.map((plane) => plane.subarray(from, from + RUN_ELEMENTS)));
  }
  const { id, hashes } = await hasher.finish();
  return { id, hashes: Buffer.concat(hashes) };
}

class RecordFile {
  readonly #handle: fs.FileHandle;
  readonly payloads = new Map<CheckedRecord, Record<'hi' | 'mid' | 'low', Uint8Array>>();
  #end = 0;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  static async make(t: ExecutionContext): Promise<RecordFile> {
    const handle = await fs.open(path.join(await tempDir(t), 'records'), 'w+');
    t.teardown(() => handle.close());
    return new RecordFile(handle);
  }

  async add(
    planes: readonly Uint8Array[],
    base: readonly Uint8Array[] | null,
    [slot, baseSlot]: readonly [number, number | null],
  ): Promise<CheckedRecord> {
    const coded = await encodeSegment(planes, base);
    const classes: FilePayload[] = [];
    for (const bytes of [coded.hi, coded.mid, coded.low]) {
      await this.#handle.write(bytes, 0, bytes.length, this.#end);
      const { fd } = this.#handle;
      classes.push({ fd, offset: this.#end, bytes: bytes.length, crc: crc32(bytes) });
      this.#end += bytes.length;
    }
    const count = planes[0]!.length;
    const record: CheckedRecord = {
      ...(await hashed(planes)),
      width: WIDTH,
      count,
      elements: count,
      firstRun: 0,
      checksId: true,
      slot,
      baseSlot,
      head: coded.head,
      classes: classes as [FilePayload, FilePayload, FilePayload],
    };
    this.payloads.set(record, coded);
    return record;
  }

  async flip(at: number): Promise<void> {
    const byte = Buffer.alloc(1);
    await this.#handle.read(byte, 0, 1, at);
    byte[0]! ^= 1;
    await this.#handle.write(byte, 0, 1, at);
  }

  checker(kernel: NativeKernel | null = native, signal?: AbortSignal): RecordChecker {
    return new RecordChecker({
      native: kernel,
      signal,
      read: async (record) => {
        for (const [{ id }, payloads] of this.payloads) if (id === record.id) return payloads;
        throw new Error('no such record');
      },
    });
  }
}

function near(planes: readonly Uint8Array[], seed: number): Uint8Array[] {
  const random = seededRandom(seed);
  return planes.map((plane, k) => plane.map((byte) => (k > 1 && random() < 0.1 ? byte + 1 : byte)));
}

async function forest(t: ExecutionContext) {
  const file = await RecordFile.make(t);
  const root = Array.from({ length: WIDTH }, (_, k) => randomBytes(3000, k + 1));
  const [a, b, c] = [near(root, 1), near(root, 2), near(near(root, 2), 3)];
  const long = Array.from({ length: WIDTH }, () => new Uint8Array(RUN_ELEMENTS + 5).fill(3));
  const records = [
    await file.add(root, null, [0, null]),
    await file.add(a, root, [1, 0]),
    await file.add(b, root, [1, 0]),
    await file.add(c, b, [0, 1]),
    await file.add(long, null, [2, null]),
  ];
  return { file, records };
}

for (const [way, kernel] of WAYS) {
  test(`${way}: records that are right pass, in one call and in several`, async (t) => {
    const { file, records } = await forest(t);
    t.is(await file.checker(kernel).check(records), records.length);
    for (let cut = 1; cut < records.length; cut++) {
      const checker = file.checker(kernel);
      t.is(await checker.check(records.slice(0, cut)), cut);
      t.is(await checker.check(records.slice(cut)), records.length - cut);
    }
  });

  test(`${way}: a wrong record is named by its place, and nothing is decoded over it`, async (t) => {
    const { file, records } = await forest(t);
    const wrong = (i: number, change: Partial<CheckedRecord>) =>
      records.map((record, k) => (k === i ? { ...record, ...change } : record));
    for (const [i, record] of records.entries()) {
      const hashes = Buffer.from(record.hashes);
      hashes[hashes.length - 1]! ^= 1;
      t.is(
        await file.checker(kernel).check(wrong(i, { hashes })),
        i,
        'hashes that do not give the id',
      );
      t.is(
        await file.checker(kernel).check(wrong(i, { hashes, checksId: false })),
        i,
        'other hashes',
      );
      const id = records[(i + 1) % records.length]!.id;
      t.is(
        await file.checker(kernel).check(wrong(i, { hashes: record.hashes, id })),
        i,
        'another id',
      );
      const checker = file.checker(kernel);
      t.is(await checker.check(wrong(i, { hashes })), i);
      const above = records.filter(({ baseSlot }, k) => k > i && baseSlot === record.slot)[0];
      if (above !== undefined && i === 0) t.is(await checker.check([above]), 0, 'no base');
    }
  });
}

test('one by one: payloads that are damaged or cannot be read are wrong records, other errors are errors', async (t) => {
  const { file, records } = await forest(t);
  for (const [i, record] of records.entries()) {
    const sound = file.payloads.get(record)!;
    for (const plane of ['hi', 'mid', 'low'] as const) {
      if (sound[plane].length === 0) continue;
      const bytes = Buffer.from(sound[plane]);
      bytes[bytes.length >> 1]! ^= 1;
      file.payloads.set(record, { ...sound, [plane]: bytes });
      t.is(await file.checker(null).check(records), i, plane);
      file.payloads.set(record, { ...sound, [plane]: sound[plane].subarray(1) });
      t.is(await file.checker(null).check(records), i, `${plane}, cut`);
    }
    file.payloads.set(record, sound);
  }
  const failing = (error: Error) =>
    new RecordChecker({ native: null, read: () => Promise.reject(error) });
  t.is(await failing(new CorruptError('damaged')).check(records), 0);
  await t.throwsAsync(failing(new TypeError('a bug')).check(records), { instanceOf: TypeError });
  const gone = AbortSignal.abort();
  await t.throwsAsync(file.checker(null, gone).check(records), { code: 'DLV_ABORTED' });
});

test('one by one: a later segment is compared with the hashes of its own runs', async (t) => {
  const file = await RecordFile.make(t);
  const planes = Array.from({ length: WIDTH }, (_, k) => randomBytes(2 * RUN_ELEMENTS, k + 1));
  const whole = await hashed(planes);
  const second = planes.map((plane) => plane.subarray(RUN_ELEMENTS));
  const part = await file.add(second, null, [0, null]);
  const record = { ...part, ...whole, count: 2 * RUN_ELEMENTS, checksId: false };
  file.payloads.set(record, file.payloads.get(part)!);
  for (const [way, kernel] of WAYS) {
    t.is(await file.checker(kernel).check([{ ...record, firstRun: 1 }]), 1, way);
    t.is(await file.checker(kernel).check([{ ...record, firstRun: 0 }]), 0, way);
  }
});

test('every class of payload is compared with its checksum', async (t) => {
  if (native === null) return t.pass('no addon');
  const { file, records } = await forest(t);
  for (const [i, { classes }] of records.entries()) {
    for (const payload of classes) {
      if (payload === null || payload.bytes === 0) continue;
      await file.flip(payload.offset + (payload.bytes >> 1));
      t.is(await file.checker().check(records), i);
      await file.flip(payload.offset + (payload.bytes >> 1));
    }
    if (classes.every((one) => one?.bytes === 0)) continue;
    const beyond = classes.map((one) => ({ ...(one as FilePayload), offset: 1 << 30 }));
    const cut = { ...records[i]!, classes: beyond as [FilePayload, FilePayload, FilePayload] };
    t.is(await file.checker().check(records.map((one, k) => (k === i ? cut : one))), i);
  }
  t.is(await file.checker().check(records), records.length);
});

test('a plan that is cut or contradicts itself is refused', async (t) => {
  if (native === null) return t.pass('no addon');
  const { records } = await forest(t);
  const [first, second] = records.map((r) => ({ ...r })) as [CheckedRecord, CheckedRecord];
  const slots = [0, 1].map(() => ({ width: 0, elements: 0 }));
  const rooms = slots.map(() => native!.allocate(1 << 16));
  const plan = encodeCheckPlan([first, second], slots);
  t.is(await native.checkRecords(plan, rooms), 2);
  const refused = async (bytes: Uint8Array, memory: readonly Uint8Array[] = rooms) =>
    t.like(await t.throwsAsync(native!.checkRecords(bytes, memory)), { kernel: ERROR_ARGUMENT });
  for (let length = 0; length < plan.length; length += 7) await refused(plan.subarray(0, length));
  await refused(Buffer.concat([plan, Buffer.alloc(1)]));
  await refused(encodeCheckPlan([{ ...first, slot: 2 }], slots));
  await refused(encodeCheckPlan([{ ...first, slot: 1, baseSlot: 1 }], slots));
  await refused(encodeCheckPlan([{ ...first, baseSlot: 1 }], slots));
  await refused(encodeCheckPlan([{ ...first, elements: 1 << 20 }], slots));
  await refused(encodeCheckPlan([{ ...first, firstRun: 1 }], slots));
  await refused(encodeCheckPlan([first], [{ width: 8, elements: 1 << 22 }, slots[1]!]));
  await refused(plan, rooms.slice(0, 1));
  await refused(plan, [rooms[0]!, rooms[0]!]);
  await refused(plan, [rooms[0]!, new Uint8Array(1 << 16)]);
});
