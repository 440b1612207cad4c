/** The conditions of a select, one by one: what each needs to have read, and how it is asked. */
import type { Condition, Value } from './ast.js';
import { captureNumbers, compileCapturing } from './conditions/capturing.js';
import { type ConditionContext, compileCondition, type Truth } from './conditions/conditions.js';
import type { Host } from './host.js';
import { NO_CAPTURES, type Tuple } from './layers/layer-sets.js';
import type { Reads } from './output.js';
import { conditionsIn, operandsOf, type Scope, selectorsIn, valuesIn } from './scope.js';
import type { ValueContext } from './values.js';

/** What one condition did: how many it was asked of, and how many fitted. */
export interface ConditionReport {
  /** As it is written. */
  condition: string;
  /** Variables that it speaks of. */
  variables: string[];
  /** What had to be read for it. */
  reads: Reads;
  asked: number;
  fitted: number;
  /** Names of some that did not fit, and of some of which it could not be said. */
  failed: string[];
  unknown: string[];
  /** Of conditions that capture: for some of these versions, which binding failed which of them. */
  bindings: string[];
}

/** A condition, ready to be asked of rows of versions. */
export interface StepPlan<R> {
  /** Places of the variables that it speaks of, ascending. */
  places: number[];
  reads: Reads;
  test: (tuple: Tuple<R>) => Truth;
  failures: ((tuple: Tuple<R>) => string[]) | null;
  report: ConditionReport;
}

/** Prepares one condition. @throws {UsageError} {NotFoundError} */
export function planStep<R>(condition: Condition, context: ConditionContext<R>): StepPlan<R> {
  const { text } = context.scope;
  const capturing =
    captureNumbers(text, condition).size > 0 ? compileCapturing(condition, context) : null;
  const test = capturing?.test ?? withoutCaptures(compileCondition(condition, context));
  const { places, reads } = needsOf(condition, context);
  return {
    places,
    reads,
    failures: capturing?.failures ?? null,
    test: isOfNetworkAlone(condition)
      ? oncePerNetwork(test, places[0] as number, context.host)
      : test,
    report: {
      condition: text.slice(condition.span.from, condition.span.to).trim(),
      variables: places.map((place) => context.scope.variables[place] as string),
      reads,
      asked: 0,
      fitted: 0,
      failed: [],
      unknown: [],
      bindings: [],
    },
  };
}

/** True if a condition asks nothing of a version but its networks. */
function isOfNetworkAlone(condition: Condition): boolean {
  const variables = new Set(selectorsIn(condition).map(({ variable }) => variable));
  return (
    variables.size === 1 &&
    [...conditionsIn(condition)].every((one) => {
      const values = operandsOf(one).flatMap((value) => [...valuesIn(value)]);
      const counted = new Set(
        values.flatMap((value) => (value.kind === 'call' ? value.arguments : [])),
      );
      return (
        one.kind !== 'lineage' &&
        values.every((value) => {
          if (value.kind === 'selector') return counted.has(value);
          if (value.kind === 'call') return value.name === 'count' || value.name === 'abs';
          return value.kind !== 'attribute' && value.kind !== 'variable';
        })
      );
    })
  );
}

/** Versions that share their networks share the answer. */
function oncePerNetwork<R>(
  test: (tuple: Tuple<R>) => Truth,
  place: number,
  host: Host<R>,
): (tuple: Tuple<R>) => Truth {
  const known = new Map<unknown, Truth>();
  return (tuple) => {
    const networks = host.networks(tuple[place] as R);
    const before = known.get(networks);
    if (before !== undefined) return before;
    const truth = test(tuple);
    known.set(networks, truth);
    return truth;
  };
}

function withoutCaptures<R>(
  test: (tuple: Tuple<R>, captures: typeof NO_CAPTURES) => Truth,
): (tuple: Tuple<R>) => Truth {
  return (tuple) => test(tuple, NO_CAPTURES);
}

/** The conditions that all have to hold; those that share a capture stay together. */
export function conjunctsOf(where: Condition): Condition[] {
  const items = where.kind === 'and' ? where.items : [where];
  const isCapturing = (one: Condition): boolean =>
    selectorsIn(one).some(({ pattern }) => pattern.includes('$')) ||
    [...conditionsIn(one)].some(
      (inner) => inner.kind === 'has' && JSON.stringify(inner.template).includes('$'),
    );
  const together = items.filter(isCapturing);
  const alone = items.filter((one) => !isCapturing(one));
  if (together.length === 0) return alone;
  const [first, last] = [together[0] as Condition, together.at(-1) as Condition];
  const span = { from: first.span.from, to: last.span.to };
  return [...alone, together.length === 1 ? first : { kind: 'and', items: together, span }];
}

function needsOf<R>(
  condition: Condition,
  { scope }: ValueContext<R>,
): Pick<StepPlan<R>, 'places' | 'reads'> {
  const places = new Set<number>();
  let reads: Reads = selectorsIn(condition).length > 0 ? 'networks' : 'catalog';
  for (const { variable, span } of selectorsIn(condition)) places.add(scope.place(variable, span));
  for (const one of conditionsIn(condition)) {
    if (one.kind === 'lineage') {
      places.add(scope.place(one.variable, one.span));
      if (one.other.kind === 'variable') places.add(scope.place(one.other.name, one.other.span));
    }
    for (const value of operandsOf(one).flatMap((outer) => [...valuesIn(outer)])) {
      for (const place of placesOf(value, scope)) places.add(place);
      if (value.kind === 'call' && value.name === 'at' && reads === 'catalog') reads = 'curves';
    }
  }
  return { places: [...places].sort((a, b) => a - b), reads };
}

function placesOf(value: Value, scope: Scope): number[] {
  if (value.kind === 'selector' || value.kind === 'layer-attribute') {
    return [scope.place(value.selector.variable, value.selector.span)];
  }
  if (value.kind !== 'attribute' && value.kind !== 'variable') return [];
  const found = scope.attribute(value);
  return [found?.place ?? scope.place(value.variable as string, value.span)];
}
