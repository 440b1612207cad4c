/** The numbers file: what it holds comes back, damage is found, and a lost one is not taken for none. */
import fs from 'node:fs/promises';
import test from 'ava';
import fc from 'fast-check';
import { seal } from '../../../../lib/base/bytes/sealed.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../../../../lib/storage/repo/format.js';
import {
  formatNumbers,
  marksOf,
  type NumberMarks,
  parseNumbers,
  raiseMark,
  readNumbers,
  writeNumbers,
} from '../../../../lib/storage/repo/numbers.js';
import { locked, tempRepo } from './temp-repo.js';

const MARKS: NumberMarks = new Map([
  ['digits', { highest: 7, shared: 0 }],
  ['mnist', { highest: 12, shared: 3 }],
]);

const anyMarks = fc
  .uniqueArray(
    fc.record({
      model: fc.constantFrom('a', 'b-1', 'é', '模型', 'x.y', 'Z'),
      highest: fc.integer({ min: 1, max: 999_999_999 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { selector: ({ model }) => model },
  )
  .map(
    (rows): NumberMarks =>
      new Map(
        rows.map(({ model, highest, share }) => [
          model,
          { highest, shared: Math.floor(highest * share) },
        ]),
      ),
  );

test('numbers: the text is as documented, and any marks come back', (t) => {
  t.is(formatNumbers(MARKS), 'numbers 1\n7 0 digits\n12 3 mnist\n');
  fc.assert(
    fc.property(anyMarks, (marks) => {
      const read = parseNumbers(formatNumbers(marks), 'numbers');
      t.deepEqual([...read].sort(), [...marks].sort());
    }),
  );
});

test('numbers: text that no writer makes is refused', (t) => {
  const bad = [
    '',
    'numbers 1',
    'numbers 1\n0 0 a\n',
    'numbers 1\n1 2 a\n',
    'numbers 1\n01 0 a\n',
    'numbers 1\n1 0 a/b\n',
    'numbers 1\n1 0 a\n1 0 a\n',
    'numbers 1\n1 0 b\n1 0 a\n',
    'numbers 1\n1 0 \n',
    'numbers 1\n1234567890 0 a\n',
    `numbers 1\n${'\n'.repeat(1000)}`,
  ];
  for (const text of bad) {
    t.throws(() => parseNumbers(text, 'numbers'), { code: 'DLV_CORRUPT' }, JSON.stringify(text));
  }
  t.throws(() => parseNumbers('numbers 2\n1 0 a\n', 'numbers'), { code: 'DLV_FORMAT_VERSION' });
});

test('numbers: a file that was there and is not is damage, any flipped bit is, none is nothing', async (t) => {
  const layout = await tempRepo(t);
  t.is(await readNumbers(layout), null);
  await locked(layout, async (lock) => {
    await writeNumbers(lock, MARKS);
    await requireWriteFlag(lock, NUMBERS_FLAG);
  });
  t.deepEqual(await readNumbers(layout), MARKS);
  const bytes = seal(formatNumbers(MARKS));
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Uint8Array.from(bytes);
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
    await fs.writeFile(layout.numbers, flipped);
    await t.throwsAsync(readNumbers(layout), { code: 'DLV_CORRUPT' }, String(at));
  }
  await fs.rm(layout.numbers);
  await t.throwsAsync(readNumbers(layout), { code: 'DLV_CORRUPT', message: /is missing/ });
});

test('numbers: marks only rise, and shared numbers are seen', (t) => {
  const marks = marksOf([
    { model: 'a', number: 1 },
    { model: 'a', number: 3 },
    { model: 'b', number: 3 },
    { model: 'a', number: 3 },
    { model: 'a', number: 2 },
  ]);
  t.deepEqual(
    [...marks],
    [
      ['a', { highest: 3, shared: 3 }],
      ['b', { highest: 3, shared: 0 }],
    ],
  );
  raiseMark(marks, 'a', 2);
  raiseMark(marks, 'b', 9);
  raiseMark(marks, 'c', 1);
  t.deepEqual(marks.get('a'), { highest: 3, shared: 3 });
  t.deepEqual(marks.get('b'), { highest: 9, shared: 0 });
  t.deepEqual(marks.get('c'), { highest: 1, shared: 0 });
});
