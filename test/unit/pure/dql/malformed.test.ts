/** A malformed query for each rule of the grammar: each is told of with its place, what would fit, and how it is written. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { UsageError } from '../../../../lib/base/errors.js';
import { parseStatement } from '../../../../lib/pure/dql/parse.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

/** Rules of the grammar, but for its words and spaces, and a query that breaks each. */
const BY_RULE: Readonly<Record<string, string>> = {
  ...{ Start: 'select m; select n', Statement: 'show m', Select: 'select m limit 3 where m.x = 1' },
  ...{
    Items: 'select m,',
    Item: 'select m as 3',
    ItemEnd: 'select m n o',
    Values: 'select m group by m.x,',
  },
  ...{
    SortKeys: 'select m order by m.x,',
    SortKey: 'select m order by desc',
    Sources: 'select m from m,',
  },
  ...{
    Source: 'select m from m in',
    OneSource: 'slice s from 3',
    Nested: 'select m from m in (m.x = 1)',
  },
  ...{
    Slice: 'slice s from m mutate s.input = m["a"],',
    End: 'slice s from m mutate s["input"] = m["a"]',
  },
  ...{
    Construct: 'construct c where m.x = 1',
    Mutation: 'construct c from m mutate m["a"].next = RELU',
  },
  ...{ Chain: 'construct c as INPUT(1, 2) -> ', Link: 'construct c as INPUT(1) -> (RELU){x}' },
  ...{ Evaluate: 'evaluate t from "x" keep top(1, t["loss"], 3)' },
  ...{ Axes: 'evaluate t from "x" with config = "c" vary config.lr auto, ' },
  ...{ Axis: 'evaluate t from "x" with config = "c" vary config auto' },
  ...{ ConfigPart: 'evaluate t from "x" with config = "c" vary config.net[conv1].lr auto' },
  ...{ AxisValues: 'evaluate t from "x" with config = "c" vary config.lr in 1..2 step' },
  ...{ List: 'evaluate t from "x" with config = "c" vary config.lr in []' },
  ...{ Using: 'evaluate t from "x" with config = "c" using 3' },
  ...{ UsingPart: 'evaluate t from "x" with config = "c" using trials many' },
  ...{ Rules: 'evaluate t from "x" with config = "c" keep t["loss"] < 1 then' },
  ...{ Rule: 'evaluate t from "x" with config = "c" keep top(t["loss"], 5)' },
  ...{
    Condition: 'select m where m.x = 1 or',
    Conjunction: 'select m where m.x = 1 and',
    Negation: 'select m where not',
  },
  ...{ Test: 'select m where all m.x', Relation: 'select m where m descendant n' },
  ...{ LineageEnd: 'select m where m derived from 3', ValueTest: 'select m where 3' },
  ...{
    WordTest: 'select m where m.x not 3',
    Comparison: 'select m where m.x <> ',
    MatchSign: 'select m where m.x !~ 3',
  },
  ...{
    Value: 'select m where m.x + = 3',
    Term: 'select m where m.x * = 3',
    Factor: 'select m where (m.x = 3',
  },
  ...{
    Call: 'select max(m.x, )',
    Attribute: 'select m where m..x = 1',
    Selector: 'select m where exists m[]',
  },
  ...{ Pattern: 'select m where exists m[conv1]', WalkStep: 'select m where exists m["a"].path' },
  ...{ Times: 'select m where exists m["a"].next{}', Template: 'select m where m has "POOL"' },
  ...{
    TemplateWord: 'select m where m has 3',
    Arguments: 'select m where m has CONV(kernel = 3,)',
  },
  ...{
    Argument: 'select m where m has CONV(kernel: 3)',
    Scalar: 'select m where m has CONV(kernel = m.x)',
  },
  ...{
    Number: 'select m where m.x > 1.2.3',
    Count: 'select m limit 1e3',
    Text: "select m where m.x like 'a",
  },
  ...{
    Name: 'select select',
    AnyName: 'select m where m.`x = 1',
    Word: 'select m where m has (RELU)',
  },
  ...{ WalkWord: 'select m where m.next["a"] has RELU' },
};
const WORDS = ['Keyword', 'Stop', '_'];

const MALFORMED = String.raw`
selct m
select
select m frm m
select m where
select m where m.acc >
select m where m.acc > 0.9 and
select m where m.acc => 0.9
select m where (m.acc > 0.9
select m where m.acc in 3
select m where m.acc in (1,
select m where m.acc between 1
select m where m.acc between 1 or 2
select m where m.acc is
select m where m.name like alexnet
select m where m.name like "alexnet
select m where exists
select m where exists m
select m where m["conv1"
select m where m["conv1"].next has
select m where m["conv1"].next has POOL(
select m where m["conv1"].next has POOL(MAX)
select m where m["conv1"].nxt has POOL("MAX")
select m where m["conv1"].next{1 has POOL
select m where m derived "x"
select m where m derived from
select m where m child n
select m order m.acc
select m order by
select m group m.acc
select m limit x
select m limit -1
select m limit 1.5
select m offset
select m as
select count(
select m, from m
select m from
select m from (select
select m from "good" as
select m where m.acc > 0.9 limit
select distinct
explain
slice s from m mutate s.input = m["a"]
slice s from m mutate s.input = m["a"] and s.input = m["b"]
slice s from m
slice s mutate s.input = m["a"] and s.output = m["b"]
slice from m mutate s.input = m["a"] and s.output = m["b"]
slice s from m mutate s.inptu = m["a"] and s.output = m["b"]
slice s from m mutate s.input = "a" and s.output = m["b"]
construct c from m
construct c from m mutate
construct c from m mutate m["a"]
construct c from m mutate m["a"].insrt = RELU
construct c from m mutate m["a"].insert
construct c from m mutate m["a"].insert = 
construct c from m mutate m["a"].insert = RELU ->
construct c from m mutate m["a"].insert = (RELU){
construct c from m mutate m["a"].delete =
construct c as
construct c as INPUT(1, 2) - > FULL
construct c as INPUT(1,2) -> FULL(units 3)
construct c as INPUT(1,2) -> FULL(units = )
construct c from m mutate m["a"].insert = RELU seed x
evaluate t
evaluate t from
evaluate t from "x"
evaluate t from "x" with
evaluate t from "x" with config
evaluate t from "x" with config = c.json
evaluate t from "x" with config = "c" vary
evaluate t from "x" with config = "c" vary lr in [1]
evaluate t from "x" with config = "c" vary config.lr
evaluate t from "x" with config = "c" vary config.lr in
evaluate t from "x" with config = "c" vary config.lr in (1, 2)
evaluate t from "x" with config = "c" vary config.lr in [1
evaluate t from "x" with config = "c" vary config.lr in 1..
evaluate t from "x" with config = "c" vary config.lr auto from
evaluate t from "x" with config = "c" keep
evaluate t from "x" with config = "c" keep top
evaluate t from "x" with config = "c" keep top(5)
evaluate t from "x" with config = "c" keep top(5, t["loss"] 100)
evaluate t from "x" with config = "c" keep t["loss"]
evaluate t from "x" with config = "c" keep t["loss"] < x
evaluate t from "x" with config = "c" keep t["loss"] < 1 after
evaluate t from "x" with config = "c" using
evaluate t from "x" with config = "c" using genetic
evaluate t from "x" with config = "c" using seed
evaluate t from "x" with config = "c" then top(1, t["loss"], 3)
select m; select n
select * from m
select m where m.acc > 0.9 && m.x = 1
select m where !m.x = 1
select m where m."acc" > 1
select m where m.params. = 1
select m\nwhere m.acc >> 2
select m where m.acc ~ 
select m where m.acc + > 2
select m where abs( > 2
select m having count(*) > 2 x
update m set x = 1
`;

test('every malformed query has a place, what was expected, and a hint of its own', (t) => {
  const queries = [...MALFORMED.trim().split('\n'), ...Object.values(BY_RULE)];
  t.true(queries.length > 80);
  for (const line of queries) {
    const text = line.replaceAll('\\n', '\n');
    const error = t.throws(() => parseStatement(text), { code: 'DLV_USAGE' }, text) as UsageError;
    t.regex(error.message, /^the query is wrong at (line \d+, )?column \d+/, text);
    t.regex(error.message, /: (expected |a slice has one )/, text);
    // Nobody reads a list of all tokens.
    t.true((error.message.match(/, /g)?.length ?? 0) <= 14, error.message);
    t.is(typeof error.data.hint, 'string', text);
    t.notRegex(error.message + error.data.hint, /\n +at |undefined|\[object/, text);
  }
});

test('every rule of the grammar has a malformed query', async (t) => {
  const file = path.join(PROJECT_ROOT, 'lib/pure/dql/grammar.peggy');
  const grammar = await fs.readFile(file, 'utf8');
  const rules = [...grammar.matchAll(/^([A-Z]\w*|_)(?: "[^\n]*?")?\s*=/gm)].map(
    ([, rule]) => rule as string,
  );
  const named = rules.filter((rule) => !/^[A-Z]+$/.test(rule) && !WORDS.includes(rule));
  t.deepEqual(Object.keys(BY_RULE).sort(), named.sort());
});

test('hints say what was meant', (t) => {
  for (const [text, hint] of [
    ['selct m', /'select'/],
    ['select m where m.acc between 1 or 2', /between 0.8 and 0.9/],
    ['select m where m.name like alexnet', /like "alexnet%"/],
    ['select m where m["conv1"].next has POOL(MAX)', /texts stand in quotes/],
    ['construct c as INPUT(1,2) -> FULL(units 3)', /equals sign/],
    ['select m where m["conv1"].nxt has POOL("MAX")', /'\.next'/],
    ['select m, from m', /a comma too many/],
    ['select m where (m.acc > 0.9', /parenthesis or bracket not closed/],
    ['select m where m.name like "alexnet', /quote not closed/],
    ['select m where m derived "x"', /derived from "base@1"/],
    ['evaluate t from "x" with config = "c" vary lr in [1]', /vary config\.base_lr/],
    ['evaluate t from "x" with config = "c" vary config.lr in (1, 2)', /in \[0\.1, 0\.01\]/],
    ['evaluate t from "x" with config = "c" keep top(5)', /keep top\(5, t\["loss"\], 100\)/],
    ['evaluate t from "x" with config = "c" using genetic', /using tpe/],
    ['slice s from m', /mutate s\.input/],
    ['construct c from m mutate', /\.insert = RELU/],
    ['select m; select n', /one statement/],
    ['construct c from m mutate m["a"].insert =', /insert = BN/],
    ['construct c from m mutate m["a"].insert = RELU seed x', /seed 3/],
    ['evaluate t from "x" with config = c.json', /with config = "train\.json"/],
    ['evaluate t from "x" with config = "c" vary config.lr auto from', /auto from 1e-4/],
    ['select m where m derived from', /derived from "base@1"/],
    ['slice s from m mutate s.input = m["a"]', /s\.output/],
    ['slice s from m mutate m.input = m["a"] and m.output = m["b"]', /s\.input and s\.output/],
    ['construct group as INPUT(4) -> RELU', /in backticks it is a name: `group`/],
    ['select m where m["a"].next{1 has RELU', /next\{1,3\}/],
  ] as const) {
    const error = t.throws(() => parseStatement(text)) as UsageError;
    t.regex(error.data.hint ?? '', hint, text);
  }
});

test('what is huge is refused before it costs anything', (t) => {
  for (const [text, says] of [
    [`select m where m.x = 1${'+1'.repeat(30_000)}`, /nested too deeply/],
    [`select m where ${'not '.repeat(15_000)}m.x = 1`, /nested too deeply/],
    [
      `construct c as INPUT(4) -> ${Array(4000).fill('(RELU){4096}').join('->')}`,
      /more than 4096 layers/,
    ],
    ['select m where m.x = 1e999', /expected a value/],
    [`select m limit ${'9'.repeat(40)}`, /expected a whole number/],
    [`select m where m.x = "${'a'.repeat(1 << 17)}"`, /65536 is the most/],
  ] as const) {
    const error = t.throws(() => parseStatement(text), { code: 'DLV_USAGE' }) as UsageError;
    t.regex(error.message, says);
    t.true(error.message.length < 400);
  }
  t.notThrows(() => parseStatement(`select m where m.x = 1${'+1'.repeat(500)}`));
});
