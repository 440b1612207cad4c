/**
 * Conditions over columns, read into a tree: `metrics.acc > 0.9 and (params.opt like 'adam%' or not done)`.
 *
 *     condition := and {'or' and}         and := not {'and' not}       not := 'not' not | test
 *     test := '(' condition ')' | operand [ comparison operand | ['not'] ('like' | 'ilike') text
 *           | ['not'] 'in' '(' literal {',' literal} ')' | ['not'] 'between' operand 'and' operand
 *           | ('~' | '~*' | '!~' | '!~*') text | 'is' ['not'] 'null' ]
 *     operand := literal | column | function '(' column ')'
 *
 * `not` binds tighter than `and`, and `and` tighter than `or`. Words are read whatever their case.
 */
import { NESTING_MAX } from '../../base/limits.js';
import { conditionError, type Token, tokensOf } from './tokens.js';

/** What columns and literals are. */
export type Value = null | boolean | number | string | Value[];

/** A column by its name, and what is asked of it: `best(metrics.acc)`. */
export interface ColumnRef {
  kind: 'column';
  name: string;
  /** Lower case; null for the value itself. */
  function: string | null;
  /** Position in the text, from 0. */
  at: number;
}

export interface Literal {
  kind: 'literal';
  value: Value;
  at: number;
}

export type Operand = ColumnRef | Literal;

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

export type Condition =
  | { kind: 'or' | 'and'; items: Condition[] }
  | { kind: 'not'; item: Condition }
  | { kind: 'compare'; comparison: Comparison; left: Operand; right: Operand }
  | { kind: 'like'; operand: Operand; pattern: string; ignoreCase: boolean; at: number }
  | { kind: 'match'; operand: Operand; pattern: string; ignoreCase: boolean; at: number }
  | { kind: 'in'; operand: Operand; items: Literal[] }
  | { kind: 'between'; operand: Operand; low: Operand; high: Operand }
  | { kind: 'null'; operand: Operand }
  /** A column alone: true if its value is. */
  | { kind: 'truth'; operand: Operand };

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

const WORDS = new Set('and or not in like ilike between is null true false'.split(' '));

/** Reads a condition. @throws {UsageError} that says where it is wrong. */
export function parseCondition(text: string): Condition {
  return new Parser(text).whole();
}

/** Reads a column as `--sort` and `--columns` name it: `metrics.acc`, `best(acc)`. @throws {UsageError} */
export function parseColumn(text: string): ColumnRef {
  return new Parser(text).column();
}

class Parser {
  readonly #text: string;
  readonly #tokens: Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #fail(what: string, token = this.#token): never {
    throw conditionError(this.#text, token.at, what);
  }

  /** Takes the next token if it is this word or operator. */
  #takes(text: string): boolean {
    const { kind, quoted, text: found } = this.#token;
    const isWord = kind === 'name' && !quoted && found.toLowerCase() === text;
    if (!isWord && !(kind === 'operator' && found === text)) return false;
    this.#next++;
    return true;
  }

  whole(): Condition {
    const condition = this.#or();
    if (this.#token.kind !== 'end') this.#fail("expected 'and', 'or' or the end");
    return condition;
  }

  column(): ColumnRef {
    const operand = this.#operand();
    if (operand.kind !== 'column')
      throw conditionError(this.#text, 0, 'expected the name of a column');
    if (this.#token.kind !== 'end') this.#fail('expected the end of the name');
    return operand;
  }

  #or(): Condition {
    const items = [this.#and()];
    while (this.#takes('or')) items.push(this.#and());
    return items.length === 1 ? (items[0] as Condition) : { kind: 'or', items };
  }

  #and(): Condition {
    const items = [this.#not()];
    while (this.#takes('and')) items.push(this.#not());
    return items.length === 1 ? (items[0] as Condition) : { kind: 'and', items };
  }

  #not(): Condition {
    if (++this.#depth > NESTING_MAX) this.#fail('it is nested too deeply');
    const item: Condition = this.#takes('not') ? { kind: 'not', item: this.#not() } : this.#test();
    this.#depth--;
    return item;
  }

  #test(): Condition {
    if (this.#takes('(')) {
      const inner = this.#or();
      if (!this.#takes(')')) this.#fail("expected ')'");
      return inner;
    }
    const operand = this.#operand();
    const { kind, text } = this.#token;
    const comparison = kind === 'operator' && Object.hasOwn(COMPARISONS, text) && COMPARISONS[text];
    if (comparison) {
      this.#next++;
      return { kind: 'compare', comparison, left: operand, right: this.#operand() };
    }
    for (const [sign, ignoreCase] of [
      ['~', false],
      ['~*', true],
    ] as const) {
      if (this.#takes(sign)) return { kind: 'match', operand, ignoreCase, ...this.#pattern() };
      if (!this.#takes(`!${sign}`)) continue;
      return { kind: 'not', item: { kind: 'match', operand, ignoreCase, ...this.#pattern() } };
    }
    if (this.#takes('is')) {
      const isNot = this.#takes('not');
      if (!this.#takes('null')) this.#fail("expected 'null'");
      const test: Condition = { kind: 'null', operand };
      return isNot ? { kind: 'not', item: test } : test;
    }
    if (this.#takes('not')) return { kind: 'not', item: this.#word(operand) };
    const word = this.#wordOrNull(operand);
    return word ?? { kind: 'truth', operand };
  }

  #word(operand: Operand): Condition {
    return this.#wordOrNull(operand) ?? this.#fail("expected 'in', 'like' or 'between'");
  }

  #wordOrNull(operand: Operand): Condition | null {
    if (this.#takes('like'))
      return { kind: 'like', operand, ignoreCase: false, ...this.#pattern() };
    if (this.#takes('ilike'))
      return { kind: 'like', operand, ignoreCase: true, ...this.#pattern() };
    if (this.#takes('between')) {
      const low = this.#operand();
      if (!this.#takes('and')) this.#fail("expected 'and' and the upper bound");
      return { kind: 'between', operand, low, high: this.#operand() };
    }
    if (!this.#takes('in')) return null;
    if (!this.#takes('(')) this.#fail("expected '(' and a list of values");
    const items: Literal[] = [];
    do {
      const item = this.#operand();
      if (item.kind !== 'literal') throw conditionError(this.#text, item.at, 'expected a value');
      items.push(item);
    } while (this.#takes(','));
    if (!this.#takes(')')) this.#fail("expected ',' or ')'");
    return { kind: 'in', operand, items };
  }

  #pattern(): { pattern: string; at: number } {
    const { kind, text, at } = this.#token;
    if (kind !== 'text') this.#fail('expected a pattern in quotes');
    this.#next++;
    return { pattern: text, at };
  }

  #operand(): Operand {
    const { kind, text, quoted, at } = this.#token;
    if (kind === 'end' || kind === 'operator') this.#fail('expected a name or a value');
    this.#next++;
    if (kind === 'number') return { kind: 'literal', value: Number(text), at };
    if (kind === 'text') return { kind: 'literal', value: text, at };
    const word = text.toLowerCase();
    if (!quoted && (word === 'true' || word === 'false')) {
      return { kind: 'literal', value: word === 'true', at };
    }
    if (!quoted && WORDS.has(word)) {
      this.#next--;
      this.#fail(
        word === 'null' ? "write 'is null' or 'is not null'" : 'expected a name or a value',
      );
    }
    if (quoted || !this.#takes('(')) return { kind: 'column', name: text, function: null, at };
    const { kind: inner, text: name } = this.#token;
    if (inner !== 'name') this.#fail('expected the name of a metric');
    this.#next++;
    if (!this.#takes(')')) this.#fail("expected ')'");
    return { kind: 'column', name, function: word, at };
  }
}
