/** The parser that bin/grammar.mjs makes of grammar.peggy. */

/** What the grammar allows at a place: a text, a class of characters, or a rule with a name. */
type Expectation =
  | { type: 'literal'; text: string; ignoreCase: boolean }
  | { type: 'other'; description: string }
  | { type: 'class' | 'any' | 'end' | 'not' };

declare class ParseError extends Error {
  readonly expected: Expectation[] | null;
  readonly found: string | null;
  readonly location: { start: { offset: number } };
}

export { ParseError as SyntaxError };

export function parse(text: string): unknown;
