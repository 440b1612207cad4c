/**
 * Arithmetic of dimensions that may be open: integer polynomials of symbols ('N', 'H'), of rounded
 * quotients of them ('floor((H + 1) / 2)') and of maxima. Equal dimensions have equal texts wherever this
 * arithmetic can tell. What grows beyond its bounds becomes a symbol of its own, never a wrong number.
 */
import type { Dim } from '../network.js';

/** Terms of one polynomial, and characters of its text; beyond them a symbol stands for it. */
const TERMS_MAX = 24;
const TEXT_MAX = 200;

/** Product of symbols (their sorted texts) → coefficient; '' is the constant. */
type Terms = ReadonlyMap<string, number>;

/** Between the symbols of a product; no symbol holds it. */
const TIMES = '·';

/** A symbol as it stands in expressions: names of another form are quoted. */
export function symbolText(name: string): string {
  return /^[A-Za-z_][\w.:$/-]*$/.test(name)
    ? name
    : JSON.stringify(name.slice(0, 60)).replaceAll(TIMES, '.');
}

export class Dims {
  /** What the texts made here stand for. */
  readonly #terms = new Map<string, Terms>();
  #opaque = 0;

  /** A symbol that is equal to nothing else. */
  fresh(name?: string): string {
    return name === undefined ? `?${++this.#opaque}` : symbolText(name);
  }

  #termsOf(dim: Dim): Terms {
    if (typeof dim === 'number') return new Map(dim === 0 ? [] : [['', dim]]);
    return this.#terms.get(dim) ?? new Map([[dim, 1]]);
  }

  #dim(terms: Map<string, number>): Dim {
    for (const [key, factor] of terms) {
      if (factor === 0) terms.delete(key);
      else if (!Number.isSafeInteger(factor)) return this.fresh();
    }
    if (terms.size === 0) return 0;
    const constant = terms.get('');
    if (terms.size === 1 && constant !== undefined) return constant;
    if (terms.size > TERMS_MAX) return this.fresh();
    const keys = [...terms.keys()].sort((a, b) => degree(b) - degree(a) || (a < b ? -1 : 1));
    let text = '';
    for (const key of keys) {
      const factor = terms.get(key) as number;
      const size = Math.abs(factor);
      const product = key === '' ? String(size) : size === 1 ? key : `${size}${TIMES}${key}`;
      if (text === '') text = factor < 0 ? `-${product}` : product;
      else text += factor < 0 ? ` - ${product}` : ` + ${product}`;
    }
    if (text.length > TEXT_MAX) return this.fresh();
    // A lone symbol stands for itself.
    if (terms.size > 1 || terms.get(text) !== 1) this.#terms.set(text, terms);
    return text;
  }

  add(a: Dim, b: Dim): Dim {
    if (typeof a === 'number' && typeof b === 'number') return a + b;
    const sum = new Map(this.#termsOf(a));
    for (const [key, factor] of this.#termsOf(b)) sum.set(key, (sum.get(key) ?? 0) + factor);
    return this.#dim(sum);
  }

  sub(a: Dim, b: Dim): Dim {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return this.add(a, this.mul(b, -1));
  }

  mul(a: Dim, b: Dim): Dim {
    if (typeof a === 'number' && typeof b === 'number') return a * b;
    const left = this.#termsOf(a);
    const right = this.#termsOf(b);
    if (left.size * right.size > 4 * TERMS_MAX) return this.fresh();
    const product = new Map<string, number>();
    for (const [keyA, factorA] of left) {
      for (const [keyB, factorB] of right) {
        const key = [...symbolsOf(keyA), ...symbolsOf(keyB)].sort().join(TIMES);
        product.set(key, (product.get(key) ?? 0) + factorA * factorB);
      }
    }
    return this.#dim(product);
  }

  product(dims: readonly Dim[]): Dim {
    return dims.reduce((all, one) => this.mul(all, one), 1);
  }

  /** ⌊a / b⌋, for a divisor above 0. */
  floorDiv(a: Dim, b: Dim): Dim {
    if (b === 1) return a;
    if (a === b) return 1;
    if (typeof b === 'number') {
      if (typeof a === 'number') return Math.floor(a / b);
      return this.#dividedBy(a, b);
    }
    return this.#exactly(a, b) ?? this.#named(`floor((${a}) / (${b}))`);
  }

  ceilDiv(a: Dim, b: Dim): Dim {
    return typeof b === 'number' ? this.floorDiv(this.add(a, b - 1), b) : this.floorDiv(a, b);
  }

  /** b·q + r over b is q + ⌊r / b⌋, with the factors of r in [0, b): equal quotients get one text. */
  #dividedBy(a: Dim, b: number): Dim {
    const whole = new Map<string, number>();
    const rest = new Map<string, number>();
    for (const [key, factor] of this.#termsOf(a)) {
      const quotient = Math.floor(factor / b);
      if (quotient !== 0) whole.set(key, quotient);
      if (factor - quotient * b !== 0) rest.set(key, factor - quotient * b);
    }
    if (rest.size === 0) return this.#dim(whole);
    const constant = rest.get('');
    if (rest.size === 1 && constant !== undefined) return this.#dim(whole);
    const remaining = this.#dim(rest);
    const text = rest.size === 1 && !String(remaining).includes(' ') ? remaining : `(${remaining})`;
    return this.add(this.#dim(whole), this.#named(`floor(${text} / ${b})`));
  }

  /** a / b if b is one product that divides each term of a; null if that cannot be told. */
  #exactly(a: Dim, b: string): Dim | null {
    const [divisor, ...more] = this.#termsOf(b);
    if (divisor === undefined || more.length > 0) return null;
    const quotient = new Map<string, number>();
    for (const [key, factor] of this.#termsOf(a)) {
      const symbols = symbolsOf(key);
      for (const symbol of symbolsOf(divisor[0])) {
        const at = symbols.indexOf(symbol);
        if (at < 0) return null;
        symbols.splice(at, 1);
      }
      if (factor % divisor[1] !== 0) return null;
      quotient.set(symbols.join(TIMES), factor / divisor[1]);
    }
    return this.#dim(quotient);
  }

  #named(text: string): Dim {
    return text.length > TEXT_MAX ? this.fresh() : text;
  }

  max(a: Dim, b: Dim): Dim {
    if (a === b) return a;
    if (typeof a === 'number' && typeof b === 'number') return Math.max(a, b);
    const [first, second] = typeof a === 'number' ? [b, a] : [a, b];
    return this.#named(`max(${first}, ${second})`);
  }

  min(a: Dim, b: Dim): Dim {
    if (a === b) return a;
    if (typeof a === 'number' && typeof b === 'number') return Math.min(a, b);
    const [first, second] = typeof a === 'number' ? [b, a] : [a, b];
    return this.#named(`min(${first}, ${second})`);
  }
}

function symbolsOf(key: string): string[] {
  return key === '' ? [] : key.split(TIMES);
}

function degree(key: string): number {
  return key === '' ? 0 : key.split(TIMES).length;
}
