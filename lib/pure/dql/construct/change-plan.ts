/**
 * What a construct or a slice asks of each version: its mutations become changes of the layers that their
 * selectors find. All matches are of the network as it is; each layer is changed once.
 */
import type { LayerChange, LayerPart } from '../../network/edit/change-layers.js';
import type { Mutation, Selector, Slice } from '../ast.js';
import type { Host } from '../host.js';
import type { Captures } from '../layers/layer-pattern.js';
import { type LayerSet, layerPart } from '../layers/layer-set.js';
import {
  capturesOf,
  compileSelector,
  joinCaptures,
  type LayerFinder,
  type Tuple,
} from '../layers/layer-sets.js';
import { compileTemplate, fitsTemplate, type LayerTest } from '../layers/templates.js';
import { queryError } from '../parse.js';
import type { Scope } from '../scope.js';
import { compileWanted, type WantedTemplate, wantedLayer } from './wanted-layers.js';

/** What is asked of one network of a version. */
export interface NetworkChanges {
  set: LayerSet;
  changes: LayerChange[];
}

/** A mutation, ready to be asked of many versions. */
interface Compiled<R> {
  mutation: Mutation;
  finder: LayerFinder<R>;
  chain: WantedTemplate[];
  /** Which of the layers right behind go; null: the found ones. */
  behind: LayerTest | null;
}

export class ChangePlan<R> {
  readonly #text: string;
  readonly #host: Host<R>;
  readonly #mutations: readonly Compiled<R>[];

  /** @throws {UsageError} for a mutation that cannot be read. */
  constructor(text: string, host: Host<R>, scope: Scope, mutations: readonly Mutation[]) {
    this.#text = text;
    this.#host = host;
    this.#mutations = mutations.map((mutation) => ({
      mutation,
      finder: compileSelector(host, scope, mutation.at),
      chain: mutation.chain.map((template) => compileWanted(text, template)),
      behind: mutation.template === null ? null : compileTemplate(text, mutation.template),
    }));
  }

  /** Changes of each network of a version that has layers which a mutation finds. */
  changesOf(tuple: Tuple<R>, bindings: readonly Captures[]): NetworkChanges[] {
    const found = new Map<LayerSet, { place: number; change: LayerChange; key: string }[]>();
    for (const [mutation, one] of this.#mutations.entries()) {
      for (const captures of this.#bindings(one, tuple, bindings)) {
        for (const { set, places } of one.finder.find(tuple, captures)) {
          for (const place of this.#targets(one, set, places, captures)) {
            const change = this.#change(mutation, { set, place, captures });
            const own = found.get(set) ?? [];
            found.set(set, own);
            // Two bindings that lead to one layer ask for the same, or contradict each other.
            const key = JSON.stringify([mutation, place]);
            const before = own.find((other) => other.key === key);
            if (before === undefined) own.push({ place, change, key });
            else if (!isSame(before.change, change)) throw this.#ambiguous(one, change);
          }
        }
      }
    }
    return [...found].map(([set, list]) => ({
      set,
      changes: list.sort(inOrder).map(({ change }) => change),
    }));
  }

  /** The bindings of the conditions, with what the mutation captures itself. */
  #bindings({ finder }: Compiled<R>, tuple: Tuple<R>, bindings: readonly Captures[]): Captures[] {
    if (finder.pattern.captures.length === 0) return [...bindings];
    const own = capturesOf(finder, this.#host, tuple);
    return [...joinCaptures(bindings, own)];
  }

  #targets(
    { mutation, behind }: Compiled<R>,
    set: LayerSet,
    places: ReadonlySet<number>,
    captures: Captures,
  ): number[] {
    if (mutation.kind !== 'delete' || behind === null) return [...places];
    const after = [...places].flatMap((place) => set.neighbours(place, 'succ'));
    return [...new Set(after)].filter((place) => fitsTemplate(set, place, behind, captures));
  }

  #change(
    mutation: number,
    { set, place, captures }: { set: LayerSet; place: number; captures: Captures },
  ): LayerChange {
    const { chain, mutation: of } = this.#mutations[mutation] as Compiled<R>;
    const layer = layerPart(set, place);
    const former = of.kind === 'replace' ? layer : null;
    return {
      ...{ kind: of.kind, layer, mutation },
      chain: chain.map((wanted) => wantedLayer(this.#text, wanted, { set, captures, former })),
    };
  }

  #ambiguous({ mutation }: Compiled<R>, { layer }: LayerChange): Error {
    return queryError(
      this.#text,
      mutation.span,
      `'${layer.name}' fits with two bindings of the captures, and each asks for something else`,
      'write a pattern that captures one text of each name',
    );
  }
}

function isSame(a: LayerChange, b: LayerChange): boolean {
  const told = ({ chain }: LayerChange): string =>
    JSON.stringify(
      chain.map(({ name, from }) => [name, from.map((layer: LayerPart) => layer.name)]),
    );
  return told(a) === told(b);
}

/** By layer; what takes its place before what comes behind it. */
function inOrder(
  a: { place: number; change: LayerChange },
  b: { place: number; change: LayerChange },
): number {
  const late = ({ change }: { change: LayerChange }): number => Number(change.kind === 'insert');
  return a.place - b.place || late(a) - late(b) || a.change.mutation - b.change.mutation;
}

/** Where a slice begins and ends in one network of a version. */
export interface SliceEnds {
  set: LayerSet;
  from: LayerPart[];
  to: LayerPart[];
}

/** Prepares the ends of a slice: for a version, those of each network that has both. @throws {UsageError} */
export function compileSlice<R>(
  host: Host<R>,
  scope: Scope,
  { input, output }: Slice,
): (tuple: Tuple<R>, bindings: readonly Captures[]) => SliceEnds[] {
  const finders = [input, output].map((selector: Selector) =>
    compileSelector(host, scope, selector),
  );
  const [first, last] = finders as [LayerFinder<R>, LayerFinder<R>];
  return (tuple, bindings) => {
    const found = new Map<LayerSet, [Set<number>, Set<number>]>();
    for (const captures of bindings) {
      for (const [end, finder] of [first, last].entries()) {
        for (const { set, places } of finder.find(tuple, captures)) {
          const ends = found.get(set) ?? [new Set<number>(), new Set<number>()];
          found.set(set, ends);
          for (const place of places) ends[end as 0 | 1].add(place);
        }
      }
    }
    return [...found].flatMap(([set, [from, to]]) => {
      if (from.size === 0 || to.size === 0) return [];
      const parts = (places: Set<number>): LayerPart[] =>
        [...places].sort((a, b) => a - b).map((place) => layerPart(set, place));
      return [{ set, from: parts(from), to: parts(to) }];
    });
  };
}

/**
 * A hint where the conditions look at the layers that a mutation names, without captures: they then choose
 * versions alone, and every such layer is changed.
 */
export function hintOfMutations(
  selectors: readonly Selector[],
  mutations: readonly Mutation[],
): string | null {
  const asked = new Set(selectors.map(({ pattern }) => pattern));
  const loose = mutations.find(({ at }) => asked.has(at.pattern) && !at.pattern.includes('$'));
  if (loose === undefined) return null;
  const { pattern, variable } = loose.at;
  if (!/[*?[]/.test(pattern)) return null;
  return `the condition on ${variable}["${pattern}"] chooses versions: every layer that fits is changed. Capture in both to change those for which it holds: ${variable}["${pattern.replace('*', '*($1)')}"]`;
}
