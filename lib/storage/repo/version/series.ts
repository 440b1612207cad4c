/**
 * The series of a version's metrics as one blob: canonical msgpack, an array of the form and one row
 * for each metric. A version lists the blob among its logs. @see docs/format/version.md
 */

import { Fields } from '../../../base/bytes/msgpack/fields.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../../base/errors.js';
import type { MetricSeries } from '../../../pure/logs/series.js';
import { comparePaths } from '../../../pure/paths/version-path.js';

/** Name of the log that holds the series. */
export const SERIES_LOG = 'dlv.series';
const FORMAT = 1;
const NUMBER_BYTES = 8;

/** Canonical bytes of some series, which may be in any order. */
export function encodeSeries(series: readonly MetricSeries[]): Uint8Array {
  const rows = [...series].sort((a, b) => comparePaths(a.name, b.name));
  return encodeCanonical([
    FORMAT,
    rows.map(({ name, steps, values, times }): Packed => {
      return [name, packNumbers(steps), packNumbers(values), times && packNumbers(times)];
    }),
  ]);
}

/** The mirror of encodeSeries. @throws {CorruptError} {FormatVersionError} */
export function decodeSeries(bytes: Uint8Array, file: string): MetricSeries[] {
  const f = new Fields(decodeCanonical(bytes, file), file);
  f.form('form of series', FORMAT);
  const series = f.array('series').map((row): MetricSeries => {
    const r = new Fields(row, file, 4);
    const name = r.string('metric name');
    const steps = numbers(r.bytes('steps'), file);
    const values = numbers(r.bytes('values'), file);
    const packed = r.any('times');
    const times = packed === null ? null : numbers(packed, file);
    const isWhole = steps.every(
      (step, i) => Number.isSafeInteger(step) && step > (steps[i - 1] ?? -1),
    );
    if (!isWhole || values.length !== steps.length || (times ?? steps).length !== steps.length) {
      throw damaged(file);
    }
    return { name, steps, values, times };
  });
  f.end();
  const isSorted = series.every(
    ({ name }, i) => i === 0 || comparePaths(series[i - 1]?.name ?? '', name) < 0,
  );
  if (!isSorted) throw damaged(file);
  return series;
}

function damaged(file: string): CorruptError {
  return new CorruptError(`'${file}' is damaged: its series of metrics are not in order`, { file });
}

function packNumbers(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * NUMBER_BYTES);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, i * NUMBER_BYTES);
  return bytes;
}

function numbers(packed: Packed, file: string): number[] {
  if (!(packed instanceof Uint8Array) || packed.length % NUMBER_BYTES !== 0) throw damaged(file);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return Array.from({ length: packed.length / NUMBER_BYTES }, (_, i) => {
    return view.getFloat64(i * NUMBER_BYTES, true);
  });
}
