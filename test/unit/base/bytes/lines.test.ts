/** Lines of hostile text: no more of them are made than the text can rightly hold. */
import test from 'ava';
import fc from 'fast-check';
import { eachLine, filledLines, linesOf } from '../../../../lib/base/bytes/lines.js';

test('lines: a text is cut at its line feeds', (t) => {
  t.deepEqual(linesOf('one\ntwo\nthree\n', 3), ['one', 'two', 'three']);
  t.deepEqual(linesOf('', 3), []);
  t.deepEqual(linesOf('torn', 3), []);
  t.deepEqual([...eachLine(Buffer.from('a\n\nb'))], ['a', '', 'b']);
  t.deepEqual([...eachLine(Buffer.from('a\n'))], ['a']);
  t.deepEqual([...eachLine(new Uint8Array(0))], []);
});

test('lines: more lines than their least length allows are none', (t) => {
  t.is(linesOf('\n'.repeat(1 << 25), 64), null);
  t.is(linesOf('ab\n'.repeat(1000), 5), null);
  t.deepEqual(linesOf('abcde\n'.repeat(3), 5), ['abcde', 'abcde', 'abcde']);
});

test('lines: of empty lines in a row the first stands for all, and the numbers go on', (t) => {
  const numbered = (text: string) => {
    return [...filledLines(Buffer.from(text))].map(({ number, line }) => `${number}${line}`);
  };
  t.deepEqual(numbered('a\n\n\n\nb\n\nc'), ['1a', '2', '5b', '6', '7c']);
  t.deepEqual(numbered('\n'.repeat(1 << 25)), ['1']);
  t.deepEqual(numbered(''), []);
  const line = fc.constantFrom('', '', 'a', 'b c');
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = Buffer.from(lines.map((one) => `${one}\n`).join(''));
      const all = [...eachLine(text)].map((one, i) => ({ number: i + 1, line: one }));
      const wanted = all.filter(({ line: one }, i) => one !== '' || all[i - 1]?.line !== '');
      t.deepEqual([...filledLines(text)], wanted);
    }),
  );
});

test('lines: whatever has lines long enough is cut as split cuts it', (t) => {
  const line = fc.string({ minLength: 4 }).map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = lines.map((one) => `${one}\n`).join('');
      t.deepEqual(linesOf(text, 4), lines);
      t.deepEqual(
        [...eachLine(Buffer.from(text))].join('\n'),
        Buffer.from(lines.join('\n')).toString(),
      );
    }),
  );
});
