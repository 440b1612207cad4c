/** Hyperparameters: one text, one value, and back. */
import test from 'ava';
import fc from 'fast-check';
import { directionOf } from '../../../../lib/pure/logs/direction.js';
import { formatParam, type ParamValue, parseParam } from '../../../../lib/pure/logs/param-value.js';
import { anyCharacter } from '../../../helpers/any-character.js';

test('parseParam: JSON has its types, everything else is a text as it stands', (t) => {
  const cases: [string, ParamValue][] = [
    ['1e-3', 0.001],
    ['-0.5', -0.5],
    ['3', 3],
    ['true', true],
    ['null', null],
    ['[64, 32]', [64, 32]],
    ['["a", [1, null]]', ['a', [1, null]]],
    ['"7"', '7'],
    ['adam', 'adam'],
    ['', ''],
    ['True', 'True'],
    ['007', '007'],
    ['.5', '.5'],
    ['NaN', 'NaN'],
    ['1e999', '1e999'],
    ['12345678901234567890', '12345678901234567890'],
    ['{"a": 1}', '{"a": 1}'],
    ['[{"a": 1}]', '[{"a": 1}]'],
    ['"open', '"open'],
    ['2026-01-31', '2026-01-31'],
  ];
  for (const [text, value] of cases) t.deepEqual(parseParam(text), value, text);
});

test('parseParam: deep nesting and long texts stay texts', (t) => {
  const deep = '['.repeat(50_000) + ']'.repeat(50_000);
  for (const depth of [101, 400, 30_000]) {
    const text = deep.slice(0, depth) + deep.slice(-depth);
    t.is(parseParam(text), text);
  }
  const long = `[${'1,'.repeat(40_000)}1]`;
  t.is(parseParam(long), long);
});

test('formatParam: numbers beyond 2^53 stay numbers', (t) => {
  for (const value of [2 ** 53, 268470519814059030000, -1e20, 1e21, 1.5e300]) {
    t.is(parseParam(formatParam(value)), value);
  }
  t.is(formatParam(268470519814059030000), '2.6847051981405903e+20');
  t.is(formatParam(2 ** 53 - 1), '9007199254740991');
});

test('formatParam: is read back as the value that it was', (t) => {
  const { value } = fc.letrec<{ value: ParamValue }>((of) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
      fc.string({ unit: anyCharacter }),
      fc.constantFrom('1e-3', '"7"', 'true', '[1]', ' 1', 'null'),
      fc.array(of('value'), { maxLength: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, (given) => {
      t.deepEqual(parseParam(formatParam(given)), given);
    }),
  );
});

test('directionOf: the last word that says something decides', (t) => {
  const cases: [string, string | null][] = [
    ['val_loss', 'min'],
    ['eval/accuracy', 'max'],
    ['accuracy_loss', 'min'],
    ['topkAccuracy', 'max'],
    ['perplexity', 'min'],
    ['f1.macro', 'max'],
    ['lr', null],
    ['glossary', null],
    ['', null],
  ];
  for (const [name, direction] of cases) t.is(directionOf(name), direction as never, name);
});
