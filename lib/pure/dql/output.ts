/** What a select shows: columns, groups, order. */
import type { Value as CellValue } from '../where/condition.js';
import { compareValues } from '../where/evaluate.js';
import { AGGREGATES, compileAggregate } from './aggregates.js';
import type { Condition, Select, SelectItem, Value } from './ast.js';
import { type ConditionContext, compileCondition, type Truth } from './conditions/conditions.js';
import { NO_CAPTURES, type Tuple } from './layers/layer-sets.js';
import { conditionsIn, operandsOf, type Scope, valuesIn } from './scope.js';
import { compileValue } from './values.js';

/** What has to be read before something can be asked. */
export type Reads = 'catalog' | 'networks' | 'curves';

/** A column of an answer. */
export interface QueryColumn {
  name: string;
  /** A version: its cells are ids. */
  isVersion: boolean;
  /** Its numbers are milliseconds since 1970. */
  isTime: boolean;
}

/** A row of an answer: a cell for each column, and the versions that it is made of. */
export interface QueryRow<R> {
  cells: CellValue[];
  versions: Tuple<R>;
}

type Cell<R> = (tuples: readonly Tuple<R>[]) => CellValue;

/** What a select shows of the rows that fit. */
export class Output<R> {
  readonly columns: QueryColumn[];
  readonly reads: Reads;
  readonly #query: Select;
  readonly #cells: readonly Cell<R>[];
  readonly #keys: readonly { of: Cell<R>; sign: 1 | -1 }[];
  /** A key is the time of a version, and goes up. */
  readonly #isOldestFirst: boolean;
  readonly #group: readonly ((tuple: Tuple<R>) => CellValue)[] | null;
  readonly #having: ((tuples: readonly Tuple<R>[]) => Truth) | null;

  constructor(query: Select, context: ConditionContext<R>) {
    this.#query = query;
    const { scope, host } = context;
    const items = [...query.items, ...mentioned(query, context)];
    const { group, order, having } = withAliases(query, scope);
    const all = [...items.map(({ value }) => value), ...order.map(({ value }) => value)];
    const isGrouped = group.length > 0 || all.some(isAggregate) || having !== null;
    const one = (value: Value): ((tuple: Tuple<R>) => CellValue) => {
      const { of } = compileValue(value, context);
      return (tuple) => single(of(tuple, NO_CAPTURES));
    };
    this.#group = isGrouped ? group.map(one) : null;
    const cell = (value: Value): Cell<R> => {
      if (isGrouped) return compileAggregate(value, group, context);
      const of = one(value);
      return (tuples) => of(tuples[0] as Tuple<R>);
    };
    this.#cells = items.map(({ value }) => cell(value));
    const isTime = (value: Value): boolean =>
      value.kind === 'attribute' &&
      host.column(scope.attribute(value)?.path.join('.') ?? '', null).name === 'time';
    this.#keys = order.map(({ value, descending }) => ({
      of: cell(value),
      sign: descending ? -1 : 1,
    }));
    this.#isOldestFirst = order.some(({ value, descending }) => !descending && isTime(value));
    this.#having = having === null ? null : compileHaving(having, cell, context);
    const needs = all.flatMap((value) => [...valuesIn(value)]);
    const speaksOfLayers = needs.some(
      (value) =>
        value.kind === 'layer-attribute' ||
        (value.kind === 'call' &&
          value.name === 'count' &&
          value.arguments[0]?.kind === 'selector'),
    );
    const speaksOfSteps = needs.some((value) => value.kind === 'call' && value.name === 'at');
    this.reads = speaksOfLayers ? 'networks' : speaksOfSteps ? 'curves' : 'catalog';
    this.columns = items.map(({ value, name, span }) => {
      const text = scope.text.slice(span.from, span.to).trim();
      const isVersion = value.kind === 'variable' && scope.has(value.variable);
      return { name: name ?? text, isVersion, isTime: isTime(value) };
    });
  }

  /** True if rows are made of groups of versions. */
  get isGrouped(): boolean {
    return this.#group !== null;
  }

  /** True if each row is of one combination of versions alone, and they stand in their order. */
  get isRowByRow(): boolean {
    return !this.isGrouped && this.#keys.length === 0 && !this.#query.distinct;
  }

  /** Values that are made for a row. */
  get width(): number {
    return this.#cells.length + this.#keys.length;
  }

  rows(tuples: readonly Tuple<R>[]): QueryRow<R>[] {
    const groups = this.#groups(tuples).filter(
      (group) => this.#having === null || this.#having(group) === true,
    );
    const made = groups.map((group) => ({
      cells: this.#cells.map((cell) => cell(group)),
      versions: this.#group === null ? (group[0] as Tuple<R>) : [],
      keys: this.#keys.map(({ of }) => of(group)),
    }));
    if (this.#keys.length > 0) {
      // Versions come the newest first: of one time, too, the oldest is first if times go up.
      if (this.#isOldestFirst) made.reverse();
      made.sort((a, b) => {
        for (const [i, { sign }] of this.#keys.entries()) {
          const order = compareValues(a.keys[i] as CellValue, b.keys[i] as CellValue, sign);
          if (order !== 0) return order;
        }
        return 0;
      });
    }
    if (!this.#query.distinct) return made;
    const seen = new Set<string>();
    return made.filter(({ cells }) => {
      const key = JSON.stringify(cells);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }

  #groups(tuples: readonly Tuple<R>[]): (readonly Tuple<R>[])[] {
    if (this.#group === null) return tuples.map((tuple) => [tuple]);
    // Aggregates without groups are of all rows, also of none.
    if (this.#group.length === 0) return [tuples];
    const groups = new Map<string, Tuple<R>[]>();
    for (const tuple of tuples) {
      const key = JSON.stringify(this.#group.map((of) => of(tuple)));
      const known = groups.get(key);
      if (known === undefined) groups.set(key, [tuple]);
      else known.push(tuple);
    }
    return [...groups.values()];
  }
}

/** One value as it is, several as a list, none as null. */
function single(values: readonly CellValue[]): CellValue {
  if (values.length === 0) return null;
  return values.length === 1 ? (values[0] as CellValue) : [...values];
}

function isAggregate(value: Value): boolean {
  return [...valuesIn(value)].some((one) => {
    if (one.kind !== 'call' || !AGGREGATES.includes(one.name)) return false;
    return !(one.name === 'count' && one.arguments[0]?.kind === 'selector');
  });
}

/** `having`: a condition in which aggregates may stand; each is worked out and compared as a fixed value. */
function compileHaving<R>(
  having: Condition,
  cell: (value: Value) => Cell<R>,
  context: ConditionContext<R>,
): (tuples: readonly Tuple<R>[]) => Truth {
  const operands = [...conditionsIn(having)].flatMap(operandsOf);
  const parts = new Map(operands.map((value) => [value, cell(value)]));
  return (tuples) => {
    const fixed = (value: Value): Value => ({
      kind: 'subquery',
      query: value as never,
      span: value.span,
    });
    const results = new Map<object, readonly CellValue[]>([...context.subresults]);
    for (const [value, of] of parts) results.set(value, [of(tuples)]);
    const test = compileCondition(replaceOperands(having, fixed), {
      ...context,
      subresults: results,
    });
    return test(tuples[0] ?? [], NO_CAPTURES);
  };
}

function replaceOperands(condition: Condition, change: (value: Value) => Value): Condition {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return { ...condition, items: condition.items.map((item) => replaceOperands(item, change)) };
    case 'not':
      return { ...condition, item: replaceOperands(condition.item, change) };
    case 'compare':
      return { ...condition, left: change(condition.left), right: change(condition.right) };
    case 'between':
      return {
        ...condition,
        value: change(condition.value),
        low: change(condition.low),
        high: change(condition.high),
      };
    case 'in':
      return { ...condition, value: change(condition.value), items: condition.items.map(change) };
    case 'like':
    case 'match':
    case 'in-query':
    case 'in-named':
    case 'null':
    case 'truth':
      return { ...condition, value: change(condition.value) };
    default:
      return condition;
  }
}

/** Groups, order and having, with what stands behind `as` in place of the names it gives. */
function withAliases(
  { items, group, order, having }: Select,
  scope: Scope,
): Pick<Select, 'group' | 'order' | 'having'> {
  const meant = (value: Value): Value => {
    if (value.kind !== 'variable' || scope.has(value.variable)) return value;
    return items.find(({ name }) => name === value.variable)?.value ?? value;
  };
  return {
    group: group.map(meant),
    order: order.map((key) => ({ ...key, value: meant(key.value) })),
    having: having === null ? null : replaceOperands(having, meant),
  };
}

/** Where versions alone are shown: the columns that conditions and order speak of, so that one sees why. */
function mentioned<R>(
  { items, where, order, group }: Select,
  context: ConditionContext<R>,
): SelectItem[] {
  const { scope } = context;
  if (
    group.length > 0 ||
    !items.every(({ value }) => value.kind === 'variable' && scope.has(value.variable))
  )
    return [];
  const values = [
    ...(where === null ? [] : [...conditionsIn(where)].flatMap(operandsOf)),
    ...order.map(({ value }) => value),
  ];
  const found = new Map<string, SelectItem>();
  const nameOf = (value: Value): string => scope.text.slice(value.span.from, value.span.to).trim();
  for (const value of values) {
    const isColumn =
      value.kind === 'attribute' ||
      value.kind === 'layer-attribute' ||
      value.kind === 'call' ||
      (value.kind === 'selector' && value.selector.steps.length === 0) ||
      (value.kind === 'variable' && !scope.has(value.variable));
    if (!isColumn || isAggregate(value)) continue;
    // One column may be written in several ways: m.acc, m["acc"], m.metrics.acc.
    const of =
      value.kind === 'attribute'
        ? value.variable
        : value.kind === 'selector'
          ? value.selector.variable
          : '';
    const key = `${of}:${compileValue(value, context).name ?? nameOf(value)}`;
    if (!found.has(key)) found.set(key, { value, name: null, isBare: false, span: value.span });
  }
  return [...found.values()];
}
