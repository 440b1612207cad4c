/**
 * Lines with `name=value` in them, as people print while they train:
 * `2026-01-31 12:00:01 INFO step=100 loss=0.31 acc=0.9`. Also `name: value`.
 */
import { eachLine } from '../../../base/bytes/lines.js';
import { LogCollector, type LogContent } from '../log-content.js';
import { addRow, timeOf } from '../rows.js';

/** A longer line is no line of a log that a person reads; of these its beginning is read. */
const LINE_MAX = 16_384;
const PAIR =
  /([A-Za-z_][\w./@-]{0,255}?)\s{0,3}[=:]\s{0,3}([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?))(?![\w.:/-])/gi;
const LEADING_TIME =
  /^\W{0,3}(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)/;

/** What such lines say; null if none has a pair. */
export function readKeyValueLog(bytes: Uint8Array): LogContent | null {
  const collector = new LogCollector('key=value');
  let index = 0;
  for (const line of eachLine(bytes)) {
    const text = line.slice(0, LINE_MAX);
    const row: Record<string, unknown> = Object.create(null);
    let pairs = 0;
    for (const [, name, value] of text.matchAll(PAIR)) {
      row[name as string] = value;
      pairs++;
    }
    if (pairs === 0) continue;
    const time = LEADING_TIME.exec(text)?.[1]?.replace(',', '.');
    if (time !== undefined && timeOf(time) !== null) row.timestamp = time;
    addRow(collector, row, index++);
  }
  const content = collector.finish();
  return content.series.length === 0 ? null : content;
}
