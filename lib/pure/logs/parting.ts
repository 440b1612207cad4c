/** Where two curves of a metric part: the first step at which they differ beyond their noise. */
import type { MetricSeries } from './series.js';

/** Where one curve leaves another. */
export interface Parting {
  /** Steps that both have. */
  common: number;
  /** The first of them with another value; null if all are equal. */
  differs: number | null;
  /**
   * The first from which on the difference is beyond three times its noise; null if it never is, or if there
   * are fewer than COMMON_MIN.
   */
  step: number | null;
  /** Difference at that step. */
  delta: number | null;
  /** Standard deviation of the difference from one step to the next, over the steps that differ. */
  noise: number | null;
}

/** Fewer steps in common say nothing of noise. */
const COMMON_MIN = 5;
/** Standard deviations that a difference has to have, and steps in a row that have to have them. */
const DEVIATIONS = 3;
const STEPS_IN_A_ROW = 3;
/** Median of |x| · this is the standard deviation of normal x. */
const MAD_TO_SD = 1.4826;

type Curve = Pick<MetricSeries, 'steps' | 'values'>;

/** Compares two curves at the steps that both have, finite values alone. O(points); null without any. */
export function findParting(a: Curve, b: Curve): Parting | null {
  const steps: number[] = [];
  const deltas: number[] = [];
  for (let i = 0, j = 0; i < a.steps.length && j < b.steps.length; ) {
    const [x, y] = [a.steps[i] as number, b.steps[j] as number];
    if (x === y) {
      const delta = (b.values[j] as number) - (a.values[i] as number);
      if (Number.isFinite(delta)) {
        steps.push(x);
        deltas.push(delta);
      }
    }
    if (x <= y) i++;
    if (y <= x) j++;
  }
  const common = steps.length;
  if (common === 0) return null;
  const first = deltas.findIndex((delta) => delta !== 0);
  const none = { common, differs: null, step: null, delta: null, noise: null };
  if (first < 0) return none;
  const differs = steps[first] as number;
  if (common < COMMON_MIN) return { ...none, differs };
  const noise = noiseOf(deltas.slice(first));
  const isBeyond = (at: number): boolean => {
    return Math.abs(deltas[at] as number) > DEVIATIONS * noise && deltas[at] !== 0;
  };
  for (let at = first; at < common; at++) {
    let row = at;
    while (row < common && row < at + STEPS_IN_A_ROW && isBeyond(row)) row++;
    // At the end of the curve a shorter row is too little to tell.
    if (row - at < STEPS_IN_A_ROW) continue;
    return { common, differs, step: steps[at] as number, delta: deltas[at] as number, noise };
  }
  return { ...none, differs, noise };
}

/** Noise of a difference that may drift: from one step to the next, which is √2 times as much. */
function noiseOf(deltas: readonly number[]): number {
  const jumps = deltas.slice(1).map((delta, i) => Math.abs(delta - (deltas[i] as number)));
  if (jumps.length === 0) return 0;
  jumps.sort((a, b) => a - b);
  const middle = jumps.length >> 1;
  const median =
    jumps.length % 2 === 1
      ? (jumps[middle] as number)
      : ((jumps[middle - 1] as number) + (jumps[middle] as number)) / 2;
  return (MAD_TO_SD * median) / Math.SQRT2;
}
