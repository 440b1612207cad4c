/** Sets of layers that selectors find in the networks of a version. */
import type { Selector, Step } from '../ast.js';
import type { Host } from '../host.js';
import { queryError } from '../parse.js';
import type { Scope } from '../scope.js';
import { type Captures, instantiate, type LayerPattern, matchLayer } from './layer-pattern.js';
import { type LayerSet, type Places, spellings } from './layer-set.js';
import { patternOf } from './templates.js';

/** One version for each variable, by the place of the variable. */
export type Tuple<R> = readonly R[];

/** Layers of one network. */
export interface FoundLayers {
  set: LayerSet;
  places: Places;
}

export const NO_CAPTURES: Captures = new Map();

/** A selector, ready to be asked of many versions. */
export interface LayerFinder<R> {
  place: number;
  pattern: LayerPattern;
  selector: Selector;
  /** One for each network of the version. */
  find(tuple: Tuple<R>, captures: Captures): FoundLayers[];
  /** From one layer on: the same walks, without the pattern. */
  follow(set: LayerSet, from: Places, captures: Captures): Places;
  /** The layers that the pattern alone names. */
  named(tuple: Tuple<R>, captures: Captures): FoundLayers[];
}

/** Prepares a selector. @throws {UsageError} for a pattern that cannot be read. */
export function compileSelector<R>(
  host: Host<R>,
  scope: Scope,
  selector: Selector,
): LayerFinder<R> {
  const place = scope.place(selector.variable, selector.span);
  const pattern = patternOf(scope.text, selector.patternSpan, selector.pattern);
  const steps = selector.steps.map((step) => compileStep(scope.text, step));
  const follow = (set: LayerSet, from: Places, captures: Captures): Places =>
    steps.reduce((places, step) => step(set, places, captures), from);
  const named = (tuple: Tuple<R>, captures: Captures): FoundLayers[] => {
    const wanted = instantiate(pattern, captures);
    return host.networks(tuple[place] as R).map((set) => ({ set, places: matching(set, wanted) }));
  };
  const find = (tuple: Tuple<R>, captures: Captures): FoundLayers[] =>
    named(tuple, captures).map(({ set, places }) => ({
      set,
      places: follow(set, places, captures),
    }));
  return { place, pattern, selector, find, follow, named };
}

type Walk = (set: LayerSet, from: Places, captures: Captures) => Places;

function compileStep(text: string, step: Step): Walk {
  if (step.kind === 'passed') return (set, from) => set.passed(from, step.what);
  if (step.kind === 'path') {
    const to = patternOf(text, step.span, step.pattern);
    return (set, from, captures) => set.between(from, matching(set, instantiate(to, captures)));
  }
  const { relation, least, most, span } = step;
  if (least < 1 || most < least) {
    throw queryError(text, span, 'steps are counted from 1, the least first', 'write next{1,3}');
  }
  return (set, from) => set.walk(from, relation, least, most);
}

/** The layers of a network that a pattern means: by their names, or where none fits, by their aliases. */
export function matching(set: LayerSet, pattern: LayerPattern): Places {
  for (const which of [0, 1] as const) {
    const found = new Set<number>();
    set.layers.forEach((layer, place) => {
      const isMeant = spellings(layer)[which].some((name) => matchLayer(pattern, name) !== null);
      if (isMeant) found.add(place);
    });
    if (found.size > 0) return found;
  }
  return new Set();
}

/** What a pattern can capture in the networks of a version. */
export function capturesOf<R>(
  { pattern, place }: LayerFinder<R>,
  host: Host<R>,
  tuple: Tuple<R>,
): Captures[] {
  const found = new Map<string, Captures>();
  for (const set of host.networks(tuple[place] as R)) {
    for (const which of [0, 1] as const) {
      const own = set.layers
        .flatMap((layer) => spellings(layer)[which].map((name) => matchLayer(pattern, name)))
        .filter((captures) => captures !== null);
      for (const captures of own) found.set(JSON.stringify([...captures].sort()), captures);
      if (own.length > 0) break;
    }
  }
  return [...found.values()];
}

/** Bindings of two lists together, where they do not differ in a number that both have; those of a list have the same ones. */
export function* joinCaptures(
  left: readonly Captures[],
  right: readonly Captures[],
): Generator<Captures> {
  const [first, other] = [left[0], right[0]];
  if (first === undefined || other === undefined) return;
  const shared = [...first.keys()].filter((number) => other.has(number));
  const keyOf = (captures: Captures): string =>
    JSON.stringify(shared.map((number) => captures.get(number)));
  const byKey = new Map<string, Captures[]>();
  for (const two of right) {
    const key = keyOf(two);
    const others = byKey.get(key);
    if (others === undefined) byKey.set(key, [two]);
    else others.push(two);
  }
  for (const one of left) {
    for (const two of byKey.get(keyOf(one)) ?? []) yield new Map([...one, ...two]);
  }
}
