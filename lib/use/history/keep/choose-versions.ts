/** Which versions of a model its rules keep, and why. Reads nothing. */
import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../../base/errors.js';
import { directionOf } from '../../../pure/logs/direction.js';
import { wholePoint } from '../../../pure/logs/series.js';
import {
  type BestRule,
  type KeepRules,
  selectsVersions,
} from '../../../storage/repo/settings/keep-rules.js';
import type { Metric } from '../../../storage/repo/version/version.js';

/** A version as rules see it. */
export interface KeepCandidate {
  id: Id;
  number: number;
  /** A revision that names it. */
  name: string;
  /** Milliseconds since 1970. */
  time: number;
  /** Last step of its weights, or null. */
  step: number | null;
  metrics: readonly Metric[];
  /** Metrics that were declared to be better small or large. */
  directions: ReadonlyMap<string, 'min' | 'max'>;
  /** Branches that it is in the line of, `model/branch` and `branch`. */
  branches: readonly string[];
  /** What keeps it in any case: 'HEAD', 'tag v1'. */
  protectedBy: readonly string[];
}

/** What becomes of a version. */
export interface KeepChoice {
  /** Why it is kept; none: it goes. */
  reasons: string[];
  /** True if its training state stays as well. */
  keepsState: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * @param now  milliseconds since 1970.
 * @throws {NotFoundError} if no version has a metric or a step that a rule asks for; {UsageError} if nothing says
 *   which values of a metric are better.
 */
export function chooseVersions(
  candidates: readonly KeepCandidate[],
  rules: KeepRules,
  { now, branches }: { now: number; branches: (names: readonly string[]) => boolean },
): Map<Id, KeepChoice> {
  const newest = [...candidates].sort(
    (a, b) => b.number - a.number || b.time - a.time || (a.id < b.id ? 1 : -1),
  );
  const choices = new Map<Id, KeepChoice>();
  for (const { id, protectedBy } of newest) {
    choices.set(id, { reasons: [...protectedBy], keepsState: protectedBy.length > 0 });
  }
  const keep = (chosen: readonly KeepCandidate[], reason: string): void => {
    for (const { id } of chosen) choices.get(id)?.reasons.push(reason);
  };
  if (!selectsVersions(rules)) keep(newest, 'all');
  if (rules.last !== undefined) keep(newest.slice(0, rules.last), 'last');
  for (const rule of rules.best ?? []) keep(bestOf(newest, rule), `best ${rule.metric}`);
  if (rules.every !== undefined) keep(everyOf(newest, rules.every), `every ${rules.every}`);
  const { within } = rules;
  if (within !== undefined) {
    keep(
      newest.filter(({ time }) => now - time <= within * DAY_MS),
      `within ${within} days`,
    );
  }
  for (const period of ['daily', 'weekly', 'monthly'] as const) {
    const count = rules[period];
    if (count !== undefined) keep(periodsOf(newest, period, count), period);
  }
  if (rules.branches !== undefined) {
    keep(
      newest.filter((one) => branches(one.branches)),
      'branch',
    );
  }
  const kept = newest.filter(({ id }) => (choices.get(id) as KeepChoice).reasons.length > 0);
  for (const { id } of kept.slice(0, rules.optimizer ?? kept.length)) {
    (choices.get(id) as KeepChoice).keepsState = true;
  }
  return choices;
}

function bestOf(newest: readonly KeepCandidate[], rule: BestRule): KeepCandidate[] {
  const values = valuesOf(newest, rule.metric);
  const sign = directionIn(newest, rule) === 'lower' ? 1 : -1;
  // The sort is stable: of equal ones the earlier stays, as trainers choose.
  return [...values.keys()]
    .reverse()
    .sort((a, b) => sign * ((values.get(a) as number) - (values.get(b) as number)))
    .slice(0, rule.count);
}

/** The value of each version that has one; 'loss' also means 'eval_loss', as for trainers. @throws {NotFoundError} */
export function valuesOf(
  candidates: readonly KeepCandidate[],
  metric: string,
): Map<KeepCandidate, number> {
  for (const name of [metric, `eval_${metric}`]) {
    const values = new Map<KeepCandidate, number>();
    for (const one of candidates) {
      const value = wholePoint(one.metrics.filter((point) => point.name === name))?.value;
      if (value !== undefined && !Number.isNaN(value)) values.set(one, value);
    }
    if (values.size > 0) return values;
  }
  const known = [...new Set(candidates.flatMap(({ metrics }) => metrics.map(({ name }) => name)))];
  throw new NotFoundError(`no version has the metric '${metric}'`, {
    kind: 'metric',
    name: metric,
    candidates: known.sort(),
    hint: known.length > 0 ? `there are ${known.join(', ')}` : "'dlv commit --metric' gives one",
  });
}

function directionIn(
  candidates: readonly KeepCandidate[],
  { metric, better }: BestRule,
): 'lower' | 'higher' {
  if (better !== null) return better;
  const declared = candidates.find(({ directions }) => directions.has(metric));
  const direction = declared?.directions.get(metric) ?? directionOf(metric);
  if (direction !== null) return direction === 'min' ? 'lower' : 'higher';
  throw new UsageError(`whether more of '${metric}' is better is not said`, {
    hint: `add 'lower' or 'higher': 'best 3 by ${metric} lower'`,
  });
}

/** Of each stretch of so many steps that is not the first, the version with the least step. @throws {NotFoundError} */
function everyOf(newest: readonly KeepCandidate[], steps: number): KeepCandidate[] {
  const first = new Map<number, number>();
  for (const { step } of newest) {
    if (step === null) continue;
    const stretch = Math.floor(step / steps);
    first.set(stretch, Math.min(step, first.get(stretch) ?? Number.POSITIVE_INFINITY));
  }
  if (first.size === 0) {
    throw new NotFoundError('no version has a step', {
      kind: 'step',
      hint: "'dlv commit --step <n>' gives one; checkpoints with a step in their names have it",
    });
  }
  return newest.filter(
    ({ step }) => step !== null && step >= steps && first.get(Math.floor(step / steps)) === step,
  );
}

/** The newest version of each period that has one, of the last periods. */
function periodsOf(
  newest: readonly KeepCandidate[],
  period: 'daily' | 'weekly' | 'monthly',
  count: number,
): KeepCandidate[] {
  const found = new Map<string, KeepCandidate>();
  for (const one of [...newest].sort((a, b) => b.time - a.time)) {
    const key = periodOf(one.time, period);
    if (!found.has(key)) found.set(key, one);
  }
  return [...found.values()].slice(0, count);
}

/** In UTC; weeks begin on Monday. */
function periodOf(time: number, period: 'daily' | 'weekly' | 'monthly'): string {
  const day = new Date(time).toISOString().slice(0, 10);
  if (period === 'daily') return day;
  // 1970-01-05 was a Monday.
  return period === 'monthly' ? day.slice(0, 7) : String(Math.floor((time / DAY_MS - 4) / 7));
}
