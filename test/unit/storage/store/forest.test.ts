/**
 * The order of sets decides which records are live; chains of live deltas must end.
 * Random sets of random deltas are compared with a model that tries everything.
 */
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { CHAIN_DEPTH_MAX } from '../../../../lib/base/limits.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import {
  checkOrder,
  findPinnedSets,
  findUnresolved,
  keyText,
  planPromotion,
} from '../../../../lib/storage/store/forest.js';
import { decodeRow, SetRows } from '../../../../lib/storage/store/indexes/set-rows.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import type { SetInfo } from '../../../../lib/storage/store/types.js';
import { seededRandom } from '../../../helpers/rng.js';
import { type AnyRecord, addSet, blob, extentId, isBlob, segment } from './records.js';

/** A record as the model sees it: its key and that of its base. */
interface Link {
  key: string;
  base: string | null;
}

function linkOf(record: AnyRecord): Link {
  const table = isBlob(record) ? 'blob' : 'segment';
  const number = isBlob(record) ? 0 : record.segment;
  const text = (id: Id) => `${table} ${id}:${number}`;
  return { key: text(record.id), base: record.base === null ? null : text(record.base) };
}

const BIG = { count: 5 * 1024 * 1024, segments: 2 };
const names = ['a', 'b', 'c', 'd', 'e'];

/** Sets of random records: blobs, segments of one and of two numbers, full and as deltas. */
function randomSets(seed: number): AnyRecord[][] {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const sets: AnyRecord[][] = [];
  for (let i = 0; i < 1 + Math.floor(random() * 4); i++) {
    const records: AnyRecord[] = [];
    for (const name of names) {
      if (random() < 0.4) continue;
      const other = random() < 0.35 ? null : pick(names.filter((n) => n !== name));
      const depth = other === null ? 0 : 1;
      const kind = random();
      if (kind < 0.3) {
        const base = other === null ? null : blob(`blob ${other}`).id;
        records.push(blob(`blob ${name}`, { base, depth }));
      } else {
        const base = other === null ? null : extentId(other);
        for (const number of [0, 1]) {
          if (random() < 0.2) continue;
          const more = { ...BIG, segment: number, base, depth };
          records.push(segment(name, more, seed * 100 + i * 10 + number));
        }
      }
    }
    if (records.length > 0) sets.push(records);
  }
  return sets;
}

/** Keys whose live chain ends, by the definition. */
function resolvedByModel(sets: readonly (readonly Link[])[]): {
  live: Map<string, Link>;
  ok: Set<string>;
} {
  const live = new Map<string, Link>();
  for (const links of sets)
    for (const link of links) if (!live.has(link.key)) live.set(link.key, link);
  const ok = new Set<string>();
  for (const key of live.keys()) {
    let at = live.get(key);
    for (let steps = 0; at !== undefined && at.base !== null && steps < 100; steps++)
      at = live.get(at.base);
    if (at?.base === null) ok.add(key);
  }
  return { live, ok };
}

/** Keys that some choice of records resolves. */
function resolvableByModel(sets: readonly (readonly Link[])[]): Set<string> {
  const ok = new Set<string>();
  for (let changed = true; changed; ) {
    changed = false;
    for (const { key, base } of sets.flat()) {
      if (ok.has(key) || (base !== null && !ok.has(base))) continue;
      ok.add(key);
      changed = true;
    }
  }
  return ok;
}

async function makeStore(sets: readonly (readonly AnyRecord[])[]): Promise<ObjectStore> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  for (const records of sets) await addSet(store, records);
  return store;
}

/** The links of each set in the order of the list. */
async function linksOf(store: ObjectStore, sets: readonly SetInfo[]): Promise<Link[][]> {
  const lists: Link[][] = [];
  for (const info of sets) {
    const links: Link[] = [];
    const rows = new SetRows(store.backend, [info]);
    for (const table of ['blob', 'segment'] as const) {
      for await (const batch of rows.batches(table)) {
        for (const row of batch) {
          const entry = decodeRow(table, row);
          const number = 'segment' in entry ? entry.segment : 0;
          const text = (id: Id) => `${table} ${id}:${number}`;
          links.push({ key: text(entry.id), base: entry.base === null ? null : text(entry.base) });
        }
      }
    }
    lists.push(links);
  }
  return lists;
}

test('forest: random sets are judged as the definition says, and promotion resolves all it can', async (t) => {
  let circles = 0;
  let promoted = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const sets = randomSets(seed);
    if (sets.length === 0) continue;
    const store = await makeStore(sets);
    // Rows in one batch, or in 256.
    const batchBytes = seed % 5 === 0 ? 1 : 1 << 20;
    const rows = new SetRows(store.backend, store.sets(), { batchBytes });
    const links = sets.map((records) => records.map(linkOf));
    const { live, ok } = resolvedByModel(links);
    const found = (await findUnresolved(rows)).map(keyText).sort();
    t.deepEqual(found, [...live.keys()].filter((key) => !ok.has(key)).sort(), `seed ${seed}`);
    circles += found.length;

    const plan = await planPromotion(rows);
    const front = plan.rows.map(({ table, row }) => {
      const entry = decodeRow(table, row);
      const number = 'segment' in entry ? entry.segment : 0;
      const text = (id: Id) => `${table} ${id}:${number}`;
      return { key: text(entry.id), base: entry.base === null ? null : text(entry.base) };
    });
    promoted += front.length;
    t.is(new Set(front.map(({ key }) => key)).size, front.length, 'no key is chosen twice');
    t.true(
      front.every(({ key }) => found.includes(key)),
      'what resolves keeps its record',
    );
    const after = resolvedByModel([front, ...links]).ok;
    t.deepEqual([...after].sort(), [...resolvableByModel(links)].sort(), `seed ${seed}`);
    t.deepEqual(
      plan.lost.map(keyText).sort(),
      [...live.keys()].filter((k) => !after.has(k)).sort(),
    );
  }
  t.true(circles > 100 && promoted > 20, `${circles} unresolved, ${promoted} promoted`);
});

test('forest: an order that breaks a chain is refused, and nothing is written', async (t) => {
  const first = [segment('a'), segment('b', { base: extentId('a'), depth: 1 }, 5)];
  const second = [segment('b', {}, 9), segment('a', { base: extentId('b'), depth: 1 }, 7)];
  const store = await makeStore([
    first,
    second,
    [segment('b', { base: extentId('a'), depth: 1 }, 11)],
  ]);
  const [one, two, three] = store.sets() as [SetInfo, SetInfo, SetInfo];
  // Each of the three holds one of the deltas in front: only with a full record before it is it a forest.
  await t.notThrowsAsync(checkOrder(store.backend, store.sets(), [two, one, three]));
  await t.throwsAsync(
    store.publish([], () => [three, two]),
    { code: 'DLV_CONFLICT', message: /would not end/ },
  );
  t.deepEqual(store.sets(), [one, two, three]);
  await store.reload();
  t.deepEqual(store.sets(), [one, two, three]);
  // Dropping a key is no matter of the order.
  await t.notThrowsAsync(store.publish([], (sets) => sets.slice(0, 1)));
});

async function circle(t: ExecutionContext): Promise<{ store: ObjectStore; full: SetInfo }> {
  const store = await makeStore([
    [segment('a', { base: extentId('b'), depth: 1 }, 1)],
    [segment('b', { base: extentId('a'), depth: 1 }, 2)],
    [segment('b', {}, 3)],
    [segment('c', {}, 4)],
  ]);
  t.is((await findUnresolved(new SetRows(store.backend, store.sets()))).length, 2);
  return { store, full: store.sets()[2] as SetInfo };
}

test('forest: the record that a circle hides is not dropped', async (t) => {
  const { store, full } = await circle(t);
  t.deepEqual([...(await findPinnedSets(store.backend, store.sets()))], [full.id]);
  await t.throwsAsync(
    store.publish([], (sets) => sets.filter((info) => info.id !== full.id)),
    { code: 'DLV_CONFLICT', message: /would be lost/ },
  );
  await t.notThrowsAsync(store.publish([], (sets) => sets.slice(0, 3)));
});

test('forest: a chain longer than readers follow is as good as none', async (t) => {
  const records = Array.from({ length: CHAIN_DEPTH_MAX + 3 }, (_, i) =>
    blob(`link ${i}`, i === 0 ? {} : { base: blob(`link ${i - 1}`).id, depth: Math.min(i, 9) }),
  );
  const store = await makeStore([records]);
  const rows = new SetRows(store.backend, store.sets());
  t.deepEqual(
    (await findUnresolved(rows)).map(({ id }) => id).sort(),
    records
      .slice(CHAIN_DEPTH_MAX + 1)
      .map(({ id }) => id)
      .sort(),
  );
  t.deepEqual((await planPromotion(rows)).rows, []);
});

test('forest: links as the index has them', async (t) => {
  const sets = randomSets(4);
  const store = await makeStore(sets);
  const wanted = sets.map((records) =>
    records.map(linkOf).sort((a, b) => (a.key < b.key ? -1 : 1)),
  );
  const found = (await linksOf(store, store.sets())).map((links) =>
    links.sort((a, b) => (a.key < b.key ? -1 : 1)),
  );
  t.deepEqual(found, wanted);
});
