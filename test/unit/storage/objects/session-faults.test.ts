/**
 * Goal: whatever ends a session while one set is listed and the next one is written, no listed record has a base that
 * is not listed, and nothing stays in tmp/.
 * Method: a chain of deltas over several sets, in memory; every call that changes something fails in turn, or is the
 * last one of a killed process.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type Id, objectId } from '../../../../lib/base/bytes/hash.js';
import { AbortedError, ConflictError, CorruptError, IoError } from '../../../../lib/base/errors.js';
import { PackSession } from '../../../../lib/storage/objects/session.js';
import type { BackendWriter } from '../../../../lib/storage/store/backends/backend.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import type { SegmentRecord } from '../../../../lib/storage/store/types.js';
import { randomBytes } from '../../../helpers/rng.js';

type Step = (action: string, name: string) => void;

/** Lets `step` say of every call that changes something whether it fails: before it, and after half of a write. */
function watched(backend: MemoryBackend, step: Step): MemoryBackend {
  const { createWriter, rename, writeAtomic } = MemoryBackend.prototype;
  backend.createWriter = async (name) => {
    step('create', name);
    const inner = await createWriter.call(backend, name);
    const writer: BackendWriter = {
      ...{ name, close: () => inner.close() },
      get offset() {
        return inner.offset;
      },
      async write(bytes) {
        await inner.write(bytes.subarray(0, bytes.length / 2));
        step('write', name);
        await inner.write(bytes.subarray(bytes.length / 2));
      },
      async overwrite(offset, bytes) {
        step('write', name);
        await inner.overwrite(offset, bytes);
      },
      async takeBack(offset) {
        step('truncate', name);
        await inner.takeBack(offset);
      },
      async syncAndClose() {
        await nextTurn();
        step('fsync', name);
        await inner.syncAndClose();
      },
    };
    return writer;
  };
  backend.rename = async (from, to) => {
    await nextTurn();
    step('rename', to);
    await rename.call(backend, from, to);
  };
  backend.writeAtomic = async (name, bytes) => {
    step('write', name);
    await writeAtomic.call(backend, name, bytes);
    step('fsync', name);
  };
  const syncDir = async (dir: string): Promise<void> => step('fsync', dir);
  return Object.assign(backend, { syncDir });
}

function sessionOn(store: ObjectStore): PackSession {
  let names = 0;
  return new PackSession({
    ...{ store, chainDepth: 50, fullBytes: 3000 },
    locked: (action) => action(async () => {}),
    tmpName: () => `tmp/1-1/${names++}`,
  });
}

/** Blobs that are told apart by a few bytes, after each a large one of its own that fills sets. */
const LINKS = Array.from({ length: 12 }, (_, i) => {
  const bytes = randomBytes(900, 1);
  for (let k = 0; k <= i; k++) bytes[10 * k] = bytes[10 * k]! ^ 0xff;
  return bytes;
});

const IDS = LINKS.map((bytes) => objectId('blob', bytes));

/** Stores a chain of deltas. @param told  goes on after a failure, as work does that was begun before. */
async function storeChain(session: PackSession, told?: (error: unknown) => void): Promise<Id[]> {
  const ids: Id[] = [];
  for (const [i, link] of LINKS.entries()) {
    try {
      ids.push(await session.putBlob('blob', link, 1, ids.at(-1) ?? null));
      await session.putBlob('blob', randomBytes(1300, 100 + i));
    } catch (error) {
      if (told === undefined) throw error;
      told(error);
    }
  }
  return ids;
}

/** Asserts that what is listed can be read. @returns how many links are. */
async function checkListed(t: ExecutionContext, backend: MemoryBackend, why: string) {
  const store = await ObjectStore.open(MemoryBackend.from(backend.files()));
  const reader = sessionOn(store);
  let found = 0;
  for (const id of IDS) {
    if ((await store.findBlob(id)) === null) continue;
    found++;
    const { length } = await reader.blobs.readBlob(id, 'blob');
    t.is(length, 900, why);
  }
  return found;
}

async function freshStore(step: Step): Promise<{ backend: MemoryBackend; session: PackSession }> {
  const inner = new MemoryBackend();
  await ObjectStore.init(inner);
  const backend = watched(inner, step);
  return { backend, session: sessionOn(await ObjectStore.open(backend)) };
}

async function tmpFiles(backend: MemoryBackend): Promise<string[]> {
  return backend.files().flatMap(([name]) => (name.startsWith('tmp/') ? [name] : []));
}

test('session faults: a process that is killed between any two calls leaves no delta without its base', async (t) => {
  const kills: MemoryBackend[] = [];
  const { backend, session } = await freshStore(() => {
    kills.push(MemoryBackend.from(backend.files()));
  });
  t.deepEqual(await storeChain(session), IDS);
  await session.flush();
  t.is((await session.readBlob(IDS[5]!))?.base, IDS[4], 'they are a chain');
  const found = new Set<number>();
  for (const [call, left] of kills.entries()) {
    found.add(await checkListed(t, left, `call ${call}`));
  }
  t.true(found.size > 3, 'sets are listed one after the other');
  t.is(await checkListed(t, backend, 'at the end'), IDS.length);
});

for (const goesOn of [false, true]) {
  const what = goesOn ? 'work that was begun goes on' : 'the session is given up';
  test(`session faults: any call fails, and ${what}`, async (t) => {
    for (let fail = 1; ; fail++) {
      let calls = 0;
      let failed = '';
      const { backend, session } = await freshStore((action, name) => {
        if (++calls !== fail) return;
        failed = `${fail}: ${action} ${name}`;
        throw new IoError(`cannot ${action} '${name}'`, { file: name, errno: 'ENOSPC' });
      });
      const errors: unknown[] = [];
      const told = (error: unknown) => errors.push(error);
      let ids: Id[] = [];
      const all = storeChain(session, goesOn ? told : undefined).then((stored) => {
        ids = stored;
        return session.flush();
      });
      await all.catch(told);
      if (failed === '') break;
      t.true(errors[0] instanceof IoError, failed);
      if (await session.isUndisturbed()) {
        for (const id of ids) t.true(await session.hasBlob(id), failed);
      }
      await session.abort();
      await checkListed(t, backend, failed);
      t.deepEqual(await tmpFiles(backend), [], failed);
    }
  });
}

/** A segment of a few bytes. */
function segment(seed: number, base: Id | null, bytes = 4): SegmentRecord {
  const hi = randomBytes(bytes, seed);
  const none = new Uint8Array(0);
  return {
    ...{ id: objectId('blob', hi), segment: 0, segments: 1, width: 1, count: bytes },
    ...{ base, depth: base === null ? 0 : 1, head: none, hi, mid: none, low: none },
  };
}

test('session faults: what relies on a set that failed says why it failed, not that it was collected', async (t) => {
  const { session } = await freshStore((action, name) => {
    if (action === 'fsync' && name.startsWith('tmp/1-1/0/')) {
      throw new IoError(`cannot fsync '${name}'`, { file: name, errno: 'ENOSPC' });
    }
  });
  const base = segment(1, null, 3000);
  await session.putSegment(base);
  const full = await t.throwsAsync(session.settle(), { instanceOf: IoError });
  // Another job has encoded a delta meanwhile.
  await session.putSegment(segment(2, base.id));
  t.is(await t.throwsAsync(session.flush()), full);
  // So does all that fails for it outside of the session, but for what a person stopped.
  const missing = new CorruptError('a base is not there');
  t.is(session.causeOf(missing), full);
  const aborted = new AbortedError();
  t.is(session.causeOf(aborted), aborted);
});

test('session faults: what relies on a set that was collected says so', async (t) => {
  const { session } = await freshStore(() => {});
  t.is(session.causeOf(null), null);
  const { backend } = await freshStore(() => {});
  const first = sessionOn(await ObjectStore.open(backend));
  const base = segment(1, null, 3000);
  await first.putSegment(base);
  await first.flush();
  const store = await ObjectStore.open(backend);
  const second = sessionOn(store);
  t.true(await second.hasExtent(base.id, 1));
  await second.putSegment(segment(2, base.id));
  const other = await ObjectStore.open(backend);
  await other.publish([], () => []);
  await t.throwsAsync(second.flush(), {
    instanceOf: ConflictError,
    message: /collected as garbage/,
  });
});

test('session faults: a full disk is said although the next set is being written, and what builds on it is not listed', async (t) => {
  let isFull = true;
  const { backend, session } = await freshStore((action, name) => {
    if (isFull && action === 'fsync' && name.startsWith('tmp/1-1/0/')) {
      throw new IoError(`cannot fsync '${name}'`, { file: name, errno: 'EIO' });
    }
  });
  const first = await session.putBlob('blob', LINKS[0]!);
  await session.putBlob('blob', randomBytes(3000, 7));
  // Encoded before anybody was told.
  const second = session.putBlob('blob', LINKS[1]!, 1, first);
  await t.throwsAsync(
    second.then(() => session.settle()),
    { instanceOf: IoError },
  );
  t.false(await session.hasBlob(first));
  t.false(await session.isUndisturbed());
  isFull = false;
  // Whoever stores all of it again is not kept from it.
  const again = await session.putBlob('blob', LINKS[0]!);
  const delta = await session.putBlob('blob', LINKS[1]!, 1, again);
  await session.flush();
  t.is((await session.readBlob(delta))?.base, first);
  t.is(await checkListed(t, backend, 'again'), 2);
});
