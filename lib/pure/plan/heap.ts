/**
 * A binary min-heap of integers by key, with decrease and increase of keys by position. Ties go to
 * the smaller integer, so that every planner is deterministic.
 */

/** Min-heap over the integers 0..capacity-1, each in it at most once. */
export class IndexedHeap {
  readonly #keys: Float64Array;
  readonly #slot: Int32Array;
  readonly #items: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
    this.#slot = new Int32Array(capacity).fill(-1);
    this.#items = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  has(item: number): boolean {
    return this.#slot[item]! >= 0;
  }

  keyOf(item: number): number {
    return this.#keys[item]!;
  }

  /** Adds `item` or changes its key. */
  set(item: number, key: number): void {
    this.#keys[item] = key;
    let slot = this.#slot[item]!;
    if (slot < 0) {
      slot = this.#size++;
      this.#items[slot] = item;
      this.#slot[item] = slot;
    }
    this.#siftDown(this.#siftUp(slot));
  }

  /** The item of least key. The heap must not be empty. */
  peek(): number {
    return this.#items[0]!;
  }

  /** Takes out the item of least key. The heap must not be empty. */
  pop(): number {
    const top = this.#items[0]!;
    this.remove(top);
    return top;
  }

  /** Takes out `item` if it is there. */
  remove(item: number): void {
    const slot = this.#slot[item]!;
    if (slot < 0) return;
    this.#slot[item] = -1;
    const last = this.#items[--this.#size]!;
    if (slot === this.#size) return;
    this.#items[slot] = last;
    this.#slot[last] = slot;
    this.#siftDown(this.#siftUp(slot));
  }

  clear(): void {
    for (let slot = 0; slot < this.#size; slot++) this.#slot[this.#items[slot]!] = -1;
    this.#size = 0;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.#keys[left]! - this.#keys[right]!;
    return difference < 0 || (!(difference > 0) && left < right);
  }

  #siftUp(start: number): number {
    const item = this.#items[start]!;
    let slot = start;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = this.#items[parent]!;
      if (!this.#isBefore(item, above)) break;
      this.#items[slot] = above;
      this.#slot[above] = slot;
      slot = parent;
    }
    this.#items[slot] = item;
    this.#slot[item] = slot;
    return slot;
  }

  #siftDown(start: number): void {
    const item = this.#items[start]!;
    let slot = start;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(this.#items[child + 1]!, this.#items[child]!)) {
        child++;
      }
      const below = this.#items[child]!;
      if (!this.#isBefore(below, item)) break;
      this.#items[slot] = below;
      this.#slot[below] = slot;
      slot = child;
    }
    this.#items[slot] = item;
    this.#slot[item] = slot;
  }
}
