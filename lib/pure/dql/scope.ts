/** Variables of a select: which there are, and which parts of the statement use which. */
import { closestNames } from '../../base/bytes/words/closest.js';
import type { Condition, Select, Selector, Source, Value } from './ast.js';
import { queryError } from './parse.js';

/** Words before the names of columns. */
const SPACES = new Set('metrics metric params param env environment data'.split(' '));

/** The variables of a select, by their places among its sources. */
export class Scope {
  readonly text: string;
  readonly sources: readonly Source[];
  readonly #places = new Map<string, number>();

  constructor(text: string, sources: readonly Source[]) {
    this.text = text;
    this.sources = sources;
    for (const [place, source] of sources.entries()) {
      if (this.#places.has(source.variable)) {
        throw queryError(
          text,
          source.span,
          `'${source.variable}' stands for two sources`,
          'give one of them another name',
        );
      }
      this.#places.set(source.variable, place);
    }
  }

  get variables(): string[] {
    return [...this.#places.keys()];
  }

  /** The place of a variable. @throws {UsageError} if there is none. */
  place(variable: string, span: { from: number }): number {
    const place = this.#places.get(variable);
    if (place !== undefined) return place;
    const near = closestNames(variable, this.variables);
    const only = this.variables.length === 1 ? this.variables[0] : undefined;
    throw queryError(
      this.text,
      span,
      `there is no variable '${variable}'`,
      near.length > 0
        ? `did you mean '${near.join("' or '")}'?`
        : only === undefined
          ? `there are ${this.variables.join(', ')}`
          : `attributes are asked of a variable: ${only}.${variable}; texts stand in quotes: "${variable}"`,
    );
  }

  has(variable: string): boolean {
    return this.#places.has(variable);
  }

  /**
   * Which variable an attribute belongs to, and its path. A first word that is no variable is the start of
   * the path where there is one source alone: acc is m.metrics.acc.
   */
  attribute(
    value: Value & { kind: 'attribute' | 'variable' },
  ): { place: number; path: string[] } | null {
    const { variable } = value;
    const path = value.kind === 'attribute' ? value.path : [];
    if (variable !== null && this.has(variable)) {
      return path.length === 0 ? null : { place: this.place(variable, value.span), path };
    }
    // What has a dot behind it is a variable, unless it is the name of a space of columns.
    const isColumn = path.length === 0 || SPACES.has(variable ?? '');
    if (this.sources.length === 1 && variable !== null && isColumn)
      return { place: 0, path: [variable, ...path] };
    if (variable !== null) this.place(variable, value.span);
    return { place: 0, path };
  }
}

/** The sources of a select: those that it names, else the variables that it shows. */
export function sourcesOf(text: string, { items, sources, span }: Select): Source[] {
  if (sources.length > 0) return sources;
  const found = new Map<string, Source>();
  const add = (variable: string, at: { from: number; to: number }): void => {
    if (!found.has(variable)) found.set(variable, { variable, from: { kind: 'all' }, span: at });
  };
  for (const { value } of items) {
    for (const one of valuesIn(value)) {
      if (one.kind === 'variable') add(one.variable, one.span);
      else if (one.kind === 'attribute' && one.variable !== null) add(one.variable, one.span);
      else if (one.kind === 'selector' || one.kind === 'layer-attribute')
        add(one.selector.variable, one.span);
    }
  }
  if (found.size === 0)
    throw queryError(
      text,
      span,
      'it names no variable',
      'write select m where …, or select … from m',
    );
  return [...found.values()];
}

/** A value and all values in it. Subqueries have variables of their own and are not entered. */
export function* valuesIn(value: Value): Generator<Value> {
  yield value;
  if (value.kind === 'call') for (const one of value.arguments) yield* valuesIn(one);
  else if (value.kind === 'negative') yield* valuesIn(value.value);
  else if (value.kind === 'arithmetic') {
    yield* valuesIn(value.left);
    yield* valuesIn(value.right);
  }
}

/** All conditions in one, itself first. */
export function* conditionsIn(condition: Condition): Generator<Condition> {
  yield condition;
  if (condition.kind === 'and' || condition.kind === 'or') {
    for (const item of condition.items) yield* conditionsIn(item);
  } else if (condition.kind === 'not') yield* conditionsIn(condition.item);
}

/** The values that one condition compares, without those of conditions inside it. */
export function operandsOf(condition: Condition): Value[] {
  switch (condition.kind) {
    case 'compare':
      return [condition.left, condition.right];
    case 'between':
      return [condition.value, condition.low, condition.high];
    case 'in':
      return [condition.value, ...condition.items];
    case 'like':
    case 'match':
    case 'in-query':
    case 'in-named':
    case 'null':
    case 'truth':
      return [condition.value];
    default:
      return [];
  }
}

/** All sets of layers that a condition speaks of. */
export function selectorsIn(condition: Condition): Selector[] {
  return [...conditionsIn(condition)].flatMap((one) => {
    if (one.kind === 'has' || one.kind === 'exists') return [one.selector];
    return operandsOf(one)
      .flatMap((value) => [...valuesIn(value)])
      .flatMap(layersOf);
  });
}

/** The set of layers that a value asks; a selector without steps may be a metric. */
function layersOf(value: Value): Selector[] {
  if (value.kind === 'layer-attribute') return [value.selector];
  if (value.kind !== 'call' || value.name !== 'count') return [];
  return value.arguments.flatMap((one) => (one.kind === 'selector' ? [one.selector] : []));
}
