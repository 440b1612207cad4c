/** A look at one subtree of a plan: its vertices, the groups with members in it, and its slack. */
import { type Budgets, KIND_NONE } from './budgets.js';
import type { ChildLists } from './child-lists.js';
import type { StorageGraph } from './graph.js';

const NONE = -1;

export class Subtree {
  /** The vertex that was looked at, -1 if the tree has changed since. */
  top: number = NONE;
  /** Vertices, `size` of them: the top first, parents before children. */
  readonly nodes: Int32Array;
  size = 0;
  /** Groups with members in the subtree, `groupCount` of them, and how many members each has here. */
  readonly groups: Int32Array;
  readonly members: Int32Array;
  groupCount = 0;
  /** How much the paths may grow by the limits per vertex. */
  slack = Infinity;
  readonly #slotOf: Int32Array;

  constructor(graph: StorageGraph) {
    this.nodes = new Int32Array(graph.nodeCount);
    this.groups = new Int32Array(graph.groups.length);
    this.members = new Int32Array(graph.groups.length);
    this.#slotOf = new Int32Array(graph.groups.length).fill(NONE);
  }

  /** Lists the vertices at and below `top`, in breadth-first order. */
  collect(top: number, children: ChildLists): void {
    const { nodes } = this;
    let size = 1;
    nodes[0] = top;
    for (let position = 0; position < size; position++) {
      let child = children.first(nodes[position]!);
      for (; child !== NONE; child = children.next(child)) nodes[size++] = child;
    }
    this.size = size;
  }

  /** Finds groups and slack of the vertices that were collected. @param recreation  path costs. */
  measure(
    { groupStart, groupsOf }: StorageGraph,
    { kind, nodeLimit }: Budgets,
    recreation: Float64Array,
  ): void {
    this.groupCount = 0;
    this.slack = Infinity;
    for (let position = 0; position < this.size; position++) {
      const node = this.nodes[position]!;
      const slack = nodeLimit[node]! - recreation[node]!;
      if (slack < this.slack) this.slack = slack;
      for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
        if (kind[groupsOf[at]!] !== KIND_NONE) this.#count(groupsOf[at]!);
      }
    }
    for (let slot = 0; slot < this.groupCount; slot++) this.#slotOf[this.groups[slot]!] = NONE;
  }

  #count(group: number): void {
    let slot = this.#slotOf[group]!;
    if (slot === NONE) {
      slot = this.groupCount++;
      this.#slotOf[group] = slot;
      this.groups[slot] = group;
      this.members[slot] = 0;
    }
    this.members[slot]!++;
  }
}
