/**
 * Goal: notes have one byte string each, and damaged ones are refused by name.
 * Method: a golden note that docs/format/tier.md shows, round trips, every truncation, wrong fields.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import {
  decodeNote,
  encodeNote,
  type Note,
  noteId,
  packExactBody,
  packTierBody,
  type TierBody,
  unpackExactBody,
  unpackTierBody,
} from '../../../../lib/storage/repo/version/note.js';
import { hexdump } from '../../../helpers/golden.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const idOf = (digit: string): Id => digit.repeat(64) as Id;

const BODY: TierBody = {
  tier: 'bf16',
  replaces: [idOf('5')],
  files: [
    {
      recipe: idOf('2'),
      tierRecipe: idOf('3'),
      sha256: '4'.repeat(64),
      extents: 2,
      elements: 12288,
      maxAbs: 0.0078125,
      rms: 0.001,
      relative: 0.0015,
    },
  ],
};

const NOTE: Note = {
  version: idOf('1'),
  kind: 'tier',
  author: { name: 'Ada', email: 'ada@example.org' },
  time: 1760000000000,
  tzMinutes: 120,
  body: packTierBody(BODY),
};

test('note: the golden note has the bytes that its page shows', async (t) => {
  const file = path.join(PROJECT_ROOT, 'test', 'fixtures', 'tier', 'v1_note.bin');
  const bytes = encodeNote(NOTE);
  if (process.env.UPDATE_GOLDEN) await fs.writeFile(file, bytes);
  t.deepEqual(new Uint8Array(await fs.readFile(file)), new Uint8Array(bytes));
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs', 'format', 'tier.md'), 'utf8');
  t.true(page.includes(hexdump(bytes)), hexdump(bytes));
  t.true(page.includes(`id \`${noteId(bytes)}\``), noteId(bytes));
  const note = decodeNote(bytes, 'note');
  t.deepEqual(note, { ...NOTE, body: note.body });
  t.deepEqual(unpackTierBody(note.body, 'note'), BODY);
});

test('note: a body of any order becomes the canonical one and comes back', (t) => {
  const hex = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((b) => Buffer.from(b).toString('hex'));
  const size = fc.double({ min: 0, max: 1e30, noNaN: true }).map((x) => x + 0);
  const file = fc.record({
    recipe: hex.map((id) => id as Id),
    tierRecipe: hex.map((id) => id as Id),
    sha256: hex,
    extents: fc.nat(),
    elements: fc.nat(),
    maxAbs: size,
    rms: size,
    relative: fc.option(size, { nil: null }),
  });
  const files = fc.uniqueArray(file, { selector: ({ recipe }) => recipe, maxLength: 8 });
  const replaces = fc.uniqueArray(hex, { maxLength: 4 }).map((ids) => ids as Id[]);
  fc.assert(
    fc.property(files, replaces, (rows, earlier) => {
      const packed = packTierBody({ tier: 'fixed12', replaces: earlier, files: rows });
      const again = decodeCanonical(encodeCanonical(packed), 'body');
      const body = unpackTierBody(again, 'body');
      t.deepEqual(body.replaces, [...earlier].sort());
      t.deepEqual(
        body.files,
        [...rows].sort((a, b) => (a.recipe < b.recipe ? -1 : 1)),
      );
    }),
  );
  t.is(unpackExactBody(packExactBody('v1'), 'body'), 'v1');
});

test('note: a later form is told apart; what is cut short or impossible is damage', (t) => {
  const bytes = encodeNote(NOTE);
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => decodeNote(bytes.subarray(0, length), 'note x'), { code: 'DLV_CORRUPT' });
  }
  t.throws(() => decodeNote(encodeCanonical([2, ...([] as Packed[])]), 'note x'), {
    code: 'DLV_FORMAT_VERSION',
  });
  const row = (packTierBody(BODY) as Packed[][])[2]?.[0] as Packed[];
  const bad = (change: (row: Packed[]) => Packed[]): Packed => ['bf16', [], [change([...row])]];
  const wrong: Packed[] = [
    bad((r) => r.with(5, -1)),
    bad((r) => r.with(6, Number.POSITIVE_INFINITY)),
    bad((r) => r.with(7, 'x')),
    bad((r) => r.with(2, new Uint8Array(31))),
    bad((r) => r.slice(1)),
    ['bf16', [], [row, row]],
    ['bf16', [7], []],
    ['bf16', []],
    7,
  ];
  for (const body of wrong) {
    t.throws(() => unpackTierBody(body, 'note x'), { code: 'DLV_CORRUPT', message: /note x/ });
  }
});
