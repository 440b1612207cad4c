/** A store that another process changes while this one reads. */
import test, { type ExecutionContext } from 'ava';
import type { Backend } from '../../../../lib/storage/store/backends/backend.js';
import { FolderBackend } from '../../../../lib/storage/store/backends/folder-backend.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { mergeSets } from '../../../../lib/storage/store/merge.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { blobOf, idOf, plain, readSame, SAMPLE, sampleStore, writeSet } from './sample.js';

type Pair = (t: ExecutionContext) => Promise<[Backend, Backend]>;

const PAIRS: Record<string, Pair> = {
  memory: async () => {
    const backend = new MemoryBackend();
    return [backend, backend];
  },
  folder: async (t) => {
    const root = await tempDir(t);
    const both: [Backend, Backend] = [new FolderBackend(root), new FolderBackend(root)];
    for (const backend of both) t.teardown(() => backend.close());
    return both;
  },
};

/** Merges all sets into one and deletes the old files, as gc without grace does. */
async function mergeAll(store: ObjectStore): Promise<void> {
  const old = store.sets().map((info) => info.id);
  const writer = await PackSetWriter.create(store.backend, `tmp/merge-${store.generation}`);
  await mergeSets(store, old, writer);
  await store.publish([await writer.finish()], (sets) => sets.slice(-1));
  await store.retire(old);
  for (const name of await store.backend.list('trash')) await store.backend.remove(`trash/${name}`);
}

for (const [name, pair] of Object.entries(PAIRS)) {
  test(`${name}: a miss reads the manifest again and finds what was published`, async (t) => {
    const [ours, theirs] = await pair(t);
    const { store } = await sampleStore(ours);
    const reader = await ObjectStore.open(theirs);
    const later = blobOf('later', undefined, 'version');
    await store.publish([await writeSet(ours, [later])]);
    t.false(await reader.hasBlob(later.id), 'has speaks of the manifest as last read');
    t.deepEqual(await reader.resolveIdPrefix('version', later.id.slice(0, 9)), [later.id]);
    t.deepEqual(await readSame(reader, later), plain(later));
    t.is(reader.generation, store.generation);
    t.is(await reader.findBlob(idOf('nowhere')), null);
  });

  test(`${name}: sets that were merged and deleted meanwhile are read in their new place`, async (t) => {
    const [ours, theirs] = await pair(t);
    const { store } = await sampleStore(ours);
    const knows = await ObjectStore.open(theirs);
    for (const record of SAMPLE) await readSame(knows, record);
    const fresh = await ObjectStore.open(theirs);
    await mergeAll(store);
    for (const reader of [fresh, knows]) {
      const records = await Promise.all(SAMPLE.map((record) => readSame(reader, record)));
      t.deepEqual(records, SAMPLE.map(plain));
      const ids: string[] = [];
      for await (const entry of reader.segments()) ids.push(`${entry.id}:${entry.segment}`);
      t.is(new Set(ids).size, 6);
    }
  });
}

test('a file of a listed set that is gone is damage that names the file', async (t) => {
  const { backend, store } = await sampleStore();
  const [small] = store.sets();
  await backend.remove(`packs/${small!.id}.blob`);
  const gone = await t.throwsAsync(store.readBlob(idOf('alpha')), { code: 'DLV_CORRUPT' });
  t.regex(gone!.message, /\.blob' is missing/);
  await backend.remove(`packs/${small!.id}.idx`);
  const other = await ObjectStore.open(backend);
  for (const look of [
    () => other.hasBlob(idOf('alpha')),
    () => other.hasExtent(idOf('tall')),
    () => other.findSegment(idOf('tall'), 0),
    () => other.blobs().next(),
  ]) {
    const error = await t.throwsAsync(look, { code: 'DLV_CORRUPT' });
    t.regex(error!.message, /\.idx' is missing/);
  }
});
