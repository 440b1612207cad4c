/**
 * Rows of named values, as JSON lines, CSV and key=value logs have them: which column is the step,
 * which the time, and what else is a metric.
 */
import type { LogCollector } from './log-content.js';

/** Names of the step, the first that a row has. With a step, an epoch is not a metric. */
const STEP_NAMES = [
  'step',
  'global_step',
  '_step',
  'trainer/global_step',
  'iteration',
  'iter',
  'epoch',
  'epochs',
];
const TIME_NAMES = ['_timestamp', 'timestamp', 'wall_time', 'datetime', 'created_at'];
const NO_METRICS = new Set([...STEP_NAMES, ...TIME_NAMES, '_runtime', '_wandb']);
const DEPTH_MAX = 16;

/** The numbers of an object; those of nested ones under dotted names. */
export function numbersOf(value: object, prefix = '', depth = 0): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [key, item] of Object.entries(value)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) {
      if (depth < DEPTH_MAX) {
        for (const [inner, number] of numbersOf(item, name, depth + 1)) numbers.set(inner, number);
      }
      continue;
    }
    const number = numberOf(item);
    if (number !== null) numbers.set(name, number);
  }
  return numbers;
}

const WORDS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

/** A number, also one that only a text can say (NaN, inf); null for anything else. */
export function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return null;
  const text = value.trim().toLowerCase();
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(text)) return Number(text);
  return Object.hasOwn(WORDS, text) ? (WORDS[text] as number) : null;
}

/** Milliseconds since 1970 of a time as logs write it: seconds, milliseconds or ISO 8601. */
export function timeOf(value: unknown): number | null {
  const number = numberOf(value);
  if (number !== null) {
    if (number > 1e14 || number < 1e8 || Number.isNaN(number)) return null;
    return number > 1e11 ? number : number * 1000;
  }
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d/.test(value)) return null;
  const time = Date.parse(value);
  return Number.isNaN(time) ? null : time;
}

/** Adds one row. @param index  of the row: the step of rows that name none. */
export function addRow(collector: LogCollector, row: object, index: number): void {
  const numbers = numbersOf(row);
  const step = STEP_NAMES.find((name) => numbers.has(name));
  const times = new Map(Object.entries(row));
  const time = TIME_NAMES.map((name) => timeOf(times.get(name))).find((found) => found !== null);
  const at = step === undefined ? index : (numbers.get(step) as number);
  for (const [name, value] of numbers) {
    if (!NO_METRICS.has(name)) collector.point(name, value, at, time ?? null);
  }
}
