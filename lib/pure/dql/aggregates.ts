/** Values over all versions of a group: count, sum, avg, min, max. */
import type { Value as CellValue } from '../where/condition.js';
import { compareValues } from '../where/evaluate.js';
import type { Value } from './ast.js';
import { NO_CAPTURES, type Tuple } from './layers/layer-sets.js';
import { queryError } from './parse.js';
import { AGGREGATES, calculate, compileValue, type ValueContext } from './values.js';

export { AGGREGATES };

type Of<R> = (tuples: readonly Tuple<R>[]) => CellValue;

/** Prepares a value of a group. @param group  what rows of a group share. @throws {UsageError} */
export function compileAggregate<R>(
  value: Value,
  group: readonly Value[],
  context: ValueContext<R>,
): Of<R> {
  const { scope } = context;
  const { text } = scope;
  if (value.kind === 'call' && AGGREGATES.includes(value.name)) return overGroup(value, context);
  if (value.kind === 'literal') return () => value.value;
  if (value.kind === 'arithmetic') {
    const [a, b] = [
      compileAggregate(value.left, group, context),
      compileAggregate(value.right, group, context),
    ];
    return (tuples) => calculate(value.operator, a(tuples), b(tuples));
  }
  if (value.kind === 'negative') {
    const of = compileAggregate(value.value, group, context);
    return (tuples) => {
      const found = of(tuples);
      return typeof found === 'number' ? -found : null;
    };
  }
  const own = compileValue(value, context);
  if (value.kind !== 'subquery' && !group.some((one) => isSame(one, value, own.name, context))) {
    const what = text.slice(value.span.from, value.span.to).trim();
    throw queryError(
      text,
      value.span,
      `'${what}' may differ within a group`,
      `add it to 'group by', or say which: max(${what}), avg(${what})`,
    );
  }
  return (tuples) => (tuples[0] === undefined ? null : (own.of(tuples[0], NO_CAPTURES)[0] ?? null));
}

/** True if two values are written alike, or are the same column. */
function isSame<R>(a: Value, b: Value, name: string | null, context: ValueContext<R>): boolean {
  const { text } = context.scope;
  const written = (value: Value): string =>
    text.slice(value.span.from, value.span.to).replace(/\s+/g, ' ').trim();
  return written(a) === written(b) || (name !== null && compileValue(a, context).name === name);
}

function overGroup<R>(value: Value & { kind: 'call' }, context: ValueContext<R>): Of<R> {
  const { name, arguments: given, span, star, distinct } = value;
  const [argument, second] = given;
  if (star) {
    if (name === 'count') return (tuples) => tuples.length;
    throw queryError(context.scope.text, span, `only count takes a '*'`);
  }
  if (argument === undefined || second !== undefined) {
    throw queryError(context.scope.text, span, `${name}() takes one value`);
  }
  const { of } = compileValue(argument, context);
  return (tuples) => {
    let values = tuples.flatMap((tuple) => of(tuple, NO_CAPTURES)).filter((one) => one !== null);
    if (distinct) values = [...new Map(values.map((one) => [JSON.stringify(one), one])).values()];
    return aggregate(name, values);
  };
}

function aggregate(name: string, values: readonly CellValue[]): CellValue {
  if (name === 'count') return values.length;
  if (name === 'min' || name === 'max') {
    const sorted = values
      .filter((one) => !Number.isNaN(one))
      .sort((a, b) => compareValues(a, b, name === 'min' ? 1 : -1));
    return sorted[0] ?? null;
  }
  const numbers = values.filter(
    (one): one is number => typeof one === 'number' && !Number.isNaN(one),
  );
  if (numbers.length === 0) return null;
  const sum = numbers.reduce((a, b) => a + b, 0);
  return name === 'sum' ? sum : sum / numbers.length;
}
