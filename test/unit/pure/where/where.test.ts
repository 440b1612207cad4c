/** Conditions: what they mean, what is wrong with them, and that no text makes a pattern slow. */
import test from 'ava';
import fc from 'fast-check';
import { parseColumn, parseCondition, type Value } from '../../../../lib/pure/where/condition.js';
import { compareValues, compileCondition } from '../../../../lib/pure/where/evaluate.js';
import { likeTest } from '../../../../lib/pure/where/like.js';
import { matchTest } from '../../../../lib/pure/where/pattern.js';

type Row = Record<string, Value>;

function fits(text: string, row: Row): boolean {
  const test = compileCondition<Row>(parseCondition(text), ({ name }) => ({
    get: (given) => (Object.hasOwn(given, name) ? (given[name] as Value) : null),
  }));
  return test(row);
}

const ROW: Row = {
  'metrics.acc': 0.95,
  'metrics.eval/loss': 0.5,
  'params.lr': 1e-4,
  'params.opt': 'adam',
  'params.layers': [64, 32],
  'params.amp': true,
  'params.my opt': 'a',
  diverged: Number.NaN,
  note: "it's 100%_fine (really)",
};

test('conditions: what fits a row and what does not', (t) => {
  const yes = [
    'metrics.acc > 0.9 and params.lr < 1e-3',
    'metrics.acc>0.9 AND NOT params.lr>=1e-3',
    'metrics.eval/loss = .5',
    "metrics.acc < 0.1 or params.opt = 'adam'",
    "not (metrics.acc < 0.1 or params.opt = 'sgd')",
    'params.opt == "adam"',
    "params.opt in ('sgd', 'adam')",
    "params.opt not in ('sgd')",
    'metrics.acc between 0.95 and 1',
    'metrics.acc not between 0 and 0.5',
    'missing is null',
    'metrics.acc is not null',
    "params.opt like 'a%m'",
    "params.opt ilike 'ADAM'",
    "params.opt not like 'a'",
    "params.opt ~ '^ad.m$'",
    "params.opt ~* 'DA'",
    "params.opt !~ 'x'",
    'params.amp',
    'not params.amp = false',
    "params.`my opt` = 'a'",
    'params."my opt" = "a"',
    "note = 'it''s 100%_fine (really)'",
    "note like '%100\\%\\_fine%'",
    'metrics.acc <> 1',
    '0.9 < metrics.acc',
    "params.layers ~ '64'",
    '-1 < params.lr and params.lr < +1',
    // 'and' binds tighter than 'or'.
    'metrics.acc > 0.9 or metrics.acc > 0.9 and metrics.acc < 0',
  ];
  for (const text of yes) t.true(fits(text, ROW), text);
  const no = [
    'metrics.acc > 0.95',
    'missing > 1',
    'not missing > 1',
    "missing in ('a')",
    "not missing like 'a'",
    'params.opt > 1',
    'not params.opt > 1',
    'diverged = diverged',
    'diverged > 0',
    'params.opt',
    'missing',
    'missing > 1 and metrics.acc > 0',
    "params.lr = '0.0001'",
  ];
  for (const text of no) t.false(fits(text, ROW), text);
  t.true(fits('missing > 1 or metrics.acc > 0', ROW));
});

test('conditions: errors say where they are', (t) => {
  const cases: [string, number][] = [
    ['', 1],
    ['metrics.acc >', 14],
    ['metrics.acc > and', 15],
    ['(metrics.acc > 1', 17],
    ['metrics.acc > 1)', 16],
    ['metrics.acc in (1, lr)', 20],
    ["opt = 'adam", 7],
    ['acc > 1 lr', 9],
    ['acc like 5', 10],
    ['acc is 5', 8],
    ['acc = null', 7],
    ['acc between 1 or 2', 15],
    ['acc. > 1', 5],
    ['acc > 1 && lr > 2', 9],
    ['not', 4],
    ['best(', 6],
    ['acc = ;', 7],
  ];
  for (const [text, character] of cases) {
    const error = t.throws(() => parseCondition(text), { code: 'DLV_USAGE' }, text);
    t.is((error as unknown as { data: { character: number } }).data.character, character, text);
  }
  const deep = `${'('.repeat(5000)}a = 1${')'.repeat(5000)}`;
  t.throws(() => parseCondition(deep), { message: /nested too deeply/ });
  t.throws(() => parseCondition(`${'not '.repeat(5000)}a`), { message: /nested too deeply/ });
  t.throws(() => parseCondition('a'.repeat(100_000)), { message: /100000 characters/ });
});

test('parseColumn: functions, quoted parts, and nothing behind', (t) => {
  t.like(parseColumn('best(metrics.eval/f1)'), { name: 'metrics.eval/f1', function: 'best' });
  t.like(parseColumn('params.`a.b c`'), { name: 'params.a.b c', function: null });
  t.throws(() => parseColumn('acc desc'), { code: 'DLV_USAGE' });
  t.throws(() => parseColumn('5'), { code: 'DLV_USAGE' });
});

test('conditions: any text is read or refused in the table of errors', (t) => {
  const words = fc.array(
    fc.constantFrom(
      'a',
      'and',
      'or',
      'not',
      '(',
      ')',
      '=',
      '<',
      '1',
      "'x'",
      'in',
      ',',
      'like',
      'is',
      'null',
      '~',
    ),
  );
  fc.assert(
    fc.property(words, (parts) => {
      try {
        fits(parts.join(' '), { a: 1 });
      } catch (error) {
        t.is((error as { code?: string }).code, 'DLV_USAGE');
      }
    }),
  );
  t.pass();
});

test('matchTest: agrees with regular expressions of the language', (t) => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    'a*',
    'b+',
    '(ab)?',
    '(a|b){1,2}',
    '^',
    '$',
    '\\b',
  );
  const pattern = fc.array(atom, { maxLength: 6 }).map((parts) => parts.join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', '\n'), maxLength: 12 });
  fc.assert(
    fc.property(pattern, text, (source, given) => {
      t.is(
        matchTest(source, false)(given),
        new RegExp(source, 'u').test(given),
        `${source} ${given}`,
      );
    }),
    { numRuns: 1000 },
  );
  t.true(matchTest('ADAM', true)('adamw'));
  t.true(matchTest('x{2,}y', false)('xxxy'));
  t.false(matchTest('\\W', true)('a'));
});

test('matchTest: patterns that back-tracking never finishes take no time', (t) => {
  const text = 'a'.repeat(50_000);
  t.false(matchTest('^(a+)+$', false)(`${text}!`));
  t.false(matchTest('(a|a)*b', false)(text));
  t.false(matchTest('(.*){10}x', false)(text.slice(0, 5000)));
  t.false(likeTest('%a%a%a%a%a%b', false)(text));
});

test('matchTest: what is no expression, is not supported or is too long is refused', (t) => {
  for (const wrong of [
    '(',
    ')',
    '[a',
    '*',
    'a\\',
    '(?=a)',
    '(?<n>a)',
    '\\1',
    '\\p{L}',
    'a{3,2}',
    '[b-a]',
    '(a{1000}){1000}',
    '('.repeat(500),
  ]) {
    t.throws(() => matchTest(wrong, false), { code: 'DLV_USAGE' }, wrong);
  }
});

test('likeTest: agrees with a search by hand', (t) => {
  const part = fc.constantFrom('a', 'b', '%', '_', '\\%');
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '%'), maxLength: 8 });
  const naive = (parts: readonly string[], given: string): boolean => {
    const [first, ...rest] = parts;
    if (first === undefined) return given === '';
    if (first === '%') return naive(rest, given) || (given !== '' && naive(parts, given.slice(1)));
    const wanted = first === '\\%' ? '%' : first;
    return given !== '' && (wanted === '_' || wanted === given[0]) && naive(rest, given.slice(1));
  };
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), text, (parts, given) => {
      t.is(likeTest(parts.join(''), false)(given), naive(parts, given));
    }),
  );
});

test('compareValues: one order of all values; what is missing stands last both ways', (t) => {
  const values: Value[] = [3, -1, 'b', 'a', true, false, null, Number.NaN, [1]];
  const up = [...values].sort((a, b) => compareValues(a, b));
  t.deepEqual(up.slice(0, 7), [-1, 3, false, true, 'a', 'b', [1]]);
  const down = [...values].sort((a, b) => compareValues(a, b, -1));
  t.deepEqual(down.slice(0, 7), [3, -1, true, false, 'b', 'a', [1]]);
  for (const sorted of [up, down]) {
    t.true(sorted.slice(7).every((value) => value === null || Number.isNaN(value)));
  }
});

test('conditions: sizes have units, of a thousand or of 1024; names may still begin with digits', (t) => {
  const row = { bytes: 1_500_000, '3d': 1 };
  const yes = [
    'bytes > 1MB',
    'bytes < 1.5MiB',
    'bytes = 1500kB',
    'bytes > .5MB and bytes < 1GB',
    '3d = 1',
  ];
  for (const text of yes) t.true(fits(text, row), text);
  t.false(fits('bytes > 1.5MB', row));
});
