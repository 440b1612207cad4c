/**
 * What each example came to: enough for every metric, in 16 to 20 bytes. Numbers are rounded to
 * float32, so that metrics from kept outcomes are those of a fresh run.
 */
import { UsageError } from '../../base/errors.js';
import { NO_TARGET, type TokenScores } from './token-scores.js';

/** Rank and class of an example whose scores hold a NaN or an infinity: it counts as wrong. */
export const NONE = 0xffffffff;

/** What scores are: `logits` go through a softmax, `probabilities` are taken as they are. */
export type ScoreKind = 'logits' | 'probabilities';

/** Outcomes of a classifier; all columns are of one length. */
export interface ClassOutcomes {
  task: 'classes';
  classes: number;
  /** The class of the largest score, the lowest of equal ones; NONE if scores are not finite. */
  predicted: Uint32Array;
  /** 1 + how many scores are above that of the truth; NONE if scores are not finite. */
  rank: Uint32Array;
  /** −ln of the probability of the truth, in nats. */
  loss: Float32Array;
  /** Probability of the predicted class. */
  confidence: Float32Array;
  /** Of two classes: how much more the second is favoured (difference of log probabilities). */
  margin: Float32Array | null;
  /** Examples in which another class has the same score as the truth. */
  ties: number;
}

/** Outcomes of a network that predicts numbers; several per example are averaged. */
export interface ValueOutcomes {
  task: 'values';
  absolute: Float32Array;
  squared: Float32Array;
}

/** Outcomes of a language model, one row a window of a text; all columns are of one length. */
export interface TokenOutcomes {
  task: 'tokens';
  /** Tokens that were predicted, and those of them that had the largest score. */
  tokens: Uint32Array;
  hits: Uint32Array;
  /** Sum of −ln of the probabilities of the tokens, in nats; NaN if a score is not finite. */
  loss: Float32Array;
  /** Words and bytes of the text: its shares where it was cut into several windows. */
  words: Float32Array;
  bytes: Float32Array;
}

export type Outcomes = ClassOutcomes | ValueOutcomes | TokenOutcomes;

/** How many examples there are. */
export function exampleCount(outcomes: Outcomes): number {
  if (outcomes.task === 'classes') return outcomes.predicted.length;
  return outcomes.task === 'tokens' ? outcomes.tokens.length : outcomes.absolute.length;
}

export function emptyTokenOutcomes({
  words,
  bytes,
}: Pick<TokenOutcomes, 'words' | 'bytes'>): TokenOutcomes {
  const examples = words.length;
  return {
    task: 'tokens',
    tokens: new Uint32Array(examples),
    hits: new Uint32Array(examples),
    loss: new Float32Array(examples),
    words,
    bytes,
  };
}

/** Enters windows of one pass. @param batch  `length` places a window; `targets` and scores of each place. */
export function enterTokens(
  outcomes: TokenOutcomes,
  batch: {
    first: number;
    count: number;
    length: number;
    targets: Int32Array;
    scores: TokenScores;
  },
): void {
  const { first, count, length, targets, scores } = batch;
  for (let i = 0; i < count; i++) {
    let [tokens, hits, loss] = [0, 0, 0];
    for (let place = i * length; place < (i + 1) * length; place++) {
      if (targets[place] === NO_TARGET) continue;
      tokens += 1;
      hits += scores.hits[place] as number;
      loss += scores.loss[place] as number;
    }
    outcomes.tokens[first + i] = tokens;
    outcomes.hits[first + i] = hits;
    outcomes.loss[first + i] = loss;
  }
}

export function emptyClassOutcomes(examples: number, classes: number): ClassOutcomes {
  return {
    task: 'classes',
    classes,
    predicted: new Uint32Array(examples),
    rank: new Uint32Array(examples),
    loss: new Float32Array(examples),
    confidence: new Float32Array(examples),
    margin: classes === 2 ? new Float32Array(examples) : null,
    ties: 0,
  };
}

/** Scores of some examples, and which they are. */
export interface ScoredBatch {
  /** Index of the first example. */
  first: number;
  /** Row-major, one row of `classes` scores an example. */
  scores: ArrayLike<number>;
  truth: Uint32Array;
  kind: ScoreKind;
}

/** Enters the examples of one batch. @throws {UsageError} for probabilities that are none. */
export function enterScores(outcomes: ClassOutcomes, batch: ScoredBatch): void {
  const { classes } = outcomes;
  const examples = batch.scores.length / classes;
  for (let i = 0; i < examples; i += 1) enterExample(outcomes, batch, i);
}

function enterExample(outcomes: ClassOutcomes, batch: ScoredBatch, i: number): void {
  const { classes } = outcomes;
  const { scores, kind } = batch;
  const at = batch.first + i;
  const start = i * classes;
  const truth = batch.truth[at] as number;
  const own = scores[start + truth] as number;
  let best = 0;
  let above = 0;
  let equal = 0;
  let allFinite = true;
  for (let c = 0; c < classes; c += 1) {
    const score = scores[start + c] as number;
    if (!Number.isFinite(score)) allFinite = false;
    if (score > (scores[start + best] as number)) best = c;
    if (score > own) above += 1;
    if (score === own) equal += 1;
  }
  if (!allFinite) {
    outcomes.predicted[at] = NONE;
    outcomes.rank[at] = NONE;
    outcomes.loss[at] = Number.NaN;
    outcomes.confidence[at] = Number.NaN;
    if (outcomes.margin) outcomes.margin[at] = Number.NaN;
    return;
  }
  if (equal > 1) outcomes.ties += 1;
  const top = scores[start + best] as number;
  let sum = 0;
  for (let c = 0; c < classes; c += 1) {
    const score = scores[start + c] as number;
    sum += kind === 'logits' ? Math.exp(score - top) : score;
    if (kind === 'probabilities' && !(score >= -1e-6 && score <= 1 + 1e-6)) refuse(at, score);
  }
  if (kind === 'probabilities' && Math.abs(sum - 1) > 1e-2) refuse(at, sum);
  outcomes.predicted[at] = best;
  outcomes.rank[at] = above + 1;
  outcomes.loss[at] = kind === 'logits' ? Math.log(sum) + top - own : -Math.log(Math.max(own, 0));
  outcomes.confidence[at] = kind === 'logits' ? 1 / sum : top;
  if (outcomes.margin === null) return;
  const [no, yes] = [scores[start] as number, scores[start + 1] as number];
  outcomes.margin[at] = kind === 'logits' ? yes - no : yes;
}

function refuse(example: number, value: number): never {
  throw new UsageError(
    `the scores of example ${example} are no probabilities: ${value.toPrecision(6)}`,
    { hint: 'networks without a softmax at their end give logits: leave out --scores' },
  );
}

/** Enters predicted numbers. @param width  how many an example has. */
export function enterValues(
  outcomes: ValueOutcomes,
  batch: { first: number; values: ArrayLike<number>; truth: Float64Array; width: number },
): void {
  const { first, values, truth, width } = batch;
  for (let i = 0; i < values.length / width; i += 1) {
    let absolute = 0;
    let squared = 0;
    for (let k = 0; k < width; k += 1) {
      const error = (values[i * width + k] as number) - (truth[(first + i) * width + k] as number);
      absolute += Math.abs(error);
      squared += error * error;
    }
    outcomes.absolute[first + i] = absolute / width;
    outcomes.squared[first + i] = squared / width;
  }
}
