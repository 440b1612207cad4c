/** Tables: columns line up whatever the cells hold. */
import test from 'ava';
import { formatTable, shorten } from '../../../../lib/cli/output/table.js';
import { createStyle, toTerminal } from '../../../../lib/cli/output/terminal.js';

test('table: aligns left and right and leaves no space at the end', (t) => {
  const lines = formatTable(
    [{ title: 'name' }, { title: 'bytes', align: 'right' }, { title: 'note' }],
    [
      ['fc1.weight', 1024, ''],
      ['b', 5, 'small'],
    ],
  );
  t.deepEqual(lines, ['name        bytes  note', 'fc1.weight   1024', 'b               5  small']);
});

test('table: no titles, no header line; rows may be shorter than the columns', (t) => {
  t.deepEqual(formatTable([{}, {}], [['a'], ['bb', 'c']], { indent: '  ' }), ['  a', '  bb  c']);
  t.deepEqual(formatTable([{}], []), []);
});

test('table: styled, wide and hostile cells keep the columns straight', (t) => {
  const red = createStyle(true).red;
  const lines = formatTable(
    [{}, {}],
    [
      [{ text: 'ab', style: red }, '1'],
      ['権', '2'],
      ['\x1b[2J', '3'],
    ],
  );
  t.deepEqual(lines.map(toTerminal), ['\x1b[31mab\x1b[39m       1', '権       2', '\\x1b[2J  3']);
});

test('table: long cells keep their beginning and their end', (t) => {
  t.is(shorten('abcdefghij', 10), 'abcdefghij');
  t.is(shorten('abcdefghijk', 7), 'abc…ijk');
  t.is(formatTable([{ limit: 5 }], [['model.layers.0.weight']])[0], 'mo…ht');
});

test('a table may have more rows than a call has arguments', (t) => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [String(i), 'x']);
  const lines = formatTable([{ title: 'n', align: 'right' }, {}], rows);
  t.is(lines.length, 200_001);
  t.is(lines.at(-1), '199999  x');
});
