/** Tables of the comparison: what each tool took, and the targets beside what was measured. */
import { formatBytes, formatSeconds, markdownTable, type Spread, spreadOf } from '../harness.js';
import type { Series } from './inputs.js';
import type { Taken } from './process.js';
import type { CopySample, Sample } from './rounds.js';

/** All that was measured of one series. */
export interface SeriesResult {
  series: Pick<Series, 'name' | 'what'>;
  /** Samples of all tools, by round. */
  rounds: Sample[][];
  /** Of the same rounds. */
  copies: CopySample[];
  /** Largest resident sets of dlv by verb, bytes. */
  peaks: Record<string, number>;
}

/** A row of targets. `value` is null where it could not be measured. */
export interface Target {
  what: string;
  value: number | null;
  atMost: number;
  unit: string;
  how: string;
}

type Pick1 = (sample: Sample) => Taken;

export const all: Pick1 = ({ puts }) => ({
  seconds: puts.reduce((sum, put) => sum + put.seconds, 0),
  cpuSeconds: puts.reduce((sum, put) => sum + put.cpuSeconds, 0),
});
export const put =
  (at: number): Pick1 =>
  ({ puts }) =>
    puts.at(at) as Taken;
export const hot: Pick1 = (sample) => sample.hot;
export const cold: Pick1 = (sample) => sample.cold;

function samplesOf({ rounds }: SeriesResult, tool: string): Sample[] {
  return rounds.flatMap((round) => round.filter((sample) => sample.tool === tool));
}

/** Median over the rounds of dlv ÷ another tool, in processor seconds and on the clock. */
export function ratioTo(result: SeriesResult, tool: string, of: Pick1): [number, number] | null {
  const pairs = result.rounds.flatMap((round) => {
    const own = round.find((sample) => sample.tool === 'dlv');
    const other = round.find((sample) => sample.tool === tool);
    return own && other ? [[of(own), of(other)] as const] : [];
  });
  if (pairs.length === 0) return null;
  return [
    spreadOf(pairs.map(([a, b]) => a.cpuSeconds / b.cpuSeconds)).median,
    spreadOf(pairs.map(([a, b]) => a.seconds / b.seconds)).median,
  ];
}

/** Median over the rounds of dlv ÷ (cp + sha256). */
export function ratioToCopy(result: SeriesResult, of: Pick1): [number, number] | null {
  const pairs = result.rounds.flatMap((round, at) => {
    const own = round.find((sample) => sample.tool === 'dlv');
    const copy = result.copies[at];
    return own && copy ? [[of(own), copy] as const] : [];
  });
  if (pairs.length === 0) return null;
  const sum = ({ cp, sha256 }: CopySample, of: keyof Taken): number => cp[of] + sha256[of];
  return [
    spreadOf(pairs.map(([a, b]) => a.cpuSeconds / sum(b, 'cpuSeconds'))).median,
    spreadOf(pairs.map(([a, b]) => a.seconds / sum(b, 'seconds'))).median,
  ];
}

/** Median over the rounds of dlv: one step ÷ another. */
export function ratioWithin(result: SeriesResult, a: Pick1, b: Pick1): [number, number] {
  const own = samplesOf(result, 'dlv');
  return [
    spreadOf(own.map((sample) => a(sample).cpuSeconds / b(sample).cpuSeconds)).median,
    spreadOf(own.map((sample) => a(sample).seconds / b(sample).seconds)).median,
  ];
}

/** Middle, least and most of what dlv took. */
export function spreadOfDlv(result: SeriesResult, of: Pick1, unit: keyof Taken): Spread {
  return spreadOf(samplesOf(result, 'dlv').map((sample) => of(sample)[unit]));
}

function cell(samples: readonly Sample[], of: Pick1): string {
  const cpu = spreadOf(samples.map((sample) => of(sample).cpuSeconds)).median;
  const wall = spreadOf(samples.map((sample) => of(sample).seconds)).median;
  return `${formatSeconds(cpu)} / ${formatSeconds(wall)}`;
}

/** What each tool took in one series: processor time / time on the clock. */
export function seriesTable(result: SeriesResult): string {
  const tools = [...new Set(result.rounds.flat().map(({ tool }) => tool))];
  const rows = [['tool', 'all', 'first', 'second', 'last', 'checkout, hot', 'cold', 'stored']];
  for (const tool of tools) {
    const samples = samplesOf(result, tool);
    const bytes = spreadOf(samples.map(({ storeBytes }) => storeBytes)).median;
    const times = [all, put(0), put(1), put(-1), hot, cold].map((of) => cell(samples, of));
    rows.push([tool, ...times, formatBytes(bytes)]);
  }
  const copy = (of: keyof CopySample): string => {
    const cpu = spreadOf(result.copies.map((sample) => sample[of].cpuSeconds)).median;
    const wall = spreadOf(result.copies.map((sample) => sample[of].seconds)).median;
    return `${of} ${formatSeconds(cpu)} / ${formatSeconds(wall)}`;
  };
  const others = spreadOf(result.rounds.flat().map((sample) => sample.others));
  const { name, what } = result.series;
  const peaks = Object.entries(result.peaks).map(([verb, peak]) => `${verb} ${formatBytes(peak)}`);
  return [
    `### ${name}`,
    '',
    `${what}. n = ${result.rounds.length}. Processor time / time on the clock.`,
    '',
    markdownTable(rows),
    '',
    `The newest file hot: ${copy('cp')}, ${copy('sha256')}. Peak memory of dlv: ${peaks.join(', ')}. ` +
      `Other work kept ${others.median.toFixed(2)} cores busy (${others.min.toFixed(2)} … ${others.max.toFixed(2)}).`,
  ].join('\n');
}

export function targetTable(targets: readonly Target[]): string {
  const shown = (value: number, unit: string): string => {
    if (unit === 'bytes') return formatBytes(value);
    return unit === 's' ? formatSeconds(value) : value.toFixed(value < 1.1 && value > 0.9 ? 4 : 2);
  };
  const rows = targets.map(({ what, value, atMost, unit, how }) => [
    what,
    value === null ? 'skipped' : shown(value, unit),
    `≤ ${shown(atMost, unit)}`,
    value === null ? '' : value <= atMost ? 'yes' : '**no**',
    how,
  ]);
  return markdownTable([['what', 'measured', 'target', 'met', 'how'], ...rows]);
}
