/**
 * Seeded storage graphs of several families, small enough to be solved exactly: the sample on which
 * planners are judged (optimum.ts) and which the tests draw from.
 */

import {
  GraphBuilder,
  type Scheme,
  type StorageGraph,
  withBudgets,
} from '../../lib/pure/plan/graph.js';
import { findArborescence } from '../../lib/pure/plan/planners/arborescence.js';
import { findShortestPaths } from '../../lib/pure/plan/planners/shortest-paths.js';
import { SeededRandom } from '../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';

export const GRAPH_FAMILIES = [
  'chains',
  'lineage',
  'sparse',
  'dense',
  'plane',
  'levels',
  'overlap',
  'steps',
] as const;
export type GraphFamily = (typeof GRAPH_FAMILIES)[number];

export interface RandomGraph {
  readonly family: GraphFamily;
  readonly scheme: Scheme;
  readonly graph: StorageGraph;
}

/**
 * Makes the graph of a seed: family and scheme follow from it too.
 * @param verticesMax  most vertices, the root included; at least 6.
 */
export function randomGraph(seed: number, verticesMax: number): RandomGraph {
  const random = new SeededRandom(Math.imul(seed + 1, 0x9e3779b1));
  const family = GRAPH_FAMILIES[seed % GRAPH_FAMILIES.length]!;
  const draw = random.next();
  const scheme = draw < 0.6 ? 'independent' : draw < 0.85 ? 'parallel' : 'reusable';
  const vertices = 6 + random.below(verticesMax - 5);
  const free = MAKERS[family](random, vertices - 1, scheme);
  return { family, scheme, graph: withBudgets(free, drawBudgets(free, random)) };
}

type Maker = (random: SeededRandom, extents: number, scheme: Scheme) => StorageGraph;

const MAKERS: Record<GraphFamily, Maker> = {
  chains: (random, extents, scheme) => makeVersions(random, extents, scheme, () => 1),
  lineage: (random, extents, scheme) =>
    makeVersions(random, extents, scheme, (version) => 1 + random.below(version)),
  sparse: (random, extents, scheme) =>
    makeRandom(random, extents, scheme, { degree: 3, isEqual: false }),
  dense: (random, extents, scheme) =>
    makeRandom(random, extents, scheme, { degree: 10, isEqual: true }),
  plane: makePlane,
  levels: makeLevels,
  overlap: makeOverlap,
  steps: makeSteps,
};

/**
 * Budgets that bind: a share of the way from the shortest paths' cost to the lightest tree's, or
 * 1.05 to 3.5 times the shortest, by seed. One group in three draws its own.
 */
function drawBudgets(graph: StorageGraph, random: SeededRandom): number[] {
  const fast = verifyPlan(graph, findShortestPaths(graph).parentEdge).groups;
  const light = verifyPlan(graph, findArborescence(graph)!.parentEdge).groups;
  const isBetween = random.next() < 0.5;
  const draw = (): number =>
    isBetween ? 0.1 + 0.8 * random.next() : 0.05 + 2.45 * random.next() * random.next();
  const common = draw();
  return fast.map(({ cost }, group) => {
    const share = random.next() < 0.7 ? common : draw();
    const span = isBetween ? Math.max(0, light[group]!.cost - cost) : cost;
    return Math.ceil(cost + share * span);
  });
}

function between(random: SeededRandom, low: number, high: number): number {
  return Math.round(low + (high - low) * random.next());
}

/** Versions of several tensors; deltas to the tensor of the same name `back` versions earlier. */
function makeVersions(
  random: SeededRandom,
  extents: number,
  scheme: Scheme,
  back: (version: number) => number,
): StorageGraph {
  const tensors = 1 + random.below(Math.min(6, extents));
  const versions = Math.floor(extents / tensors);
  const builder = new GraphBuilder(versions * tensors);
  const nodeOf = (version: number, tensor: number): number => 1 + version * tensors + tensor;
  const sizes = Array.from({ length: tensors }, () => Math.round(100 * 2 ** (6 * random.next())));
  for (let version = 0; version < versions; version++) {
    const parent = version === 0 ? -1 : version - back(version);
    for (let tensor = 0; tensor < tensors; tensor++) {
      const size = sizes[tensor]!;
      const node = nodeOf(version, tensor);
      builder.materialize(node, Math.round(0.84 * size), Math.round(0.84 * size));
      if (parent < 0) continue;
      const cost = Math.max(1, Math.round(size * (0.02 + 0.78 * random.next())));
      builder.delta(nodeOf(parent, tensor), node, cost, cost);
      builder.delta(node, nodeOf(parent, tensor), between(random, cost, cost * 1.2), cost);
      if (version >= 2 && random.next() < 0.5) {
        const other = random.below(version);
        const far = Math.min(size, Math.round(cost * (1 + random.next())));
        builder.delta(nodeOf(other, tensor), node, far, far);
      }
    }
  }
  for (let version = 0; version < versions; version++) {
    const members = sizes.map((_, tensor) => nodeOf(version, tensor));
    builder.group(`version ${version}`, scheme, members, Infinity);
  }
  return builder.build();
}

/** Deltas between random pairs; recreation equal to storage or unrelated to it. */
function makeRandom(
  random: SeededRandom,
  extents: number,
  scheme: Scheme,
  { degree, isEqual }: { degree: number; isEqual: boolean },
): StorageGraph {
  const builder = new GraphBuilder(extents);
  for (let node = 1; node <= extents; node++) {
    const size = between(random, 500, 1500);
    builder.materialize(node, size, isEqual ? size : between(random, 300, 900));
    for (let count = 0; count < Math.min(degree, extents - 1); count++) {
      const base = 1 + random.below(extents);
      if (base === node) continue;
      const cost = between(random, 20, 900);
      builder.delta(base, node, cost, isEqual ? cost : between(random, 20, 600));
    }
  }
  addPartition(builder, random, extents, scheme);
  return builder.build();
}

/** Points in the plane: near ones are cheap deltas of one another, both ways (triangle inequality). */
function makePlane(random: SeededRandom, extents: number, scheme: Scheme): StorageGraph {
  const builder = new GraphBuilder(extents);
  const points = Array.from({ length: extents }, () => [random.next(), random.next()] as const);
  const nearest = 3 + random.below(8);
  points.forEach((point, index) => {
    builder.materialize(index + 1, 1000, 1000);
    const others = points
      .map((other, at) => ({
        at,
        away: Math.hypot(point[0] - other[0], point[1] - other[1]),
      }))
      .filter(({ at }) => at !== index)
      .sort((left, right) => left.away - right.away)
      .slice(0, nearest);
    for (const { at, away } of others) {
      const cost = Math.max(1, Math.round(1000 * Math.min(0.95, away)));
      builder.delta(at + 1, index + 1, cost, cost);
    }
  });
  addPartition(builder, random, extents, scheme);
  return builder.build();
}

/** Parallel edges: each encoding at three levels, smaller and slower from one to the next. */
function makeLevels(random: SeededRandom, extents: number, scheme: Scheme): StorageGraph {
  const builder = new GraphBuilder(extents);
  const levels = [
    [1, 1],
    [0.85, 1.6],
    [0.78, 3],
  ] as const;
  for (let node = 1; node <= extents; node++) {
    const size = between(random, 400, 2000);
    for (const [small, slow] of levels) {
      builder.materialize(node, Math.round(size * small), Math.round(0.3 * size * slow));
    }
    for (let count = 0; count < Math.min(2, node - 1); count++) {
      const base = count === 0 ? node - 1 : 1 + random.below(node - 1);
      const cost = between(random, 0.05 * size, 0.8 * size);
      for (const [small, slow] of levels) {
        builder.delta(base, node, Math.round(cost * small), Math.round(0.3 * cost * slow));
        builder.delta(node, base, Math.round(cost * small), Math.round(0.3 * cost * slow));
      }
    }
  }
  addPartition(builder, random, extents, scheme);
  return builder.build();
}

/** Groups that overlap, and extents in none. */
function makeOverlap(random: SeededRandom, extents: number, scheme: Scheme): StorageGraph {
  const builder = new GraphBuilder(extents);
  for (let node = 1; node <= extents; node++) {
    const size = between(random, 500, 1500);
    builder.materialize(node, size, size);
    for (let count = 0; count < Math.min(4, node - 1); count++) {
      const base = 1 + random.below(node - 1);
      const cost = between(random, 0.1 * size, 0.9 * size);
      builder.delta(base, node, cost, between(random, 0.5 * cost, 1.5 * cost));
      if (random.next() < 0.5) builder.delta(node, base, cost, cost);
    }
  }
  const groups = 2 + random.below(8);
  for (let group = 0; group < groups; group++) {
    const size = 1 + random.below(Math.min(10, extents));
    const members = Array.from({ length: size }, () => 1 + random.below(extents));
    builder.group(`group ${group}`, scheme, members, Infinity);
  }
  return builder.build();
}

/** Few large extents that are nearly all of each group, as in VGG: the choice is almost binary. */
function makeSteps(random: SeededRandom, extents: number, scheme: Scheme): StorageGraph {
  const builder = new GraphBuilder(extents);
  const perGroup = 2 + random.below(3);
  for (let node = 1; node <= extents; node++) {
    const size = node % perGroup === 0 ? between(random, 9000, 11000) : between(random, 50, 2000);
    builder.materialize(node, size, size);
    for (let other = node - perGroup; other > 0; other -= perGroup) {
      if (random.next() < 0.4) continue;
      const cost = Math.round(size * (0.5 + 0.35 * random.next()));
      builder.delta(other, node, cost, cost);
      builder.delta(node, other, cost, cost);
    }
  }
  for (let first = 1; first <= extents; first += perGroup) {
    const members = Array.from({ length: perGroup }, (_, at) => first + at);
    builder.group(
      `at ${first}`,
      scheme,
      members.filter((node) => node <= extents),
      Infinity,
    );
  }
  return builder.build();
}

/** Cuts the extents into consecutive groups of 1 to 8. */
function addPartition(
  builder: GraphBuilder,
  random: SeededRandom,
  extents: number,
  scheme: Scheme,
): void {
  for (let first = 1; first <= extents; ) {
    const size = 1 + random.below(8);
    const members: number[] = [];
    for (let node = first; node < first + size && node <= extents; node++) members.push(node);
    builder.group(`from ${first}`, scheme, members, Infinity);
    first += size;
  }
}
