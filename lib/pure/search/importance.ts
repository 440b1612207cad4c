/**
 * How much each setting matters: the share of the variance of a metric that the setting explains by itself, which is
 * the first order of a functional analysis of variance. The metric counts by its ranks, so that a trial that diverged
 * is one bad trial and no more.
 */
import type { Assignment, Setting } from './space.js';

/** With fewer trials the shares are mostly chance. */
export const IMPORTANCE_TRIALS = 20;
/** Groups of a setting with many numbers. */
const GROUPS = 5;

export interface Outcome {
  assignment: Assignment;
  value: number;
}

export interface Importance {
  key: string;
  /** ε²: from 0 to 1, and 0 also where chance explains as much. */
  share: number;
  /** Values that were compared, or groups of neighbouring values. */
  groups: number;
}

/** The settings that differ, the one that matters most first; null for too few outcomes. */
export function importance(outcomes: readonly Outcome[]): Importance[] | null {
  const finite = outcomes.filter(({ value }) => Number.isFinite(value));
  if (finite.length < IMPORTANCE_TRIALS) return null;
  const ranks = ranksOf(finite.map(({ value }) => value));
  const keys = [...new Set(finite.flatMap(({ assignment }) => Object.keys(assignment)))];
  return keys
    .flatMap((key) => {
      const groups = groupsOf(finite.map(({ assignment }) => assignment[key] ?? null));
      const count = new Set(groups).size;
      return count > 1 ? [{ key, share: explained(ranks, groups, count), groups: count }] : [];
    })
    .sort((a, b) => b.share - a.share || (a.key < b.key ? -1 : 1));
}

/** Ranks from 0; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  const order = values
    .map((_, i) => i)
    .sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    const value = values[order[from] as number];
    while (to < order.length && values[order[to] as number] === value) to += 1;
    for (const at of order.slice(from, to)) ranks[at] = (from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

/** The group of each value: values themselves where they are few or no numbers, else fifths of their order. */
function groupsOf(values: readonly Setting[]): (string | number)[] {
  const distinct = new Set(values);
  const isSpread = distinct.size > GROUPS && values.every((value) => typeof value === 'number');
  if (!isSpread) return values.map((value) => JSON.stringify(value));
  const ranks = ranksOf(values as readonly number[]);
  return ranks.map((rank) => Math.min(GROUPS - 1, Math.floor((rank / values.length) * GROUPS)));
}

/** The variance between groups as a share of all, less what groups of chance would explain. */
function explained(
  ranks: readonly number[],
  groups: readonly (string | number)[],
  count: number,
): number {
  const n = ranks.length;
  const mean = ranks.reduce((sum, rank) => sum + rank, 0) / n;
  const all = ranks.reduce((sum, rank) => sum + (rank - mean) ** 2, 0);
  if (all === 0 || n <= count) return 0;
  const sums = new Map<string | number, { sum: number; n: number }>();
  for (const [i, group] of groups.entries()) {
    const had = sums.get(group) ?? { sum: 0, n: 0 };
    sums.set(group, { sum: had.sum + (ranks[i] as number), n: had.n + 1 });
  }
  let between = 0;
  for (const { sum, n: size } of sums.values()) between += size * (sum / size - mean) ** 2;
  const noise = (all - between) / (n - count);
  return Math.max(0, (between - (count - 1) * noise) / all);
}
