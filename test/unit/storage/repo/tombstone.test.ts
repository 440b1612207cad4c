/** Notes of kind 'tombstone' and 'recall': bytes, golden file, hostile bodies, and what they say together. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { Tombstones } from '../../../../lib/storage/objects/tombstones.js';
import { decodeNote, encodeNote, noteId } from '../../../../lib/storage/repo/version/note.js';
import {
  packRecallBody,
  packTombstoneBody,
  unpackRecallBody,
  unpackTombstoneBody,
} from '../../../../lib/storage/repo/version/tombstone.js';
import { hexdump } from '../../../helpers/golden.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const idOf = (digit: string): Id => digit.repeat(64) as Id;
const [VERSION, A, B] = [idOf('1'), idOf('2'), idOf('3')];

const NOTE = {
  version: VERSION,
  kind: 'tombstone',
  author: { name: 'Ada', email: 'ada@example.org' },
  time: 1760000000000,
  tzMinutes: 120,
  body: packTombstoneBody({ why: 'keep: last 5', recipes: [B, A] }),
};

test('tombstone: the golden note has the bytes that its page shows', async (t) => {
  const file = path.join(PROJECT_ROOT, 'test', 'fixtures', 'tombstone', 'v1_note.bin');
  const bytes = encodeNote(NOTE);
  if (process.env.UPDATE_GOLDEN) await fs.writeFile(file, bytes);
  t.deepEqual(new Uint8Array(await fs.readFile(file)), new Uint8Array(bytes));
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs', 'format', 'tombstone.md'), 'utf8');
  t.true(page.includes(hexdump(bytes)), hexdump(bytes));
  t.true(page.includes(`id \`${noteId(bytes)}\``), noteId(bytes));
  const { body } = decodeNote(bytes, 'note');
  t.deepEqual(unpackTombstoneBody(body, 'note'), { why: 'keep: last 5', recipes: [A, B] });
});

test('tombstone: bodies that lie are damaged', (t) => {
  const [ids] = packRecallBody([A, B]) as [Uint8Array[]];
  const a = ids as [Uint8Array, Uint8Array];
  for (const body of [
    [],
    ['why'],
    ['why', [a[1], a[0]]],
    ['why', [a[0], a[0]]],
    ['why', ['text']],
    ['why', [a[0].subarray(1)]],
    [1, []],
  ]) {
    t.throws(
      () => unpackTombstoneBody(body, 'note'),
      { code: 'DLV_CORRUPT' },
      JSON.stringify(body),
    );
  }
  t.throws(() => unpackRecallBody([[a[1], a[0]]], 'note'), { code: 'DLV_CORRUPT' });
  t.throws(() => encodeNote({ ...NOTE, body: ['why'] }), { code: 'DLV_BUG' });
});

test('tombstone: one that was recalled does not count; of others the first does', (t) => {
  const note = (id: string, kind: string, time: number, body: unknown) =>
    ({ ...NOTE, id: idOf(id), file: `note ${id}`, kind, time, body }) as never;
  const tombstone = (id: string, time: number, ...recipes: Id[]) =>
    note(id, 'tombstone', time, packTombstoneBody({ why: `of ${id}`, recipes }));
  const both = [tombstone('a', 20, A), tombstone('b', 10, A, B)];
  t.is(new Tombstones(both).of(A)?.time, 10);
  const recalled = new Tombstones([...both, note('c', 'recall', 30, packRecallBody([idOf('b')]))]);
  t.deepEqual(recalled.of(A), { note: idOf('a'), time: 20, why: 'of a' });
  t.is(recalled.of(B), null);
  t.deepEqual(
    recalled.notes.map(({ id }) => id),
    [idOf('a')],
  );
  const none = new Tombstones([
    note('c', 'recall', 30, packRecallBody([idOf('a')])),
    both[0] as never,
  ]);
  t.true(none.isEmpty, 'in whatever order they are read');
});
