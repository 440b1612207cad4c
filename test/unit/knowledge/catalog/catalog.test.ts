/** The catalog: gives back what a version says, and never fails, whatever stands there. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { Level } from 'level';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import {
  decodeFacts,
  encodeFacts,
  type VersionFacts,
} from '../../../../lib/knowledge/catalog/facts.js';
import {
  decodeNeeds,
  encodeNeeds,
  type ObjectNeed,
} from '../../../../lib/knowledge/catalog/needs.js';
import { dropRows, readRows, writeRows } from '../../../../lib/knowledge/catalog/rows.js';
import { VersionCatalog } from '../../../../lib/knowledge/catalog/version-catalog.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { noKnowledge } from '../../../../lib/storage/repo/version/knowledge.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { idOf, makeVersion } from '../../storage/repo/memory-blobs.js';

const FACTS: VersionFacts = {
  model: 'net',
  number: 3,
  parents: [idOf('parent')],
  author: { name: 'Ada', email: '' },
  time: 1_700_000_000_000,
  tzMinutes: 60,
  message: 'with "quotes"\nand lines',
  params: [{ name: 'lr', text: '1e-3' }],
  metrics: [
    { name: 'loss', value: Number.NaN, step: null },
    { name: 'loss', value: Number.NEGATIVE_INFINITY, step: 2 },
  ],
  knowledge: { ...noKnowledge(), operation: { kind: 'train', detail: '' } },
  step: null,
  files: 2,
  bytes: 17,
  network: null,
  mayDefine: true,
};

test('facts: come back; with a flipped bit, cut off, or of another version they are no row', (t) => {
  const id = idOf('a');
  const row = encodeFacts(id, FACTS);
  t.deepEqual(decodeFacts(id, row), FACTS);
  const kept = { ...FACTS, network: idOf('network'), mayDefine: false };
  t.deepEqual(decodeFacts(id, encodeFacts(id, kept)), kept);
  t.is(decodeFacts(idOf('b'), row), null);
  for (let at = 0; at < row.length; at++) {
    const flipped = Buffer.from(row);
    flipped[at] = (flipped[at] as number) ^ 1;
    t.is(decodeFacts(id, flipped), null);
    t.is(decodeFacts(id, row.subarray(0, at)), null);
  }
});

const NEEDS: ObjectNeed[] = [
  { id: idOf('blob'), segments: 0 },
  { id: idOf('extent'), segments: 3 },
];

test('needs: come back; with a flipped bit, cut off, or of another version they are no row', (t) => {
  const id = idOf('a');
  const row = encodeNeeds(id, NEEDS) as Uint8Array;
  t.deepEqual(decodeNeeds(id, row), NEEDS);
  t.deepEqual(decodeNeeds(id, encodeNeeds(id, []) as Uint8Array), []);
  t.is(decodeNeeds(idOf('b'), row), null);
  for (let at = 0; at < row.length; at++) {
    const flipped = Buffer.from(row);
    flipped[at] = (flipped[at] as number) ^ 1;
    t.is(decodeNeeds(id, flipped), null);
    t.is(decodeNeeds(id, row.subarray(0, at)), null);
  }
  const many = Array.from({ length: 30_000 }, () => NEEDS[0] as ObjectNeed);
  t.is(encodeNeeds(id, many), null);
});

/** A catalog over made versions, and how often one was read. */
async function catalogOf(layout: Layout, count: number) {
  const reads: Id[] = [];
  const versions = new Map(
    Array.from({ length: count }, (_, i) => [idOf(`v${i}`), makeVersion({ message: `m${i}` })]),
  );
  const catalog = new VersionCatalog({
    layout,
    version: async (id) => {
      reads.push(id);
      return versions.get(id) as never;
    },
    contentOf: async () => ({ step: 7, mayDefine: false }),
  });
  const all = async (): Promise<string[]> => {
    const messages: string[] = [];
    for (const id of versions.keys()) messages.push((await catalog.facts(id)).message);
    await catalog.save();
    return messages;
  };
  return { all, reads };
}

test('catalog: what was written is not read from versions again, and the rest is', async (t) => {
  const layout = new Layout(await tempDir(t));
  await fs.mkdir(layout.dir);
  const first = await catalogOf(layout, 100);
  const messages = await first.all();
  t.is(first.reads.length, 100);
  const second = await catalogOf(layout, 110);
  t.deepEqual((await second.all()).slice(0, 100), messages);
  t.is(second.reads.length, 10);
  await dropRows(layout.versionRows);
  await t.throwsAsync(fs.stat(layout.versionRows), { code: 'ENOENT' });
  const third = await catalogOf(layout, 100);
  t.deepEqual(await third.all(), messages);
  t.is(third.reads.length, 100);
});

test('catalog: few versions leave no database', async (t) => {
  const layout = new Layout(await tempDir(t));
  await fs.mkdir(layout.dir);
  await (await catalogOf(layout, 5)).all();
  await t.throwsAsync(fs.stat(layout.catalog), { code: 'ENOENT' });
});

test('catalog: one that another has open is done without', async (t) => {
  const layout = new Layout(await tempDir(t));
  await fs.mkdir(layout.dir);
  const messages = await (await catalogOf(layout, 100)).all();
  const holder = new Level(layout.versionRows);
  await holder.open();
  const busy = await catalogOf(layout, 100);
  t.deepEqual(await busy.all(), messages);
  t.is(busy.reads.length, 100);
  await holder.close();
  const free = await catalogOf(layout, 100);
  t.deepEqual(await free.all(), messages);
  t.is(free.reads.length, 0);
});

test('catalog: whatever became of its files, all versions are read', async (t) => {
  const layout = new Layout(await tempDir(t));
  await fs.mkdir(layout.dir);
  const messages = await (await catalogOf(layout, 100)).all();
  const names = await fs.readdir(layout.versionRows);
  for (const name of names) {
    const file = path.join(layout.versionRows, name);
    for (const damage of ['empty', 'noise', 'gone'] as const) {
      if (damage === 'gone') await fs.rm(file, { force: true });
      else await fs.writeFile(file, damage === 'empty' ? '' : Buffer.alloc(500, 0xa5));
      t.deepEqual(await (await catalogOf(layout, 100)).all(), messages, `${name} ${damage}`);
      t.deepEqual(await (await catalogOf(layout, 100)).all(), messages, `${name} ${damage}`);
    }
  }
  await fs.rm(layout.versionRows, { recursive: true, force: true });
  await fs.writeFile(layout.versionRows, 'a file');
  t.deepEqual(await (await catalogOf(layout, 100)).all(), messages);
});

test('rows: a strange row is no row, and the others stay', async (t) => {
  const dir = path.join(await tempDir(t), 'rows');
  const good = encodeFacts(idOf('a'), FACTS);
  const needs = encodeNeeds(idOf('a'), NEEDS) as Uint8Array;
  await writeRows(dir, {
    facts: new Map([[idOf('a'), good]]),
    needs: new Map([[idOf('a'), needs]]),
  });
  const other = new Level<string, Uint8Array>(dir, { valueEncoding: 'view' });
  await other.put('not an id', Buffer.from('x'));
  await other.put(idOf('b'), Buffer.from('{}'));
  await other.close();
  const { facts, needs: objects } = await readRows(dir, { needs: true });
  t.deepEqual(decodeFacts(idOf('a'), facts.get(idOf('a')) as Uint8Array), FACTS);
  t.is(decodeFacts(idOf('b'), facts.get(idOf('b')) as Uint8Array), null);
  t.deepEqual(decodeNeeds(idOf('a'), objects.get(idOf('a')) as Uint8Array), NEEDS);
  const alone = await readRows(dir, { needs: false });
  t.is(alone.needs.size, 0);
  t.deepEqual([...alone.facts.keys()].sort(), [...facts.keys()].sort());
});
