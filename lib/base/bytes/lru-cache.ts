/** A cache bounded by the weight of its items: the least recently used one is evicted first. */
export class LruCache<K, V> {
  readonly #maxWeight: number;
  readonly #onDrop: (value: V, key: K) => void;
  /** The least recently used first. */
  readonly #items = new Map<K, { value: V; weight: number }>();
  #weight = 0;

  /**
   * @param maxWeight  in the unit of the weights given: bytes, or 1 for each item.
   * @param onDrop     gets every value that leaves the cache, however it does.
   */
  constructor(maxWeight: number, onDrop: (value: V, key: K) => void = () => {}) {
    this.#maxWeight = maxWeight;
    this.#onDrop = onDrop;
  }

  /** Sum of the weights of what is held. */
  get weight(): number {
    return this.#weight;
  }

  get size(): number {
    return this.#items.size;
  }

  /** The value of a key, which counts as a use of it. */
  get(key: K): V | undefined {
    const item = this.#items.get(key);
    if (item === undefined) return undefined;
    this.#items.delete(key);
    this.#items.set(key, item);
    return item.value;
  }

  /** The value of a key, which stays as recently used as it was. */
  peek(key: K): V | undefined {
    return this.#items.get(key)?.value;
  }

  /**
   * Keeps a value as the one used last, and drops others until the bound holds. A value that weighs
   * more than the bound is not kept. The same value may be set again with another weight.
   */
  set(key: K, value: V, weight = 1): void {
    const before = this.#items.get(key);
    if (before !== undefined) {
      this.#items.delete(key);
      this.#weight -= before.weight;
      if (before.value !== value) this.#onDrop(before.value, key);
    }
    if (weight > this.#maxWeight) {
      if (before?.value === value) this.#onDrop(value, key);
      return;
    }
    this.#items.set(key, { value, weight });
    this.#weight += weight;
    for (const oldest of this.#items.keys()) {
      if (this.#weight <= this.#maxWeight) break;
      this.delete(oldest);
    }
  }

  /** Drops the value of a key, if there is one. */
  delete(key: K): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#weight -= item.weight;
    this.#onDrop(item.value, key);
  }

  /** Keys, the least recently used first. */
  keys(): K[] {
    return [...this.#items.keys()];
  }

  /** Drops all values. */
  clear(): void {
    for (const key of this.keys()) this.delete(key);
  }
}
