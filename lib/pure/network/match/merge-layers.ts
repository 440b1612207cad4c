/**
 * Several networks as one graph: the layers of all of them, each once, in an order in which they can run.
 */
import { type LayerMatch, type MatchableLayer, matchLayers } from './match-layers.js';

/** A network as it is merged: layers in order, and edges between them by place. */
export interface MergeSide {
  layers: readonly MatchableLayer[];
  edges: readonly (readonly [number, number])[];
}

/** A layer of the merged graph. */
export interface Merged {
  /** Place of the layer on each side; −1 where it is not. */
  places: number[];
  /** How the layer of a side was found to be the one that stood here before; null for the first. */
  matches: (LayerMatch | null)[];
}

export interface MergedGraph {
  layers: Merged[];
  /** Edges by places in `layers`, and which sides have them. */
  edges: { from: number; to: number; sides: boolean[] }[];
}

/**
 * Merges networks. Layers are matched with those of the first side that has any, then with what others have besides.
 * @param sides  the one that others are compared with first; null for one without the network.
 */
export function mergeLayers(sides: readonly (MergeSide | null)[]): MergedGraph {
  let merged: Merged[] = [];
  const layerOf = (one: Merged): MatchableLayer => {
    const side = one.places.findIndex((place) => place >= 0);
    return sides[side]?.layers[one.places[side] as number] as MatchableLayer;
  };
  for (const [at, side] of sides.entries()) {
    const pairs = matchLayers(merged.map(layerOf), side?.layers ?? []);
    const found = new Map(pairs.map((pair) => [pair.b, pair]));
    for (const one of merged) {
      one.places.push(-1);
      one.matches.push(null);
    }
    /** What stands behind each layer of the merged graph, and in front of all. */
    const behind = new Map<Merged | null, Merged[]>();
    let last: Merged | null = null;
    for (const place of side?.layers.keys() ?? []) {
      const pair = found.get(place);
      const known = pair === undefined ? undefined : merged[pair.a];
      if (known !== undefined) {
        known.places[at] = place;
        known.matches[at] = pair?.match ?? null;
        last = known;
        continue;
      }
      const fresh: Merged = {
        places: Array.from({ length: at + 1 }, (_, i) => (i === at ? place : -1)),
        matches: Array.from({ length: at + 1 }, () => null),
      };
      const list = behind.get(last) ?? [];
      list.push(fresh);
      behind.set(last, list);
    }
    merged = [
      ...(behind.get(null) ?? []),
      ...merged.flatMap((one) => [one, ...(behind.get(one) ?? [])]),
    ];
  }
  return sortMerged(merged, sides);
}

/** Puts layers into an order in which they can run, near to the one that they have. */
function sortMerged(merged: readonly Merged[], sides: readonly (MergeSide | null)[]): MergedGraph {
  const placeOf = sides.map((_, side) => {
    return new Map(merged.map((one, at) => [one.places[side] as number, at]));
  });
  const edges = new Map<string, { from: number; to: number; sides: boolean[] }>();
  for (const [side, network] of sides.entries()) {
    for (const [a, b] of network?.edges ?? []) {
      const [from, to] = [placeOf[side]?.get(a), placeOf[side]?.get(b)];
      if (from === undefined || to === undefined || from === to) continue;
      const key = `${from}>${to}`;
      const edge = edges.get(key) ?? { from, to, sides: sides.map(() => false) };
      edge.sides[side] = true;
      edges.set(key, edge);
    }
  }
  const order = topologicalOrder(merged.length, [...edges.values()]);
  const rank = new Map(order.map((at, place) => [at, place]));
  const moved = [...edges.values()].map((edge) => ({
    ...edge,
    from: rank.get(edge.from) as number,
    to: rank.get(edge.to) as number,
  }));
  return {
    layers: order.map((at) => merged[at] as Merged),
    edges: moved.sort((a, b) => a.from - b.from || a.to - b.to),
  };
}

/**
 * Kahn's order, the least place first. Layers that two networks run in opposite orders are in a circle of
 * edges: they stay where they are.
 */
function topologicalOrder(count: number, edges: readonly { from: number; to: number }[]): number[] {
  const next: number[][] = Array.from({ length: count }, () => []);
  const waits = new Uint32Array(count);
  for (const { from, to } of edges) {
    next[from]?.push(to);
    waits[to] = (waits[to] as number) + 1;
  }
  const order: number[] = [];
  const done = new Uint8Array(count);
  const ready = new Heap();
  for (let at = 0; at < count; at++) if (waits[at] === 0) ready.push(at);
  /** All before it are done, so that a circle is found in as many steps as there are layers. */
  let first = 0;
  while (order.length < count) {
    while (done[first] === 1) first++;
    const at = ready.pop() ?? first;
    if (done[at] === 1) continue;
    done[at] = 1;
    order.push(at);
    for (const to of next[at] ?? []) {
      waits[to] = (waits[to] as number) - 1;
      if (waits[to] === 0 && done[to] === 0) ready.push(to);
    }
  }
  return order;
}

/** Numbers, of which the least is taken first. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if ((items[up] as number) <= item) break;
      items[at] = items[up] as number;
      at = up;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (least === undefined || last === undefined || items.length === 0) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) {
        child++;
      }
      if ((items[child] as number) >= last) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = last;
    return least;
  }
}
