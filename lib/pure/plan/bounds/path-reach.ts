/**
 * Which edges the path of each extent may use in a branch: those on some way from the root that is not
 * longer than the extent's cap. Bounds keep multipliers on these alone.
 */
import { betweenAll, type Family } from '../families.js';
import type { StorageGraph } from '../graph.js';

/** What paths may cost in a branch. */
export interface PathBounds {
  /** Shortest path per vertex. */
  distance: Float64Array;
  /** Most that a vertex's path may cost. */
  cap: Float64Array;
  /** Edges that no path uses. */
  forbidden: Uint8Array;
}

/** Places of edges in the family's list, per vertex and by tail. */
export class PathReach {
  /** Those of a vertex begin at its `flowAt`, and by tail at starts[startOf(vertex) + local tail]. */
  readonly places: Int32Array;
  readonly starts: Int32Array;
  /** Sum over the vertices. */
  count = 0;
  readonly #graph: StorageGraph;
  readonly #families: readonly Family[];
  readonly #flowAt: Int32Array;
  readonly #startAt: Int32Array;
  readonly #endAt: Int32Array;
  /** Least path cost between extents of a family, by local numbers from local 1. */
  readonly #between: Float64Array[];

  /** @param flowAt  per vertex where its places begin; each takes as many as its family has edges. */
  constructor(graph: StorageGraph, families: readonly Family[], flowAt: Int32Array) {
    this.#graph = graph;
    this.#families = families;
    this.#flowAt = flowAt;
    this.#between = families.map((family) => betweenAll(graph, family));
    this.#startAt = new Int32Array(graph.nodeCount);
    this.#endAt = new Int32Array(graph.nodeCount);
    let places = 0;
    let starts = 0;
    for (const { nodes, edges } of families) {
      for (const node of nodes) {
        this.#startAt[node] = starts;
        starts += nodes.length + 2;
      }
      places += nodes.length * edges.length;
    }
    this.places = new Int32Array(places);
    this.starts = new Int32Array(starts);
  }

  startOf(node: number): number {
    return this.#startAt[node]!;
  }

  /** Where the vertex's places end. */
  endOf(node: number): number {
    return this.#endAt[node]!;
  }

  /** Looks at every edge again. */
  rebuild(bounds: PathBounds): void {
    this.count = 0;
    this.#families.forEach((family, index) => {
      for (let goal = 1; goal <= family.nodes.length; goal++) {
        const node = family.nodes[goal - 1]!;
        const end = this.#fill(index, goal, bounds);
        this.#endAt[node] = end;
        this.count += end - this.#flowAt[node]!;
      }
    });
  }

  /** Lists the edges of one vertex. @returns where its places end. */
  #fill(index: number, goal: number, { distance, cap, forbidden }: PathBounds): number {
    const family = this.#families[index]!;
    const between = this.#between[index]!;
    const count = family.nodes.length;
    const target = family.nodes[goal - 1]!;
    const most = cap[target]!;
    const start = this.#startAt[target]!;
    let fill = this.#flowAt[target]!;
    for (let tail = 0; tail <= count; tail++) {
      this.starts[start + tail] = fill;
      if (tail === goal) continue;
      const before = tail === 0 ? 0 : distance[family.nodes[tail - 1]!]!;
      for (let at = family.start[tail]!; at < family.start[tail + 1]!; at++) {
        const edge = family.edges[at]!;
        if (forbidden[edge]) continue;
        const rest = between[(family.head[at]! - 1) * count + goal - 1]!;
        if (before + this.#graph.recreation[edge]! + rest <= most) this.places[fill++] = at;
      }
    }
    this.starts[start + count + 1] = fill;
    return fill;
  }
}
