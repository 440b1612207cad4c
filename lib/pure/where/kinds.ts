/** Comparisons of values and literals of different kinds, such as of a number and a text: none ever fits. */
import type { ColumnRef, Value } from './condition.js';

/** A column and a literal that it is compared with. */
class ComparedPair {
  /** What the last value was that is of another kind than the literal, and the literal. */
  #odd: { kind: string; literal: Value } | null = null;
  #same = 0;
  readonly #name: string;

  constructor({ name, function: asked }: ColumnRef) {
    this.#name = asked === null ? name : `${asked}(${name})`;
  }

  /** A value of the column and the literal, as both are compared. */
  add(value: Value, literal: Value): void {
    if (value === null || literal === null) return;
    const kind = kindOf(value);
    if (kindOf(literal) === kind) this.#same++;
    else this.#odd = { kind, literal };
  }

  warning(): string | null {
    if (this.#odd === null || this.#same > 0) return null;
    const { kind, literal } = this.#odd;
    const is = `'${this.#name}' is a ${kind} and is compared with the ${kindOf(literal)} ${shownLiteral(literal)}`;
    return `${is}, which never fits${remedyFor(kind, literal)}`;
  }
}

/** The columns of a condition that are compared with literals. */
export class ComparedKinds {
  readonly #pairs: ComparedPair[] = [];

  of(column: ColumnRef): ComparedPair {
    const pair = new ComparedPair(column);
    this.#pairs.push(pair);
    return pair;
  }

  /** A sentence for each column of which no value was of the kind of its literal. */
  warnings(): string[] {
    return [...new Set(this.#pairs.flatMap((pair) => pair.warning() ?? []))];
  }
}

function remedyFor(kind: string, literal: Value): string {
  if (kind === 'number' && typeof literal === 'string') return ': write numbers without quotes';
  if (kind === 'text' && typeof literal !== 'string') {
    return `: write '${String(literal)}' in quotes`;
  }
  return '';
}

function shownLiteral(literal: Value): string {
  return typeof literal === 'string' ? `'${literal}'` : JSON.stringify(literal);
}

function kindOf(value: Value): string {
  if (Array.isArray(value)) return 'list';
  return typeof value === 'string'
    ? 'text'
    : typeof value === 'boolean'
      ? 'truth value'
      : typeof value;
}
