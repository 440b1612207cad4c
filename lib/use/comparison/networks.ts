/**
 * The networks of several versions as one graph. A version without a network takes part with the layers that
 * the names of its tensors tell, which have no edges.
 */

import { LAYER_KINDS, type LayerKind } from '../../pure/network/layers/kinds.js';
import { type Merged, mergeLayers } from '../../pure/network/match/merge-layers.js';
import type { Shape } from '../../pure/network/network.js';
import type { NetworkSide, SideLayer } from './network-sides.js';
import type {
  ComparedNetwork,
  KindCounts,
  KindSummary,
  MergedEdge,
  MergedLayer,
  NetworkCell,
} from './result.js';
/** Which networks of several versions are one: by path, else the only one of each. */
export function pairNetworks(
  ends: readonly (readonly NetworkSide[])[],
  baseline: number,
): (NetworkSide | null)[][] {
  const left = ends.map((sides) => [...sides]);
  const take = (at: number, is: (side: NetworkSide) => boolean): NetworkSide | null => {
    const place = (left[at] as NetworkSide[]).findIndex(is);
    return place < 0 ? null : ((left[at] as NetworkSide[]).splice(place, 1)[0] as NetworkSide);
  };
  const rows: (NetworkSide | null)[][] = [];
  const order = [baseline, ...ends.keys()];
  for (const from of order) {
    for (const { path, isGraph } of [...(left[from] as NetworkSide[])]) {
      const isLone = (ends[from] as readonly NetworkSide[]).length === 1;
      rows.push(
        ends.map((sides, at) => {
          const same = take(at, (side) => side.path === path && side.isGraph === isGraph);
          if (same !== null) return same;
          return isLone && sides.length === 1 ? take(at, (side) => side.isGraph === isGraph) : null;
        }),
      );
    }
  }
  return rows;
}

/** How far the weights of a layer of the baseline are from it in version `at`. */
export type DriftOf = (at: number, layer: SideLayer) => number | null;

/** One network of several versions as one graph. */
export function mergeNetworks(
  sides: readonly (NetworkSide | null)[],
  baseline: number,
  driftOf: DriftOf,
): ComparedNetwork {
  // The baseline's layers come first, so that others are matched with them.
  const order = [baseline, ...[...sides.keys()].filter((at) => at !== baseline)];
  const graph = mergeLayers(order.map((at) => sides[at] ?? null));
  const back = sides.map((_, at) => order.indexOf(at));
  const layers = graph.layers.map((merged) =>
    mergedLayer(merged, { sides, back, baseline, driftOf }),
  );
  const edges = graph.edges.map(({ from, to, sides: has }): MergedEdge => {
    return { from, to, ends: back.map((place) => has[place] ?? false) };
  });
  return {
    paths: sides.map((side) => side?.path ?? null),
    isGraph: sides.some((side) => side?.isGraph),
    layers,
    edges,
    kinds: countKinds(layers, sides, baseline),
    totals: sides.map((side) => side?.totals ?? null),
  };
}

function mergedLayer(
  merged: Merged,
  {
    sides,
    back,
    baseline,
    driftOf,
  }: {
    sides: readonly (NetworkSide | null)[];
    back: readonly number[];
    baseline: number;
    driftOf: DriftOf;
  },
): MergedLayer {
  const own = sides.map((side, at): SideLayer | null => {
    return side?.layers[merged.places[back[at] as number] ?? -1] ?? null;
  });
  const base = own[baseline] ?? null;
  const first = base ?? (own.find((layer) => layer !== null) as SideLayer);
  const cells = own.map((layer, at): NetworkCell | null => {
    if (layer === null) return null;
    const { name, kind, type, shape, parameters, macs } = layer;
    const alias = shownAlias(layer);
    const isPair = base !== null && at !== baseline;
    return {
      name,
      alias,
      kind,
      type,
      shape,
      parameters,
      macs,
      changes: isPair ? changesOf(base, layer) : [],
      match: isPair ? (merged.matches[back[at] as number] ?? null) : null,
      drift: isPair ? driftOf(at, base) : null,
    };
  });
  const { name, kind, type } = first;
  return { name, alias: shownAlias(first), kind, type, cells };
}

/** Of a layer without a network, an alias only counts, in the order of the file. */
function shownAlias({ name, alias, isNamed }: SideLayer): string {
  return isNamed ? name : alias;
}

function changesOf(a: SideLayer, b: SideLayer): NetworkCell['changes'] {
  const changes: NetworkCell['changes'] = [];
  const add = (what: string, before: string, after: string): void => {
    if (before !== after) changes.push({ what, before, after });
  };
  add('type', `${a.kind} ${a.type}`, `${b.kind} ${b.type}`);
  add('shape', shapeText(a.shape), shapeText(b.shape));
  if (!a.settings.has('parameters')) add('weights', a.weights, b.weights);
  for (const name of new Set([...a.settings.keys(), ...b.settings.keys()])) {
    add(name, a.settings.get(name) ?? '', b.settings.get(name) ?? '');
  }
  return changes;
}

function shapeText(shape: Shape | null): string {
  return shape === null ? '?' : `[${shape.join(', ')}]`;
}

function countKinds(
  layers: readonly MergedLayer[],
  sides: readonly (NetworkSide | null)[],
  baseline: number,
): KindSummary[] {
  const kinds = LAYER_KINDS.filter((kind) => layers.some((layer) => layer.kind === kind));
  return kinds.map((kind: LayerKind): KindSummary => {
    const own = layers.filter((layer) => layer.kind === kind);
    const cells = sides.map((side, at): KindCounts | null => {
      if (at === baseline || side === null) return null;
      const counts = { added: 0, removed: 0, changed: 0, equal: 0 };
      for (const { cells: row } of own) {
        const [base, cell] = [row[baseline] ?? null, row[at] ?? null];
        if (cell === null) counts.removed += base === null ? 0 : 1;
        else if (base === null) counts.added++;
        else if (cell.changes.length > 0) counts.changed++;
        else counts.equal++;
      }
      return counts;
    });
    return { kind, cells };
  });
}
