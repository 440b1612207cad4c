/** What is made small: cross entropy of classes, or the mean square of errors; and how many were right. */
import type { Value } from './values.js';

/** How wrong outputs are. */
export type LossName = 'cross-entropy' | 'mse';

/** Loss of a batch, summed over its examples; and of those how many had the highest output at their class. */
export interface BatchLoss {
  sum: number;
  right: number;
}

/** What a loss is of. */
export interface LossInput {
  floats: Float32Array;
  output: Value;
  /** Of classes one number an example, else as many as outputs. */
  targets: Float64Array;
  /** Leading examples that count. */
  count: number;
  /** Where the gradient of the mean loss goes, or −1. */
  back: number;
}

/** Loss of the leading examples of a batch. */
export function lossOf(
  name: LossName,
  { floats, output, targets, count, back }: LossInput,
): BatchLoss {
  const width = output.slot.size / (output.shape[0] as number);
  const { at } = output.slot;
  return name === 'mse'
    ? squares(floats, at, targets, { count, width, back })
    : entropy(floats, at, targets, { count, width, back });
}

interface Rows {
  count: number;
  width: number;
  back: number;
}

function entropy(
  floats: Float32Array,
  at: number,
  classes: Float64Array,
  { count, width, back }: Rows,
): BatchLoss {
  let sum = 0;
  let right = 0;
  for (let row = 0; row < count; row += 1) {
    const from = at + row * width;
    const truth = classes[row] as number;
    let most = Number.NEGATIVE_INFINITY;
    let best = 0;
    for (let i = 0; i < width; i += 1) {
      const score = floats[from + i] as number;
      if (score > most) [most, best] = [score, i];
    }
    let total = 0;
    for (let i = 0; i < width; i += 1) total += Math.exp((floats[from + i] as number) - most);
    sum += Math.log(total) + most - (floats[from + truth] as number);
    if (best === truth) right += 1;
    if (back < 0) continue;
    for (let i = 0; i < width; i += 1) {
      const share = Math.exp((floats[from + i] as number) - most) / total;
      floats[back + row * width + i] = (share - (i === truth ? 1 : 0)) / count;
    }
  }
  return { sum, right };
}

function squares(
  floats: Float32Array,
  at: number,
  targets: Float64Array,
  { count, width, back }: Rows,
): BatchLoss {
  let sum = 0;
  for (let i = 0; i < count * width; i += 1) {
    const error = (floats[at + i] as number) - (targets[i] as number);
    sum += (error * error) / width;
    if (back >= 0) floats[back + i] = (2 * error) / (count * width);
  }
  return { sum, right: 0 };
}
