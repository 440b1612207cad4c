/** What stands behind accuracy and calibration error: bins of confidence, and which classes are taken for which. */
import { type ClassOutcomes, NONE, type Outcomes } from './outcomes.js';

/** Bins of equal numbers of examples, by confidence; the error of calibration is their weighted mean. */
export const CALIBRATION_BINS = 15;
/** Classes of a confusion matrix; one of more says little to people. */
const CONFUSION_CLASSES_MAX = 40;

/** One bin. */
export interface CalibrationBin {
  examples: number;
  /** Mean confidence, and share of examples that are right. */
  confidence: number;
  accuracy: number;
}

/** Bins in order of confidence; null for numbers, and where a confidence is not defined. */
export function calibrationBins(
  outcomes: Outcomes,
  truth: Uint32Array | null,
): CalibrationBin[] | null {
  if (outcomes.task !== 'classes' || truth === null) return null;
  const { confidence, predicted } = outcomes;
  if (confidence.some(Number.isNaN)) return null;
  const order = Array.from(confidence.keys()).sort(
    (a, b) => (confidence[a] as number) - (confidence[b] as number) || a - b,
  );
  const n = order.length;
  const bins = Math.min(CALIBRATION_BINS, n);
  return Array.from({ length: bins }, (_, bin) => {
    const own = order.slice(Math.floor((bin * n) / bins), Math.floor(((bin + 1) * n) / bins));
    const sum = own.reduce((total, i) => total + (confidence[i] as number), 0);
    const right = own.filter((i) => predicted[i] === truth[i]).length;
    return {
      examples: own.length,
      confidence: sum / own.length,
      accuracy: right / own.length,
    };
  });
}

/**
 * Counts of examples, one row for each true class, one column for each predicted one; a last column, if
 * there are any, for examples without finite scores. Null for numbers and for many classes.
 */
export function confusion(outcomes: Outcomes, truth: Uint32Array | null): number[][] | null {
  if (outcomes.task !== 'classes' || truth === null) return null;
  const { classes, predicted }: ClassOutcomes = outcomes;
  if (classes > CONFUSION_CLASSES_MAX) return null;
  const width = classes + (predicted.includes(NONE) ? 1 : 0);
  const rows = Array.from({ length: classes }, () => new Array<number>(width).fill(0));
  for (const [i, guess] of predicted.entries()) {
    const row = rows[truth[i] as number];
    const column = guess === NONE ? classes : guess;
    if (row !== undefined) row[column] = (row[column] ?? 0) + 1;
  }
  return rows;
}
