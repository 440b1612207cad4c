/** What helps with a mistake in a query: how the clause is written in which it stands, near words, open quotes. */
import { closestNames } from '../../base/bytes/words/closest.js';

/** What people write who know SQL or another language, and what DQL has for it; of the text from the mistake on. */
const FOREIGN: readonly [RegExp, string][] = [
  [/^in\b/i, 'sources stand behind from: select m from m in "good"'],
  [/^(&&|\|\|)/, "write 'and' and 'or'"],
  [/^!(?!=|~)/, "write 'not' before a condition"],
  [
    /^\*/,
    "name what is to be shown: 'select m from m', or its columns: 'select m.name, m.metrics.acc from m'",
  ],
  [
    /^(join|inner|left)\b/i,
    "name two variables and join them in 'where': select a, b where a derived from b",
  ],
  [
    /^(insert|update|drop|alter)\b/i,
    'queries change no version: construct makes new ones, and dlv forget removes',
  ],
];

/** How a clause is written; of the text before the mistake, the first that fits. */
const CLAUSES: readonly [RegExp, string][] = [
  [/,\s*from\s*$/i, "is there a comma too many before 'from'?"],
  [/,\s*$/, 'is there a comma too many?'],
  [/\bfrom\s+(\w+\s*,\s*)*\w+\s+in\s*\(?\s*$/i, 'write: from m in "good", or from m in (select …)'],
  [
    /(?<!\bin\s*)\[\s*$/i,
    'what stands in brackets is in quotes: m["conv*"], config.net["conv*"].lr',
  ],
  [/\.\s*path\s*\(?\s*$/i, 'write: m["conv1"].path("fc7")'],
  [/\b(all|any)\s+\w+\s*$/i, 'write: all m["conv*"].succ has RELU'],
  [/\border\s+by\s+(asc|desc)\s*$/i, 'write: order by m.acc desc'],
  [/\.\s*(insert|replace)\s*(=\s*)?$/i, 'write: m["conv1"].insert = BN -> RELU'],
  [/\.\s*delete\s*=\s*$/i, 'write: m["drop*"].delete, or m["conv*"].delete = RELU'],
  [/\.\s*(input|output)\s*(=\s*)?$/i, 'write: s.input = m["conv1"]'],
  [/\bwith\s+config\s*(=\s*)?$/i, 'write: with config = "train.json"'],
  [/\bseed\s*$/i, 'write: seed 3'],
  [/->\s*$/, 'write: BN -> RELU -> (CONV -> RELU){2}'],
  [/\bauto\s+from\b[^,]*$/i, 'write: auto from 1e-4..1e-1 log'],
  [/\b(derived|derives)\s+from\s*$/i, 'write: m derived from "base@1"'],
  [/\b(child|parent|ancestor|descendant)\s+of\s*$/i, 'write: m child of "base@1"'],
  [/\bkeep\b[^=]*[<>]=?\s*$/i, 'write: keep t["loss"] < 2.3 after 100'],
  [/\bfrom\b[^(]*[")]\s*as\s*$/i, 'write: from "good" as m'],
  [/\bselect\b[^(]*\bas\s*$/i, 'write: select m.metrics.acc as acc'],
  [/\)\s*\{\s*\d*\s*$/, 'write: (CONV -> RELU){2}'],
  [/\.\s*(next|prev|succ|pred)\s*\{[^}]*$/i, 'write: .next{2}, .next{1,3} or .next{2,}'],
  [/^\s*explain\s*$/i, 'write: explain select m where m.metrics.acc > 0.9'],
  [/[=!<>~]\s*$/, 'comparisons are =, !=, <, <=, >, >=, like and ~'],
  [/;\s*$/, 'one statement at a time'],
  [/\b(where|and|or|not|having)\s*$/i, 'such as m.acc > 0.9, or m["conv1"].next has POOL("MAX")'],
  [/\bfrom\s*$/i, 'write: from m, or from m in "good"'],
  [/\bselect(\s+distinct)?\s*$/i, 'write: select m, or select m.name, m.metrics.acc'],
  [/\border\s+by\s*$/i, 'write: order by m.acc desc'],
  [/\bbetween\s+\S+\s*$/i, 'write: m.acc between 0.8 and 0.9'],
  [/\border\s*$/i, 'write: order by m.acc desc'],
  [/\bgroup\s*$/i, 'write: group by m.params.opt'],
  [/\blimit\s*$/i, 'write: limit 10'],
  [/\boffset\s*$/i, 'write: offset 10'],
  [/\b(like|ilike)\s*$/i, 'write: m.name like "alexnet%"'],
  [/\bis(\s+not)?\s*$/i, 'write: m.acc is null, or m.acc is not null'],
  [/\bderived\s*$/i, 'write: m derived from "base@1"'],
  [/\b(child|parent|ancestor|descendant)\s*$/i, 'write: m child of "base@1"'],
  [/\bexists(\s+\w+)?\s*$/i, 'write: exists m["lstm*"]'],
  [/\bhas\s*$/i, 'write: has POOL("MAX"), or has CONV(kernel = 3)'],
  [
    /\bconfig(\.\w+|\[[^\]]*\])+\s+in\b[^\]]*$/i,
    'write: in [0.1, 0.01], in 8..128 step 8, or in 1e-4..1e-1 log',
  ],
  [
    /\bconfig(\.\w+|\[[^\]]*\])*\s*$/i,
    'write: config.base_lr in [0.1, 0.01], or config.base_lr auto',
  ],
  [/\bvary\s*$/i, 'write: vary config.base_lr in [0.1, 0.01] and config.batch auto'],
  [/\busing\b[^"]*$/i, 'write: using tpe seed 3 trials 20'],
  [/\bkeep\b.*$/is, 'write: keep top(5, t["loss"], 100), or keep t["loss"] < 2.3 after 100'],
  [
    /\bin\b\s*\(?[^)]*$/i,
    'write: in ("sgd", "adam"), in (select …), or the name of a kept query in quotes',
  ],
];

/** How a whole statement is written. */
const STATEMENTS: readonly [RegExp, string][] = [
  [
    /^\s*(explain\s+)?slice\b/i,
    'write: slice s from m where … mutate s.input = m["conv1"] and s.output = m["fc7"]',
  ],
  [
    /^\s*(explain\s+)?construct\s+\w+\s+as\b/i,
    'write: construct c as INPUT(1, 28, 28) -> CONV(units = 6, kernel = 5) -> RELU -> FULL(units = 10)',
  ],
  [
    /^\s*(explain\s+)?construct\b/i,
    'write: construct c from m where … mutate m["conv1"].insert = RELU, m["drop*"].delete',
  ],
  [
    /^\s*(explain\s+)?evaluate\b/i,
    'write: evaluate t from "lenet@1" with config = "train.json" vary config.base_lr in [0.1, 0.01] keep top(1, t["loss"], 100)',
  ],
];

const ORDER = ['from', 'where', 'group', 'having', 'order', 'limit', 'offset'];
/** Words of the language that people call models and variables. */
const RESERVED =
  /^(group|order|limit|offset|keep|using|vary|all|any|like|asc|desc|distinct|having|with|between)$/i;
const STEPS = ['next', 'prev', 'succ', 'pred', 'path', 'act', 'norm'];
const NAME = 'a name';
const WORD = /^[\p{L}\p{M}\p{N}_]+/u;

/** @param fits  keywords that would have fitted at `from`, and 'a name' where one would have. */
export function hintFor(text: string, from: number, fits: ReadonlySet<string>): string {
  const words = new Set([...fits].filter((one) => one !== NAME));
  const [before, rest] = [text.slice(0, from), text.slice(from)];
  const word = WORD.exec(rest)?.[0];
  if (word !== undefined && fits.has(NAME) && words.size === 0 && RESERVED.test(word)) {
    return `'${word}' is a word of the language; in backticks it is a name: \`${word}\``;
  }
  const exact = FOREIGN.find(([pattern]) => pattern.test(rest));
  if (exact !== undefined) return exact[1];
  const near = word === undefined || words.size === 0 ? [] : closestNames(word, words);
  if (near.length > 0 && near[0] !== word?.toLowerCase())
    return `did you mean '${near.join("' or '")}'?`;
  if (from === 0) return 'a query begins so: select m where m.metrics.acc > 0.9';
  if (hasOpenQuote(text)) return 'is a quote not closed?';
  if (rest.trim() === '' && isOpen(before) && !/\{\s*$/.test(before))
    return 'is a parenthesis or bracket not closed?';
  const [, step] = /\]\s*\.\s*(\w+)\s*$/.exec(before) ?? [];
  if (step !== undefined && /^has\b/i.test(rest)) {
    const steps = closestNames(step, STEPS);
    if (steps.length > 0) return `did you mean '.${steps.join("' or '.")}'?`;
  }
  if (
    word !== undefined &&
    ORDER.includes(word.toLowerCase()) &&
    /^\s*(explain\s+)?select\s/i.test(text)
  ) {
    const isComma = /,\s*(from\s*)?$/i.test(before);
    if (!isComma) return `clauses stand in this order: select, ${ORDER.join(', ')}`;
  }
  if (/^(next|prev|succ|pred)\b/i.test(rest) && /\w\s*\.\s*$/.test(before)) {
    return `a step goes from layers: m["conv1"].${word?.toLowerCase()}`;
  }
  if (words.has('like') && /\bnot\s*$/i.test(before)) {
    return 'write: m.acc not between 0.8 and 0.9, or m.name not like "alexnet%"';
  }
  if (/^-\s+>/.test(rest)) return "'->' has no space in it";
  // What stands in the parentheses of a template is not as it should be.
  if (/\b[A-Z][A-Z0-9]*\s*\([^()]*$/.test(before)) {
    return 'texts stand in quotes, and options have an equals sign: POOL("MAX"), CONV("conv1", kernel = 3)';
  }
  const clause = CLAUSES.find(([pattern]) => pattern.test(before));
  if (clause !== undefined) return clause[1];
  const statement = STATEMENTS.find(([pattern]) => pattern.test(before));
  return statement?.[1] ?? "'dlv help dql' shows what can be asked";
}

/** True if the text ends within quotes. */
function hasOpenQuote(text: string): boolean {
  let quote: string | null = null;
  for (const char of text) {
    if (quote !== null) quote = char === quote ? null : quote;
    else if (char === '"' || char === "'" || char === '`') quote = char;
  }
  return quote !== null;
}

/** True if more parentheses and brackets are opened than closed; those in quotes do not count. */
function isOpen(text: string): boolean {
  const bare = text.replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '');
  const count = (chars: RegExp): number => bare.match(chars)?.length ?? 0;
  return count(/[([{]/g) > count(/[)\]}]/g);
}

/** What begins a value, and what else begins a condition: said as such, and not one by one. */
const VALUE = [
  'a number',
  "'-'",
  'a text in quotes',
  "'('",
  'a name',
  "'true'",
  "'false'",
  "'null'",
];
const CONDITION = ["'not'", "'exists'", "'all'", "'any'"];

/** Things that would fit, with those that make a value or a condition together as one. */
export function shortened(fits: readonly string[]): string[] {
  const has = (list: readonly string[]): boolean => list.every((one) => fits.includes(one));
  if (!has(VALUE)) return [...fits];
  const isCondition = has(CONDITION);
  const covered = new Set(isCondition ? [...VALUE, ...CONDITION] : VALUE);
  return [isCondition ? 'a condition' : 'a value', ...fits.filter((one) => !covered.has(one))];
}
