/** In which order the records of a tree of deltas are decoded, and how few of their planes are kept meanwhile. */
import type { Id } from '../../../base/bytes/hash.js';

/** A record of a tree. */
export interface Placed {
  readonly id: Id;
  /** Place of its base in the order; null for the root. */
  readonly base: number | null;
  /** Slot that its planes are put into: not that of its base. */
  readonly slot: number;
}

interface Node {
  readonly id: Id;
  readonly parent: number;
  readonly children: number[];
  /** Slots that it and what stands on it take. */
  needs: number;
}

/**
 * The records of a tree, bases before their deltas. The planes of a base are kept until its last delta is decoded,
 * and the delta that needs most slots comes last: so a chain takes two, and n records at most about log2 n.
 */
export function layOutTree(root: Id, childrenOf: (id: Id) => readonly Id[]): Placed[] {
  const nodes: Node[] = [{ id: root, parent: -1, children: [], needs: 1 }];
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at] as Node;
    for (const id of childrenOf(node.id)) {
      node.children.push(nodes.length);
      nodes.push({ id, parent: at, children: [], needs: 1 });
    }
  }
  // Deltas stand behind their bases, so theirs are known by then.
  for (const node of nodes.toReversed()) {
    node.children.sort((a, b) => (nodes[a] as Node).needs - (nodes[b] as Node).needs);
    for (const [i, child] of node.children.entries()) {
      const { needs } = nodes[child] as Node;
      const isLast = i === node.children.length - 1;
      node.needs = Math.max(node.needs, isLast ? Math.max(2, needs) : needs + 1);
    }
  }
  return place(nodes);
}

function place(nodes: readonly Node[]): Placed[] {
  const order: Placed[] = [];
  const free: number[] = [];
  let slots = 0;
  const stack: { at: number; base: number | null; endsBase: boolean }[] = [
    { at: 0, base: null, endsBase: false },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { at, base, endsBase } = next;
    const { id, children } = nodes[at] as Node;
    const slot = free.pop() ?? slots++;
    const own = order.push({ id, base, slot }) - 1;
    if (endsBase && base !== null) free.push((order[base] as Placed).slot);
    if (children.length === 0) free.push(slot);
    for (const [i, child] of children.toReversed().entries()) {
      stack.push({ at: child, base: own, endsBase: i === 0 });
    }
  }
  return order;
}
