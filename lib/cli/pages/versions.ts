/** What several pages say of versions. */

import type { Point } from '../../pure/picture/curve.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import { legend, linePlot, type Series } from '../../pure/picture/plot.js';
import type { Curve } from '../../use/history/curves.js';
import type { MetricValue } from '../../use/history/version-values.js';
import type { VersionSummary } from '../../use/history/versions.js';
import { formatMetric, paramText, shortId, subject, tierText } from '../output/render.js';
import { type Fact, figureOf } from './parts.js';

/** A moment as its author saw it: `2026-01-31 12:00 +02:00`. */
export function momentText(time: string): string {
  const [, day = time, clock = '', zone = ''] =
    /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[^Z+-]*(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  return `${day} ${clock} ${zone === 'Z' ? 'UTC' : zone}`.trim();
}

/** A moment of milliseconds since 1970, in UTC. */
export function utcText(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

export function refMarks(refs: readonly string[]): Markup {
  return html`${refs.map((ref) => html`<span class="ref${ref === 'HEAD' ? ' head' : ''}">${ref}</span>`)}`;
}

/** Points of a curve. */
export function pointsOf({ steps, values }: Pick<Curve, 'steps' | 'values'>): Point[] {
  return steps.map((x, i) => ({ x, y: Number(values[i]) }));
}

/** `acc: 7 points, best 0.921 at step 3000`. */
export function curveSummary({ name, count, direction, steps, values }: Curve): string {
  const numbers = values.map(Number);
  const last = `last ${formatMetric(values.at(-1) ?? '')} at step ${steps.at(-1) ?? ''}`;
  const finite = numbers.filter(Number.isFinite);
  if (direction === null || finite.length === 0) return `${name}: ${count} points, ${last}`;
  const best = finite.reduce((a, b) => (direction === 'min' ? Math.min(a, b) : Math.max(a, b)));
  const at = steps[numbers.indexOf(best)] ?? '';
  return `${name}: ${count} points, best ${formatMetric(best)} at step ${at}, ${last}`;
}

/** A metric over steps of several versions; the colour of each is that of its place. */
export function curveFigure(
  name: string,
  curves: readonly { series: string; curve: Curve; look: number }[],
): Markup {
  const series: Series[] = curves.map(({ series: label, curve, look }) => ({
    name: label,
    points: pointsOf(curve),
    look,
  }));
  const title =
    curves.length === 1
      ? curveSummary((curves[0] as { curve: Curve }).curve)
      : `${name} over steps, of ${curves.length} versions`;
  const plot = linePlot(series, { title, xLabel: 'step', yLabel: '' });
  const said = curves.length === 1 ? html` <small>${title.slice(name.length + 2)}</small>` : null;
  return figureOf(html`${name}${said}`, plot, curves.length === 1 ? null : legend(series));
}

/** What a version says of itself, as facts. */
export function versionFacts(version: VersionSummary): (Fact | null)[] {
  const lineage = version.lineage.map(({ name }) => name).join(', ');
  const { operation } = version;
  return [
    ['Version', version.name, html`<code>${shortId(version.version)}</code>`],
    authorFact(version.author),
    ['Date', momentText(version.time)],
    version.step === null ? null : ['Step', String(version.step)],
    lineage === '' ? null : ['Derived from', lineage],
    operation === null ? null : ['Made by', operation.kind, operation.detail],
    version.tier === null
      ? null
      : ['Kept as', tierText(version.tier), 'its exact bytes were given up'],
    ...Object.entries(version.params).map(([name, value]): Fact => [name, paramText(value)]),
    ...Object.entries(version.metrics).map(
      ([name, value]): Fact => metricFact(name, value, version),
    ),
  ];
}

function authorFact(author: string): Fact {
  const [, name = author, email = ''] = /^(.*?)\s*<(.*)>$/s.exec(author) ?? [];
  return ['Author', name || email, name === '' ? '' : email];
}

function metricFact(name: string, value: MetricValue, { metricSteps }: VersionSummary): Fact {
  const steps = Object.hasOwn(metricSteps, name) ? metricSteps[name] : undefined;
  if (steps === undefined) return [name, formatMetric(value)];
  const { best, step, count } = steps;
  if (step === null) {
    const most = best === null ? '' : `; best ${formatMetric(best.value)} at step ${best.step}`;
    return [name, formatMetric(value), `as given${most}`];
  }
  const more =
    best !== null && best.step !== step
      ? `at step ${step}; best ${formatMetric(best.value)} at step ${best.step}`
      : `at step ${step}${count > 1 ? `, the best of ${count}` : ''}`;
  return [name, formatMetric(value), best === null ? `at step ${step}` : more];
}

/** `digits@8: head-only`. */
export function versionLabel({ name, message }: Pick<VersionSummary, 'name' | 'message'>): string {
  return `${name}: ${subject(message)}`;
}
