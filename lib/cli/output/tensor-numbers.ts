/** Numbers of comparisons as people read them: no more digits than are known, and what they are right to. */
import type { DriftCell, MetricCell, TensorDiff } from '../../use/ops/diff.js';
import { formatMetric } from './render.js';
import { formatNumber } from './ui.js';

type Numbers = NonNullable<TensorDiff['numbers']>;

/** A share as a percentage that is 0 % or 100 % only if it is exactly so. */
export function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const isNearEnd = share > 0.999 || share < 0.001;
  // One element of millions: two digits, however small; near the whole as many as tell it from that.
  if (share < 1e-6) return `${(share * 100).toPrecision(2)} %`;
  let digits = isNearEnd ? 4 : 1;
  while (share < 1 && Number((share * 100).toFixed(digits)) === 100 && digits < DIGITS_MAX)
    digits++;
  return `${(share * 100).toFixed(digits)} %`;
}

/** Four digits. */
export function significant(value: number | string): string {
  if (typeof value === 'string') return value;
  // Beyond 2^53 most digits of a whole number would be made up.
  if (Number.isSafeInteger(value)) return formatNumber(value);
  return isPlain(value) ? value.toPrecision(4) : value.toExponential(3);
}

/** True for numbers that are read without an exponent. */
function isPlain(value: number): boolean {
  const size = Math.abs(value);
  return size >= 0.001 && size < 1e6;
}

/** Digits that a number of 64 bits has. */
const DIGITS_MAX = 15;

/**
 * `0.0843 ±7e-4`: as many digits as the bound allows, for a number that leading planes gave. The bound is rounded
 * up, and holds for the digits as they are shown.
 */
export function within(value: number | string, bound: number): string {
  if (bound === 0 || typeof value === 'string') return significant(value);
  if (!(Number.isFinite(value) && Number.isFinite(bound))) return `${significant(value)} ±${bound}`;
  const last = placeOf(bound);
  const digits = (count: number): number => Math.min(Math.max(count, 0), DIGITS_MAX);
  let text = '0';
  if (isPlain(value)) text = value.toFixed(digits(-last));
  else if (value !== 0) text = value.toExponential(digits(placeOf(value) - last));
  return `${text} ±${boundText(bound + Math.abs(Number(text) - value))}`;
}

/** The power of ten of the first digit. */
function placeOf(value: number): number {
  return Math.floor(Math.log10(Math.abs(value)));
}

/** One digit, rounded up. */
function boundText(bound: number): string {
  const unit = 10 ** placeOf(bound);
  // What is a whole number of units but for the last bits is that number.
  const up = Math.ceil(bound / unit - 1e-6) * unit;
  return isPlain(up) ? String(Number(up.toPrecision(1))) : up.toExponential(0);
}

/** The share of changed elements; a lower bound says so. */
export function changedText({ changed, bound }: Numbers): string {
  if (changed === null) return '–';
  return `${bound === null || bound.changedIsExact ? '' : '≥ '}${percent(changed)}`;
}

/** `64 (99 % in 12)`: the effective rank of a change. */
export function rankText({ rank }: Numbers): string {
  if (rank === null) return '';
  const least = rank.sampledRows === null ? '' : '≥ ';
  return `${least}${rank.effective.toPrecision(3)} of ${Math.min(rank.rows, rank.columns)}`;
}

/** `0.08427 ±7e-4`, or nothing where a layer was not compared. */
export function driftText(cell: DriftCell | null): string {
  if (cell === null) return '';
  return cell.relativeL2 === null ? '–' : within(cell.relativeL2, cell.bound);
}

/** `0.999897`, or `0.99989 ±2e-5` where leading planes gave it; `–` for none. */
export function cosineText(cosine: number | null, bound: number): string {
  if (cosine === null) return '–';
  return bound === 0 ? cosine.toFixed(6) : within(cosine, bound);
}

/** `+0.012`: a difference with its sign. */
export function signed(delta: number): string {
  const text = formatMetric(delta);
  return delta > 0 ? `+${text}` : text;
}

/**
 * `0.921 @3000 (+0.008), best 0.93 @2000`: the value of a version with its step, how far it is from the baseline's,
 * and the best on the way to it where that is another; `–` for none.
 */
export function metricText(cell: MetricCell | null): string {
  if (cell === null) return '–';
  const { best, last, delta } = cell;
  const parts = [
    `${placeText(last)}${delta === null || delta === 0 ? '' : ` (${signed(delta)})`}`,
    // A value without a step was given for the run as a whole.
    ...(last.step === null || best === null || best.value === last.value
      ? []
      : [`best ${placeText(best)}`]),
  ];
  return parts.join(', ');
}

function placeText({ value, step }: MetricCell['last']): string {
  return `${formatMetric(value)}${step === null ? '' : ` @${step}`}`;
}
