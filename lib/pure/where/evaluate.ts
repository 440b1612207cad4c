/**
 * Conditions applied to rows. As in SQL a test of a value that is missing is neither true nor false: a row
 * without the metric is left out by `acc > 0.9` and by `not acc > 0.9`, and found by `acc is null`.
 */
import type { ColumnRef, Comparison, Condition, Operand, Value } from './condition.js';
import { ComparedKinds } from './kinds.js';
import { likeTest } from './like.js';
import { matchTest } from './pattern.js';

/** How a column is read from a row, and how a text is understood that it is compared with. */
export interface Binding<Row> {
  get: (row: Row) => Value;
  /** For columns whose literals are written as texts, such as times. @throws {UsageError} */
  literal?: (text: string) => Value;
}

/** Finds a column by its name. @throws {UsageError} {NotFoundError} if there is none. */
export type Bind<Row> = (column: ColumnRef) => Binding<Row>;

/** True, false, or null: it cannot be said. */
type Truth = boolean | null;
type Test<Row> = (row: Row) => Truth;

/**
 * Makes a test of a condition; every column is bound once.
 * @param kinds  is told which values are compared with which literals.
 */
export function compileCondition<Row>(
  condition: Condition,
  bind: Bind<Row>,
  kinds = new ComparedKinds(),
): (row: Row) => boolean {
  const test = compile(condition, bind, kinds);
  return (row) => test(row) === true;
}

function compile<Row>(condition: Condition, bind: Bind<Row>, kinds: ComparedKinds): Test<Row> {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const tests = condition.items.map((item) => compile(item, bind, kinds));
      // What decides alone: a false one of 'and', a true one of 'or'.
      const decisive = condition.kind === 'or';
      return (row) => {
        let truth: Truth = !decisive;
        for (const test of tests) {
          const found = test(row);
          if (found === decisive) return decisive;
          if (found === null) truth = null;
        }
        return truth;
      };
    }
    case 'not': {
      const test = compile(condition.item, bind, kinds);
      return (row) => {
        const truth = test(row);
        return truth === null ? null : !truth;
      };
    }
    case 'compare': {
      const [left, right] = pair(condition.left, condition.right, bind);
      const compare = comparer(condition.left, condition.right, kinds);
      return (row) => compare(condition.comparison, left(row), right(row));
    }
    case 'between': {
      const [value, low] = pair(condition.operand, condition.low, bind);
      const [, high] = pair(condition.operand, condition.high, bind);
      const aboveLow = comparer(condition.operand, condition.low, kinds);
      const belowHigh = comparer(condition.operand, condition.high, kinds);
      return (row) => {
        const found = value(row);
        const isAbove = aboveLow('>=', found, low(row));
        const isBelow = belowHigh('<=', found, high(row));
        if (isAbove === false || isBelow === false) return false;
        return isAbove === null || isBelow === null ? null : true;
      };
    }
    case 'in': {
      const { get, literal } = bindOperand(condition.operand, bind);
      const items = condition.items.map(({ value }) => {
        return typeof value === 'string' && literal ? literal(value) : value;
      });
      return (row) => {
        const value = get(row);
        return value === null ? null : items.some((item) => isEqual(value, item));
      };
    }
    case 'null': {
      const { get } = bindOperand(condition.operand, bind);
      return (row) => get(row) === null;
    }
    case 'truth': {
      const { get } = bindOperand(condition.operand, bind);
      return (row) => {
        const value = get(row);
        return value === null ? null : value === true;
      };
    }
    case 'like':
    case 'match': {
      const { get } = bindOperand(condition.operand, bind);
      const make = condition.kind === 'like' ? likeTest : matchTest;
      const fits = make(condition.pattern, condition.ignoreCase);
      return (row) => {
        const value = get(row);
        return value === null ? null : fits(textOf(value));
      };
    }
  }
}

function bindOperand<Row>(operand: Operand, bind: Bind<Row>): Binding<Row> {
  if (operand.kind === 'column') return bind(operand);
  return { get: () => operand.value };
}

/** Both sides of a comparison; a text beside a column is read as the column wants it. */
function pair<Row>(
  left: Operand,
  right: Operand,
  bind: Bind<Row>,
): [(row: Row) => Value, (row: Row) => Value] {
  const a = bindOperand(left, bind);
  const b = bindOperand(right, bind);
  return [readAs(left, a, b.literal), readAs(right, b, a.literal)];
}

function readAs<Row>(
  operand: Operand,
  { get }: Binding<Row>,
  literal: Binding<Row>['literal'],
): (row: Row) => Value {
  if (operand.kind !== 'literal' || typeof operand.value !== 'string' || !literal) return get;
  const value = literal(operand.value);
  return () => value;
}

/** As `compareBy`, and notes what a column is compared with. */
function comparer(left: Operand, right: Operand, kinds: ComparedKinds): typeof compareBy {
  const isTurned = left.kind === 'literal';
  const [column, other] = isTurned ? [right, left] : [left, right];
  if (column.kind !== 'column' || other.kind !== 'literal') return compareBy;
  const pair = kinds.of(column);
  return (comparison, a, b) => {
    if (isTurned) pair.add(b, a);
    else pair.add(a, b);
    return compareBy(comparison, a, b);
  };
}

function textOf(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isEqual(a: Value, b: Value): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isEqual(item, b[i] as Value));
  }
  return a === b;
}

/** How two values compare; null if one is missing. Of different kinds none is the less: they are only unequal. */
export function compareBy(comparison: Comparison, a: Value, b: Value): Truth {
  if (a === null || b === null) return null;
  if (comparison === '=') return isEqual(a, b);
  if (comparison === '!=') return !isEqual(a, b);
  if (typeof a !== typeof b || typeof a === 'object' || typeof b === 'object') return null;
  if (comparison === '<') return a < b;
  if (comparison === '<=') return a <= b;
  return comparison === '>' ? a > b : a >= b;
}

/** Ranks of kinds of values in a sorted list: numbers, then booleans, texts, lists; missing ones last. */
function rank(value: Value): number {
  if (value === null || (typeof value === 'number' && Number.isNaN(value))) return 4;
  return { number: 0, boolean: 1, string: 2, object: 3 }[typeof value as 'number'] ?? 3;
}

/**
 * Order of two values. What is missing, or not a number, stands last whichever way is sorted.
 * @param sign  1 ascending, −1 descending.
 */
export function compareValues(a: Value, b: Value, sign: 1 | -1 = 1): number {
  const ranks = rank(a) - rank(b);
  if (ranks !== 0 || rank(a) === 4) return ranks;
  if (typeof a === 'object') {
    const [left, right] = [textOf(a), textOf(b)];
    return left === right ? 0 : left < right ? -sign : sign;
  }
  if (a === b) return 0;
  return (a as number) < (b as number) ? -sign : sign;
}
