/** Tables of a study: what mattered, what failed, all trials. */
import { html } from '../../pure/picture/markup.js';
import { barPlot } from '../../pure/picture/plot.js';
import type { StudyResult, StudyTrial } from '../../use/ops/study.js';
import { formatMetric } from '../output/render.js';
import { formatCount, formatDuration } from '../output/ui.js';
import {
  figureOf,
  figures,
  type Section,
  type TableCell,
  type TableColumn,
  tableOf,
} from './parts.js';

/** Trials that are drawn and listed: a page has to stay small. */
export const TRIALS_MAX = 2000;
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function valueText({ rungs }: StudyTrial): string {
  const last = rungs.at(-1);
  return last === undefined || last.value === null
    ? ''
    : `${last.metric} ${formatMetric(last.value)}`;
}

export function importanceSection({ importance, trials }: StudyResult): Section | null {
  if (variedKeys(trials).length === 0) return null;
  const title = 'What mattered';
  if (importance === null) {
    const body = html`<p class="note">With fewer than 20 trials that reached a rule, nothing can be said of single settings.</p>`;
    return { id: 'importance', title, body };
  }
  if (importance.length === 0) return null;
  const bars = importance.map(({ key, share }) => ({
    name: key.length > 18 ? `${key.slice(0, 17)}…` : key,
    parts: [share],
  }));
  const plot = barPlot(bars, ['share'], {
    title: importance.map(({ key, share }) => `${key} ${(share * 100).toFixed(0)} %`).join(', '),
    ...{ xLabel: 'setting', yLabel: '', yFormat: (value) => `${(value * 100).toFixed(0)} %` },
  });
  const rows = importance.map(({ key, share, groups }): TableCell[] => [
    html`<code>${key}</code>`,
    { shown: `${(share * 100).toFixed(1)} %`, sort: share },
    groups,
  ]);
  const table = tableOf({
    caption: 'Share of the variance of the ranks that a setting explains by itself (ε²)',
    columns: [
      { title: 'setting' },
      { title: 'share', kind: 'number' },
      { title: 'groups', kind: 'number' },
    ],
    rows,
  });
  return {
    id: 'importance',
    title,
    body: html`${figures([figureOf('Share of the variance', plot)])}${table}`,
  };
}

export function failedSection(trials: readonly StudyTrial[]): Section | null {
  const rows = trials
    .filter(({ state }) => state === 'failed' || state === 'nan')
    .slice(0, TRIALS_MAX)
    .map((trial): TableCell[] => [
      trial.number,
      trial.state,
      trial.iterations,
      settingsText(trial),
      trial.message ?? '',
    ]);
  if (rows.length === 0) return null;
  const columns: TableColumn[] = [
    { title: 'trial', kind: 'number' },
    { title: 'state' },
    { title: 'iterations', kind: 'number' },
    { title: 'settings' },
    { title: 'why' },
  ];
  const caption = 'Trials that ended without a network';
  return { id: 'failed', title: 'Failed', body: tableOf({ caption, columns, rows }) };
}

export function trialSection({ trials, kept }: StudyResult): Section {
  const keys = variedKeys(trials);
  const columns: TableColumn[] = [
    { title: 'trial', kind: 'number' },
    { title: 'version', kind: 'plain' },
    { title: 'state' },
    { title: 'iterations', kind: 'number' },
    { title: 'metric', kind: 'number' },
    { title: 'seconds', kind: 'number' },
    { title: 'source' },
    ...keys.map(
      (title): TableColumn => ({
        title,
        kind: trials.some(({ assignment }) => typeof assignment[title] === 'number')
          ? 'number'
          : 'text',
      }),
    ),
  ];
  const rows = trials.slice(0, TRIALS_MAX).map((trial): TableCell[] => {
    const value = trial.rungs.at(-1)?.value ?? null;
    const look = trial.name === kept[0] ? { look: 'best' as const } : {};
    return [
      trial.number,
      trial.state === 'complete' ? html`<b>${trial.name ?? ''}</b>` : (trial.name ?? ''),
      trial.state,
      trial.iterations,
      value === null ? '' : { shown: valueText(trial), sort: value, ...look },
      { shown: formatDuration(trial.seconds), sort: trial.seconds },
      trial.source,
      ...keys.map((key): TableCell => {
        const setting = trial.assignment[key] ?? null;
        return typeof setting === 'number'
          ? { shown: formatMetric(setting), sort: setting }
          : shown(setting);
      }),
    ];
  });
  const left = trials.length - rows.length;
  return {
    id: 'trials',
    title: 'Trials',
    body: html`${tableOf({ caption: 'All trials; click a heading to sort', columns, rows })}${left > 0 ? html`<p class="note">${formatCount(left, 'more trial')} are left out.</p>` : null}`,
  };
}

export function variedKeys(trials: readonly StudyTrial[]): string[] {
  return [...new Set(trials.flatMap(({ assignment }) => Object.keys(assignment)))];
}

export function settingsText({ assignment }: StudyTrial): string {
  return Object.entries(assignment)
    .map(([key, value]) => `${key} ${shown(value)}`)
    .join(', ');
}
