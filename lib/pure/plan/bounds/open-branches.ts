/** The branches that a search has yet to look at, within a bound of memory. */
import type { SavedPoint } from './flow-ascent.js';

/** Bytes kept for open branches before the search goes depth first. */
const OPEN_BYTES_MAX = 128 * 2 ** 20;

export interface Branch {
  readonly forbidden: Uint8Array;
  readonly multipliers: SavedPoint;
  readonly bound: number;
}

export class OpenBranches {
  readonly #open: Branch[];

  constructor(first: Branch) {
    this.#open = [first];
  }

  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  /** The least bound of all; Infinity if there is none. */
  get bound(): number {
    return this.#open.reduce((least, { bound }) => Math.min(least, bound), Infinity);
  }

  add(branches: readonly Branch[]): void {
    this.#open.push(...branches);
  }

  /** The branch of least bound; the latest where many are open. */
  take(): Branch {
    const open = this.#open;
    const latest = open.at(-1)!;
    const each = latest.multipliers.place.byteLength * 2 + 2 * latest.forbidden.byteLength;
    if (open.length * each > OPEN_BYTES_MAX) return open.pop()!;
    let least = open.length - 1;
    for (let at = least - 1; at >= 0; at--) {
      if (open[at]!.bound < open[least]!.bound) least = at;
    }
    const branch = open[least]!;
    open.splice(least, 1);
    return branch;
  }
}
