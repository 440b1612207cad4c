/** Values of queries: columns, metrics at a step, attributes of layers, arithmetic. One may be many values. */

import { closestNames } from '../../base/bytes/words/closest.js';
import type { Value as CellValue } from '../where/condition.js';
import type { Value } from './ast.js';
import type { Host } from './host.js';
import type { Captures } from './layers/layer-pattern.js';
import { LAYER_ATTRIBUTES, type LayerAttribute, type LayerSet } from './layers/layer-set.js';
import { compileSelector, type Tuple } from './layers/layer-sets.js';
import { queryError } from './parse.js';
import type { Scope } from './scope.js';

/** What a value is for some versions: of a set of layers one value each, else one. */
export type ValueOf<R> = (tuple: Tuple<R>, captures: Captures) => readonly CellValue[];

export interface CompiledValue<R> {
  of: ValueOf<R>;
  /** Its column, where it is one. */
  name: string | null;
  /** How a text is understood that it is compared with. */
  literal: ((text: string) => CellValue) | null;
}

/** What subqueries gave, by their statement. */
export type Subresults = ReadonlyMap<object, readonly CellValue[]>;

export interface ValueContext<R> {
  host: Host<R>;
  scope: Scope;
  subresults: Subresults;
}

/** Functions of the points of a metric. */
const SERIES: Readonly<Record<string, string>> = {
  last: 'last',
  best: 'best',
  best_step: 'best_step',
  last_step: 'last_step',
  lowest: 'min',
  highest: 'max',
  min: 'min',
  max: 'max',
  points: 'count',
};
/** Functions over all versions of a group. */
export const AGGREGATES: readonly string[] = ['count', 'sum', 'avg', 'min', 'max'];

/** Prepares a value. @throws {UsageError} {NotFoundError} */
export function compileValue<R>(value: Value, context: ValueContext<R>): CompiledValue<R> {
  const { host, scope, subresults } = context;
  const plain = (of: ValueOf<R>, name: string | null = null): CompiledValue<R> => ({
    of,
    name,
    literal: null,
  });
  switch (value.kind) {
    case 'literal': {
      const fixed = [value.value];
      return plain(() => fixed);
    }
    case 'subquery': {
      const found = subresults.get(value.query) ?? [];
      if (found.length > 1) {
        throw queryError(
          scope.text,
          value.span,
          `it gives ${found.length} rows where one value is wanted`,
          "ask with 'in', or take one row: limit 1",
        );
      }
      return plain(() => found);
    }
    case 'variable':
    case 'attribute':
      return column(value, context);
    case 'selector': {
      const { selector } = value;
      if (selector.steps.length > 0) {
        throw queryError(
          scope.text,
          value.span,
          'a set of layers is no value',
          "test it with 'has' or 'exists', count it, or ask an attribute: .kernel",
        );
      }
      const place = scope.place(selector.variable, selector.span);
      const { name, get, literal } = placed(context, value.span, () =>
        host.column(`metrics.${selector.pattern}`, null),
      );
      return { of: (tuple) => [get(tuple[place] as R)], name, literal: literal ?? null };
    }
    case 'layer-attribute': {
      const { selector, name, span } = value;
      if (!(LAYER_ATTRIBUTES as readonly string[]).includes(name)) {
        const near = closestNames(name, LAYER_ATTRIBUTES);
        throw queryError(
          scope.text,
          span,
          `a layer has no '${name}'`,
          near.length > 0
            ? `did you mean ${near.join(' or ')}?`
            : `it has ${LAYER_ATTRIBUTES.join(', ')}`,
        );
      }
      const finder = compileSelector(host, scope, selector);
      const read = (set: LayerSet, place: number): CellValue =>
        set.attribute(place, name as LayerAttribute);
      return plain((tuple, captures) =>
        finder
          .find(tuple, captures)
          .flatMap(({ set, places }) => [...places].map((place) => read(set, place))),
      );
    }
    case 'negative': {
      const { of } = compileValue(value.value, context);
      return plain((tuple, captures) =>
        of(tuple, captures).map((one) => (typeof one === 'number' ? -one : null)),
      );
    }
    case 'arithmetic':
      return plain(arithmetic(value, context));
    case 'call':
      return call(value, context);
  }
}

/** Says where in the query a column is that the host does not know. */
export function placed<R, T>({ scope }: ValueContext<R>, span: { from: number }, find: () => T): T {
  try {
    return find();
  } catch (error) {
    const { message, data } = error as Error & { data?: { hint?: string } };
    if (data === undefined) throw error;
    throw queryError(scope.text, span, message, data.hint);
  }
}

function column<R>(
  value: Value & { kind: 'attribute' | 'variable' },
  context: ValueContext<R>,
): CompiledValue<R> {
  const { host, scope } = context;
  const found = scope.attribute(value);
  if (found === null) {
    // A variable alone is its version.
    const place = scope.place(value.variable as string, value.span);
    return { of: (tuple) => [host.id(tuple[place] as R)], name: value.variable, literal: null };
  }
  const { place, path } = found;
  const { name, get, literal } = placed(context, value.span, () =>
    host.column(path.join('.'), null),
  );
  return { of: (tuple) => [get(tuple[place] as R)], name, literal: literal ?? null };
}

function arithmetic<R>(
  { operator, left, right }: Value & { kind: 'arithmetic' },
  context: ValueContext<R>,
): ValueOf<R> {
  const [a, b] = [compileValue(left, context).of, compileValue(right, context).of];
  return (tuple, captures) => {
    const rights = b(tuple, captures);
    return a(tuple, captures).flatMap((x) => rights.map((y) => calculate(operator, x, y)));
  };
}

/** The result of an operator; null where a side is no number, and of a division by zero. */
export function calculate(operator: '+' | '-' | '*' | '/', x: CellValue, y: CellValue): CellValue {
  if (typeof x !== 'number' || typeof y !== 'number') return null;
  switch (operator) {
    case '+':
      return x + y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    case '/':
      return y === 0 ? null : x / y;
  }
}

function call<R>(value: Value & { kind: 'call' }, context: ValueContext<R>): CompiledValue<R> {
  const { host, scope } = context;
  const { name, arguments: given, span } = value;
  const [first, second] = given;
  if (name === 'count' && given.length === 1 && first?.kind === 'selector') {
    const { find } = compileSelector(host, scope, first.selector);
    const of: ValueOf<R> = (tuple, captures) => {
      const found = find(tuple, captures);
      return [found.length === 0 ? null : found.reduce((sum, { places }) => sum + places.size, 0)];
    };
    return { of, name: null, literal: null };
  }
  if (name === 'abs' && given.length === 1 && first !== undefined) {
    const { of } = compileValue(first, context);
    return {
      of: (tuple, captures) =>
        of(tuple, captures).map((one) => (typeof one === 'number' ? Math.abs(one) : null)),
      name: null,
      literal: null,
    };
  }
  if (name === 'at') {
    if (
      first === undefined ||
      second?.kind !== 'literal' ||
      typeof second.value !== 'number' ||
      given.length > 2
    ) {
      throw queryError(
        scope.text,
        span,
        'at() wants a metric and a step',
        'write at(m["loss"], 100)',
      );
    }
    const { place, metric } = metricOf(first, context);
    const step = second.value;
    return {
      of: (tuple) => [valueAt(host.points(tuple[place] as R, metric), step)],
      name: `at(metrics.${metric}, ${step})`,
      literal: null,
    };
  }
  const fn = Object.hasOwn(SERIES, name) ? (SERIES[name] as string) : null;
  if (fn === null || given.length !== 1 || first === undefined || value.star || value.distinct) {
    const known = [...new Set([...Object.keys(SERIES), 'at', 'count', 'abs'])];
    if (AGGREGATES.includes(name)) {
      throw queryError(
        scope.text,
        span,
        `${name}() is of many versions, and 'where' looks at each alone`,
        "put the condition behind 'having', or ask a subquery: m.metrics.acc = (select max(x.metrics.acc) from x)",
      );
    }
    const near = closestNames(name, known);
    throw queryError(
      scope.text,
      span,
      fn === null ? `there is no function '${name}'` : `${name}() wants one metric`,
      near.length > 0 && fn === null
        ? `did you mean ${near.join(' or ')}?`
        : `there are ${known.join(', ')}`,
    );
  }
  const { place, metric } = metricOf(first, context);
  const { name: full, get } = placed(context, span, () => host.column(`metrics.${metric}`, fn));
  return { of: (tuple) => [get(tuple[place] as R)], name: full, literal: null };
}

/** The metric that m["loss"], m.metrics.loss or m.loss names. */
export function metricOf<R>(
  value: Value,
  context: ValueContext<R>,
): { place: number; metric: string } {
  const { scope, host } = context;
  if (value.kind === 'selector' && value.selector.steps.length === 0) {
    const { variable, pattern, span } = value.selector;
    placed(context, span, () => host.column(`metrics.${pattern}`, null));
    return { place: scope.place(variable, span), metric: pattern };
  }
  if (value.kind === 'attribute' || value.kind === 'variable') {
    const found = scope.attribute(value);
    if (found !== null) {
      const { name } = placed(context, value.span, () => host.column(found.path.join('.'), null));
      if (name.startsWith('metrics.'))
        return { place: found.place, metric: name.slice('metrics.'.length) };
    }
  }
  throw queryError(
    scope.text,
    value.span,
    'this is no metric',
    'write m["loss"] or m.metrics.loss',
  );
}

/** The last value at a step or before it. */
function valueAt(
  points: readonly { step: number | null; value: number }[],
  step: number,
): CellValue {
  let found: number | null = null;
  for (const point of points) if (point.step !== null && point.step <= step) found = point.value;
  return found;
}
