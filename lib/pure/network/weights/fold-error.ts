/** Whether a convolution of a network is one of a checkpoint with a norm folded in. */

/**
 * Checks that a convolution has a norm folded into it: W′ = W·γ/√(σ² + ε), for some of its channels.
 *
 * @param weight  the channel's values in the checkpoint; `folded`: the same in the network. Equal lengths.
 * @returns the largest |W′ − expected| in relation to the largest |W′|.
 */
export function foldError(channels: readonly FoldedChannel[], epsilon = 1e-5): number {
  let [error, largest] = [0, 0];
  for (const { weight, folded, gamma, variance } of channels) {
    const factor = gamma / Math.sqrt(variance + epsilon);
    for (let i = 0; i < folded.length; i++) {
      largest = Math.max(largest, Math.abs(folded[i] as number));
      error = Math.max(error, Math.abs((folded[i] as number) - (weight[i] as number) * factor));
    }
  }
  return largest === 0 ? error : error / largest;
}

export interface FoldedChannel {
  weight: ArrayLike<number>;
  folded: ArrayLike<number>;
  gamma: number;
  variance: number;
}
