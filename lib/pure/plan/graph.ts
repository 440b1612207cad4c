/**
 * The storage graph: what could be stored, and what each choice costs.
 *
 * Vertex 0 is the empty root; vertices 1..n are extents. An edge from the root materialises an
 * extent, an edge between extents stores one as a delta of the other. Parallel edges are levels or
 * codecs. Every edge has a storage and a recreation cost, which need not agree. Groups are extents
 * wanted together (snapshots), each with a budget. Source: ModelHub (Miao et al., ICDE 2017), IV-C.
 * Pure data: no planner is called here. Start at `GraphBuilder`.
 */
import { assert, LimitError } from '../../base/errors.js';
import { PLAN_EDGES_MAX, PLAN_NODES_MAX } from '../../base/limits.js';

/** The vertex of no bytes, from which every plan grows. */
export const ROOT = 0;

/**
 * How the members of a group are rebuilt, and so what its recreation cost is: `independent` the sum
 * of the members' root paths, `parallel` the longest of them, `reusable` the sum over the union of
 * the edges on them.
 */
export type Scheme = 'independent' | 'parallel' | 'reusable';

/** Extents wanted together and the most that their recreation may cost. */
export interface Group {
  readonly name: string;
  readonly scheme: Scheme;
  /** Vertices, ascending, each once. */
  readonly members: Int32Array;
  /** Upper bound on the recreation cost, in the unit of the edges; Infinity for none. */
  readonly budget: number;
}

/** An immutable storage graph in arrays; edge and vertex numbers are stable. */
export interface StorageGraph {
  /** Vertices, the root included. */
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly storage: Float64Array;
  readonly recreation: Float64Array;
  /** Edges into v: inEdges[inStart[v] .. inStart[v + 1]), ascending; likewise out of v. */
  readonly inStart: Int32Array;
  readonly inEdges: Int32Array;
  readonly outStart: Int32Array;
  readonly outEdges: Int32Array;
  readonly groups: readonly Group[];
  /** Groups of v: groupsOf[groupStart[v] .. groupStart[v + 1]), ascending. */
  readonly groupStart: Int32Array;
  readonly groupsOf: Int32Array;
  /** True if every storage cost is an integer: then any bound may be rounded up. */
  readonly integralStorage: boolean;
  /** True if every recreation cost is a multiple of 1/1024: then sums are exact. */
  readonly exactRecreation: boolean;
}

/** Collects extents, edges and groups; `build` freezes them. Edge numbers count from 0. */
export class GraphBuilder {
  readonly #nodeCount: number;
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #storage: number[] = [];
  readonly #recreation: number[] = [];
  readonly #groups: Group[] = [];

  /**
   * @param extents  number of extents; they are the vertices 1..extents.
   * @throws {LimitError} DLV_LIMIT beyond PLAN_NODES_MAX.
   */
  constructor(extents: number) {
    assert(Number.isInteger(extents) && extents >= 0, 'the number of extents is a natural number');
    if (extents >= PLAN_NODES_MAX) {
      throw new LimitError(
        `cannot plan ${extents} extents at once: the most is ${PLAN_NODES_MAX}`,
        {
          limit: 'PLAN_NODES_MAX',
          value: extents,
          max: PLAN_NODES_MAX,
          hint: 'plan by model families',
        },
      );
    }
    this.#nodeCount = extents + 1;
  }

  /** Adds the choice of storing `node` without a base. @returns the edge's number. */
  materialize(node: number, storage: number, recreation: number): number {
    return this.#edge(ROOT, node, storage, recreation);
  }

  /** Adds the choice of storing `node` as a delta of `base`. @returns the edge's number. */
  delta(base: number, node: number, storage: number, recreation: number): number {
    assert(base !== ROOT, 'a delta has an extent as its base');
    return this.#edge(base, node, storage, recreation);
  }

  /** Adds a group; members may repeat and count once. @returns the group's number. */
  group(name: string, scheme: Scheme, members: Iterable<number>, budget: number): number {
    const unique = Int32Array.from(new Set(members)).sort();
    for (const member of unique) {
      assert(member > ROOT && member < this.#nodeCount, 'a group holds extents of the graph');
    }
    assert(budget >= 0, 'a budget is not negative');
    this.#groups.push({ name, scheme, members: unique, budget });
    return this.#groups.length - 1;
  }

  /** Freezes the graph; the builder may be used on, the graph does not change. */
  build(): StorageGraph {
    const from = Int32Array.from(this.#from);
    const to = Int32Array.from(this.#to);
    const storage = Float64Array.from(this.#storage);
    const recreation = Float64Array.from(this.#recreation);
    const incoming = bucketByKey(to, this.#nodeCount);
    const outgoing = bucketByKey(from, this.#nodeCount);
    return {
      nodeCount: this.#nodeCount,
      edgeCount: from.length,
      from,
      to,
      storage,
      recreation,
      inStart: incoming.start,
      inEdges: incoming.items,
      outStart: outgoing.start,
      outEdges: outgoing.items,
      ...indexGroups([...this.#groups], this.#nodeCount),
      integralStorage: storage.every((cost) => Number.isInteger(cost)),
      exactRecreation: recreation.every((cost) => Number.isInteger(cost * 1024)),
    };
  }

  #edge(from: number, to: number, storage: number, recreation: number): number {
    const nodes = this.#nodeCount;
    assert(from >= 0 && from < nodes && to > ROOT && to < nodes, 'an edge joins known vertices');
    assert(from !== to, 'an extent is not a delta of itself');
    assert(storage >= 0 && storage < Infinity, 'storage costs are finite and not negative');
    assert(recreation >= 0 && recreation < Infinity, 'recreation costs are finite, not negative');
    if (this.#from.length >= PLAN_EDGES_MAX) {
      throw new LimitError(`cannot plan over more than ${PLAN_EDGES_MAX} candidate encodings`, {
        limit: 'PLAN_EDGES_MAX',
        max: PLAN_EDGES_MAX,
        hint: 'plan by model families or offer fewer bases per extent',
      });
    }
    this.#from.push(from);
    this.#to.push(to);
    this.#storage.push(storage);
    this.#recreation.push(recreation);
    return this.#from.length - 1;
  }
}

/**
 * Gives the same graph other budgets, sharing all arrays: for sweeps.
 * @param budgets  one per group, in order.
 */
export function withBudgets(graph: StorageGraph, budgets: ArrayLike<number>): StorageGraph {
  assert(budgets.length === graph.groups.length, 'one budget per group');
  const groups = graph.groups.map((group, index) => {
    const budget = budgets[index]!;
    assert(budget >= 0, 'a budget is not negative');
    return { ...group, budget };
  });
  return { ...graph, groups };
}

/** Gives the same graph with every group under one scheme and its budget kept. */
export function withScheme(graph: StorageGraph, scheme: Scheme): StorageGraph {
  return { ...graph, groups: graph.groups.map((group) => ({ ...group, scheme })) };
}

/** Slack granted to sums of inexact costs: zero wherever sums are exact. */
export function budgetTolerance(graph: StorageGraph, budget: number): number {
  return graph.exactRecreation || budget === Infinity ? 0 : 1e-9 * Math.max(1, budget);
}

/** Counting sort of 0..keys.length by key: items[start[k] .. start[k + 1]) have key k, ascending. */
export function bucketByKey(
  keys: Int32Array,
  keyCount: number,
): { start: Int32Array; items: Int32Array } {
  const start = new Int32Array(keyCount + 1);
  for (const key of keys) start[key + 1]!++;
  for (let key = 0; key < keyCount; key++) start[key + 1]! += start[key]!;
  const fill = start.slice(0, keyCount);
  const items = new Int32Array(keys.length);
  for (let item = 0; item < keys.length; item++) items[fill[keys[item]!]!++] = item;
  return { start, items };
}

function indexGroups(
  groups: readonly Group[],
  nodeCount: number,
): Pick<StorageGraph, 'groups' | 'groupStart' | 'groupsOf'> {
  const groupStart = new Int32Array(nodeCount + 1);
  for (const group of groups) for (const member of group.members) groupStart[member + 1]!++;
  for (let node = 0; node < nodeCount; node++) groupStart[node + 1]! += groupStart[node]!;
  const fill = groupStart.slice(0, nodeCount);
  const groupsOf = new Int32Array(groupStart[nodeCount]!);
  groups.forEach((group, index) => {
    for (const member of group.members) groupsOf[fill[member]!++] = index;
  });
  return { groups, groupStart, groupsOf };
}
