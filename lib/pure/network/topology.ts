/** The order in which nodes can run, and what they use of the graph around them. */
import type { Graph, GraphNode } from './network.js';

/**
 * Nodes in an order in which each comes after the makers of all that it uses. Nodes that are in such an
 * order stay; else the first of the file that can run comes next (Kahn 1962, ties by file order).
 * O((nodes + edges) log nodes).
 * @returns `circle`: a node that waits for itself, or null.
 */
export function orderNodes(nodes: readonly GraphNode[]): {
  nodes: GraphNode[];
  circle: GraphNode | null;
} {
  const maker = new Map<string, number>();
  for (const [i, node] of nodes.entries()) {
    for (const name of node.outputs) if (name !== '') maker.set(name, i);
  }
  let inOrder = true;
  const needs = nodes.map((node, i) => {
    const before = new Set<number>();
    for (const name of usedBy(node)) {
      const from = maker.get(name);
      if (from === undefined) continue;
      before.add(from);
      if (from >= i) inOrder = false;
    }
    return before;
  });
  if (inOrder) return { nodes: [...nodes], circle: null };
  const users: number[][] = nodes.map(() => []);
  needs.forEach((before, i) => {
    for (const from of before) users[from]?.push(i);
  });
  const waits = needs.map((before) => before.size);
  const ready = new FirstQueue();
  waits.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  const ordered: GraphNode[] = [];
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    ordered.push(nodes[i] as GraphNode);
    for (const user of users[i] ?? []) if (--(waits[user] as number) === 0) ready.push(user);
  }
  if (ordered.length === nodes.length) return { nodes: ordered, circle: null };
  return { nodes: ordered, circle: onCircle(nodes, needs, waits) };
}

/** A node on a circle: who follows unmet needs comes to one. */
function onCircle(
  nodes: readonly GraphNode[],
  needs: readonly ReadonlySet<number>[],
  waits: readonly number[],
): GraphNode {
  let at = waits.findIndex((count) => count > 0);
  const seen = new Set<number>();
  while (!seen.has(at)) {
    seen.add(at);
    at = [...(needs[at] ?? [])].find((from) => (waits[from] ?? 0) > 0) ?? at;
  }
  return nodes[at] as GraphNode;
}

/** Names of values that a node uses: its inputs, and what its bodies take from the graph around. */
export function usedBy(node: GraphNode): Set<string> {
  const used = new Set(node.inputs);
  for (const { graph } of node.bodies) for (const name of freeNames(graph)) used.add(name);
  used.delete('');
  return used;
}

const FREE = new WeakMap<Graph, Set<string>>();

/** Names that a graph uses and does not make. */
export function freeNames(graph: Graph): Set<string> {
  const known = FREE.get(graph);
  if (known !== undefined) return known;
  const free = new Set<string>();
  for (const node of graph.nodes) for (const name of usedBy(node)) free.add(name);
  for (const { name } of graph.outputs) free.add(name);
  for (const { name } of graph.inputs) free.delete(name);
  for (const { name } of graph.parameters) free.delete(name);
  for (const node of graph.nodes) for (const name of node.outputs) free.delete(name);
  FREE.set(graph, free);
  return free;
}

/** A queue that gives the smallest number first. */
class FirstQueue {
  readonly #heap: number[] = [];

  push(value: number): void {
    const heap = this.#heap;
    let at = heap.push(value) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((heap[above] as number) <= value) break;
      heap[at] = heap[above] as number;
      at = above;
    }
    heap[at] = value;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && (heap[below + 1] as number) < (heap[below] as number)) below++;
      if ((heap[below] as number) >= last) break;
      heap[at] = heap[below] as number;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}
