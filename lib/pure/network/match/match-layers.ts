/**
 * Which layers of two networks are the same: by name, by alias where they have equal weights, then by their
 * places among layers of their kind. Each match says which of these found it.
 */
import type { LayerType } from '../layers/kinds.js';

/** How a layer was found. 'structure': by kind, type and parameters, in the order in which layers run. */
export type LayerMatch = 'name' | 'alias' | 'structure';

/** What layers are matched by. */
export interface MatchableLayer extends LayerType {
  name: string;
  alias: string;
  /** True if somebody gave it its name, even where an alias would read the same. */
  isNamed?: boolean;
  /** Shapes of its parameters, in one spelling. */
  weights: string;
}

export interface MatchedPair {
  /** Places of the layers on either side. */
  a: number;
  b: number;
  match: LayerMatch;
}

/** Most cells of a table in which a sequence of layers is aligned with another. */
const CELLS_MAX = 4_000_000;
/** What an aligned pair is worth: with equal types and parameters, equal types, equal kinds. */
const [SCORE_WEIGHTS, SCORE_TYPE, SCORE_KIND] = [6, 3, 1];

/**
 * Matches the layers of two networks, each given in an order in which it can run.
 * @returns pairs by ascending `b`; each layer is in one at most.
 */
export function matchLayers(
  a: readonly MatchableLayer[],
  b: readonly MatchableLayer[],
): MatchedPair[] {
  const partners = new Map<number, MatchedPair>();
  const taken = new Set<number>();
  const take = (pair: MatchedPair): void => {
    partners.set(pair.b, pair);
    taken.add(pair.a);
  };
  const byKey = (keyOf: (layer: MatchableLayer) => string | null, match: LayerMatch): void => {
    const places = uniquePlaces(a, taken, keyOf);
    const own = uniquePlaces(b, partners, keyOf);
    for (const [key, at] of own) {
      const other = places.get(key);
      if (other !== undefined) take({ a: other, b: at, match });
    }
  };
  byKey(({ name, alias, kind, isNamed }) => {
    return name === alias && !isNamed ? null : JSON.stringify([kind, name]);
  }, 'name');
  // An alias counts layers: behind one that was put in, it names the neighbour. Weights tell.
  byKey(({ alias, kind, type, weights }) => {
    return weights === '' ? null : JSON.stringify([kind, alias, type, weights]);
  }, 'alias');
  for (const gap of gapsOf(a.length, b.length, [...partners.values()])) {
    const left = range(gap.a).filter((at) => !taken.has(at));
    const right = range(gap.b).filter((at) => !partners.has(at));
    for (const [x, y] of align(
      left.map((at) => a[at] as MatchableLayer),
      right.map((at) => b[at] as MatchableLayer),
    )) {
      take({ a: left[x] as number, b: right[y] as number, match: 'structure' });
    }
  }
  return [...partners.values()].sort((x, y) => x.b - y.b);
}

function range([from, to]: readonly [number, number]): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Place of each key that one layer alone has, of layers that are free. */
function uniquePlaces(
  layers: readonly MatchableLayer[],
  used: { has(place: number): boolean },
  keyOf: (layer: MatchableLayer) => string | null,
): Map<string, number> {
  const places = new Map<string, number>();
  const twice = new Set<string>();
  for (const [at, layer] of layers.entries()) {
    if (used.has(at)) continue;
    const key = keyOf(layer);
    if (key === null) continue;
    if (places.has(key)) twice.add(key);
    else places.set(key, at);
  }
  for (const key of twice) places.delete(key);
  return places;
}

interface Gap {
  a: readonly [number, number];
  b: readonly [number, number];
}

/** What stands between matches that are in the same order on both sides. */
function* gapsOf(a: number, b: number, pairs: readonly MatchedPair[]): Generator<Gap> {
  let [fromA, fromB] = [0, 0];
  for (const pair of inOrder(pairs)) {
    yield { a: [fromA, pair.a], b: [fromB, pair.b] };
    [fromA, fromB] = [pair.a + 1, pair.b + 1];
  }
  yield { a: [fromA, a], b: [fromB, b] };
}

/** The longest run of pairs that ascend on both sides. O(n log n). */
function inOrder(pairs: readonly MatchedPair[]): MatchedPair[] {
  const sorted = [...pairs].sort((x, y) => x.b - y.b);
  /** The pair with the least `a` that ends a run of each length, and the one before each pair. */
  const ends: number[] = [];
  const before: number[] = [];
  for (const [at, { a }] of sorted.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[ends[middle] as number] as MatchedPair).a < a) low = middle + 1;
      else high = middle;
    }
    before[at] = low > 0 ? (ends[low - 1] as number) : -1;
    ends[low] = at;
  }
  const run: MatchedPair[] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = before[at] as number) {
    run.push(sorted[at] as MatchedPair);
  }
  return run.reverse();
}

function score(a: MatchableLayer, b: MatchableLayer): number {
  if (a.kind !== b.kind) return 0;
  if (a.type !== b.type) return SCORE_KIND;
  return a.weights === b.weights ? SCORE_WEIGHTS : SCORE_TYPE;
}

/** The pairs of the best alignment of two sequences; none where the table would be too large. */
function align(a: readonly MatchableLayer[], b: readonly MatchableLayer[]): [number, number][] {
  if (a.length === 0 || b.length === 0) return [];
  const columns = b.length + 1;
  if ((a.length + 1) * columns > CELLS_MAX) return [];
  const best = new Uint32Array((a.length + 1) * columns);
  const at = (i: number, j: number): number => best[i * columns + j] as number;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const own = score(a[i] as MatchableLayer, b[j] as MatchableLayer);
      const paired = own === 0 ? 0 : own + at(i + 1, j + 1);
      best[i * columns + j] = Math.max(paired, at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const own = score(a[i] as MatchableLayer, b[j] as MatchableLayer);
    if (own > 0 && at(i, j) === own + at(i + 1, j + 1)) pairs.push([i++, j++]);
    else if (at(i, j) === at(i + 1, j)) i++;
    else j++;
  }
  return pairs;
}
