/**
 * The store against a model of it: a list of maps. Random sets with keys in common are published in
 * any order, reordered, merged and retired; every look-up must answer as the model does.
 */
import test from 'ava';
import fc from 'fast-check';
import { BLOB_KINDS, type BlobKind, type Id } from '../../../../lib/base/bytes/hash.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { mergeSets } from '../../../../lib/storage/store/merge.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import type { BlobRecord, SegmentRecord, SetId } from '../../../../lib/storage/store/types.js';
import { blobOf, idOf, plain, problemsOf, readSame, segmentOf, writeSet } from './sample.js';

type AnyRecord = BlobRecord | SegmentRecord;

const NAMES = Array.from({ length: 12 }, (_, i) => `name ${i}`);
const name = fc.constantFrom(...NAMES);

/** The same key with different bytes, as two encodings of one extent have. */
const record: fc.Arbitrary<AnyRecord> = fc.oneof(
  fc
    .record({ name, codec: fc.nat(255), kind: fc.constantFrom<BlobKind>('blob', 'version') })
    .map((it) => ({ ...blobOf(it.name, undefined, it.kind), codec: it.codec })),
  fc
    .record({ name, seed: fc.nat(9), hi: fc.nat(40), mid: fc.nat(3), low: fc.nat(3) })
    .map((it) => segmentOf(it.name, it)),
);

type Step =
  | { do: 'publish'; records: AnyRecord[]; split: boolean }
  | { do: 'reverse' | 'reopen' }
  | { do: 'merge'; from: number; count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      records: fc.array(record, { minLength: 1, maxLength: 9 }),
      split: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('reverse' as const, 'reopen' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('merge' as const),
      from: fc.nat(5),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

function keyOf(item: AnyRecord): string {
  return 'payload' in item ? item.id : `${item.id}:${item.segment}`;
}

/** A store and what it should hold: for each listed set, its records by key. */
class Modelled {
  store: ObjectStore;
  readonly backend: MemoryBackend;
  readonly options: { indexCacheBytes: number };
  readonly held = new Map<SetId, Map<string, AnyRecord>>();
  #writers = 0;

  constructor(store: ObjectStore, backend: MemoryBackend, options: { indexCacheBytes: number }) {
    this.store = store;
    this.backend = backend;
    this.options = options;
  }

  /** Live records by key: the first set that holds a key wins. */
  live(): Map<string, AnyRecord> {
    const live = new Map<string, AnyRecord>();
    for (const { id } of this.store.sets()) {
      for (const [key, item] of this.held.get(id)!) if (!live.has(key)) live.set(key, item);
    }
    return live;
  }

  async run(step: Step): Promise<void> {
    if (step.do === 'publish') await this.#publish(step.records, step.split);
    else if (step.do === 'merge') await this.#merge(step.from, step.count);
    else if (step.do === 'reverse') await this.store.publish([], (sets) => [...sets].reverse());
    else this.store = await ObjectStore.open(this.backend, this.options);
  }

  async #publish(records: AnyRecord[], split: boolean): Promise<void> {
    const sealed = await writeSet(this.backend, records, split);
    const held = new Map<string, AnyRecord>();
    for (const item of records) if (!held.has(keyOf(item))) held.set(keyOf(item), item);
    this.held.set(sealed.info.id, held);
    await this.store.publish([sealed]);
  }

  async #merge(from: number, count: number): Promise<void> {
    const chosen = this.store
      .sets()
      .slice(from, from + count)
      .map((info) => info.id);
    if (chosen.length === 0) return;
    const before = this.live();
    const writer = await PackSetWriter.create(this.backend, `tmp/model-${this.#writers++}`);
    await mergeSets(this.store, chosen, writer);
    if (writer.isEmpty) {
      await writer.abort();
      await this.store.publish([], (sets) => sets.filter((info) => !chosen.includes(info.id)));
      return;
    }
    const sealed = await writer.finish();
    const fresh = sealed.info.id;
    const held = new Map([...before].filter(([key]) => chosen.includes(this.#setOf(key))));
    this.held.set(fresh, held);
    await this.store.publish([sealed], (sets) => [
      sealed.info,
      ...sets.filter((info) => info.id !== fresh && !chosen.includes(info.id)),
    ]);
    await this.store.retire(chosen);
  }

  #setOf(key: string): SetId {
    return this.store.sets().find((info) => this.held.get(info.id)!.has(key))!.id;
  }
}

/** What the store answers that its model does not. */
async function wrongAnswers(modelled: Modelled): Promise<string[]> {
  const { store, backend } = modelled;
  const live = modelled.live();
  const wrong: string[] = [];
  const check = (what: string, is: unknown, should: unknown) => {
    if (JSON.stringify(is) !== JSON.stringify(should)) wrong.push(what);
  };
  for (const text of NAMES) {
    const id = idOf(text);
    for (const asked of [blobOf(text), segmentOf(text)]) {
      check(
        `read ${keyOf(asked)}`,
        await readSame(store, asked),
        plain(live.get(keyOf(asked)) ?? null),
      );
    }
    check(
      `has ${text}`,
      [await store.hasBlob(id), await store.hasExtent(id)],
      [live.has(id), live.has(`${id}:0`)],
    );
  }
  const blobs = [...live.values()].filter((item) => 'payload' in item) as BlobRecord[];
  const ids = (kind?: BlobKind): Id[] =>
    blobs
      .filter((item) => kind === undefined || item.kind === kind)
      .map((item) => item.id)
      .sort();
  for (const kind of [undefined, ...BLOB_KINDS]) {
    const found: Id[] = [];
    for await (const entry of store.blobs(kind)) found.push(entry.id);
    check(`blobs ${kind}`, found, ids(kind));
  }
  const segments: string[] = [];
  for await (const entry of store.segments()) segments.push(`${entry.id}:${entry.segment}`);
  check('segments', segments, [...live.keys()].filter((key) => key.includes(':')).sort());
  for (const digits of [2, 3, 64]) {
    const prefix = idOf(NAMES[0]!).slice(0, digits);
    const should = ids('version').filter((id) => id.startsWith(prefix));
    check(`prefix of ${digits}`, await store.resolveIdPrefix('version', prefix), should);
  }
  if ((await problemsOf(backend, store.sets())).length > 0) wrong.push('problems');
  return wrong;
}

for (const indexCacheBytes of [0, 1 << 26]) {
  test(`store: answers as its model does, with ${indexCacheBytes} bytes of index kept`, async (t) => {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      async (steps) => {
        const backend = new MemoryBackend();
        await ObjectStore.init(backend);
        const options = { indexCacheBytes };
        const modelled = new Modelled(await ObjectStore.open(backend, options), backend, options);
        const wrong: string[] = [];
        for (const one of steps) {
          const before = JSON.stringify([...modelled.live()].sort());
          await modelled.run(one);
          const after = JSON.stringify([...modelled.live()].sort());
          if (one.do === 'merge' && after !== before) wrong.push('a merge changed what is live');
        }
        wrong.push(...(await wrongAnswers(modelled)));
        if (wrong.length > 0) throw new Error(wrong.join('; '));
      },
    );
    await fc.assert(property, { numRuns: 25, seed: 20240501 });
    t.pass();
  });
}

test('store: a prefix of less than two digits, or of no digits, finds nothing', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const blobs = NAMES.map((text) => blobOf(text));
  await store.publish([await writeSet(backend, blobs)]);
  for (const prefix of ['', '0', 'zz', 'AB', '../']) {
    t.deepEqual(await store.resolveIdPrefix('blob', prefix), []);
  }
});

test('store: a list that names a set twice is refused, one published again is not doubled', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  await store.publish([await writeSet(backend, [blobOf('x')])]);
  await store.publish([
    await writeSet(backend, [blobOf('x')]),
    await writeSet(backend, [blobOf('x')]),
  ]);
  t.is(store.sets().length, 1);
  const twice = store.publish([], (sets) => [...sets, ...sets]);
  await t.throwsAsync(twice, { code: 'DLV_BUG' });
  t.is((await ObjectStore.open(backend)).sets().length, 1);
});

test('store: retire leaves sets that are listed alone', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  await store.publish([await writeSet(backend, [blobOf('x')])]);
  await store.retire(store.sets().map((info) => info.id));
  t.deepEqual(await backend.list('trash'), []);
  t.deepEqual(plain(await store.readBlob(idOf('x'))), plain(blobOf('x')));
});
