/**
 * Progress that ends at the total it was announced with: what stands between records, and whole blocks around them,
 * arrive too and are no part of it.
 */
export class Announced {
  readonly #onBytes: (bytes: number) => void;
  /** Null while no total is known: all that arrives is told. */
  #left: number | null = null;

  constructor(onBytes: ((bytes: number) => void) | undefined) {
    this.#onBytes = onBytes ?? (() => {});
  }

  /** Begins a piece of work of so many bytes. */
  start(bytes: number): void {
    this.#left = bytes;
  }

  /** Tells that bytes arrived, or were here. */
  readonly add = (bytes: number): void => {
    const counted = this.#left === null ? bytes : Math.min(bytes, this.#left);
    if (this.#left !== null) this.#left -= counted;
    if (counted > 0) this.#onBytes(counted);
  };

  /** All of it is here. */
  end(): void {
    if (this.#left !== null) this.add(this.#left);
    this.#left = null;
  }
}
