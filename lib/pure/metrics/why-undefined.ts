/** Why a metric has no value on some outcomes, in words. */
import { NONE, type Outcomes } from './outcomes.js';

/** @param name  of a metric that is not defined on these outcomes. */
export function whyUndefined(name: string, outcomes: Outcomes, truth: Uint32Array | null): string {
  if (outcomes.task === 'classes') {
    if (name === 'auc' && outcomes.margin === null) {
      return `it is for two classes, and the network has ${outcomes.classes}`;
    }
    if (outcomes.predicted.includes(NONE)) return 'some scores are not finite';
    if (name === 'auc' && truth !== null && new Set(truth).size === 1) {
      return `all labels are of class ${truth[0]}`;
    }
  }
  if (outcomes.task === 'tokens') return 'some scores are not finite';
  return 'some numbers are not finite';
}
