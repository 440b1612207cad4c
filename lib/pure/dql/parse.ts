/**
 * Reads a DQL statement. The grammar is grammar.peggy; this file bounds what it is given, and makes of
 * what a parser says (a position and the rules that would fit there) an error that helps.
 */
import { pushAll } from '../../base/bytes/many.js';
import { editDistance } from '../../base/bytes/words/closest.js';
import { UsageError } from '../../base/errors.js';
import { NESTING_MAX } from '../../base/limits.js';
import type {
  Construct,
  Evaluate,
  SelectItem,
  Selector,
  Slice,
  Source,
  Span,
  Statement,
  Template,
} from './ast.js';
import * as grammar from './grammar.js';
import { hintFor, shortened } from './hints.js';

/** A longer query is none that anybody wrote. */
const TEXT_MAX = 64 * 1024;
/** What a message lists of all that would fit. */
const EXPECTED_MAX = 12;

/** An error about a place of a query. */
export function queryError(
  text: string,
  { from }: Pick<Span, 'from'>,
  what: string,
  hint?: string,
): UsageError {
  const before = text.slice(0, from).split('\n');
  const line = before.length;
  const column = [...(before.at(-1) as string)].length + 1;
  const around =
    [...text.slice(from, from + 80)].slice(0, 20).join('').split('\n', 1)[0]?.trim() ?? '';
  const place =
    line === 1 && !text.includes('\n') ? `column ${column}` : `line ${line}, column ${column}`;
  return new UsageError(
    `the query is wrong at ${place}${around === '' ? ', at its end' : `, at '${around}'`}: ${what}`,
    { query: text, line, column, ...(hint === undefined ? {} : { hint }) },
  );
}

/** Reads a statement. @throws {UsageError} with line, column, what was expected, and near words. */
export function parseStatement(text: string): Statement {
  if (text.length > TEXT_MAX) {
    throw new UsageError(`the query has ${text.length} characters, and ${TEXT_MAX} is the most`, {
      hint: 'write a shorter one, or several',
    });
  }
  checkNesting(text);
  let found: Statement | RawSlice;
  try {
    found = grammar.parse(text) as Statement | RawSlice;
  } catch (error) {
    if (error instanceof grammar.SyntaxError) throw syntaxError(text, error);
    if (error instanceof RangeError) throw queryError(text, { from: 0 }, 'it is nested too deeply');
    throw error;
  }
  checkDepth(text, found);
  return finish(text, found);
}

/** Levels of what a statement stands for: sums of thousands of terms are deep as well. */
const DEPTH_MAX = 1000;

/** Looked at level by level: what is too deep for whoever walks it down must not be walked down here. */
function checkDepth(text: string, statement: object): void {
  let level: object[] = [statement];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) throw queryError(text, { from: 0 }, 'it is nested too deeply');
    level = level.flatMap((one) =>
      Object.values(one).filter((inner) => typeof inner === 'object' && inner !== null),
    );
  }
}

/** Parentheses and brackets are counted before the parser goes down into them. */
function checkNesting(text: string): void {
  let depth = 0;
  let quote: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== null) quote = char === quote ? null : quote;
    else if (char === '"' || char === "'" || char === '`') quote = char;
    else if (char === '(' || char === '[') {
      if (++depth > NESTING_MAX) throw queryError(text, { from: at }, 'it is nested too deeply');
    } else if (char === ')' || char === ']') depth--;
  }
}

function syntaxError(text: string, { expected, location }: grammar.SyntaxError): UsageError {
  const { offset: from } = location.start;
  const words = new Set<string>();
  const others = new Set<string>();
  for (const one of expected ?? []) {
    if (one.type === 'literal') {
      // Space and comments may stand anywhere.
      if (/^(--|\/\*)$/.test(one.text)) continue;
      others.add(`'${one.text}'`);
    } else if (one.type === 'other' && one.description !== 'space') {
      const [, word] = /^'(\w+)'$/.exec(one.description) ?? [];
      if (word === undefined) others.add(one.description);
      else words.add(word);
    } else if (one.type === 'end') others.add('the end');
  }
  const fits = shortened([...others, ...[...words].map((word) => `'${word}'`)]);
  const listed = fits.slice(0, EXPECTED_MAX).join(', ');
  const what =
    fits.length === 0
      ? 'this does not fit here'
      : `expected ${listed}${fits.length > EXPECTED_MAX ? ', …' : ''}`;
  const names = [...others].filter((one) => one === 'a name');
  return queryError(text, { from }, what, hintFor(text, from, new Set([...words, ...names])));
}

/** Layers as the grammar gives them: repetitions are not written out. */
type Link =
  | { kind: 'layer'; template: Template }
  | { kind: 'repeat'; chain: Link[]; times: number; span: Span };

/** Most layers that one chain stands for. */
const CHAIN_MAX = 4096;

function tooMany(text: string, span: Span): UsageError {
  return queryError(text, span, `it stands for more than ${CHAIN_MAX} layers`);
}

/** Layers one by one, repetitions written out. @throws {UsageError} */
function writeOut(text: string, links: readonly Link[]): Template[] {
  const written: Template[] = [];
  for (const link of links) {
    const [times, once] =
      link.kind === 'layer' ? [1, [link.template]] : [link.times, writeOut(text, link.chain)];
    const { span } = link.kind === 'layer' ? link.template : link;
    if (times < 1) throw queryError(text, span, 'layers are repeated at least once');
    if (written.length + times * once.length > CHAIN_MAX) throw tooMany(text, span);
    for (let i = 0; i < times; i++) pushAll(written, once);
  }
  return written;
}

/** A construct with its chains written out. */
function withChains(text: string, found: Construct): Construct {
  const chainOf = (links: readonly Template[]): Template[] =>
    writeOut(text, links as unknown as Link[]);
  return {
    ...found,
    chain: chainOf(found.chain),
    mutations: found.mutations.map((one) => ({ ...one, chain: chainOf(one.chain) })),
  };
}

/** What the grammar gives of a slice: its two ends may stand in any order. */
interface RawSlice extends Omit<Slice, 'input' | 'output'> {
  ends: { variable: string; end: 'input' | 'output'; selector: Selector; span: Span }[];
}

/** A source whose query is finished as well. */
function withInner<S extends Pick<Source, 'from'>>(text: string, source: S): S {
  const { from } = source;
  if (from.kind !== 'query') return source;
  return { ...source, from: { ...from, query: finish(text, from.query) } };
}

function finish(text: string, raw: Statement | RawSlice): Statement {
  if (raw.kind === 'select') {
    checkNames(text, raw.items);
    return { ...raw, sources: raw.sources.map((source) => withInner(text, source)) };
  }
  const found = raw.source === null ? raw : { ...raw, source: withInner(text, raw.source) };
  if (found.kind === 'construct' && found.source === null) return withChains(text, found);
  const named = withVariable(text, found);
  if (named.kind === 'construct') return withChains(text, named);
  if (named.kind === 'evaluate' && named.using.twice !== null) {
    const part = named.using.twice === 'isAsync' ? 'async' : `the ${named.using.twice}`;
    throw queryError(text, named.span, `'using' says ${part} twice`);
  }
  if (!('ends' in named)) return named;
  const { ends, ...slice } = named;
  const selectorOf = (which: 'input' | 'output'): Selector => {
    const [first, second] = ends.filter(({ end }) => end === which);
    if (first === undefined || second !== undefined) {
      throw queryError(
        text,
        slice.span,
        `a slice has one ${slice.variable}.input and one ${slice.variable}.output`,
        `write: mutate ${slice.variable}.input = m["conv1"] and ${slice.variable}.output = m["fc7"]`,
      );
    }
    return first.selector;
  };
  for (const { variable, span } of ends) {
    if (variable !== slice.variable) {
      throw queryError(
        text,
        span,
        `the slice is called '${slice.variable}', not '${variable}'`,
        `its ends are written ${slice.variable}.input and ${slice.variable}.output`,
      );
    }
  }
  return { ...slice, input: selectorOf('input'), output: selectorOf('output') };
}

/** A name without 'as' that is nearly a keyword is a misspelt one: select m whre. */
function checkNames(text: string, items: readonly SelectItem[]): void {
  for (const { name, isBare, span } of items) {
    if (name === null || !isBare) continue;
    const meant = CLAUSES.find((word) => editDistance(name.toLowerCase(), word) === 1);
    if (meant === undefined) continue;
    const from = text.lastIndexOf(name, span.to);
    const hint = `did you mean '${meant}'? A name of a column stands behind 'as'`;
    throw queryError(text, { from }, `expected '${meant}'`, hint);
  }
}

const CLAUSES = ['from', 'where', 'group', 'having', 'order', 'limit', 'offset'];

/** A source without a variable is called as what is made of it. */
function withVariable<S extends RawSlice | Slice | Construct | Evaluate>(
  text: string,
  statement: S,
): S {
  const { source, variable } = statement as {
    source: Source & { variable: string | null };
    variable: string;
  };
  if (source.variable === null) return { ...statement, source: { ...source, variable } };
  if (source.variable === variable && statement.kind !== 'evaluate') {
    throw queryError(
      text,
      source.span,
      `'${variable}' is what is made: the source needs another name`,
    );
  }
  return statement;
}
