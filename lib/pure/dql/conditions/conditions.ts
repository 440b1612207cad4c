/**
 * Conditions of queries. As in SQL a comparison with a value that is missing is neither true nor false.
 * A set of layers fits if one of them does; captures make a condition true if one binding does.
 */

import type { Value as CellValue } from '../../where/condition.js';
import { compareBy } from '../../where/evaluate.js';
import { likeTest } from '../../where/like.js';
import { matchTest } from '../../where/pattern.js';
import type { Condition } from '../ast.js';
import type { Captures } from '../layers/layer-pattern.js';
import { compileSelector, type Tuple } from '../layers/layer-sets.js';
import { compileTemplate, fitsTemplate, isPassedOver } from '../layers/templates.js';
import { type CompiledValue, compileValue, type ValueContext } from '../values.js';

export type Truth = boolean | null;
export type Test<R> = (tuple: Tuple<R>, captures: Captures) => Truth;

export interface ConditionContext<R> extends ValueContext<R> {
  /** Ids that revisions of lineage tests name, by their text. */
  revisions: ReadonlyMap<string, string>;
  /** Told of what is no error and surely not meant. */
  hint: (text: string) => void;
}

/** Prepares a condition. @throws {UsageError} {NotFoundError} */
export function compileCondition<R>(condition: Condition, context: ConditionContext<R>): Test<R> {
  const { host, scope, subresults } = context;
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const tests = condition.items.map((item) => compileCondition(item, context));
      const decisive = condition.kind === 'or';
      return (tuple, captures) => {
        let truth: Truth = !decisive;
        for (const test of tests) {
          const found = test(tuple, captures);
          if (found === decisive) return decisive;
          if (found === null) truth = null;
        }
        return truth;
      };
    }
    case 'not': {
      const test = compileCondition(condition.item, context);
      return (tuple, captures) => {
        const truth = test(tuple, captures);
        return truth === null ? null : !truth;
      };
    }
    case 'compare': {
      const { comparison } = condition;
      const [left, right] = pair(
        compileValue(condition.left, context),
        compileValue(condition.right, context),
      );
      const isFixed = [condition.left, condition.right].some(({ kind }) => kind === 'literal');
      const compare = (a: CellValue, b: CellValue): Truth => {
        if (isFixed && a !== null && b !== null && typeof a !== typeof b) {
          const { from, to } = condition.span;
          context.hint(
            `${scope.text.slice(from, to).trim()} compares a ${kindOf(a)} with a ${kindOf(b)}, and these never fit`,
          );
        }
        return compareBy(comparison, a, b);
      };
      return (tuple, captures) => {
        const rights = right(tuple, captures);
        return anyOf(left(tuple, captures), (a) => anyOf(rights, (b) => compare(a, b)));
      };
    }
    case 'between': {
      const value = compileValue(condition.value, context);
      const [of, low] = pair(value, compileValue(condition.low, context));
      const [, high] = pair(value, compileValue(condition.high, context));
      return (tuple, captures) => {
        const [least = null] = low(tuple, captures);
        const [most = null] = high(tuple, captures);
        return anyOf(of(tuple, captures), (one) => {
          const [above, below] = [compareBy('>=', one, least), compareBy('<=', one, most)];
          if (above === false || below === false) return false;
          return above === null || below === null ? null : true;
        });
      };
    }
    case 'in': {
      const value = compileValue(condition.value, context);
      const items = condition.items.map((item) => pair(value, compileValue(item, context))[1]);
      return (tuple, captures) =>
        anyOf(value.of(tuple, captures), (one) => {
          if (one === null) return null;
          return items.some((item) =>
            item(tuple, captures).some((other) => compareBy('=', one, other) === true),
          );
        });
    }
    case 'in-query':
    case 'in-named': {
      const found =
        subresults.get(condition.kind === 'in-query' ? condition.query : condition) ?? [];
      const known = new Set(found.map(keyOf));
      const { of } = compileValue(condition.value, context);
      return (tuple, captures) =>
        anyOf(of(tuple, captures), (one) => (one === null ? null : known.has(keyOf(one))));
    }
    case 'null': {
      const { of } = compileValue(condition.value, context);
      return (tuple, captures) => of(tuple, captures).every((one) => one === null);
    }
    case 'truth': {
      const { of } = compileValue(condition.value, context);
      return (tuple, captures) =>
        anyOf(of(tuple, captures), (one) => (one === null ? null : one === true));
    }
    case 'like':
    case 'match': {
      const { of } = compileValue(condition.value, context);
      const fits = (condition.kind === 'like' ? likeTest : matchTest)(
        condition.pattern,
        condition.ignoreCase,
      );
      return (tuple, captures) =>
        anyOf(of(tuple, captures), (one) =>
          one === null ? null : fits(typeof one === 'string' ? one : JSON.stringify(one)),
        );
    }
    case 'exists': {
      const { find } = compileSelector(host, scope, condition.selector);
      return (tuple, captures) => {
        const found = find(tuple, captures);
        // Of a version without a network nothing can be said.
        return found.length === 0 ? null : found.some(({ places }) => places.size > 0);
      };
    }
    case 'has':
      return compileHas(condition, context);
    case 'lineage':
      return compileLineage(condition, context);
  }
}

/** What people call the type of a value. */
function kindOf(value: CellValue): string {
  if (typeof value === 'string') return 'text';
  return typeof value === 'object' ? 'list' : typeof value;
}

function keyOf(value: CellValue): string {
  return JSON.stringify(value);
}

/** True if one is, else null if one cannot be said, else false: also of nothing. */
export function anyOf<T>(values: readonly T[], test: (value: T) => Truth): Truth {
  let truth: Truth = false;
  for (const value of values) {
    const found = test(value);
    if (found === true) return true;
    if (found === null) truth = null;
  }
  return truth;
}

/** Both sides of a comparison; a text beside a column is read as the column wants it. */
function pair<R>(
  left: CompiledValue<R>,
  right: CompiledValue<R>,
): [CompiledValue<R>['of'], CompiledValue<R>['of']] {
  return [readAs(left, right.literal), readAs(right, left.literal)];
}

function readAs<R>(
  { of, literal }: CompiledValue<R>,
  read: CompiledValue<R>['literal'],
): CompiledValue<R>['of'] {
  if (read === null || literal !== null) return of;
  return (tuple, captures) =>
    of(tuple, captures).map((one) => (typeof one === 'string' ? read(one) : one));
}

function compileHas<R>(
  condition: Condition & { kind: 'has' },
  context: ConditionContext<R>,
): Test<R> {
  const { host, scope, hint } = context;
  const { selector, quantifier } = condition;
  const finder = compileSelector(host, scope, selector);
  const test = compileTemplate(scope.text, condition.template);
  const last = selector.steps.at(-1);
  if (
    last?.kind === 'walk' &&
    (last.relation === 'next' || last.relation === 'prev') &&
    isPassedOver(test)
  ) {
    const other = last.relation === 'next' ? 'succ' : 'pred';
    hint(
      `${last.relation} passes over activations, norms, dropout and reshaping, so that nothing there is a ${condition.template.name}: write .${other} for the layer right beside it`,
    );
  }
  if (quantifier === 'any') {
    return (tuple, captures) => {
      const found = finder.find(tuple, captures);
      if (found.length === 0) return null;
      return found.some(({ set, places }) =>
        [...places].some((place) => fitsTemplate(set, place, test, captures)),
      );
    };
  }
  return (tuple, captures) => {
    const all = finder.named(tuple, captures);
    if (all.length === 0) return null;
    const named = all.filter(({ places }) => places.size > 0);
    return (
      named.length > 0 &&
      named.every(({ set, places }) =>
        [...places].every((from) =>
          [...finder.follow(set, new Set([from]), captures)].some((place) =>
            fitsTemplate(set, place, test, captures),
          ),
        ),
      )
    );
  };
}

function compileLineage<R>(
  condition: Condition & { kind: 'lineage' },
  context: ConditionContext<R>,
): Test<R> {
  const { host, scope, revisions } = context;
  const { relation, other } = condition;
  const place = scope.place(condition.variable, condition.span);
  const partner = other.kind === 'variable' ? scope.place(other.name, other.span) : null;
  const id = other.kind === 'revision' ? (revisions.get(other.text) as string) : null;
  const idOf = (tuple: Tuple<R>): string =>
    partner === null ? (id as string) : host.id(tuple[partner] as R);
  switch (relation) {
    case 'derived from':
      return (tuple) => host.derives(tuple[place] as R, idOf(tuple));
    case 'child of':
      return (tuple) => host.isChild(tuple[place] as R, idOf(tuple));
    case 'ancestor of':
    case 'parent of': {
      const turned = relation === 'ancestor of' ? host.derives.bind(host) : host.isChild.bind(host);
      if (partner !== null)
        return (tuple) => turned(tuple[partner] as R, host.id(tuple[place] as R));
      const from = host.rows.find((row) => host.id(row) === id);
      return (tuple) => from !== undefined && turned(from, host.id(tuple[place] as R));
    }
  }
}
