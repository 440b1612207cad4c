/** Conditions whose patterns capture numbers of layers: tried with each binding that the layers of a version offer. */
import type { Condition, Selector } from '../ast.js';
import type { Captures } from '../layers/layer-pattern.js';
import {
  capturesOf,
  compileSelector,
  joinCaptures,
  type LayerFinder,
  NO_CAPTURES,
  type Tuple,
} from '../layers/layer-sets.js';
import { compileTemplate, patternOf } from '../layers/templates.js';
import { queryError } from '../parse.js';
import { conditionsIn, selectorsIn } from '../scope.js';
import { anyOf, type ConditionContext, compileCondition, type Truth } from './conditions.js';

/** Most bindings of captures that one version is tried with. */
const BINDINGS_MAX = 10_000;

/** The numbers that the patterns of a condition capture or name. */
export function captureNumbers(text: string, condition: Condition): Set<number> {
  const numbers = new Set<number>();
  for (const { pattern, patternSpan, steps } of selectorsIn(condition)) {
    for (const one of [
      patternOf(text, patternSpan, pattern),
      ...steps.flatMap((step) =>
        step.kind === 'path' ? [patternOf(text, step.span, step.pattern)] : [],
      ),
    ]) {
      for (const number of [...one.captures, ...one.names]) numbers.add(number);
    }
  }
  for (const one of conditionsIn(condition)) {
    if (one.kind !== 'has') continue;
    const { name } = compileTemplate(text, one.template);
    for (const number of [...(name?.captures ?? []), ...(name?.names ?? [])]) numbers.add(number);
  }
  return numbers;
}

/**
 * A condition whose patterns capture: true if it is with one of the bindings that the layers offer.
 * `bindings` gives those for which it is.
 */
export interface CapturingTest<R> {
  test: (tuple: Tuple<R>) => Truth;
  bindings: (tuple: Tuple<R>) => Captures[];
  /** For some bindings, the first condition that does not hold with it. */
  failures: (tuple: Tuple<R>) => string[];
}

/** Bindings of one version that `failures` tells of. */
const FAILURES_MAX = 3;

/** @throws {UsageError} for a number that nothing captures. */
export function compileCapturing<R>(
  condition: Condition,
  context: ConditionContext<R>,
): CapturingTest<R> {
  const { host, scope } = context;
  const inner = compileCondition(condition, context);
  const finders: LayerFinder<R>[] = selectorsIn(condition)
    .map((selector: Selector) => compileSelector(host, scope, selector))
    .filter(({ pattern }) => pattern.captures.length > 0);
  const captured = new Set(finders.flatMap(({ pattern }) => pattern.captures));
  for (const number of captureNumbers(scope.text, condition)) {
    if (captured.has(number)) continue;
    throw queryError(
      scope.text,
      condition.span,
      `nothing captures $${number}`,
      `capture it in a pattern: m["conv*($${number})"]`,
    );
  }
  const offers = (tuple: Tuple<R>): Captures[] => {
    let found: Captures[] = [NO_CAPTURES];
    for (const finder of finders) {
      const own = capturesOf(finder, host, tuple);
      const next: Captures[] = [];
      for (const merged of joinCaptures(found, own)) {
        if (next.push(merged) <= BINDINGS_MAX) continue;
        throw queryError(
          scope.text,
          condition.span,
          `its captures can be bound in more than ${BINDINGS_MAX} ways in one version`,
          'write patterns that fit fewer layers',
        );
      }
      found = next;
    }
    return found;
  };
  const textOf = ({ span }: Condition): string => scope.text.slice(span.from, span.to).trim();
  const failures = (tuple: Tuple<R>): string[] => {
    const parts = condition.kind === 'and' ? condition.items : [condition];
    const tests = parts.map((one) => ({ one, test: compileCondition(one, context) }));
    return offers(tuple)
      .slice(0, FAILURES_MAX)
      .flatMap((captures) => {
        const failed = tests.find(({ test }) => test(tuple, captures) !== true);
        const bound = [...captures].map(([number, taken]) => `$${number} = ${taken}`).join(', ');
        return failed === undefined ? [] : [`${bound}: ${textOf(failed.one)}`];
      });
  };
  return {
    failures,
    test: (tuple) => anyOf(offers(tuple), (captures) => inner(tuple, captures)),
    bindings: (tuple) => offers(tuple).filter((captures) => inner(tuple, captures) === true),
  };
}
