/** What is decided by scores, and the inequalities that make a decision certain. */
import { UsageError } from '../../base/errors.js';

/**
 * 'top': which classes are the `count` greatest; 'order': the same in their order; 'above': which scores are
 * above a number; 'within': all scores, each known up to `error`.
 */
export type Decision =
  | { kind: 'top' | 'order'; count: number }
  | { kind: 'above'; threshold: number }
  | { kind: 'within'; error: number };

/** `top1`, `top5`, `order3`, `above:0.5`, `within:0.01`. @throws {UsageError} */
export function parseDecision(text: string): Decision {
  const ranked = /^(top|order)([1-9]\d{0,4})$/.exec(text);
  if (ranked !== null) return { kind: ranked[1] as 'top' | 'order', count: Number(ranked[2]) };
  const [name, rest = ''] = text.split(':');
  const value = rest.trim() === '' ? Number.NaN : Number(rest);
  if (name === 'above' && Number.isFinite(value)) return { kind: 'above', threshold: value };
  if (name === 'within' && value > 0 && Number.isFinite(value))
    return { kind: 'within', error: value };
  throw new UsageError(`'${text}' is not a decision`, {
    option: '--decide',
    hint: 'top1, top5 (a set), order3 (in order), above:0.5 or within:0.01',
  });
}

/** Σ weight · score + offset, which has to be above 0. */
export interface Claim {
  readonly terms: readonly (readonly [score: number, weight: number])[];
  readonly offset: number;
}

/** Classes by falling score; equal scores by class. */
function ranking(scores: ArrayLike<number>): number[] {
  return Array.from(scores, (_, i) => i).sort(
    (a, b) => (scores[b] as number) - (scores[a] as number) || a - b,
  );
}

/** The answer that scores give: classes, flags of 0 and 1, or the scores. */
export function answerOf(decision: Decision, scores: ArrayLike<number>): number[] {
  if (decision.kind === 'above') {
    return Array.from(scores, (score) => (score > decision.threshold ? 1 : 0));
  }
  if (decision.kind === 'within') return Array.from(scores);
  const first = ranking(scores).slice(0, decision.count);
  return decision.kind === 'order' ? first : first.sort((a, b) => a - b);
}

/** True if two answers say the same; scores that are not finite say so if they are the same. */
export function sameAnswer(
  decision: Decision,
  a: readonly number[],
  b: readonly number[],
): boolean {
  if (a.length !== b.length) return false;
  const slack = decision.kind === 'within' ? decision.error : 0;
  return a.every((value, i) => {
    const other = b[i] as number;
    return Object.is(value, other) || Math.abs(value - other) <= slack;
  });
}

/** What has to hold for the answer that scores give to be certain. */
export function claimsOf(decision: Decision, scores: ArrayLike<number>): Claim[] {
  if (decision.kind === 'above') {
    return Array.from(scores, (score, i): Claim => {
      const sign = score > decision.threshold ? 1 : -1;
      return { terms: [[i, sign]], offset: -sign * decision.threshold };
    });
  }
  if (decision.kind === 'within') {
    return Array.from(scores).flatMap((score, i): Claim[] => [
      { terms: [[i, 1]], offset: decision.error - score },
      { terms: [[i, -1]], offset: decision.error + score },
    ]);
  }
  const ranks = ranking(scores);
  const above = (a: number, b: number): Claim => ({
    terms: [
      [a, 1],
      [b, -1],
    ],
    offset: 0,
  });
  const first = ranks.slice(0, decision.count);
  const rest = ranks.slice(decision.count);
  if (decision.kind === 'top') return first.flatMap((a) => rest.map((b) => above(a, b)));
  const chain = first.slice(1).map((b, i) => above(first[i] as number, b));
  const last = first.at(-1);
  return last === undefined ? [] : [...chain, ...rest.map((b) => above(last, b))];
}

/** How far a decision is from another one by the scores alone: the least value of its claims. */
export function gapOf(decision: Decision, scores: ArrayLike<number>): number {
  return Math.min(
    ...claimsOf(decision, scores).map(({ terms, offset }) =>
      terms.reduce((sum, [i, weight]) => sum + weight * (scores[i] as number), offset),
    ),
  );
}

/** The least value of a claim where each score is between two numbers. */
export function leastOf(
  { terms, offset }: Claim,
  low: ArrayLike<number>,
  high: ArrayLike<number>,
): number {
  return terms.reduce(
    (sum, [i, weight]) => sum + weight * ((weight > 0 ? low[i] : high[i]) as number),
    offset,
  );
}
