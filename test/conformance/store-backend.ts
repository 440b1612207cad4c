/**
 * What every backend of the store promises, and the store's own life on top of it. A backend is
 * tested by calling `backendSuite` once.
 */
import test, { type ExecutionContext } from 'ava';
import { BugError, isDamage } from '../../lib/base/errors.js';
import { isMissing } from '../../lib/base/files/files.js';
import type { Backend } from '../../lib/storage/store/backends/backend.js';
import { mergeSets } from '../../lib/storage/store/merge.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../lib/storage/store/packs/pack-writer.js';
import { rebuildIndex, scanPacks } from '../../lib/storage/store/verify.js';
import {
  filesOf,
  plain,
  problemsOf,
  readSame,
  SAMPLE,
  sampleStore,
} from '../unit/storage/store/sample.js';

/** Makes a new, empty backend for one test. */
export type MakeBackend = (t: ExecutionContext) => Promise<Backend>;

async function write(backend: Backend, name: string, text: string): Promise<void> {
  const writer = await backend.createWriter(name);
  await writer.write(Buffer.from(text));
  await writer.syncAndClose();
}

async function text(backend: Backend, name: string): Promise<string> {
  return Buffer.from(await backend.readAll(name, 1 << 20)).toString();
}

/** Declares the tests for one backend; `name` tells their titles apart. */
export function backendSuite(name: string, makeBackend: MakeBackend): void {
  const make: MakeBackend = async (t) => {
    const backend = await makeBackend(t);
    t.teardown(() => backend.close());
    return backend;
  };

  test(`${name}: gives back the bytes written, in any range`, async (t) => {
    const backend = await make(t);
    const writer = await backend.createWriter('a/b/c');
    await writer.write(Buffer.from('hello '));
    t.is(writer.offset, 6);
    await writer.write(Buffer.from('world'));
    await writer.syncAndClose();
    t.is(await backend.size('a/b/c'), 11);
    t.is(Buffer.from(await backend.read('a/b/c', 4, 5)).toString(), 'o wor');
    t.is((await backend.read('a/b/c', 11, 0)).length, 0);
    t.is(await text(backend, 'a/b/c'), 'hello world');
  });

  test(`${name}: a writer changes bytes that it wrote, takes bytes back and goes on from there`, async (t) => {
    const backend = await make(t);
    const writer = await backend.createWriter('f');
    await writer.write(Buffer.from('hello world, '));
    await writer.write(Buffer.alloc(600_000, 'x'));
    await writer.overwrite(6, Buffer.from('folks'));
    t.is(writer.offset, 600_013);
    await writer.takeBack(11);
    t.is(writer.offset, 11);
    await writer.write(Buffer.alloc(600_000, 'y'));
    await writer.write(Buffer.from('!'));
    await writer.overwrite(0, Buffer.from('H'));
    await t.throwsAsync(async () => writer.overwrite(600_011, Buffer.from('??')), {
      instanceOf: BugError,
    });
    await t.throwsAsync(async () => writer.takeBack(700_000), { instanceOf: BugError });
    await writer.syncAndClose();
    t.is(await text(backend, 'f'), `Hello folks${'y'.repeat(600_000)}!`);
  });

  test(`${name}: a range beyond the end is truncation, not fewer bytes`, async (t) => {
    const backend = await make(t);
    await write(backend, 'f', 'abc');
    await t.throwsAsync(backend.read('f', 1, 3), { code: 'DLV_TRUNCATED' });
    await t.throwsAsync(backend.read('f', 4, 0), { code: 'DLV_TRUNCATED' });
    await t.throwsAsync(backend.read('f', 0, 2 ** 45), { code: 'DLV_TRUNCATED' });
    await t.throwsAsync(backend.read('f', 2 ** 45, 1), { code: 'DLV_TRUNCATED' });
    await t.throwsAsync(backend.read('f', -1, 2), { code: 'DLV_TRUNCATED' });
    await t.throwsAsync(backend.readAll('f', 2), { code: 'DLV_LIMIT' });
  });

  test(`${name}: a file can be read while it grows`, async (t) => {
    const backend = await make(t);
    const writer = await backend.createWriter('f');
    await writer.write(Buffer.from('ab'));
    t.is(Buffer.from(await backend.read('f', 0, 2)).toString(), 'ab');
    await writer.write(Buffer.from('cd'));
    t.is(Buffer.from(await backend.read('f', 1, 3)).toString(), 'bcd');
    await writer.write(Buffer.from('ef'));
    // Where there are files of the system, the kernel may read what was written.
    const lent = (await backend.lendFile?.('f', 6)) ?? null;
    t.is(lent === null, backend.lendFile === undefined);
    lent?.release();
    t.is((await backend.lendFile?.('f', 7)) ?? null, null);
    await writer.close();
  });

  test(`${name}: what a reader gets is its own`, async (t) => {
    const backend = await make(t);
    await write(backend, 'f', 'abc');
    (await backend.read('f', 0, 3)).fill(0);
    (await backend.readAll('f', 3)).fill(0);
    t.is(await text(backend, 'f'), 'abc');
  });

  test(`${name}: what a writer gets may be used again`, async (t) => {
    const backend = await make(t);
    const buffer = Buffer.from('abc');
    const writer = await backend.createWriter('f');
    await writer.write(buffer);
    buffer.write('xyz');
    await writer.write(buffer);
    await writer.syncAndClose();
    t.is(await text(backend, 'f'), 'abcxyz');
    await backend.writeAtomic('g', buffer);
    buffer.fill(0);
    t.is(await text(backend, 'g'), 'xyz');
  });

  test(`${name}: a writer that was closed takes no more`, async (t) => {
    const backend = await make(t);
    for (const end of ['syncAndClose', 'close'] as const) {
      const writer = await backend.createWriter(end);
      await writer.write(Buffer.from('abc'));
      await writer[end]();
      await t.throwsAsync(writer.write(Buffer.from('d')));
      await writer.close();
      t.is(await backend.size(end), 3);
    }
  });

  test(`${name}: overlapping reads of many files agree`, async (t) => {
    const backend = await make(t);
    const names = Array.from({ length: 12 }, (_, i) => `packs/${i}`);
    for (const file of names) await write(backend, file, file.repeat(100));
    const reads = Array.from({ length: 200 }, async (_, n) => {
      const file = names[(n * 7) % names.length] as string;
      const at = (n * 13) % (99 * file.length);
      const bytes = await backend.read(file, at, file.length);
      return (
        Buffer.from(bytes).toString() ===
        file
          .repeat(2)
          .slice(at % file.length)
          .slice(0, file.length)
      );
    });
    t.true((await Promise.all(reads)).every(Boolean));
  });

  test(`${name}: a missing file says so`, async (t) => {
    const backend = await make(t);
    t.false(await backend.exists('f'));
    for (const action of [
      () => backend.read('f', 0, 1),
      () => backend.size('f'),
      () => backend.readAll('f', 9),
      () => backend.rename('f', 'g'),
    ]) {
      t.true(isMissing(await t.throwsAsync(action, { code: 'DLV_IO' })));
    }
    await t.notThrowsAsync(backend.remove('f'));
    t.deepEqual(await backend.list('nowhere'), []);
  });

  test(`${name}: creating a file that is there fails and keeps it`, async (t) => {
    const backend = await make(t);
    await write(backend, 'f', 'abc');
    await t.throwsAsync(backend.createWriter('f'), { code: 'DLV_IO' });
    t.is(await text(backend, 'f'), 'abc');
  });

  test(`${name}: rename replaces, and forgets what was open under both names`, async (t) => {
    const backend = await make(t);
    await write(backend, 'x/new', 'new');
    await write(backend, 'y/old', 'old!');
    await backend.read('x/new', 0, 1);
    await backend.read('y/old', 0, 1);
    await backend.rename('x/new', 'y/old');
    await backend.syncDir('y');
    t.is(Buffer.from(await backend.read('y/old', 0, 3)).toString(), 'new');
    t.is(await backend.size('y/old'), 3);
    t.false(await backend.exists('x/new'));
    await t.throwsAsync(backend.read('x/new', 0, 1), { code: 'DLV_IO' });
  });

  test(`${name}: a small file is replaced, a removed one is gone`, async (t) => {
    const backend = await make(t);
    await backend.writeAtomic('f', Buffer.from('one'));
    await backend.read('f', 0, 3);
    await backend.writeAtomic('f', Buffer.from('two'));
    t.is(Buffer.from(await backend.read('f', 0, 3)).toString(), 'two');
    await backend.remove('f');
    await t.throwsAsync(backend.read('f', 0, 3), { code: 'DLV_IO' });
  });

  test(`${name}: lists the names of a folder, sorted`, async (t) => {
    const backend = await make(t);
    for (const file of ['d/b', 'd/a', 'd/c/x', 'e/y']) await write(backend, file, '');
    t.deepEqual(await backend.list('d'), ['a', 'b', 'c']);
  });

  test(`${name}: a store publishes, reads, merges, retires and is rebuilt`, async (t) => {
    const { backend, store } = await sampleStore(await make(t));
    for (const record of SAMPLE) t.deepEqual(await readSame(store, record), plain(record));
    t.deepEqual(await problemsOf(backend, store.sets()), []);
    const old = store.sets().map((info) => info.id);
    const writer = await PackSetWriter.create(backend, 'tmp/merge');
    t.deepEqual(await mergeSets(store, old, writer), { blobs: 2, segments: 6 });
    await store.publish([await writer.finish()], (sets) =>
      sets.filter((info) => !old.includes(info.id)),
    );
    await store.retire(old);
    const [merged] = store.sets();
    t.deepEqual(
      await backend.list('packs'),
      filesOf(merged!)
        .map((file) => file.slice(6))
        .sort(),
    );
    t.is((await backend.list('trash')).length, 7);
    for (const record of SAMPLE) t.deepEqual(await readSame(store, record), plain(record));

    const readIndex = async () =>
      Buffer.from(await backend.readAll(`packs/${merged!.id}.idx`, 1 << 20)).toString('hex');
    const index = await readIndex();
    await backend.remove(`packs/${merged!.id}.idx`);
    t.deepEqual((await scanPacks(backend)).sets, [merged!]);
    await rebuildIndex(backend, merged!.id);
    t.is(await readIndex(), index);
    await store.close();
  });

  test(`${name}: a manifest that is missing or damaged is damage with a remedy`, async (t) => {
    const backend = await make(t);
    const missing = await t.throwsAsync(ObjectStore.open(backend), { code: 'DLV_CORRUPT' });
    t.regex(String((missing as { data?: { hint?: string } }).data?.hint), /--rebuild/);
    await ObjectStore.init(backend);
    await t.throwsAsync(ObjectStore.init(backend), { code: 'DLV_EXISTS' });
    await backend.writeAtomic('manifest', Buffer.from('dlv manifest 1\ngeneration 0\n'));
    t.true(isDamage(await t.throwsAsync(ObjectStore.open(backend))));
  });
}
