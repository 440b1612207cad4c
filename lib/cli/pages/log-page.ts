/** The page of `dlv log --html`: how versions follow from one another, and how their metrics went. */

import { drawDescent, layDescent } from '../../pure/picture/descent.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import { legend, linePlot, type Series } from '../../pure/picture/plot.js';
import { directionOf, type VersionSummary } from '../../use/history/versions.js';
import type { LogEntry } from '../../use/ops/log.js';
import { formatMetric, shortId, subject, tierText } from '../output/render.js';
import { formatCount } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import { factList, figureOf, figures, type Section } from './parts.js';
import { curveFigure, momentText, refMarks, versionLabel } from './versions.js';

/** Versions that are listed, newest first; a page has to stay small. */
const ROWS_MAX = 1500;
/** Metrics that have a column in the list, and pictures. */
const COLUMNS_MAX = 4;
const METRICS_MAX = 12;
/** Versions whose curves are drawn into one picture. */
const CURVES_MAX = 8;

/** What the page is made of: versions, newest first, and the shown ancestors of each. */
export interface LogHistory {
  entries: readonly LogEntry[];
  ancestors: ReadonlyMap<string, readonly string[]>;
}

export function logPage({ entries, ancestors }: LogHistory, origin: PageOrigin): string {
  const models = [...new Set(entries.map(({ model }) => model))];
  const shown = entries.slice(0, ROWS_MAX);
  const left = entries.length - shown.length;
  return pageOf({
    title: `History of ${models.length === 1 ? models[0] : (origin.repository ?? 'the repository')}`,
    lead: html`<p class="dim">${formatCount(entries.length, 'version')}${models.length > 1 ? ` of ${formatCount(models.length, 'model')}` : null}</p>`,
    sections: [
      {
        id: 'versions',
        title: 'Versions',
        body: html`${historyFacts(entries)}${historyTable(shown, ancestors)}${left > 0 ? html`<p class="note">${formatCount(left, 'older version')} are left out: dlv log --skip ${ROWS_MAX} shows them.</p>` : null}`,
      },
      lineSection(entries),
      curveSection(entries),
    ],
    notes: entries.length > 0 ? [`The newest is ${entries[0]?.version}.`] : [],
    origin,
  });
}

function historyFacts(entries: readonly LogEntry[]): Markup | null {
  const [newest, oldest] = [entries[0], entries.at(-1)];
  if (newest === undefined || oldest === undefined) return null;
  const authors = new Set(entries.map(({ author }) => author));
  return factList([
    ['Newest', newest.name, momentText(newest.time)],
    entries.length > 1 ? ['Oldest', oldest.name, momentText(oldest.time)] : null,
    ['Authors', String(authors.size), [...authors].slice(0, 3).map(nameOf).join(', ')],
    ...bestFacts(entries),
  ]);
}

function nameOf(author: string): string {
  return author.replace(/\s*<.*>$/s, '') || author;
}

/** Of metrics whose direction is known, the best value and who has it. */
function bestFacts(entries: readonly LogEntry[]): [string, string, string][] {
  const leaders = new Map<string, { value: number; name: string; less: boolean }>();
  for (const { metrics, metricSteps, name } of entries) {
    for (const [metric, whole] of Object.entries(metrics)) {
      const steps = Object.hasOwn(metricSteps, metric) ? metricSteps[metric] : undefined;
      const direction = steps?.direction ?? directionOf(metric);
      const value = Number(whole);
      if (direction === null || !Number.isFinite(value)) continue;
      const less = direction === 'min';
      const found = leaders.get(metric);
      if (found === undefined || (less ? value < found.value : value > found.value)) {
        leaders.set(metric, { value, name, less });
      }
    }
  }
  return [...leaders]
    .slice(0, COLUMNS_MAX)
    .map(([metric, { value, name, less }]) => [
      `${less ? 'Least' : 'Most'} ${metric}`,
      formatMetric(value),
      name,
    ]);
}

function metricNames(entries: readonly VersionSummary[]): string[] {
  const counts = new Map<string, number>();
  for (const { metrics } of entries) {
    for (const name of Object.keys(metrics)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    .map(([name]) => name);
}

function historyTable(entries: readonly LogEntry[], ancestors: LogHistory['ancestors']): Markup {
  const rows = layDescent(
    entries.map(({ version, parents }) => ({
      id: version,
      parents: ancestors.get(version) ?? parents,
    })),
  );
  const lines = drawDescent(rows);
  const names = metricNames(entries).slice(0, COLUMNS_MAX);
  const heads = names.map((name) => html`<th scope="col" class="n">${name}</th>`);
  const body = entries.map((entry, i) => {
    const cells = names.map((name) => {
      const value = Object.hasOwn(entry.metrics, name) ? entry.metrics[name] : undefined;
      return html`<td class="n">${value === undefined ? null : formatMetric(value)}</td>`;
    });
    const tier =
      entry.tier === null ? null : html`<span class="ref">${tierText(entry.tier)}</span>`;
    return html`
<tr><td class="descent">${lines[i]}</td><td><code>${shortId(entry.version)}</code></td><td class="t"><b>${entry.name}</b>${refMarks(entry.refs)}${tier}</td><td class="t" title="${entry.message.slice(0, 400)}">${subject(entry.message)}</td>${cells}<td>${momentText(entry.time)}</td><td>${nameOf(entry.author)}</td></tr>`;
  });
  return html`<div class="wide" tabindex="0" role="group" aria-label="versions"><table class="log"><caption>The newest first; lines lead to what a version derives from</caption><thead><tr><th scope="col"><span class="spoken">descent</span></th><th scope="col">id</th><th scope="col">version</th><th scope="col">message</th>${heads}<th scope="col">date</th><th scope="col">author</th></tr></thead><tbody>${body}
</tbody></table></div>`;
}

/** The line of development that a version is on, by its first parents. */
function linesOf(entries: readonly LogEntry[]): Map<string, LogEntry[]> {
  const byId = new Map(entries.map((entry) => [entry.version as string, entry]));
  const lines = new Map<string, LogEntry[]>();
  const taken = new Set<string>();
  // Branches first: each goes back until another line has the version.
  const tips = entries.filter(({ refs }) => refs.some((ref) => ref.includes('/')));
  const rank = ({ refs }: LogEntry): number =>
    refs.some((ref) => ref.endsWith('/main')) ? 0 : refs.includes('HEAD') ? 1 : 2;
  tips.sort((a, b) => rank(a) - rank(b));
  for (const tip of [...tips, ...entries]) {
    if (taken.has(tip.version)) continue;
    const ref = tip.refs.find((one) => one.includes('/') && !one.startsWith('tag: '));
    const line: LogEntry[] = [];
    let at: LogEntry | undefined = tip;
    for (; at !== undefined && !taken.has(at.version); at = byId.get(at.parents[0] ?? '')) {
      taken.add(at.version);
      line.push(at);
    }
    // Where it leaves its line, so that curves begin there.
    if (at !== undefined) line.push(at);
    lines.set(ref ?? tip.name, line.reverse());
  }
  return lines;
}

/** Metrics that versions state, over their steps: one line for each line of development. */
function lineSection(entries: readonly LogEntry[]): Section | null {
  const lines = [...linesOf(entries)].filter(([, line]) =>
    line.some(({ metrics }) => Object.keys(metrics).length > 0),
  );
  const names = metricNames(entries).slice(0, METRICS_MAX);
  const pictures = names.flatMap((name) => {
    const measured = entries.filter(({ metrics }) => Object.hasOwn(metrics, name));
    const haveSteps = measured.every((entry) => placeOf(entry, name, true) !== null);
    const series = lines.flatMap(([label, line], look): Series[] => {
      const points = line.flatMap((entry) => {
        const x = placeOf(entry, name, haveSteps);
        const value = Object.hasOwn(entry.metrics, name) ? entry.metrics[name] : undefined;
        if (x === null || value === undefined) return [];
        const title = `${versionLabel(entry)}: ${name} ${formatMetric(value)}`;
        return [{ x, y: Number(value), title }];
      });
      return points.length === 0 ? [] : [{ name: label, points, look }];
    });
    const count = series.reduce((sum, { points }) => sum + points.length, 0);
    if (count < 2) return [];
    const plot = linePlot(series, {
      title: `${name} of ${formatCount(measured.length, 'version')}`,
      xLabel: haveSteps ? 'step' : 'number of the version',
      yLabel: '',
    });
    return [figureOf(name, plot, legend(series))];
  });
  if (pictures.length === 0) return null;
  return { id: 'metrics', title: 'Metrics by version', body: figures(pictures) };
}

/** Step where a version states a metric, or the number of the version. */
function placeOf(entry: LogEntry, name: string, bySteps: boolean): number | null {
  if (!bySteps) return entry.number;
  const steps = Object.hasOwn(entry.metricSteps, name) ? entry.metricSteps[name] : undefined;
  return steps?.step ?? entry.step;
}

/** Curves within versions: the newest ones that have some. */
function curveSection(entries: readonly LogEntry[]): Section | null {
  const byName = new Map<
    string,
    { series: string; curve: NonNullable<LogEntry['curves']>[number]; look: number }[]
  >();
  const looks = new Map<string, number>();
  for (const { name, curves = [] } of entries) {
    for (const curve of curves) {
      const own = byName.get(curve.name) ?? [];
      if (own.length >= CURVES_MAX) continue;
      if (!looks.has(name)) looks.set(name, looks.size);
      own.push({ series: name, curve, look: looks.get(name) as number });
      byName.set(curve.name, own);
    }
  }
  if (byName.size === 0) return null;
  const shown = [...byName].slice(0, METRICS_MAX);
  const more = byName.size - shown.length;
  const body = html`${figures(shown.map(([name, curves]) => curveFigure(name, curves)))}<p class="note">Each picture shows the newest ${CURVES_MAX} versions at most${more > 0 ? `; ${formatCount(more, 'more metric')} are left out` : ''}.</p>`;
  return { id: 'curves', title: 'Metrics within versions', body };
}
