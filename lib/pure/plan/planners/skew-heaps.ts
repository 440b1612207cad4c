/**
 * Mergeable heaps of edges by cost: skew heaps with lazy additions, melded without recursion. A heap is
 * named by its top edge, -1 if it is empty.
 */

const NONE = -1;

export class SkewHeaps {
  readonly #key: Float64Array;
  /** What is still to be added to the keys below an edge. */
  readonly #added: Float64Array;
  readonly #left: Int32Array;
  readonly #right: Int32Array;

  constructor(edgeCount: number) {
    this.#key = new Float64Array(edgeCount);
    this.#added = new Float64Array(edgeCount);
    this.#left = new Int32Array(edgeCount);
    this.#right = new Int32Array(edgeCount);
  }

  /** Makes a heap of one edge. */
  single(edge: number, key: number): number {
    this.#key[edge] = key;
    this.#added[edge] = 0;
    this.#left[edge] = NONE;
    this.#right[edge] = NONE;
    return edge;
  }

  keyOf(edge: number): number {
    return this.#key[edge]!;
  }

  /** Adds to the keys of all edges of a heap. */
  addTo(heap: number, amount: number): number {
    if (heap !== NONE) {
      this.#key[heap]! += amount;
      this.#added[heap]! += amount;
    }
    return heap;
  }

  /** The heap without its top. */
  withoutTop(heap: number): number {
    this.#pushDown(heap);
    return this.meld(this.#left[heap]!, this.#right[heap]!);
  }

  meld(first: number, second: number): number {
    if (first === NONE) return second;
    if (second === NONE) return first;
    const key = this.#key;
    const left = this.#left;
    const right = this.#right;
    let upper = first;
    let other = second;
    if (key[other]! < key[upper]!) [upper, other] = [other, upper];
    const top = upper;
    for (;;) {
      this.#pushDown(upper);
      let next = right[upper]!;
      right[upper] = left[upper]!;
      if (next === NONE) {
        left[upper] = other;
        return top;
      }
      if (key[other]! < key[next]!) [next, other] = [other, next];
      left[upper] = next;
      upper = next;
    }
  }

  #pushDown(heap: number): void {
    const amount = this.#added[heap]!;
    if (amount === 0) return;
    this.addTo(this.#left[heap]!, amount);
    this.addTo(this.#right[heap]!, amount);
    this.#added[heap] = 0;
  }
}
