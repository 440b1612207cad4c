/** Axes of plots: round ticks that cover numbers, and where a number lies between them. */
import { canDraw } from './curve.js';

const TICKS = 6;
/** The powers of ten that are numbers above 0 and below infinity. */
const LEAST_POWER = -323;
const MOST_POWER = 308;

/** About `count` round numbers that cover a range, ascending; the first and last enclose it. */
export function niceTicks(low: number, high: number, count = TICKS): number[] {
  // Steps of a narrower range would get lost in rounding.
  const narrow = 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1e-280);
  if (!(high - low > narrow)) return [low, low + Math.max(1, Math.abs(low))];
  const rough = (high - low) / Math.max(1, count - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough) as number;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** As niceTicks, round in the binary unit that the larger end is written in: 0, 10 MiB, 20 MiB. */
export function byteTicks(low: number, high: number, count = TICKS): number[] {
  const most = Math.max(Math.abs(low), Math.abs(high), 1);
  const unit = 1024 ** Math.floor(Math.log2(most) / 10);
  return niceTicks(low / unit, high / unit, count).map((tick) => tick * unit);
}

/** Powers of ten that cover a range above 0, ascending; at least two. */
export function logTicks(low: number, high: number): number[] {
  // Powers beyond these are 0 or infinite as numbers.
  const first = Math.min(Math.max(LEAST_POWER, Math.floor(Math.log10(low) + 1e-9)), MOST_POWER - 1);
  const last = Math.min(Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9)), MOST_POWER);
  const step = Math.max(1, Math.ceil((last - first) / TICKS));
  const count = Math.ceil((last - first) / step);
  const powers = Array.from({ length: count + 1 }, (_, i) => first + i * step);
  return powers.map((power) => 10 ** Math.min(power, MOST_POWER));
}

/** How the numbers of an axis are laid out. */
export interface AxisOptions {
  /** Default 'linear'; 'log' where all numbers are above 0. */
  scale?: 'linear' | 'bytes' | 'log';
  /** Begins at 0 whatever the data. */
  fromZero?: boolean;
  /** Ends where the numbers end, with the ticks between. */
  tight?: boolean;
  count?: number;
}

/** An axis: `share` is 0 at the first tick and 1 at the last. */
export interface Axis {
  ticks: number[];
  share(value: number): number;
  /** The number at a share. */
  value(share: number): number;
}

/** An axis that covers numbers; those that cannot be drawn are left out. */
export function axisOf(
  values: readonly number[],
  { scale = 'linear', fromZero = false, tight = false, count = TICKS }: AxisOptions = {},
): Axis {
  const isLog = scale === 'log' && values.every((value) => !(value <= 0));
  const finite = values.filter(canDraw);
  let low = finite.length > 0 ? finite.reduce((a, b) => Math.min(a, b)) : isLog ? 1 : 0;
  const high = finite.length > 0 ? finite.reduce((a, b) => Math.max(a, b)) : 1;
  if (isLog) {
    const ticks = logTicks(low, high);
    const [first, last] = [ticks[0] as number, ticks.at(-1) as number].map(Math.log) as [
      number,
      number,
    ];
    const share = (value: number): number => (Math.log(value) - first) / (last - first);
    return {
      ticks,
      share: (value) => Math.min(1, Math.max(0, share(value))),
      value: (at) => Math.exp(first + at * (last - first)),
    };
  }
  if (fromZero) low = Math.min(0, low);
  const ticks = (scale === 'bytes' ? byteTicks : niceTicks)(low, high, count);
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  if (tight && inside.length > 1) {
    return { ticks: inside, ...between(low, high) };
  }
  const [first, last] = [ticks[0] as number, ticks.at(-1) as number];
  return { ticks, ...between(first, last) };
}

function between(first: number, last: number): Omit<Axis, 'ticks'> {
  return {
    share: (value) => (value - first) / (last - first),
    value: (share) => first + share * (last - first),
  };
}

/** A number in at most four digits. */
export function plainNumber(value: number): string {
  const text = String(Number(value.toPrecision(4)));
  return text.replace('e+', 'e').replace(/^-/, '−');
}
