/** How far the values of a tier are from the exact ones. */

/** How far replaced values are from the exact ones, over pairs of finite values. */
export interface TierErrors {
  /** Values compared. */
  elements: number;
  /** Largest |exact − kept|. */
  maxAbs: number;
  /** Root of the mean square of the difference. */
  rms: number;
  /** ‖exact − kept‖ / ‖exact‖; null if every exact value is 0 or the norm is beyond float64. */
  relative: number | null;
}

/** Adds up errors, run by run; sums of runs can be merged. */
export class ErrorSum {
  #elements = 0;
  #maxAbs = 0;
  #difference = 0;
  #exact = 0;

  add(exact: Float64Array, kept: Float64Array): void {
    for (let i = 0; i < exact.length; i++) {
      const x = exact[i] as number;
      if (!Number.isFinite(x)) continue;
      const d = Math.abs(x - (kept[i] as number));
      if (d > this.#maxAbs) this.#maxAbs = d;
      this.#difference += d * d;
      this.#exact += x * x;
      this.#elements++;
    }
  }

  merge(other: ErrorSum): void {
    this.#elements += other.#elements;
    this.#maxAbs = Math.max(this.#maxAbs, other.#maxAbs);
    this.#difference += other.#difference;
    this.#exact += other.#exact;
  }

  finish(): TierErrors {
    const maxAbs = Math.min(this.#maxAbs, Number.MAX_VALUE);
    const relative = Math.sqrt(this.#difference / this.#exact);
    const rms = Math.sqrt(this.#difference / Math.max(1, this.#elements));
    return {
      elements: this.#elements,
      // Squares of very large values overflow: the largest single error stands for their mean then.
      rms: Number.isFinite(rms) ? rms : maxAbs,
      maxAbs,
      relative: Number.isFinite(relative) ? relative : null,
    };
  }
}
