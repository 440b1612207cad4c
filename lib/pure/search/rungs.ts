/** Rules that keep some trials and prune the others, after so many iterations. */

/** A rule of a study. `isLess`: less of the metric is better. */
export type Rung = { iterations: number; metric: string } & (
  | { kind: 'top'; count: number; isLess: boolean }
  | { kind: 'threshold'; comparison: '<' | '<=' | '>' | '>='; bound: number }
);

/** The value of a trial at a rung; null if it has none, or one that is not finite. */
export interface Score {
  trial: string;
  value: number | null;
}

/** Whether a threshold lets a value through. */
export function passes(rung: Extract<Rung, { kind: 'threshold' }>, value: number | null): boolean {
  if (value === null) return false;
  const { comparison, bound } = rung;
  if (comparison === '<') return value < bound;
  if (comparison === '<=') return value <= bound;
  return comparison === '>' ? value > bound : value >= bound;
}

/** Trials that a rule keeps of all that reached it. Those that are as good as the last one kept are kept too. */
export function keptOf(rung: Rung, scores: readonly Score[]): Set<string> {
  if (rung.kind === 'threshold') {
    return new Set(scores.filter(({ value }) => passes(rung, value)).map(({ trial }) => trial));
  }
  const known = scores.filter((one): one is Score & { value: number } => one.value !== null);
  const cost = (value: number): number => (rung.isLess ? value : -value);
  const last = known.map(({ value }) => cost(value)).sort((a, b) => a - b)[
    Math.min(rung.count, known.length) - 1
  ];
  if (last === undefined) return new Set();
  return new Set(known.filter(({ value }) => cost(value) <= last).map(({ trial }) => trial));
}

/**
 * Whether a trial that reaches a rung goes on at once (ASHA, Li et al., MLSys 2020): if it is among the same share of
 * the trials that came there so far, itself included, as the rule keeps of all.
 */
export function goesOn(
  rung: Rung,
  value: number | null,
  before: readonly Score[],
  planned: number,
): boolean {
  if (rung.kind === 'threshold') return passes(rung, value);
  if (value === null) return false;
  const all = [...before, { trial: '', value }];
  const count = Math.max(1, Math.floor((rung.count / planned) * all.length));
  return keptOf({ ...rung, count }, all).has('');
}

/** 'top 5 by loss', 'loss < 2.3'. */
export function ruleText(rung: Rung): string {
  if (rung.kind === 'top') return `top ${rung.count} by ${rung.metric}`;
  return `${rung.metric} ${rung.comparison} ${rung.bound}`;
}
