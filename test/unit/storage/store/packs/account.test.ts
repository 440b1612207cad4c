/** Goal: an idx accounts for a set only if reading its records reads every byte; what lies is left to the verifier. */
import test from 'ava';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { IndexBuilder } from '../../../../../lib/storage/store/indexes/index-builder.js';
import { encodeManifest } from '../../../../../lib/storage/store/manifest.js';
import { MANIFEST_NAME, packName } from '../../../../../lib/storage/store/names.js';
import { ObjectStore } from '../../../../../lib/storage/store/object-store.js';
import { accountOf } from '../../../../../lib/storage/store/packs/account.js';
import {
  type BlobEntry,
  type BlobRecord,
  FILE_CLASSES,
  recordBytesOf,
  type SegmentEntry,
  type SegmentRecord,
  type SetInfo,
} from '../../../../../lib/storage/store/types.js';
import { idOf, problemsOf, SMALL_SET, SPLIT_SET, writeSet } from '../sample.js';

type Entry = BlobEntry | SegmentEntry;

async function published(
  records: readonly (BlobRecord | SegmentRecord)[],
  split: boolean,
): Promise<{ backend: MemoryBackend; info: SetInfo; entries: Entry[] }> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const sealed = await writeSet(backend, records, split);
  await store.publish([sealed]);
  const entries: Entry[] = [];
  for await (const entry of store.recordsIn(sealed.info)) entries.push(entry);
  return { backend, info: sealed.info, entries };
}

/** The files of a set under another idx, which has all its checksums and the name that it gives. */
async function withIndex(
  backend: MemoryBackend,
  { bytes }: SetInfo,
  entries: readonly Entry[],
  from: SetInfo,
): Promise<SetInfo> {
  const builder = new IndexBuilder();
  for (const entry of entries) {
    if ('kind' in entry) builder.addBlob(entry);
    else builder.addSegment(entry);
  }
  const made = builder.finish(bytes);
  for (const fileClass of FILE_CLASSES) {
    if (bytes[fileClass] === 0 || fileClass === 'idx') continue;
    const file = await backend.readAll(packName(from.id, fileClass), 1 << 20);
    await backend.writeAtomic(packName(made.id, fileClass), file);
  }
  await backend.writeAtomic(packName(made.id, 'idx'), made.bytes);
  return { id: made.id, bytes: { ...bytes, idx: made.bytes.length } };
}

for (const [name, records, split] of [
  ['small', SMALL_SET, false],
  ['split', SPLIT_SET, true],
  ['mixed', [...SMALL_SET, ...SPLIT_SET], true],
] as const) {
  test(`account: a sound set is accounted for whole, ${name}`, async (t) => {
    const { backend, info } = await published(records, split);
    const account = await accountOf(backend, info);
    t.truthy(account);
    const headers = FILE_CLASSES.filter((one) => one !== 'idx' && info.bytes[one] > 0).length * 8;
    const { blobs = 0, segments = 0 } = account ?? {};
    t.is(blobs + segments + headers, recordBytesOf(info));
  });

  test(`account: an idx that leaves out a record does not, ${name}`, async (t) => {
    const { backend, info, entries } = await published(records, split);
    for (const left of entries) {
      const others = entries.filter((entry) => entry !== left);
      const made = await withIndex(backend, info, others, info);
      t.is(await accountOf(backend, made), null, left.id);
      t.not((await problemsOf(backend, [made])).length, 0, 'the verifier says why');
    }
  });
}

test('account: two records in one place do not', async (t) => {
  const { backend, info, entries } = await published([...SMALL_SET, ...SPLIT_SET], true);
  const [a, b] = entries.filter((entry): entry is BlobEntry => 'kind' in entry) as [
    BlobEntry,
    BlobEntry,
  ];
  const same = { ...b, offset: a.offset, recordBytes: a.recordBytes };
  const others = entries.filter((entry) => entry !== b);
  t.is(await accountOf(backend, await withIndex(backend, info, [...others, same], info)), null);
});

test('account: payloads that are exchanged between records do not', async (t) => {
  const { backend, info, entries } = await published([...SMALL_SET, ...SPLIT_SET], true);
  const segments = entries.filter(
    (entry): entry is SegmentEntry => 'segment' in entry && entry.lowOffset > 0,
  );
  const [a, b] = segments as [SegmentEntry, SegmentEntry];
  t.true(segments.length >= 2);
  const exchanged = entries.map((entry) => {
    if (entry === a) return { ...a, lowOffset: b.lowOffset, lowBytes: b.lowBytes };
    if (entry === b) return { ...b, lowOffset: a.lowOffset, lowBytes: a.lowBytes };
    return entry;
  });
  t.is(await accountOf(backend, await withIndex(backend, info, exchanged, info)), null);
});

test('account: a flipped byte of the idx or of a file header, a longer and a missing file do not', async (t) => {
  const { backend, info } = await published([...SMALL_SET, ...SPLIT_SET], true);
  for (const fileClass of FILE_CLASSES) {
    const name = packName(info.id, fileClass);
    const sound = await backend.readAll(name, 1 << 20);
    const flipped = Uint8Array.from(sound);
    const end = fileClass === 'idx' ? sound.length : 8;
    for (let at = 0; at < end; at++) {
      flipped[at] = (sound[at] as number) ^ 1;
      await backend.writeAtomic(name, flipped);
      t.is(await accountOf(backend, info), null, `${fileClass} ${at}`);
      flipped[at] = sound[at] as number;
    }
    await backend.writeAtomic(name, Buffer.concat([sound, Buffer.of(0)]));
    t.is(await accountOf(backend, info), null, `${fileClass} is longer`);
    await backend.remove(name);
    t.is(await accountOf(backend, info), null, `${fileClass} is missing`);
    await backend.writeAtomic(name, sound);
  }
  t.truthy(await accountOf(backend, info));
});

test('account: a record that is not what its row says in every field is not read', async (t) => {
  const { backend, info, entries } = await published([...SMALL_SET, ...SPLIT_SET], true);
  const blob = entries.find((entry) => 'kind' in entry && entry.base !== null) as BlobEntry;
  const segment = entries.find(
    (entry) => 'segment' in entry && entry.base !== null,
  ) as SegmentEntry;
  const other = idOf('another base');
  const lies: Partial<BlobEntry & SegmentEntry>[] = [
    { kind: 'note' },
    { depth: 2 },
    { rawBytes: blob.rawBytes + 1 },
    { base: other },
    { crc: 7 },
    { width: 3 },
    { count: 9 },
    { lowOffset: segment.lowOffset + 1 },
  ];
  for (const lie of lies) {
    for (const entry of [blob, segment]) {
      if (!Object.keys(lie).every((field) => field in entry)) continue;
      const changed = entries.map((one) => (one === entry ? { ...one, ...lie } : one));
      const made = await withIndex(backend, info, changed, info);
      await backend.writeAtomic(MANIFEST_NAME, encodeManifest({ generation: 9, sets: [made] }));
      const store = await ObjectStore.open(backend);
      const read = 'kind' in entry ? store.readBlob(entry.id) : store.readSegment(entry.id, 0);
      await t.throwsAsync(read, { code: 'DLV_CORRUPT' }, JSON.stringify(lie));
    }
  }
});
