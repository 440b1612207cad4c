/**
 * A storage graph in the manner of ModelHub's SD data set (ICDE 2017, V-A), made from a seed: 54
 * versions of a VGG-16 with 100 classes, one snapshot each, 16 matrices per snapshot.
 *
 * No weights are made: only what their deltas would cost. Versions are fine-tuned from one another as
 * the paper describes its modeller: the head alone, the fully connected layers, all layers at some
 * learning rate, or a layer replaced. A matrix drifts by a relative step per version; steps add up in
 * squares along the lineage. A delta over a relative change d saves log2(1/d) of 32 bits against the
 * paper's lossless byte-wise ratio (83.85 % of raw), as subtraction followed by zlib does by and large;
 * unchanged matrices cost next to nothing. One factor on all steps is set by bisection, so that the
 * lightest tree stores 0.678 of what the shortest paths do, as in the paper's Fig 6(c). Storage and
 * recreation are both bytes, the paper's unit.
 */

import { GraphBuilder, type StorageGraph, withBudgets } from '../../lib/pure/plan/graph.js';
import { findArborescence } from '../../lib/pure/plan/planners/arborescence.js';
import { findShortestPaths } from '../../lib/pure/plan/planners/shortest-paths.js';
import { SeededRandom } from '../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';

export const SD_VERSIONS = 54;
/** Lightest tree ÷ shortest paths, in bytes stored. */
export const SD_RATIO = 0.678;
/** Lossless byte-wise zlib, of raw (the paper's Table IV). */
const MATERIALIZED_RATIO = 0.8385;
/** A delta of equal matrices. */
const EQUAL_RATIO = 0.001;
/** Bases are looked for up to this many lineage steps away: parents, grandparents, siblings. */
const LINEAGE_STEPS = 2;

/** Floats per parametric layer of VGG-16 with 100 classes, weights and biases. */
export const VGG_LAYERS: readonly (readonly [name: string, floats: number])[] = [
  ['conv1_1', 3 * 64 * 9 + 64],
  ['conv1_2', 64 * 64 * 9 + 64],
  ['conv2_1', 64 * 128 * 9 + 128],
  ['conv2_2', 128 * 128 * 9 + 128],
  ['conv3_1', 128 * 256 * 9 + 256],
  ['conv3_2', 256 * 256 * 9 + 256],
  ['conv3_3', 256 * 256 * 9 + 256],
  ['conv4_1', 256 * 512 * 9 + 512],
  ['conv4_2', 512 * 512 * 9 + 512],
  ['conv4_3', 512 * 512 * 9 + 512],
  ['conv5_1', 512 * 512 * 9 + 512],
  ['conv5_2', 512 * 512 * 9 + 512],
  ['conv5_3', 512 * 512 * 9 + 512],
  ['fc6', 25088 * 4096 + 4096],
  ['fc7', 4096 * 4096 + 4096],
  ['fc8', 4096 * 100 + 100],
];
const FIRST_FULL = 13;
const HEAD = 15;

/** One fine-tuning: its parent, and per layer the relative step (0 frozen, Infinity replaced). */
interface FineTuning {
  readonly parent: number;
  readonly steps: readonly number[];
}

/** Makes the graph without budgets; vertex 1 + version · 16 + layer. */
export function makeSdGraph(seed = 1): StorageGraph {
  const versions = makeLineage(seed);
  let low = -30;
  let high = 10;
  for (let round = 0; round < 40; round++) {
    const middle = (low + high) / 2;
    if (lightToShort(buildGraph(versions, seed, 2 ** middle)) < SD_RATIO) low = middle;
    else high = middle;
  }
  return buildGraph(versions, seed, 2 ** ((low + high) / 2));
}

/** Sets every snapshot's budget to `alpha` times its cost by shortest paths. */
export function withAlpha(graph: StorageGraph, alpha: number): StorageGraph {
  const fastest = verifyPlan(graph, findShortestPaths(graph).parentEdge).groups;
  return withBudgets(
    graph,
    fastest.map(({ cost }) => Math.floor(alpha * cost + 1e-6)),
  );
}

/** Storage of the lightest tree ÷ storage of the shortest path tree. */
export function lightToShort(graph: StorageGraph): number {
  const short = verifyPlan(graph, findShortestPaths(graph).parentEdge).storage;
  return findArborescence(graph)!.storage / short;
}

/** The modeller: mostly starts from the first version, else goes on from the latest or an earlier. */
function makeLineage(seed: number): FineTuning[] {
  const random = new SeededRandom(seed);
  const versions: FineTuning[] = [{ parent: -1, steps: VGG_LAYERS.map(() => 0) }];
  while (versions.length < SD_VERSIONS) {
    const latest = versions.length - 1;
    const way = random.next();
    const parent = way < 0.25 ? latest : way < 0.45 ? random.below(latest + 1) : 0;
    versions.push({ parent, steps: drawSteps(random) });
  }
  return versions;
}

function drawSteps(random: SeededRandom): number[] {
  const action = random.next();
  const rate = 2 ** (6 * random.next() - 3);
  const replaced = action >= 0.9 ? random.below(FIRST_FULL) : -1;
  return VGG_LAYERS.map((_, layer) => {
    const wobble = 2 ** (2 * random.next() - 1);
    if (layer === replaced) return Infinity;
    if (layer === HEAD) return 16 * rate * wobble;
    if (action < 0.15) return 0;
    if (action < 0.4) return layer >= FIRST_FULL ? 4 * rate * wobble : 0;
    return rate * wobble;
  });
}

function buildGraph(versions: readonly FineTuning[], seed: number, factor: number): StorageGraph {
  const random = new SeededRandom(seed + 1000);
  const layers = VGG_LAYERS.length;
  const builder = new GraphBuilder(versions.length * layers);
  const nodeOf = (version: number, layer: number): number => 1 + version * layers + layer;
  const noise = (): number => 1 + 0.01 * (random.next() - 0.5);
  VGG_LAYERS.forEach(([, floats], layer) => {
    const sizes: number[] = [];
    for (let version = 0; version < versions.length; version++) {
      const { parent, steps } = versions[version]!;
      const isUnchanged = parent >= 0 && steps[layer] === 0;
      const drawn = Math.round(4 * floats * MATERIALIZED_RATIO * noise());
      const bytes = isUnchanged ? sizes[parent]! : drawn;
      sizes.push(bytes);
      builder.materialize(nodeOf(version, layer), bytes, bytes);
      for (let other = 0; other < versions.length; other++) {
        const change = lineageChange(versions, other, version, layer);
        const ratio = deltaRatio(factor * change) * noise();
        if (other === version || !(ratio < MATERIALIZED_RATIO)) continue;
        const delta = Math.round(4 * floats * ratio);
        builder.delta(nodeOf(other, layer), nodeOf(version, layer), delta, delta);
      }
    }
  });
  for (let version = 0; version < versions.length; version++) {
    const members = VGG_LAYERS.map((_, layer) => nodeOf(version, layer));
    builder.group(`vgg@${version + 1}`, 'independent', members, Infinity);
  }
  return builder.build();
}

/** Relative change of a layer between two versions; NaN if they are too far apart in lineage. */
function lineageChange(
  versions: readonly FineTuning[],
  first: number,
  second: number,
  layer: number,
): number {
  let left = first;
  let right = second;
  let squares = 0;
  let hops = 0;
  while (left !== right) {
    if (++hops > LINEAGE_STEPS) return Number.NaN;
    // A child always has the greater number, so the greater of two cannot be the common ancestor.
    const later = Math.max(left, right);
    squares += versions[later]!.steps[layer]! ** 2;
    if (left === later) left = versions[later]!.parent;
    else right = versions[later]!.parent;
  }
  return Math.sqrt(squares);
}

function deltaRatio(change: number): number {
  if (change === 0) return EQUAL_RATIO;
  const saved = Math.max(0, Math.log2(1 / change)) / 32;
  return Math.max(EQUAL_RATIO, MATERIALIZED_RATIO - saved);
}
