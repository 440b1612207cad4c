/**
 * Metrics of a run while it goes on: `.dlv/runs/<id>/metrics.jsonl`, lines of JSON that are only ever appended.
 *
 * A line is a row as any reader of JSON lines takes it: `step`, `timestamp` in seconds, `source`, and the numbers.
 * Whoever follows a run reads on from where it stopped. @see docs/format/runs.md
 */
import { eachLine } from '../../../base/bytes/lines.js';
import { appendLines } from '../../../base/files/append-lines.js';
import { ReadFile } from '../../../base/files/files.js';
import { LOG_BYTES_MAX, LOG_POINTS_MAX } from '../../../base/limits.js';
import { LogCollector } from '../../../pure/logs/log-content.js';
import { addRow, numbersOf } from '../../../pure/logs/rows.js';
import type { MetricSeries } from '../../../pure/logs/series.js';
import type { Layout } from '../layout.js';

/** Rows from the output of a command: a metric that a file tells of as well is the file's. */
export const FROM_OUTPUT = 'output';

/** Numbers that were measured together. */
export interface MetricRow {
  step: number;
  /** Milliseconds since 1970; null where unknown. */
  time: number | null;
  /** FROM_OUTPUT, 'api', or the log file that tells of them. */
  source: string;
  /** True if the step is a count of what was told, since nothing says it. */
  isCounted?: boolean;
  /** As it was told, with its fraction. */
  epoch?: number | null;
  values: ReadonlyMap<string, number>;
}

/** The line of a row, with its line feed. Numbers that JSON does not have are texts. */
function formatRow({ step, time, source, isCounted, epoch, values }: MetricRow): string {
  const row: Record<string, unknown> = Object.create(null);
  row.step = step;
  if (time !== null) row.timestamp = time / 1000;
  row.source = source;
  if (isCounted) row.counted = true;
  if (typeof epoch === 'number' && Number.isFinite(epoch)) row.epoch = epoch;
  for (const [name, value] of values) {
    if (name in row) continue;
    row[name] = Number.isFinite(value)
      ? value
      : String(value).replace('Infinity', 'inf').toLowerCase();
  }
  return `${JSON.stringify(row)}\n`;
}

/** Appends rows; whole lines, so that readers meet no torn one but the last of a killed process. */
export async function appendRows(
  layout: Layout,
  id: string,
  rows: readonly MetricRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await appendLines(layout.runFile(id, 'metrics.jsonl'), rows.map(formatRow).join(''));
}

/** What a follower has read so far. */
export interface MetricsRead {
  series: MetricSeries[];
  /** Names of series whose last step is a count. */
  counted: ReadonlySet<string>;
  /** Bytes that were read; whole lines. */
  bytes: number;
}

/**
 * The series of a run so far; none if it has told of none.
 * @param at  a checkpoint: points that were measured after it are left out.
 * @throws {IoError}
 */
export async function readRunMetrics(
  layout: Layout,
  id: string,
  at: MetricsAt | null = null,
): Promise<MetricsRead> {
  const file = await ReadFile.openIfThere(layout.runFile(id, 'metrics.jsonl'));
  if (file === null) return { series: [], counted: new Set(), bytes: 0 };
  try {
    const bytes = await file.read(0, Math.min(file.size, LOG_BYTES_MAX));
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
    const rows = placeByEpoch([...parseRows(whole)]);
    return { ...seriesOfRows(at === null ? rows : rowsAt(rows, at)), bytes: whole.length };
  } finally {
    await file.close();
  }
}

/** A row as it stands in the file. */
interface Row {
  row: { step?: unknown; timestamp?: unknown; counted?: unknown; epoch?: unknown };
  source: string;
}

/** Rows of whole lines; a line that is no row is skipped. */
function* parseRows(bytes: Uint8Array): Generator<Row> {
  for (const line of eachLine(bytes)) {
    if (!line.startsWith('{')) continue;
    try {
      const row = JSON.parse(line) as Row['row'] & { source?: unknown };
      yield { row, source: typeof row.source === 'string' ? row.source : '' };
    } catch {
      // Torn by a kill; the next line is whole again.
    }
  }
}

/** When a checkpoint was seen to be complete and when it was written, milliseconds since 1970, and its step. */
export interface MetricsAt {
  time: number;
  written: number;
  step: number | null;
}

/** Rows of what was measured until a checkpoint. A run goes on while dlv waits for it to be complete: then the steps of both tell. */
function rowsAt(rows: readonly Row[], { time, written, step }: MetricsAt): Row[] {
  const timeOf = ({ row: { timestamp } }: Row): number =>
    typeof timestamp === 'number' ? timestamp * 1000 : Number.NEGATIVE_INFINITY;
  const seen = rows.filter((one) => timeOf(one) <= time);
  if (step === null) return seen;
  const isUntil = ({ row }: Row): boolean => isCount(row) || stepOf(row) <= step;
  // Checkpoints may be numbered by epochs, and metrics by steps: then their numbers cannot be compared.
  const isOneCount = seen.every((one) => timeOf(one) > written || isUntil(one));
  return isOneCount ? seen.filter(isUntil) : seen;
}

function stepOf({ step }: Row['row']): number {
  return typeof step === 'number' ? step : 0;
}

function isCount({ counted }: Row['row']): boolean {
  return counted === true;
}

/** How well epochs are told that are printed: to two decimals or four digits. */
const EPOCH_PLACES = 0.005;
const EPOCH_DIGITS = 5e-4;

/**
 * A trainer may print epochs alone, while the state in its checkpoints says how many steps they are: then rows that were
 * counted have steps, and those of the state are not taken once more.
 */
function placeByEpoch(rows: readonly Row[]): Row[] {
  const known = rows.findLast(({ row, source }) => {
    return source !== FROM_OUTPUT && typeof row.epoch === 'number' && row.epoch > 0;
  });
  if (known === undefined) return [...rows];
  const perEpoch = stepOf(known.row) / (known.row.epoch as number);
  const last = stepOf(known.row);
  const told = new Set(
    rows.flatMap(({ row, source }) => (source === FROM_OUTPUT ? [] : [...numbersOf(row).keys()])),
  );
  return rows.flatMap((one): Row[] => {
    const { row, source } = one;
    const { epoch } = row;
    if (source !== FROM_OUTPUT || !isCount(row) || typeof epoch !== 'number') return [one];
    const step = Math.round(epoch * perEpoch);
    const doubt = perEpoch * Math.max(EPOCH_PLACES, epoch * EPOCH_DIGITS);
    const placed = { ...row, step, counted: false };
    if (step <= last + doubt) return [{ row: placed, source }];
    // Points of the state's metrics that are later than it go on with its series.
    const [its, others] = partition(placed, (name) => told.has(name));
    return [
      { row: { ...its, step, timestamp: row.timestamp }, source: known.source },
      { row: { ...others, step, timestamp: row.timestamp }, source },
    ];
  });
}

function partition(row: Row['row'], isFirst: (name: string) => boolean): [object, object] {
  const entries = Object.entries(row);
  return [
    Object.fromEntries(entries.filter(([name]) => isFirst(name))),
    Object.fromEntries(entries.filter(([name]) => !isFirst(name))),
  ];
}

/** Series by name. A metric that a file or a program tells of is not taken from the output as well. */
function seriesOfRows(rows: Iterable<Row>): Pick<MetricsRead, 'series' | 'counted'> {
  const fromOutput = new LogCollector('run');
  const told = new LogCollector('run');
  const counted = new Set<string>();
  let index = 0;
  for (const { row, source } of rows) {
    const isOutput = source === FROM_OUTPUT;
    addRow(isOutput ? fromOutput : told, row, index++);
    if (isOutput) noteCounted(counted, row);
    if (index > LOG_POINTS_MAX) break;
  }
  const series = told.finish().series;
  const names = new Set(series.map(({ name }) => name));
  const others = fromOutput.finish().series.filter(({ name }) => !names.has(name));
  return {
    series: [...series, ...others].sort((a, b) => (a.name < b.name ? -1 : 1)),
    counted: new Set(others.map(({ name }) => name).filter((name) => counted.has(name))),
  };
}

function noteCounted(counted: Set<string>, row: Row['row']): void {
  for (const name of numbersOf(row).keys()) {
    if (isCount(row)) counted.add(name);
    else counted.delete(name);
  }
}
