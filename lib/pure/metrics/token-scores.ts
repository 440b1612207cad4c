/** How well scores of a language model predict the tokens that follow. */

/** Where nothing is to be predicted. */
export const NO_TARGET = -1;

export interface TokenScores {
  /** −ln of the probability of each target, in nats; 0 where there is none, NaN where a score is not finite. */
  loss: Float64Array;
  /** 1 where the target has the largest score, and of equal ones the lowest number. */
  hits: Uint8Array;
}

/**
 * Log softmax in float64, over each place that has a target.
 * @param logits  row-major, `targets.length` rows of `vocabulary` scores.
 * @param targets  NO_TARGET, or the number of a token below `vocabulary`.
 */
export function scoreTokens(
  logits: ArrayLike<number>,
  vocabulary: number,
  targets: Int32Array,
): TokenScores {
  const loss = new Float64Array(targets.length);
  const hits = new Uint8Array(targets.length);
  for (const [place, target] of targets.entries()) {
    if (target === NO_TARGET) continue;
    const start = place * vocabulary;
    let best = 0;
    let top = Number.NEGATIVE_INFINITY;
    let allFinite = true;
    for (let token = 0; token < vocabulary; token++) {
      const score = logits[start + token] as number;
      if (!Number.isFinite(score)) allFinite = false;
      if (score > top) {
        top = score;
        best = token;
      }
    }
    if (!allFinite) {
      loss[place] = Number.NaN;
      continue;
    }
    let sum = 0;
    for (let token = 0; token < vocabulary; token++) {
      sum += Math.exp((logits[start + token] as number) - top);
    }
    loss[place] = Math.log(sum) + top - (logits[start + target] as number);
    hits[place] = best === target ? 1 : 0;
  }
  return { loss, hits };
}
