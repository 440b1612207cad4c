/** Metrics of classes that are of all examples together: F1, area under the curve, calibration error. */
import { type ClassOutcomes, NONE } from './outcomes.js';
import { CALIBRATION_BINS } from './reliability.js';

/** The value of a metric over examples that count as often as `weights` says; NaN where undefined. */
export type Weighted = (weights: Uint32Array) => number;

/**
 * F1 over classes. A class that is neither true nor predicted is left out of the mean; one that is
 * only one of both counts 0. Micro counts all pairs: of single labels it is the accuracy.
 */
export function f1(
  { classes, predicted }: ClassOutcomes,
  truth: Uint32Array,
  name: 'macro-f1' | 'micro-f1',
): Weighted {
  const hits = new Float64Array(classes);
  const seen = new Float64Array(classes);
  return (weights) => {
    hits.fill(0);
    seen.fill(0);
    for (let i = 0; i < predicted.length; i += 1) {
      const weight = weights[i] as number;
      const [guess, real] = [predicted[i] as number, truth[i] as number];
      seen[real] = (seen[real] as number) + weight;
      if (guess === NONE) continue;
      seen[guess] = (seen[guess] as number) + weight;
      if (guess === real) hits[real] = (hits[real] as number) + weight;
    }
    if (name === 'micro-f1') return (2 * total(hits)) / total(seen);
    let sum = 0;
    let present = 0;
    for (let c = 0; c < classes; c += 1) {
      if (seen[c] === 0) continue;
      present += 1;
      sum += (2 * (hits[c] as number)) / (seen[c] as number);
    }
    return sum / present;
  };
}

function total(values: Float64Array): number {
  return values.reduce((sum, one) => sum + one, 0);
}

/** Examples by a number, those of equal ones in their order. */
function ascending(values: Float32Array): Uint32Array {
  return Uint32Array.from(values.keys()).sort(
    (a, b) => (values[a] as number) - (values[b] as number) || a - b,
  );
}

/** Area under the ROC curve of two classes: Mann and Whitney, equal scores count one half. */
export function auc({ margin }: ClassOutcomes, truth: Uint32Array): Weighted {
  if (margin === null || margin.some(Number.isNaN)) return () => Number.NaN;
  const order = ascending(margin);
  return (weights) => {
    let below = 0;
    let wins = 0;
    let positives = 0;
    for (let start = 0; start < order.length; ) {
      let end = start;
      let no = 0;
      let yes = 0;
      const value = margin[order[start] as number];
      while (end < order.length && margin[order[end] as number] === value) {
        const i = order[end] as number;
        if (truth[i] === 1) yes += weights[i] as number;
        else no += weights[i] as number;
        end += 1;
      }
      wins += yes * (below + no / 2);
      below += no;
      positives += yes;
      start = end;
    }
    return positives === 0 || below === 0 ? Number.NaN : wins / (positives * below);
  };
}

/** Expected calibration error: |accuracy − confidence| in bins of equal numbers of examples, weighted. */
export function calibrationError(
  { confidence, predicted }: ClassOutcomes,
  truth: Uint32Array,
): Weighted {
  if (confidence.some(Number.isNaN)) return () => Number.NaN;
  const order = ascending(confidence);
  const n = order.length;
  const bins = Math.min(CALIBRATION_BINS, n);
  return (weights) => {
    let error = 0;
    let gap = 0;
    let bin = 1;
    let seen = 0;
    for (const i of order) {
      const one = (predicted[i] === truth[i] ? 1 : 0) - (confidence[i] as number);
      let left = weights[i] as number;
      while (left > 0) {
        // An example that counts several times may lie across the end of a bin.
        const room = Math.floor((bin * n) / bins) - seen;
        const taken = Math.min(left, room);
        gap += taken * one;
        left -= taken;
        seen += taken;
        if (taken < room) break;
        error += Math.abs(gap);
        gap = 0;
        bin += 1;
      }
    }
    return error / n;
  };
}
