/**
 * The scale and zero point of each channel by which 8-bit integers follow from stored floats, or floats
 * from stored integers, found from the values alone: no exporter has to be known, nor where it writes
 * them. Whoever uses a fit verifies it.
 */
import {
  CHANNELS_MAX,
  QUANTISED,
  type Quantisation,
  type QuantisedType,
} from '../../../pure/codec/quantise.js';

/** Which elements share a scale: element i is of channel ⌊i / inner⌋ mod channels. */
export interface ChannelPlan {
  readonly channels: number;
  readonly inner: number;
}

/** Floats and the integers that stand for them, from some place of their tensor on. */
export interface Pairs {
  readonly values: Float32Array;
  readonly integers: Int8Array | Uint8Array;
  readonly first: number;
}

/** Reads pairs in order, as often as it is called: all of a tensor are too many to be held. */
export type PairSource = () => AsyncIterable<Pairs> | Iterable<Pairs>;

/** Fewer elements of a channel are not worth a scale of their own. */
const CHANNEL_ELEMENTS_MIN = 16;
/** How far the scale may be from what the largest value says, which may have been cut. */
const TOLERANCE = 0.03;
/** Share of a step below which a value certainly has the integer that stands for 0. */
const NEAR_STEPS = 0.4;
/** Neighbours of a quotient that are tried: it is off by less than one place. */
const PLACES = [0, 1, -1, 2, -2];

/** One scale for all, then one for each index of the first, the last and the second dimension. */
export function channelPlans(shape: readonly number[]): ChannelPlan[] {
  const count = shape.reduce((all, length) => all * length, 1);
  const plans: ChannelPlan[] = [{ channels: 1, inner: count }];
  for (const axis of new Set([0, shape.length - 1, 1])) {
    const channels = shape[axis] ?? 0;
    const inner = shape.slice(axis + 1).reduce((all, length) => all * length, 1);
    const isWorth = channels > 1 && CHANNEL_ELEMENTS_MIN * channels <= count;
    if (isWorth && channels <= CHANNELS_MAX) plans.push({ channels, inner });
  }
  return plans;
}

function rangeOf(type: QuantisedType): readonly [least: number, most: number] {
  const { least, most } = QUANTISED[type];
  return [least, most];
}

/** Symmetric quantisation is common: what seems to be off by one from the middle may be the middle. */
function snapped(zero: number, type: QuantisedType): number {
  const middle = type === 'I8' ? 0 : 128;
  return Math.abs(zero - middle) <= 1 ? middle : zero;
}

/** Calls back with each element and its channel. */
function eachOf(
  { channels, inner }: ChannelPlan,
  { values, integers, first }: Pairs,
  look: (channel: number, value: number, integer: number) => void,
): void {
  let channel = Math.floor(first / inner) % channels;
  let left = inner - (first % inner);
  for (let i = 0; i < values.length; i++) {
    look(channel, values[i]!, integers[i]!);
    if (--left > 0) continue;
    left = inner;
    channel = channel + 1 === channels ? 0 : channel + 1;
  }
}

/** What the first look at floats and integers tells of each channel. */
class Extremes {
  readonly largest: Float64Array;
  readonly largestInteger: Int16Array;
  readonly smallest: Float64Array;
  readonly smallestInteger: Int16Array;
  /** The value next to 0 by size, and its integer. */
  readonly #nearest: Float64Array;
  readonly #nearestInteger: Int16Array;

  constructor(channels: number) {
    this.largest = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
    this.smallest = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
    this.#nearest = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
    this.largestInteger = new Int16Array(channels);
    this.smallestInteger = new Int16Array(channels);
    this.#nearestInteger = new Int16Array(channels);
  }

  /** @param isCut  true if the integer may stand for anything beyond it. */
  look(channel: number, value: number, integer: number, isCut: boolean): void {
    if (!isCut && value > this.largest[channel]!) {
      this.largest[channel] = value;
      this.largestInteger[channel] = integer;
    }
    if (!isCut && value < this.smallest[channel]!) {
      this.smallest[channel] = value;
      this.smallestInteger[channel] = integer;
    }
    const size = Math.abs(value);
    if (size < this.#nearest[channel]!) {
      this.#nearest[channel] = size;
      this.#nearestInteger[channel] = integer;
    }
  }

  /** The integer that stands for 0: that of a value within half a step of it, else by the line. */
  zeroOf(channel: number): number {
    const up = this.largest[channel]!;
    const integer = this.largestInteger[channel]!;
    const step = (up - this.smallest[channel]!) / (integer - this.smallestInteger[channel]!);
    const isNear = !(this.#nearest[channel]! > NEAR_STEPS * step);
    return isNear ? this.#nearestInteger[channel]! : Math.round(integer - up / step) || 0;
  }

  /** The value of largest size in a channel and how far its integer is from the zero point. */
  far(channel: number, zero: number): [value: number, steps: number] {
    const up = this.largest[channel]!;
    const down = this.smallest[channel]!;
    if (Math.abs(up) >= Math.abs(down)) return [up, this.largestInteger[channel]! - zero];
    return [down, this.smallestInteger[channel]! - zero];
  }
}

async function extremesOf(
  plan: ChannelPlan,
  read: PairSource,
  [least, most]: readonly [number, number],
): Promise<Extremes> {
  const extremes = new Extremes(plan.channels);
  for await (const part of read()) {
    eachOf(plan, part, (c, value, q) => {
      extremes.look(c, value, q, q === least || q === most);
    });
  }
  return extremes;
}

/**
 * How integers follow from floats: each integer bounds the scale from both sides, and any scale within all
 * bounds gives them.
 * @param read       all elements, or some to try a plan on; read twice.
 * @param symmetric  takes zero points next to the middle for the middle: one changed value may have moved them.
 */
export async function fitQuantisation(
  type: QuantisedType,
  plan: ChannelPlan,
  read: PairSource,
  symmetric = true,
): Promise<Quantisation> {
  const { channels, inner } = plan;
  const range = rangeOf(type);
  const [least, most] = range;
  const extremes = await extremesOf(plan, read, range);
  const zeros = Int16Array.from({ length: channels }, (_, c) => {
    const zero = extremes.zeroOf(c);
    return symmetric ? snapped(zero, type) : zero;
  });
  const low = new Float64Array(channels);
  const high = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const [value, steps] = extremes.far(c, zeros[c]!);
    const about = value / steps;
    if (!Number.isFinite(about) || about <= 0) continue;
    low[c] = about * (1 - TOLERANCE);
    high[c] = about * (1 + TOLERANCE);
  }
  const narrow = (c: number, value: number, integer: number): void => {
    const steps = integer - zeros[c]!;
    if (integer === least || integer === most || (steps !== 0 && value * steps <= 0)) return;
    const size = Math.abs(value);
    const from = size / (Math.abs(steps) + 0.5);
    const to = steps === 0 ? Number.POSITIVE_INFINITY : size / (Math.abs(steps) - 0.5);
    // Outside of what the others say: this one was changed since.
    if (from > high[c]! || to < low[c]!) return;
    if (from > low[c]!) low[c] = from;
    if (to < high[c]!) high[c] = to;
  };
  for await (const part of read()) eachOf(plan, part, narrow);
  const scales = Float32Array.from(low, (from, c) => (high[c]! > 0 ? (from + high[c]!) / 2 : 1));
  return { type, inner, scales, zeros };
}

/** How floats follow from integers: of few candidates for each scale, the one that gives the most. */
export async function fitDequantisation(
  type: QuantisedType,
  plan: ChannelPlan,
  read: PairSource,
): Promise<Quantisation> {
  const { channels, inner } = plan;
  const extremes = await extremesOf(plan, read, rangeOf(type));
  const zeros = Int16Array.from({ length: channels }, (_, c) => extremes.zeroOf(c));
  const candidates = PLACES.map(() => new Float32Array(channels).fill(1));
  for (let c = 0; c < channels; c++) {
    const [value, steps] = extremes.far(c, zeros[c]!);
    const near = Float32Array.of(value / steps);
    if (!Number.isFinite(near[0]!) || near[0] === 0) continue;
    const bits = new Int32Array(near.buffer);
    const middle = bits[0]!;
    for (const [k, place] of PLACES.entries()) {
      bits[0] = middle + place;
      candidates[k]![c] = near[0]!;
    }
  }
  const exact = PLACES.map(() => new Uint32Array(channels));
  for await (const part of read()) {
    eachOf(plan, part, (c, value, integer) => {
      for (let k = 0; k < PLACES.length; k++) {
        if (Math.fround((integer - zeros[c]!) * candidates[k]![c]!) === value) exact[k]![c]!++;
      }
    });
  }
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    let best = 0;
    for (let k = 1; k < PLACES.length; k++) if (exact[k]![c]! > exact[best]![c]!) best = k;
    scales[c] = candidates[best]![c]!;
  }
  return { type, inner, scales, zeros };
}
