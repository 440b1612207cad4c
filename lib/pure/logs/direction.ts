/** Whether a metric is better small or large, as its name says where nobody declared it. */

export type Direction = 'min' | 'max';

/** Words of names; of several that fit, the last decides: `accuracy_loss` is a loss. */
const MIN_WORDS = new Set(
  (
    'loss losses error err errors perplexity ppl mae mse rmse nll bce cost wer cer fid ece brier regret ' +
    'time seconds sec ms latency runtime duration'
  ).split(' '),
);
const MAX_WORDS = new Set(
  (
    'acc accuracy f1 auc auroc ap map score precision recall specificity sensitivity bleu rouge meteor ' +
    'iou miou dice r2 top1 top5 psnr ssim ndcg mrr reward return kappa mcc correct'
  ).split(' '),
);

/** Names that were asked for: lists of versions ask for the same few thousands of times. */
const known = new Map<string, Direction | null>();
const KNOWN_MAX = 1000;

/** The direction that a name tells, or null: `val_loss` min, `eval/f1` max, `lr` null. */
export function directionOf(name: string): Direction | null {
  const before = known.get(name);
  if (before !== undefined) return before;
  const found = wordsTell(name);
  if (known.size < KNOWN_MAX) known.set(name, found);
  return found;
}

function wordsTell(name: string): Direction | null {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  for (const word of words.reverse()) {
    if (MIN_WORDS.has(word)) return 'min';
    if (MAX_WORDS.has(word)) return 'max';
  }
  return null;
}
