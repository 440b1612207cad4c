/** DQL's grammar: the queries of the ModelHub paper as printed, and what is said of texts that are none. */
import test from 'ava';
import type { UsageError } from '../../../../lib/base/errors.js';
import type { Construct, Evaluate, Select, Slice } from '../../../../lib/pure/dql/ast.js';
import { parseStatement } from '../../../../lib/pure/dql/parse.js';

const Q1 =
  'select m1 where m1.name like "alexnet_%" and m1.creation_time > "2015-11-22" and m1["conv[1,3,5]"].next has POOL("MAX")';
const Q2 =
  'slice m2 from m1 where m1.name like "alexnet-origin%" mutate m2.input = m1["conv1"] and m2.output = m1["fc7"]';
const Q3 =
  'construct m2 from m1 where m1.name like "alexnet-avgv1%" and m1["conv*($1)"].next has POOL("AVG") mutate m1["conv*($1)"].insert = RELU("relu$1")';
const Q4 = `evaluate m from "query3" with config = "path to config"
  vary config.base_lr in [0.1, 0.01, 0.001] and config.net["conv*"].lr auto and config.input_data in ["path1","path2"]
  keep top(5, m["loss"], 100)`;

test('the four published queries are read as printed', (t) => {
  const q1 = parseStatement(Q1) as Select;
  t.is(q1.kind, 'select');
  t.deepEqual(q1.where?.kind === 'and' && q1.where.items.map(({ kind }) => kind), [
    'like',
    'compare',
    'has',
  ]);
  const q2 = parseStatement(Q2) as Slice;
  t.deepEqual(
    [q2.variable, q2.source.variable, q2.input.pattern, q2.output.pattern],
    ['m2', 'm1', 'conv1', 'fc7'],
  );
  const q3 = parseStatement(Q3) as Construct;
  t.deepEqual(
    q3.mutations.map(({ kind, at, chain: [template] }) => [
      kind,
      at.pattern,
      template?.name,
      template?.arguments[0]?.value,
    ]),
    [['insert', 'conv*($1)', 'RELU', 'relu$1']],
  );
  const q4 = parseStatement(Q4) as Evaluate;
  t.deepEqual(q4.source.from, { kind: 'named', name: 'query3' });
  t.deepEqual(
    q4.vary.map(({ path, values }) => [path.map(({ text }) => text).join('.'), values.kind]),
    [
      ['base_lr', 'list'],
      ['net.conv*.lr', 'auto'],
      ['input_data', 'list'],
    ],
  );
  const [rule] = q4.keep;
  t.true(rule?.kind === 'top' && rule.count === 5 && rule.iterations === 100);
});

test('not binds tighter than and, and tighter than or; * tighter than +', (t) => {
  const shape = (text: string): unknown =>
    JSON.parse(
      JSON.stringify((parseStatement(`select m where ${text}`) as Select).where, (key, value) =>
        key === 'span' ? undefined : value,
      ),
    );
  t.deepEqual(shape('a = 1 or b = 2 and not c = 3'), shape('a = 1 or (b = 2 and (not (c = 3)))'));
  t.deepEqual(shape('a + b * 2 > 1'), shape('(a + (b * 2)) > 1'));
  t.notDeepEqual(shape('(a + b) * 2 > 1'), shape('a + b * 2 > 1'));
  t.deepEqual(shape('a - b - c = 0'), shape('(a - b) - c = 0'));
  t.deepEqual(shape('A = 1 AND NOT b LIKE "x"'), shape('A = 1 and not b like "x"'));
});

test('words are names where no keyword is meant; backticks make a name of anything', (t) => {
  const { items, where } = parseStatement(
    'select m.input, m.`eval loss` from m -- a comment\n where m.params.next = 1 /* and\n another */ and m.log = 2',
  ) as Select;
  t.deepEqual(
    items.map(({ value }) => value.kind === 'attribute' && value.path),
    [['input'], ['eval loss']],
  );
  t.is(where?.kind, 'and');
});

/** A query, where it is wrong, and what is said. */
const WRONG: [string, number, number, RegExp][] = [
  ['', 1, 1, /expected 'explain', 'select'/],
  ['selec m', 1, 1, /did you mean 'select'\?/],
  ['select m wher m.a = 1', 1, 10, /did you mean 'where'\?/],
  ['select m\nwhere m.a =', 2, 12, /expected .*a value/],
  ['select m where m.a > 1 && m.b > 2', 1, 24, /write 'and' and 'or'/],
  ['select * from m', 1, 8, /name what is to be shown/],
  ['select m where m.name = "x', 1, 25, /quote not closed/],
  ['select m where m["conv1"].next hass POOL', 1, 32, /did you mean 'has'\?/],
  ['select m where m["a"] has', 1, 26, /kind of layer/],
  ['select m limit 1.5', 1, 16, /whole number/],
  ['update m set a = 1', 1, 1, /queries change no version/],
  ['slice a from b mutate a.input = b["x"]', 1, 39, /expected/],
  [
    'slice a from b mutate a.input = b["x"] and a.input = b["y"]',
    1,
    1,
    /one a.input and one a.output/,
  ],
  ['slice a from b mutate a.input = b["x"] and c.output = b["y"]', 1, 44, /called 'a', not 'c'/],
  ['construct m from m mutate m["a"].delete', 1, 18, /needs another name/],
  ['construct a as', 1, 15, /expected .*a kind of layer/],
  ['construct a as INPUT(3) - > RELU', 1, 25, /expected .*'->'/],
  ['construct a as (RELU){0}', 1, 16, /at least once/],
  [`construct a as ${'('.repeat(9)}RELU${'){10}'.repeat(9)}`, 1, 21, /more than 4096 layers/],
  ['construct a as INPUT(3) -> RELU seed -1', 1, 38, /whole number/],
  ['construct a from b mutate b["x"].insert', 1, 40, /expected '='/],
  ['construct a from b mutate b["x"].insrt = RELU', 1, 34, /did you mean 'insert'\?/],
  ['construct a from b mutate b["x"].insert = ', 1, 43, /a kind of layer/],
  ['construct a from b where b.acc > 1', 1, 35, /'mutate'/],
  ['slice a from b mutate a.inptu = b["x"]', 1, 25, /did you mean 'input'\?/],
  [`select m where ${'('.repeat(101)}`, 1, 116, /nested too deeply/],
  [`select m where ${'not '.repeat(16_000)} m.a`, 1, 1, /nested too deeply/],
];

for (const [text, line, column, says] of WRONG) {
  test(`what is wrong, where, and what would fit: ${text.slice(0, 60)}`, (t) => {
    const error = t.throws<UsageError>(() => parseStatement(text), { code: 'DLV_USAGE' } as never);
    t.deepEqual([error?.data.line, error?.data.column], [line, column]);
    t.regex(`${error?.message} ${error?.data.hint}`, says);
    t.notRegex(error?.message ?? '', /\[object|undefined|at Object/);
  });
}

test('a long hostile text takes time that grows with its length', (t) => {
  const parts = ['m["conv*"].next has POOL or ', '((((', 'a and ', '"x" ', '[', '..', '-', 'not '];
  for (const part of parts) {
    t.throws(() => parseStatement(`select m where ${part.repeat(60_000 / part.length)}`), {
      code: 'DLV_USAGE',
    } as never);
  }
});
