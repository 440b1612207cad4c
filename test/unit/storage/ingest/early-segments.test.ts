/**
 * Goal: segments of a long extent are written before all of it was read, and named once its id is known; the set is
 * whole. What was guessed wrong leaves nothing in the set, and ends the guessing of that file.
 * Method: extents of two bytes an element and some segments, fed from memory into a session that notes what is put.
 */
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { ChangedError } from '../../../../lib/base/errors.js';
import type { ReadFile } from '../../../../lib/base/files/files.js';
import { KEPT_EXTENT_BYTES, RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import { sketchBytes } from '../../../../lib/pure/codec/sketch.js';
import type { ExtentView } from '../../../../lib/storage/ingest/bases/derived-extent.js';
import type { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import type { FileFeed } from '../../../../lib/storage/ingest/file-feed.js';
import { ExtentStore } from '../../../../lib/storage/ingest/store-extents.js';
import { lendWhole } from '../../../../lib/storage/objects/planes/plane-reader.js';
import { PackSession } from '../../../../lib/storage/objects/session.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { segmentCount } from '../../../../lib/storage/store/types.js';
import { verifySet } from '../../../../lib/storage/store/verify.js';
import { randomBytes } from '../../../helpers/rng.js';

const WIDTH = 2;
const COUNT = 2 * SEGMENT_ELEMENTS + 1000;

/** Two planes: few values in the first one, any in the second. */
type Content = readonly [Uint8Array, Uint8Array];

function content(seed: number, count = COUNT): Content {
  return [randomBytes(count, seed).map((byte) => 60 + (byte & 3)), randomBytes(count, seed + 100)];
}

/** The same with every fourth value of the second plane changed a little. */
function near([first, second]: Content): Content {
  return [first, second.map((byte, i) => (i % 4 === 0 ? byte + 1 : byte))];
}

class Bench {
  readonly log: string[] = [];
  readonly backend = new MemoryBackend();
  store!: ObjectStore;
  session!: PackSession;
  /** How a tensor sees each extent. */
  view: ExtentView | null = null;
  /** True: the file has become shorter since it was read. */
  isCut = false;

  static async make(): Promise<Bench> {
    const bench = new Bench();
    await ObjectStore.init(bench.backend);
    bench.store = await ObjectStore.open(bench.backend);
    bench.session = bench.open();
    return bench;
  }

  open(): PackSession {
    let names = 0;
    const session = new PackSession({
      store: this.store,
      chainDepth: 10,
      locked: (action) => action(async () => {}),
      tmpName: () => `tmp/1-1/${names++}`,
    });
    const { putUnnamed, nameSegment, putSegment, dropUnnamed } = session;
    session.putUnnamed = (record) => {
      this.log.push(`early ${record.segment}`);
      return putUnnamed.call(session, record);
    };
    session.nameSegment = (unnamed, id, head) => {
      this.log.push(`name ${unnamed.place.segment}`);
      return nameSegment.call(session, unnamed, id, head);
    };
    session.putSegment = (record) => {
      this.log.push(`segment ${record.segment}`);
      return putSegment.call(session, record);
    };
    session.dropUnnamed = () => {
      this.log.push('drop');
      return dropUnnamed.call(session);
    };
    return session;
  }

  /** Stores extents one after the other, as one file has them. @param names  of stored ones that have the name of each. */
  async ingest(contents: readonly Content[], names: readonly (Id | null)[] = []): Promise<Id[]> {
    let current = contents[0] as Content;
    let at = 0;
    let index = 0;
    const feed = {
      readRun: async (planes: readonly Uint8Array[]) => {
        const run = planes[0]!.length;
        for (const [k, plane] of planes.entries()) plane.set(current[k]!.subarray(at, at + run));
        at += run;
        this.log.push('run');
        return null;
      },
    } as unknown as FileFeed;
    const source = {
      name: 'file',
      readInto: async (target: Uint8Array, offset: number) => {
        this.log.push('again');
        if (this.isCut) throw new ChangedError("'file' became shorter", { file: 'file' });
        for (let i = 0; i < target.length; i += 2) {
          target[i] = current[1][(offset + i) / 2]!;
          target[i + 1] = current[0][(offset + i) / 2]!;
        }
      },
    } as unknown as ReadFile;
    const bases = {
      namesakes: () => (names[index] ? [names[index]] : []),
      relatives: () => [],
    } as unknown as BaseFinder;
    const options = { bases, chainDepth: 10, chainCost: 4, level: 1 as const };
    const store = new ExtentStore({ session: this.session, source, feed, options });
    const ids: Id[] = [];
    try {
      for (const [i, one] of contents.entries()) {
        current = one;
        at = 0;
        index = i;
        const count = one[0].length;
        const part = {
          width: WIDTH,
          count,
          byteSwap: false,
          offset: 0,
          keys: ['name'],
          view: this.view,
        };
        ids.push(await store.read(part));
        // The next one is read when this one is stored, so that the order of what is put is known.
        await (store as unknown as { settle(): Promise<void> }).settle();
      }
    } finally {
      await store.settle();
    }
    store.check();
    return ids;
  }

  async check(t: ExecutionContext, id: Id, planes: Content): Promise<void> {
    for (let segment = 0; segment < segmentCount(planes[0].length); segment++) {
      const place = { id, width: WIDTH, count: planes[0].length };
      const lease = await lendWhole(this.session.planes, place, segment);
      const from = segment * SEGMENT_ELEMENTS;
      for (const [k, plane] of lease.planes.entries()) {
        const wanted = planes[k]!.subarray(from, from + plane.length);
        t.is(Buffer.compare(plane, wanted), 0, `plane ${k} of segment ${segment}`);
      }
      lease.release();
    }
  }

  /** Lists what was stored, and verifies each byte of its sets. @returns their bytes. */
  async publish(t: ExecutionContext): Promise<number> {
    await this.session.flush();
    let bytes = 0;
    for (const info of this.session.published) {
      for await (const problem of verifySet(this.backend, info)) t.fail(problem.message);
      for (const size of Object.values(info.bytes)) bytes += size;
    }
    this.session = this.open();
    return bytes;
  }
}

const runs = (count: number): string[] => Array.from({ length: count }, () => 'run');
const RUNS = SEGMENT_ELEMENTS / RUN_ELEMENTS;

test('early: segments are written while the next ones are read, and named once all is read', async (t) => {
  const bench = await Bench.make();
  const first = content(1);
  const [id] = await bench.ingest([first]);
  t.is(bench.log.filter((entry) => entry === 'again').length, 0, 'nothing is read twice');
  const lastRun = bench.log.lastIndexOf('run');
  t.true(bench.log.indexOf('early 0') < lastRun);
  t.deepEqual(
    bench.log.filter((entry) => entry !== 'run'),
    ['early 0', 'early 1', 'name 0', 'name 1', 'segment 2'],
  );
  await bench.check(t, id!, first);
  await bench.publish(t);
  await bench.check(t, id!, first);
  const second = near(first);
  bench.log.length = 0;
  const [next] = await bench.ingest([second], [id!]);
  t.true(bench.log.includes('name 1'));
  const entry = await bench.session.findSegment(next!, 1);
  t.is(entry?.base, id, 'the namesake is its base');
  await bench.check(t, next!, second);
  t.true((await bench.publish(t)) < COUNT);
});

test('early: an extent that is there already leaves nothing in the set, and ends the guessing', async (t) => {
  const bench = await Bench.make();
  const [first, second] = [content(1), content(2)];
  // Its samples say so as soon as they are compared.
  bench.session.sketches.nearest = async () => [];
  const ids = await bench.ingest([first, first, second]);
  t.is(ids[0], ids[1]);
  t.deepEqual(
    bench.log.filter((entry) => entry !== 'run'),
    [
      ...['early 0', 'early 1', 'name 0', 'name 1', 'segment 2'],
      ...['early 0', 'early 1', 'drop'],
      ...['segment 0', 'segment 1', 'segment 2'],
    ],
  );
  const bytes = await bench.publish(t);
  await bench.check(t, ids[0]!, first);
  await bench.check(t, ids[2]!, second);
  const other = await Bench.make();
  await other.ingest([first, second]);
  t.is(bytes, await other.publish(t));
});

test('early: one that was guessed to have no base is encoded again with the one that it has', async (t) => {
  const bench = await Bench.make();
  const first = content(1);
  // Its first segment is another one.
  const [other, rest] = [content(2), near(first)];
  const second = rest.map((plane, k) => {
    const mixed = plane.slice();
    mixed.set(other[k]!.subarray(0, SEGMENT_ELEMENTS));
    return mixed;
  }) as unknown as Content;
  const [id] = await bench.ingest([first]);
  await bench.publish(t);
  bench.log.length = 0;
  const [next] = await bench.ingest([second]);
  t.deepEqual(
    bench.log.filter((entry) => entry !== 'run' && entry !== 'again'),
    ['early 0', 'early 1', 'drop', 'segment 0', 'segment 1', 'segment 2'],
  );
  t.is((await bench.session.findSegment(next!, 1))?.base, id);
  await bench.check(t, next!, second);
  await bench.publish(t);
});

test('early: a stranger that is close by the first samples is taken to be the base, and one that is equal ends nothing', async (t) => {
  const bench = await Bench.make();
  const first = content(1);
  const second = near(first);
  const [id] = await bench.ingest([first]);
  await bench.publish(t);
  bench.log.length = 0;
  const [same, next] = await bench.ingest([first, second]);
  t.is(same, id);
  t.deepEqual(
    bench.log.filter((entry) => entry !== 'run'),
    ['early 0', 'early 1', 'name 0', 'name 1', 'segment 2'],
  );
  for (const segment of [0, 1, 2]) {
    t.is((await bench.session.findSegment(next!, segment))?.base, id);
  }
  await bench.check(t, next!, second);
  t.true((await bench.publish(t)) < COUNT);
});

test('early: nothing is begun where the samples are those of the namesake', async (t) => {
  const bench = await Bench.make();
  const first = content(1);
  const second: Content = [first[0], first[1].slice()];
  second[1][COUNT - 1]! ^= 1;
  const [id] = await bench.ingest([first]);
  await bench.publish(t);
  bench.log.length = 0;
  const [next] = await bench.ingest([second], [id!]);
  t.deepEqual(bench.log, [...runs(2 * RUNS + 1), 'segment 0', 'segment 1', 'segment 2']);
  await bench.check(t, next!, second);
  await bench.publish(t);
});

test('early: an extent too long to be kept is read once', async (t) => {
  const bench = await Bench.make();
  const count = KEPT_EXTENT_BYTES / WIDTH + SEGMENT_ELEMENTS + 5;
  const long: Content = [new Uint8Array(count).fill(7), randomBytes(count, 3)];
  const [id] = await bench.ingest([long]);
  t.false(bench.log.includes('again'));
  t.is(bench.log.filter((entry) => entry.startsWith('early')).length, segmentCount(count) - 1);
  await bench.check(t, id!, long);
  await bench.publish(t);
});

test('early: what was begun when reading failed is not in the set that the next file goes to', async (t) => {
  const bench = await Bench.make();
  const [first, second] = [content(1), content(2)];
  const short: Content = [first[0].subarray(0, COUNT - 1), first[1].subarray(0, COUNT - 1)];
  const failing = Object.assign([...first], {}) as unknown as Content;
  Object.defineProperty(failing, 0, {
    get: () => {
      if (bench.log.filter((entry) => entry === 'run').length < 2 * RUNS) return first[0];
      throw new ChangedError("'file' changed while it was being read", { file: 'file' });
    },
  });
  await t.throwsAsync(bench.ingest([failing]), { code: 'DLV_CHANGED' });
  t.is(bench.log.at(-1), 'drop');
  const ids = await bench.ingest([short, second]);
  await bench.check(t, ids[0]!, short);
  await bench.publish(t);
  await bench.check(t, ids[1]!, second);
});

test('early: what was written when its base could not be chosen is not in the set that the next file goes to', async (t) => {
  const bench = await Bench.make();
  const [first, second] = [content(1), content(2)];
  bench.view = { dtype: 'F16', shape: [COUNT] };
  // An extent that may be the one of which this one is a copy: samples at its places are read again.
  const sketch = randomBytes(sketchBytes(4, COUNT), 9);
  bench.session.sketches.add('ab'.repeat(32) as Id, 4, COUNT, sketch);
  bench.isCut = true;
  await t.throwsAsync(bench.ingest([first]), { code: 'DLV_CHANGED' });
  t.true(bench.log.includes('early 0') && bench.log.includes('again'));
  t.is(bench.log.at(-1), 'drop');
  bench.isCut = false;
  bench.view = null;
  const ids = await bench.ingest([second, first]);
  await bench.publish(t);
  await bench.check(t, ids[0]!, second);
  await bench.check(t, ids[1]!, first);
});

test('early: a set before that was not written is told where what was begun is taken back', async (t) => {
  const bench = await Bench.make();
  const full = new Error('the device is full');
  const { dropUnnamed } = bench.session;
  bench.session.dropUnnamed = async () => {
    await dropUnnamed.call(bench.session);
    throw full;
  };
  const hasExtent = () => Promise.reject(new ChangedError("'file' changed", { file: 'file' }));
  bench.session.hasExtent = hasExtent;
  t.is(await t.throwsAsync(bench.ingest([content(1)])), full);
});
