/**
 * Every call of a backend fails once: what was published before stays readable, the manifest is the
 * old or the new one, and what a failure leaves is removed or unlisted.
 */
import test from 'ava';
import { IoError } from '../../../../lib/base/errors.js';
import type { Backend, BackendWriter } from '../../../../lib/storage/store/backends/backend.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { encodeManifest } from '../../../../lib/storage/store/manifest.js';
import { mergeSets } from '../../../../lib/storage/store/merge.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import { rebuildIndex, scanPacks } from '../../../../lib/storage/store/verify.js';
import { addAll } from './records.js';
import { blobOf, plain, problemsOf, readSame, SAMPLE, sampleStore, segmentOf } from './sample.js';

/** A backend whose calls that change something are counted; call number `failAt` fails. */
class FaultyBackend implements Backend {
  readonly inner: MemoryBackend;
  readonly failAt: number;
  calls = 0;

  constructor(inner: MemoryBackend, failAt: number) {
    this.inner = inner;
    this.failAt = failAt;
  }

  /** @throws {IoError} if it is this call's turn. */
  step(action: string, name: string): void {
    if (++this.calls === this.failAt) {
      throw new IoError(`cannot ${action} '${name}': EIO`, { file: name, errno: 'EIO' });
    }
  }

  read = (name: string, offset: number, length: number) => this.inner.read(name, offset, length);
  size = (name: string) => this.inner.size(name);
  exists = (name: string) => this.inner.exists(name);
  list = (dir: string) => this.inner.list(dir);
  readAll = (name: string, max: number) => this.inner.readAll(name, max);
  refresh = () => this.inner.refresh();
  close = () => this.inner.close();

  async createWriter(name: string): Promise<BackendWriter> {
    this.step('create', name);
    return new FaultyWriter(this, await this.inner.createWriter(name));
  }

  async rename(from: string, to: string): Promise<void> {
    this.step('rename', to);
    return this.inner.rename(from, to);
  }

  async remove(name: string): Promise<void> {
    return this.inner.remove(name);
  }

  async writeAtomic(name: string, bytes: Uint8Array): Promise<void> {
    this.step('write', name);
    await this.inner.writeAtomic(name, bytes);
    // The rename took place, the fsync after it fails.
    this.step('fsync', name);
  }

  async syncDir(dir: string): Promise<void> {
    this.step('fsync', dir);
  }
}

class FaultyWriter implements BackendWriter {
  readonly #backend: FaultyBackend;
  readonly #inner: BackendWriter;

  constructor(backend: FaultyBackend, inner: BackendWriter) {
    this.#backend = backend;
    this.#inner = inner;
  }

  get name(): string {
    return this.#inner.name;
  }

  get offset(): number {
    return this.#inner.offset;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#inner.write(bytes.subarray(0, bytes.length / 2));
    this.#backend.step('write', this.name);
    await this.#inner.write(bytes.subarray(bytes.length / 2));
  }

  async overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    this.#backend.step('write', this.name);
    await this.#inner.overwrite(offset, bytes);
  }

  async takeBack(offset: number): Promise<void> {
    this.#backend.step('truncate', this.name);
    await this.#inner.takeBack(offset);
  }

  async syncAndClose(): Promise<void> {
    this.#backend.step('fsync', this.name);
    await this.#inner.syncAndClose();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

const MORE = [blobOf('more'), segmentOf('more'), segmentOf('most', { base: 'more' })];

/** Runs `work` against a fresh store with each call failing in turn; `check` sees what is left. */
async function failEach(
  work: (store: ObjectStore) => Promise<void>,
  check: (backend: MemoryBackend, failed: boolean, call: number) => Promise<void>,
): Promise<number> {
  const files = ((await sampleStore()).backend as MemoryBackend).files();
  for (let call = 1; ; call++) {
    const backend = MemoryBackend.from(files);
    const faulty = new FaultyBackend(backend, call);
    const failure = await work(await ObjectStore.open(faulty)).then(
      () => null,
      (error: unknown) => error,
    );
    if (failure !== null && !(failure instanceof IoError)) throw failure;
    await check(backend, failure !== null, call);
    if (failure === null) return call;
  }
}

for (const smallSetBytes of [0, 1 << 20]) {
  const shape = smallSetBytes === 0 ? 'split' : 'small';
  test(`faults: writing and publishing a ${shape} set`, async (t) => {
    const work = async (store: ObjectStore) => {
      const writer = await PackSetWriter.create(store.backend, 'tmp/w', { smallSetBytes });
      try {
        await addAll(writer, MORE);
        await store.publish([await writer.finish()]);
      } finally {
        await writer.abort();
      }
    };
    const calls = await failEach(work, async (backend, failed, call) => {
      const store = await ObjectStore.open(backend);
      const isNew = store.generation === 2;
      t.true(isNew || failed, `call ${call}`);
      t.is(store.sets().length, isNew ? 3 : 2, `call ${call}`);
      for (const record of SAMPLE) t.deepEqual(await readSame(store, record), plain(record));
      for (const record of MORE) {
        t.deepEqual(await readSame(store, record), isNew ? plain(record) : null, `call ${call}`);
      }
      t.deepEqual(await problemsOf(backend, store.sets()), [], `call ${call}`);
      t.deepEqual(await backend.list('tmp/w'), [], `call ${call}: abort leaves nothing`);
    });
    t.true(calls > 15);
  });
}

test('faults: a writer that failed refuses more, and says what failed first', async (t) => {
  const backend = new FaultyBackend(new MemoryBackend(), 3);
  const writer = await PackSetWriter.create(backend, 'tmp/w');
  const results = await Promise.allSettled([
    writer.addBlob(blobOf('one')),
    writer.addBlob(blobOf('two')),
    writer.finish(),
  ]);
  t.deepEqual(
    results.map((result) => result.status === 'rejected' && result.reason.code),
    ['DLV_IO', 'DLV_IO', 'DLV_IO'],
  );
  await writer.abort();
  t.deepEqual(await backend.list('tmp/w'), []);
});

test('faults: merging and retiring', async (t) => {
  const work = async (store: ObjectStore) => {
    const old = store.sets().map((info) => info.id);
    const writer = await PackSetWriter.create(store.backend, 'tmp/w');
    try {
      await mergeSets(store, old, writer);
      await store.publish([await writer.finish()], (sets) =>
        sets.filter((info) => !old.includes(info.id)),
      );
      await store.retire(old);
    } finally {
      await writer.abort();
    }
  };
  await failEach(work, async (backend, failed, call) => {
    const store = await ObjectStore.open(backend);
    t.is(store.sets().length, store.generation === 2 ? 1 : 2);
    for (const record of SAMPLE) t.deepEqual(await readSame(store, record), plain(record));
    t.deepEqual(await problemsOf(backend, store.sets()), [], `call ${call}`);
    if (!failed) t.is((await backend.list('packs')).length, 3);
    // Should the manifest be lost now as well, everything is still there.
    const { sets } = await scanPacks(backend);
    await backend.writeAtomic('manifest', encodeManifest({ generation: 3, sets }));
    const rebuilt = await ObjectStore.open(backend);
    for (const { id } of sets) await rebuildIndex(backend, id);
    for (const record of SAMPLE) t.deepEqual(await readSame(rebuilt, record), plain(record));
  });
});
