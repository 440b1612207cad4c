/** What a study comes to as a whole: its plan, and which trials its rules kept. */
import type { Executor } from '../../knowledge/training/executors/executor.js';
import type { Evaluate } from '../../pure/dql/ast.js';
import { type Rung, ruleText } from '../../pure/search/rungs.js';
import type { SearchPlan } from './plan-study.js';
import type { StudyConfig } from './study-config.js';
import type { StudyData } from './study-data.js';
import type { StudyPlan, StudyTrial } from './study-result.js';
import type { StudySource } from './study-sources.js';

/** A study that can begin. */
export interface Prepared {
  study: string;
  text: string;
  statement: Evaluate;
  config: StudyConfig;
  search: SearchPlan;
  data: StudyData;
  sources: StudySource[];
  executor: Executor;
}

/** What it does at most, so many trials at once. */
export function planOf(prepared: Prepared, workers: number): StudyPlan {
  const { study, search, sources, executor } = prepared;
  const { cells, trialsOfCell, rungs, iterations, seed, method } = search;
  const trials = sources.length * cells.length * trialsOfCell;
  let [left, before, steps] = [trials, 0, 0];
  for (const rung of rungs) {
    steps += left * (rung.iterations - before);
    before = rung.iterations;
    if (rung.kind === 'top') left = Math.min(left, rung.count);
  }
  steps += left * (iterations - before);
  return {
    ...{ study, sources, cells: cells.length, trialsOfCell, method, trials },
    rungs: rungs.map((rung) => ({ after: rung.iterations, rule: ruleText(rung) })),
    ...{ iterations, steps, seed, workers },
    ...{ executor: executor.kind, place: executor.place, isLess: isLessBetter(rungs.at(-1)) },
  };
}

/** Trials that every rule kept, by the metric of the last one. */
export function keptNames(trials: readonly StudyTrial[], rules: readonly Rung[]): string[] {
  const last = rules.at(-1);
  const value = ({ rungs }: StudyTrial): number => {
    const found = rungs.at(-1)?.value ?? Number.NaN;
    return last?.kind === 'top' && !last.isLess ? -found : found;
  };
  return trials
    .filter(({ state }) => state === 'complete')
    .sort((a, b) => value(a) - value(b) || a.number - b.number)
    .map(({ name }) => name as string);
}

/** The part of a score that its rule says. */
export function scoreOf({ iterations, metric }: Rung): { iteration: number; metric: string } {
  return { iteration: iterations, metric };
}

/** True if less of the metric of a rule is better. */
export function isLessBetter(rung: Rung | undefined): boolean {
  if (rung?.kind === 'top') return rung.isLess;
  return rung === undefined || rung.comparison.startsWith('<');
}

/** Settings that are hyperparameters: numbers, texts, true and false. */
export function plainSettings(
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([name, value]) =>
        name !== 'trainer' && ['number', 'string', 'boolean'].includes(typeof value),
    ),
  );
}
