/** Intervals through operators that divide by what many values add up to: Softmax, norms over features, LRN. */
import { type GraphNode, numberOf } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import type { GraphMaker } from '../graph-maker.js';
import { FEW, TERMS_MAX, UNIT } from '../rounding.js';
import type { ForwardPass, ForwardRule, Interval } from './forward.js';

/** What sums of float64 and the runtime's exponential function of float64 lose, generously. */
const DOUBLE = 1e-11;

/** A number of float64. */
export function double(maker: GraphMaker, value: number): string {
  return maker.double(maker.scalar(value));
}

export function single(maker: GraphMaker, value: string): string {
  return maker.node('Cast', [value], { to: { int: 1 } });
}

/** Sums, means and maxima over axes that stay. */
export function over(
  maker: GraphMaker,
  op: string,
  value: string,
  axes: readonly number[],
): string {
  if (op === 'ReduceSum') return maker.node(op, [value, maker.whole(axes)]);
  return maker.node(op, [value], { axes: { ints: axes } });
}

/** Axes that an operator works over, counted from the front. */
export function normalisedAxes(pass: ForwardPass, node: GraphNode): number[] {
  const rank = pass.shape(node.inputs[0] as string).length;
  // Before version 13 a softmax flattened all axes from its own on.
  const isOld = node.op === 'Softmax' && pass.analysis.opset < 13;
  const given = numberOf(node, 'axis') ?? (isOld ? 1 : -1);
  const axis = given < 0 ? given + rank : given;
  const isOne = node.op === 'Softmax' && !isOld;
  return isOne ? [axis] : Array.from({ length: rank - axis }, (_, i) => axis + i);
}

/** How many elements are taken together. */
export function countOver(pass: ForwardPass, node: GraphNode, axes: readonly number[]): number {
  const shape = pass.shape(node.inputs[0] as string);
  const count = axes.reduce((product, axis) => product * (shape[axis] as number), 1);
  if (count > TERMS_MAX) throw new NoBounds(`${node.op} of more than ${TERMS_MAX}`, node.op);
  return count;
}

/**
 * Relative error of the reference's softmax of n elements, in units of 2^-24, beside the distance of an element
 * from the greatest, which is rounded before it is an exponent: sums, the division, and 8 for its exponential.
 */
export function softmaxUnits(count: number): number {
  return count + 64;
}

/** y = exp(x) / (exp(x) + others): low where x is low and all others are high, and the other way round. */
const softmax: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const axes = normalisedAxes(pass, node);
  const count = countOver(pass, node, axes);
  const { low, high } = pass.interval(node.inputs[0] as string);
  const [lows, highs] = [maker.double(low), maker.double(high)];
  const most = over(maker, 'ReduceMax', highs, axes);
  const exps = [lows, highs].map((end) => maker.node('Exp', [maker.sub(end, most)]));
  const [least, greatest] = exps as [string, string];
  // What a sum loses where an element is taken out of it again.
  const lost = double(maker, count * 1e-13);
  const sums = exps.map((one) => over(maker, 'ReduceSum', one, axes)) as [string, string];
  const zero = double(maker, 0);
  const slack = sums.map((sum) => maker.mul(sum, lost)) as [string, string];
  const above = maker.add(maker.max(maker.sub(sums[1], greatest), zero), slack[1]);
  const below = maker.max(maker.sub(maker.sub(sums[0], least), slack[0]), zero);
  // Both sides grow by a number that no float32 has, so that 0 is never divided by 0.
  const tiny = maker.mul(double(maker, 1e-30), double(maker, 1e-30));
  const share = (part: string, rest: string, more: string): string =>
    maker.node('Div', [maker.add(part, more), maker.add(maker.add(part, rest), tiny)]);
  const ends = {
    low: share(least, above, zero),
    high: share(greatest, below, tiny),
  };
  const distance = maker.min(maker.sub(most, lows), double(maker, 110));
  const units = maker.add(distance, double(maker, softmaxUnits(count)));
  const error = maker.add(maker.mul(units, double(maker, 1.01 * UNIT)), double(maker, DOUBLE));
  const one = double(maker, 1);
  const wide = pass.widen({
    low: single(maker, maker.mul(ends.low, maker.sub(one, error))),
    high: single(maker, maker.mul(ends.high, maker.add(one, error))),
  });
  return { low: maker.max(wide.low, maker.scalar(0)), high: wide.high };
};

/** What is known of x − mean(x), and of 1 / √(variance + ε), in float64. */
export interface Standardized {
  readonly axes: readonly number[];
  /** Of x − mean(x): its center, and how far it may be from it. */
  readonly center: string;
  readonly radius: string;
  /** Of the factor: least and greatest. */
  readonly least: string;
  readonly most: string;
}

/**
 * Differences from the mean, and the factor that they are multiplied with. The deviation is a seminorm: that of
 * x is at most that of x − c away from that of c, which is at most √mean(r²).
 */
export function standardized(pass: ForwardPass, node: GraphNode): Standardized {
  return pass.once(`standardized ${node.outputs[0]}`, () => makeStandardized(pass, node));
}

function makeStandardized(pass: ForwardPass, node: GraphNode): Standardized {
  const { maker } = pass;
  const axes = normalisedAxes(pass, node);
  const count = countOver(pass, node, axes);
  const ball = pass.ball(node.inputs[0] as string);
  const mean = (value: string): string => over(maker, 'ReduceMean', value, axes);
  const square = (value: string): string => maker.mul(value, value);
  const x = maker.double(ball.center);
  const center = maker.sub(x, mean(x));
  const zero = double(maker, 0);
  const inner = ball.radius === null ? null : maker.double(ball.radius);
  const size = maker.double(ball.size);
  const deviation = maker.node('Sqrt', [mean(square(center))]);
  const loose = inner === null ? zero : maker.node('Sqrt', [mean(square(inner))]);
  const up = double(maker, 1 + 1e-9);
  const down = double(maker, 1 - 1e-9);
  const low = maker.mul(maker.max(maker.sub(deviation, maker.mul(loose, up)), zero), down);
  const high = maker.mul(maker.add(deviation, loose), up);
  // The reference may take the variance as mean(x²) − mean(x)².
  const rounded = maker.mul(mean(square(size)), double(maker, 4.2 * (count + 16) * UNIT));
  const epsilon = double(maker, Math.fround(numberOf(node, 'epsilon') ?? 1e-5));
  const least = maker.sub(
    maker.add(square(low), maker.mul(epsilon, double(maker, 1 - 1e-6))),
    rounded,
  );
  const greatest = maker.add(
    maker.add(square(high), maker.mul(epsilon, double(maker, 1 + 1e-6))),
    rounded,
  );
  const over1 = (value: string): string =>
    maker.node('Div', [double(maker, 1), maker.node('Sqrt', [value])]);
  const tiny = double(maker, 1e-30);
  // A variance that may be 0 or less has no bound: the reference may divide by anything.
  const isSound = maker.node('Greater', [least, tiny]);
  const most = maker.where(
    isSound,
    maker.mul(over1(maker.max(least, tiny)), double(maker, 1 + 8 * UNIT)),
    double(maker, Number.POSITIVE_INFINITY),
  );
  pass.guard(most);
  const around = maker.mul(
    over(maker, 'ReduceMax', size, axes),
    double(maker, 2.1 * (count + 16) * UNIT),
  );
  const radius =
    inner === null ? around : maker.add(around, maker.mul(maker.add(inner, mean(inner)), up));
  return {
    axes,
    center,
    radius,
    least: maker.mul(over1(greatest), double(maker, 1 - 8 * UNIT)),
    most,
  };
}

/** (x − mean(x)) / √(variance(x) + ε) over the last axes. */
const standardize: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const { center, radius, least, most } = standardized(pass, node);
  const ends = { low: maker.sub(center, radius), high: maker.add(center, radius) };
  return pass.widen({
    low: single(maker, maker.min(maker.mul(ends.low, least), maker.mul(ends.low, most))),
    high: single(maker, maker.max(maker.mul(ends.high, least), maker.mul(ends.high, most))),
  });
};

/** x · (bias + α/size · Σ x² over near channels)^−β. */
const localResponse: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const x = pass.interval(node.inputs[0] as string);
  const shape = pass.shape(node.inputs[0] as string);
  const channels = shape[1] ?? 0;
  const size = numberOf(node, 'size') ?? 0;
  const [alpha, beta, bias] = [
    numberOf(node, 'alpha') ?? 1e-4,
    numberOf(node, 'beta') ?? 0.75,
    numberOf(node, 'bias') ?? 1,
  ].map(Math.fround) as [number, number, number];
  if (!(alpha >= 0 && beta >= 0 && bias > 0 && size >= 1 && size <= 64 && shape.length >= 3)) {
    throw new NoBounds('an LRN of unusual settings', 'LRN');
  }
  const before = Math.floor((size - 1) / 2);
  const pads = shape.map(() => [0, 0]);
  pads[1] = [before, size - 1 - before];
  const padding = maker.whole([
    ...pads.map(([a]) => a as number),
    ...pads.map(([, b]) => b as number),
  ]);
  const zero = double(maker, 0);
  const squares = square(maker, x);
  // The reference may keep a running sum over all channels, which adds up what each step loses.
  const all = over(maker, 'ReduceSum', squares.high, [1]);
  const lost = maker.mul(all, double(maker, 2.1 * (channels + size + 16) * UNIT));
  const window = (value: string): string => {
    const padded = maker.node('Pad', [value, padding, zero]);
    const parts = Array.from({ length: size }, (_, i) =>
      maker.node('Slice', [
        padded,
        maker.whole([i]),
        maker.whole([i + channels]),
        maker.whole([1]),
      ]),
    );
    return parts.reduce((sum, part) => maker.add(sum, part));
  };
  const scaled = (sum: string): string =>
    maker.add(maker.mul(sum, double(maker, alpha / size)), double(maker, bias));
  const least = maker.max(scaled(maker.sub(window(squares.low), lost)), double(maker, bias / 2));
  const most = scaled(maker.add(window(squares.high), lost));
  const power = (value: string): string => maker.node('Pow', [value, double(maker, -beta)]);
  const share = 1e-6 + (beta + 4) * FEW;
  const factor: Interval = {
    low: maker.mul(power(most), double(maker, 1 - share)),
    high: maker.mul(power(least), double(maker, 1 + share)),
  };
  const [low, high] = [maker.double(x.low), maker.double(x.high)];
  return pass.widen({
    low: single(maker, maker.min(maker.mul(low, factor.low), maker.mul(low, factor.high))),
    high: single(maker, maker.max(maker.mul(high, factor.low), maker.mul(high, factor.high))),
  });
};

/** Squares of an interval, in float64. */
function square(maker: GraphMaker, x: Interval): Interval {
  const [low, high] = [maker.double(x.low), maker.double(x.high)];
  const zero = double(maker, 0);
  const near = maker.max(maker.max(low, maker.neg(high)), zero);
  const far = maker.max(maker.abs(low), maker.abs(high));
  return { low: maker.mul(near, near), high: maker.mul(far, far) };
}

export const NORMALISING: Readonly<Record<string, ForwardRule>> = {
  Softmax: softmax,
  Standardize: standardize,
  LRN: localResponse,
};
