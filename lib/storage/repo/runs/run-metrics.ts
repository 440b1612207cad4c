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
import { addRow } from '../../../pure/logs/rows.js';
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
  values: ReadonlyMap<string, number>;
}

/** The line of a row, with its line feed. Numbers that JSON does not have are texts. */
function formatRow({ step, time, source, values }: MetricRow): string {
  const row: Record<string, unknown> = Object.create(null);
  row.step = step;
  if (time !== null) row.timestamp = time / 1000;
  row.source = source;
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
interface MetricsRead {
  series: MetricSeries[];
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
  if (file === null) return { series: [], bytes: 0 };
  try {
    const bytes = await file.read(0, Math.min(file.size, LOG_BYTES_MAX));
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
    const rows = at === null ? parseRows(whole) : rowsAt([...parseRows(whole)], at);
    return { series: seriesOfRows(rows), bytes: whole.length };
  } finally {
    await file.close();
  }
}

/** Rows of whole lines; what is none is passed over. */
function* parseRows(bytes: Uint8Array): Generator<{ row: object; source: string }> {
  for (const line of eachLine(bytes)) {
    if (!line.startsWith('{')) continue;
    try {
      const row = JSON.parse(line) as { source?: unknown };
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
function rowsAt(
  rows: readonly { row: object; source: string }[],
  { time, written, step }: MetricsAt,
): { row: object; source: string }[] {
  const timeOf = (row: object): number => {
    const { timestamp } = row as { timestamp?: unknown };
    return typeof timestamp === 'number' ? timestamp * 1000 : Number.NEGATIVE_INFINITY;
  };
  const stepOf = (row: object): number => {
    const { step: own } = row as { step?: unknown };
    return typeof own === 'number' ? own : 0;
  };
  const seen = rows.filter(({ row }) => timeOf(row) <= time);
  if (step === null) return seen;
  // Checkpoints may be numbered by epochs, and metrics by steps: then their numbers cannot be compared.
  const isOneCount = seen.every(({ row }) => timeOf(row) > written || stepOf(row) <= step);
  return isOneCount ? seen.filter(({ row }) => stepOf(row) <= step) : seen;
}

/** Series by name. A metric that a file or a program tells of is not taken from the output as well. */
function seriesOfRows(rows: Iterable<{ row: object; source: string }>): MetricSeries[] {
  const fromOutput = new LogCollector('run');
  const told = new LogCollector('run');
  let index = 0;
  for (const { row, source } of rows) {
    addRow(source === FROM_OUTPUT ? fromOutput : told, row, index++);
    if (index > LOG_POINTS_MAX) break;
  }
  const series = told.finish().series;
  const names = new Set(series.map(({ name }) => name));
  const others = fromOutput.finish().series.filter(({ name }) => !names.has(name));
  return [...series, ...others].sort((a, b) => (a.name < b.name ? -1 : 1));
}
