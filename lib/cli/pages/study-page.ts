/** The page of a study: what came of it, history, parallel coordinates, curves, what mattered, all trials. */
import { html } from '../../pure/picture/markup.js';
import { type ParallelAxis, parallelPlot } from '../../pure/picture/parallel.js';
import { legend, linePlot, type Series } from '../../pure/picture/plot.js';
import type { StudyResult, StudyTrial, TrialCurve } from '../../use/ops/study.js';
import { formatMetric } from '../output/render.js';
import { formatCount, formatDuration } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import { factList, figureOf, figures, type Section } from './parts.js';
import {
  failedSection,
  importanceSection,
  settingsText,
  shown,
  TRIALS_MAX,
  trialSection,
  valueText,
  variedKeys,
} from './study-tables.js';

/** Curves that are drawn; the best. */
const CURVES_MAX = 60;
/** Axes side by side. */
const AXES_MAX = 8;

/** A study with what its page needs besides the result. */
export interface ReportedStudy {
  statement: string;
  result: StudyResult;
  /** Of the metric that the first rule looks at. */
  curves: readonly TrialCurve[];
}

/** How a trial did at the rule that it reached first, which is the one that all can be compared by. */
function scoreOf({ rungs }: StudyTrial): number | null {
  return rungs[0]?.value ?? null;
}

export function studyPage(
  { statement, result, curves }: ReportedStudy,
  origin: PageOrigin,
): string {
  const { trials, plan, kept, duplicates, study, metric } = result;
  const count = (state: StudyTrial['state']): number =>
    trials.filter((trial) => trial.state === state).length;
  const [best] = kept;
  const winner = trials.find(({ name }) => name === best);
  const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0);
  return pageOf({
    title: `Study ${study.slice(0, 10)} of ${result.model}`,
    lead: html`<pre>${statement.trim()}</pre>${factList([
      ['trials', String(trials.length), `of ${plan.trials} planned`],
      ['kept', String(kept.length)],
      ['pruned', String(count('pruned'))],
      [
        'failed',
        String(count('failed') + count('nan')),
        count('nan') > 0 ? `${count('nan')} not finite` : null,
      ],
      duplicates > 0 ? ['the same as another', String(duplicates)] : null,
      winner === undefined ? null : ['best', winner.name ?? '', valueText(winner)],
      ['trained', formatDuration(seconds), `by all trials, on ${plan.place}`],
      ['seed', String(plan.seed)],
    ])}`,
    sections: [
      historySection(result),
      parallelSection(result),
      curveSection(result, curves),
      importanceSection(result),
      failedSection(trials),
      trialSection(result),
    ],
    notes: [
      `Study ${study}. Rules: ${plan.rungs.map(({ after, rule }) => `after ${after} iterations ${rule}`).join('; ') || 'none'}.`,
      ...(metric === null ? [] : [`Trials are compared by ${metric} at the first rule.`]),
    ],
    origin,
  });
}

/** Each trial in its order, and the best so far: kept ones filled, pruned ones hollow. */
function historySection({ trials, isLess, metric }: StudyResult): Section | null {
  const scored = trials.slice(0, TRIALS_MAX).flatMap((trial) => {
    const y = scoreOf(trial);
    if (y === null) return [];
    const title = `trial ${trial.number}, ${trial.state}: ${formatMetric(y)}`;
    return [{ x: trial.number, y, title, isKept: trial.state === 'complete' }];
  });
  if (scored.length < 2 || metric === null) return null;
  let best = scored[0]?.y as number;
  const front = scored.map(({ x, y }) => {
    best = isLess ? Math.min(best, y) : Math.max(best, y);
    return { x, y: best };
  });
  const series: Series[] = [
    { name: 'best so far', points: front, kind: 'dashed', look: 1 },
    { name: 'pruned', points: scored.filter(({ isKept }) => !isKept), kind: 'hollow', look: 0 },
    { name: 'kept', points: scored.filter(({ isKept }) => isKept), kind: 'points', look: 0 },
  ];
  const isWide = isSpread(scored.map(({ y }) => y));
  const plot = linePlot(series, {
    title: `${metric} of ${scored.length} trials in order, best ${formatMetric(best)}`,
    ...{ xLabel: 'trial', yLabel: metric, yFormat: formatMetric },
    ...(isWide ? { yScale: 'log' as const } : {}),
  });
  return {
    id: 'history',
    title: 'History',
    body: figures([figureOf(`${metric} at the first rule`, plot, legend(series))]),
  };
}

/** True for numbers above 0 that span more than two powers of ten. */
function isSpread(values: readonly number[]): boolean {
  const least = values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return least > 0 && most / least > 100;
}

function parallelSection({ trials, metric }: StudyResult): Section | null {
  const keys = variedKeys(trials).slice(0, AXES_MAX);
  if (keys.length === 0 || metric === null) return null;
  const some = trials.slice(0, TRIALS_MAX).filter((trial) => scoreOf(trial) !== null);
  if (some.length < 2) return null;
  const axes = keys.map((key): ParallelAxis => {
    const values = some.map(({ assignment }) => assignment[key] ?? null);
    if (values.every((value) => typeof value === 'number')) {
      return { name: key, kind: 'number', scale: isSpread(values) ? 'log' : 'linear' };
    }
    return { name: key, kind: 'text', values: [...new Set(values.map(shown))].sort() };
  });
  const scores = some.map((trial) => scoreOf(trial) as number);
  axes.push({
    ...{ name: metric, kind: 'number', format: formatMetric },
    scale: isSpread(scores) ? 'log' : 'linear',
  });
  const lines = some.map((trial) => {
    const isKept = trial.state === 'complete';
    return {
      title: `trial ${trial.number}, ${trial.state}: ${settingsText(trial)}; ${metric} ${formatMetric(scoreOf(trial) as number)}`,
      values: [
        ...keys.map((key) => {
          const value = trial.assignment[key] ?? null;
          return typeof value === 'number' ? value : shown(value);
        }),
        scoreOf(trial),
      ],
      look: isKept ? 1 : 0,
      isFaint: !isKept,
    };
  });
  const key = legend([
    { name: 'kept', look: 1 },
    { name: 'pruned', look: 0 },
  ]);
  const plot = parallelPlot(axes, lines, `settings and ${metric} of ${some.length} trials`);
  return {
    id: 'settings',
    title: 'Settings and outcome',
    body: html`<div class="plots one">${figureOf('A line for each trial', plot, key)}</div>`,
  };
}

function curveSection(
  { trials, isLess, metric }: StudyResult,
  curves: readonly TrialCurve[],
): Section | null {
  if (metric === null) return null;
  const sign = isLess ? 1 : -1;
  const ranked = curves
    .flatMap((curve) => {
      const trial = trials.find((one) => one.trial === curve.trial);
      return trial === undefined || curve.steps.length < 2 ? [] : [{ curve, trial }];
    })
    .sort(
      (a, b) =>
        sign * ((scoreOf(a.trial) ?? Infinity * sign) - (scoreOf(b.trial) ?? Infinity * sign)),
    );
  const some = ranked.slice(0, CURVES_MAX);
  if (some.length === 0) return null;
  const isKept = ({ trial }: (typeof some)[number]): boolean => trial.state === 'complete';
  const series = [...some]
    .sort((a, b) => Number(isKept(a)) - Number(isKept(b)))
    .map(({ curve, trial }): Series => {
      const points = curve.steps.map((x, i) => ({ x, y: curve.values[i] as number }));
      const name = `trial ${trial.number}, ${trial.state}`;
      return trial.state === 'complete'
        ? { name, points, look: 1 }
        : { name, points, kind: 'faint', look: 0 };
    });
  const isWide = isSpread(series.flatMap(({ points }) => points.map(({ y }) => y)));
  const plot = linePlot(series, {
    title: `${metric} over iterations of ${formatCount(series.length, 'trial')}`,
    ...{ xLabel: 'iteration', yLabel: metric, yFormat: formatMetric },
    ...(isWide ? { yScale: 'log' as const } : {}),
  });
  const key = legend([
    { name: 'kept', look: 1 },
    { name: 'others', kind: 'faint', look: 0 },
  ]);
  const left = ranked.length - some.length;
  return {
    id: 'curves',
    title: 'Curves',
    body: html`${figures([figureOf(metric, plot, key)])}${left > 0 ? html`<p class="note">The ${CURVES_MAX} best; ${formatCount(left, 'more curve')} are left out.</p>` : null}`,
  };
}
