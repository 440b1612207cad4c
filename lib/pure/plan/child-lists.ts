/** The children of each vertex of a tree that changes: a doubly linked list for each vertex. */

const NONE = -1;

export class ChildLists {
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(nodeCount: number) {
    this.#first = new Int32Array(nodeCount);
    this.#next = new Int32Array(nodeCount);
    this.#previous = new Int32Array(nodeCount);
  }

  clear(): void {
    this.#first.fill(NONE);
  }

  /** The first child of a vertex, -1 if it has none. */
  first(node: number): number {
    return this.#first[node]!;
  }

  /** The next child of the same parent, -1 after the last. */
  next(node: number): number {
    return this.#next[node]!;
  }

  add(node: number, parent: number): void {
    const first = this.#first[parent]!;
    this.#next[node] = first;
    this.#previous[node] = NONE;
    if (first !== NONE) this.#previous[first] = node;
    this.#first[parent] = node;
  }

  remove(node: number, parent: number): void {
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#first[parent] = next;
  }
}
