/** A malformed query for each rule of the grammar: each is told of with its place, what would fit, and how it is written. */
import test from 'ava';
import type { UsageError } from '../../../../lib/base/errors.js';
import { parseStatement } from '../../../../lib/pure/dql/parse.js';

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
  const queries = MALFORMED.trim().split('\n');
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
  ] as const) {
    const error = t.throws(() => parseStatement(text)) as UsageError;
    t.regex(error.data.hint ?? '', hint, text);
  }
});
