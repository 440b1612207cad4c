/**
 * Disjoint sets of numbers, joined pair by pair (union–find with path halving and union by size).
 * Source: Tarjan and van Leeuwen, J. ACM 31 (1984).
 */
export class UnionFind {
  readonly #above: Int32Array;
  readonly #sizes: Int32Array;

  /** @param count  numbers 0 … count − 1, each a set of its own. */
  constructor(count: number) {
    this.#above = Int32Array.from({ length: count }, (_, n) => n);
    this.#sizes = new Int32Array(count).fill(1);
  }

  /** The number that stands for the set of `n`, the same for all its members until the next join. */
  find(n: number): number {
    const above = this.#above;
    let at = n;
    while (above[at] !== at) {
      above[at] = above[above[at] as number] as number;
      at = above[at] as number;
    }
    return at;
  }

  join(a: number, b: number): void {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return;
    const sizes = this.#sizes;
    const [small, large] = (sizes[x] as number) < (sizes[y] as number) ? [x, y] : [y, x];
    this.#above[small] = large;
    sizes[large] = (sizes[large] as number) + (sizes[small] as number);
  }

  /** The sets of the numbers from `first` on: members ascending, sets in the order of their first. */
  sets(first = 0): number[][] {
    const sets = new Map<number, number[]>();
    for (let n = first; n < this.#above.length; n++) {
      const top = this.find(n);
      const known = sets.get(top);
      if (known === undefined) sets.set(top, [n]);
      else known.push(n);
    }
    return [...sets.values()];
  }
}
