/**
 * How versions, moves and sizes are printed on a terminal; shared by the commands that show them.
 */

import { pushAll } from '../../base/bytes/many.js';
import type { MetricSteps, MetricValue } from '../../use/history/version-values.js';
import type { Id, ParamValue, VersionSummary } from '../../use/history/versions.js';
import type { TierErrors } from '../../use/ops/tier.js';
import { formatBytes, formatCount, formatShare, formatTime, type Ui } from './ui.js';

/** An id for the examples of `--help`. */
export function exampleId(digits: string): Id {
  return digits.repeat(64).slice(0, 64) as Id;
}

/** The first ten digits of an id. */
export function shortId(id: string): string {
  return id.slice(0, 10);
}

/** The first line of a message. */
export function subject(message: string): string {
  return message.split('\n', 1)[0] as string;
}

/** What a label of tiers means: 'bf16, not exact', 'files given up'. */
export function tierText(label: string): string {
  const names = label.split('+');
  const tiers = names.filter((name) => name !== 'given-up');
  return [
    ...(tiers.length === 0 ? [] : [`${tiers.join('+')}, not exact`]),
    ...(tiers.length < names.length ? ['files given up'] : []),
  ].join('; ');
}

/** `9c1f0e6f0b mnist@3 (HEAD, mnist/main)`. */
export function versionTitle(ui: Ui, version: VersionSummary): string {
  const { style } = ui;
  const refs = version.refs.join(', ');
  return [
    style.yellow(shortId(version.version)),
    // One that has no other name is called by its id.
    ...(version.version.startsWith(version.name) ? [] : [style.cyan(version.name)]),
    ...(refs === '' ? [] : [style.green(`(${refs})`)]),
    ...(version.tier === null ? [] : [style.red(`[${tierText(version.tier)}]`)]),
  ].join(' ');
}

/** `name value` pairs, one after another. */
function formatPairs(pairs: Readonly<Record<string, ParamValue>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name} ${paramText(value)}`)
    .join(', ');
}

/** A metric in at most six digits; --json has them all. */
export function formatMetric(value: MetricValue): string {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  return numberText(Number(value.toPrecision(6)));
}

/** All digits of a number; one below a ten-thousandth is written with an exponent, wherever it stands. */
export function numberText(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
}

/** A hyperparameter as people read it. */
export function paramText(value: ParamValue): string {
  if (typeof value === 'number') return numberText(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `loss 0.31 at step 300 (of 12 steps: least 0.29 at step 200, most 2.3 at step 0)`. */
function formatSteps(value: MetricValue, { step, count, least, most }: MetricSteps): string {
  const at = `${formatMetric(value)}${step === null ? '' : ` at step ${step}`}`;
  if (count === 1 && step !== null) return at;
  const extremes = [
    ...(least.step === step ? [] : [`least ${formatMetric(least.value)} at step ${least.step}`]),
    ...(most.step === step ? [] : [`most ${formatMetric(most.value)} at step ${most.step}`]),
  ];
  return `${at} (${step === null ? 'as given; ' : 'of '}${formatCount(count, 'step')}${extremes.length > 0 ? `: ${extremes.join(', ')}` : ''})`;
}

/** Metrics on one line; those with several steps on a line of their own. */
function metricLines({ metrics, metricSteps }: VersionSummary): string[] {
  const plain: string[] = [];
  const own: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    const steps = Object.hasOwn(metricSteps, name) ? metricSteps[name] : undefined;
    const shown = steps === undefined ? formatMetric(value) : formatSteps(value, steps);
    ((steps?.count ?? 1) > 1 ? own : plain).push(`${name} ${shown}`);
  }
  const lines = [...(plain.length > 0 ? [plain.join(', ')] : []), ...own];
  return lines.map((line, i) => `${i === 0 ? 'Metrics: ' : '         '}${line}`);
}

/** `fine-tune: on digits of 2026`. */
function formatOperation({ kind, detail }: NonNullable<VersionSummary['operation']>): string {
  return detail === '' ? kind : `${kind}: ${detail}`;
}

/** The lines below the title of a version, message included. */
export function versionLines(version: VersionSummary): string[] {
  const lines = [`Author:  ${version.author}`];
  lines.push(`Date:    ${formatTime(new Date(version.time))}`);
  const [first] = version.parents;
  for (const isFirst of [true, false]) {
    const of = version.lineage.filter((parent) => (parent.version === first) === isFirst);
    const names = of.map((parent) => parent.name).join(', ');
    if (names !== '') lines.push(`${isFirst ? 'From:    ' : 'Merged:  '}${names}`);
  }
  if (version.parents.length > 1) lines.push(`Parents: ${version.parents.map(shortId).join(' ')}`);
  if (version.operation !== null) lines.push(`Made by: ${formatOperation(version.operation)}`);
  if (version.step !== null) lines.push(`Step:    ${version.step}`);
  if (Object.keys(version.params).length > 0) {
    lines.push(`Params:  ${formatPairs(version.params)}`);
  }
  pushAll(lines, metricLines(version));
  lines.push('');
  for (const line of version.message.trimEnd().split('\n')) lines.push(`    ${line}`);
  return lines;
}

/** `12.3 MiB (41 %)`: bytes and their share of a whole; of a whole that is less, no share is told. */
export function bytesOf(bytes: number, whole: number): string {
  if (bytes > whole || whole === 0) return formatBytes(bytes);
  return `${formatBytes(bytes)} (${formatShare(bytes, whole)})`;
}

/** `4,096 values, largest error 1.2e-3, RMS 2.5e-4, relative 1.6e-3`. */
export function formatErrors(errors: TierErrors): string {
  const { elements, maxAbs, rms, relative } = errors;
  const digits = (value: number): string => value.toPrecision(3);
  const share = relative === null ? '' : `, relative ${digits(relative)}`;
  const count = elements.toLocaleString('en');
  return `${count} values, largest error ${digits(maxAbs)}, RMS ${digits(rms)}${share}`;
}

/** Tells what happened to the work tree. */
export function noteFiles(
  ui: Ui,
  done: {
    written: readonly string[];
    removed: readonly string[];
    carried?: readonly string[];
  },
): void {
  const { written, removed, carried = [] } = done;
  const parts = [];
  if (written.length > 0) parts.push(`${formatCount(written.length, 'file')} written`);
  if (removed.length > 0) parts.push(`${formatCount(removed.length, 'file')} removed`);
  if (parts.length > 0) ui.note(parts.join(', '));
  for (const path of carried.slice(0, CARRIED_SHOWN)) ui.note(`kept your changes of '${path}'`);
  const more = carried.length - CARRIED_SHOWN;
  if (more > 0) ui.note(`kept your changes of ${formatCount(more, 'file')} more`);
}

/** Changed files that are named one by one. */
const CARRIED_SHOWN = 10;

/** A version for the examples of `--help`. */
export const EXAMPLE_VERSION: VersionSummary = {
  version: exampleId('9c1f0e6f0b'),
  model: 'mnist',
  number: 2,
  name: 'mnist@2',
  message: 'train 10 more epochs',
  author: 'Ada <ada@example.org>',
  time: '2026-01-31T12:00:00.000+02:00',
  parents: [exampleId('4be2a97d10')],
  lineage: [{ version: exampleId('4be2a97d10'), model: 'base', number: 7, name: 'base@7' }],
  metrics: { accuracy: 0.981, loss: 0.061 },
  metricSteps: {
    loss: {
      step: 500,
      count: 2,
      least: { step: 500, value: 0.061 },
      most: { step: 250, value: 0.19 },
      direction: 'min',
      best: { step: 500, value: 0.061 },
    },
  },
  params: { lr: 0.001, optimizer: 'adam' },
  operation: { kind: 'train', detail: '' },
  step: 500,
  refs: ['HEAD', 'mnist/main', 'tag: v1'],
  tier: null,
};
