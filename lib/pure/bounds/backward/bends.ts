/** The way back through functions of one number that bend. */
import { type GraphNode, numberOf } from '../../network/network.js';
import type { GraphMaker } from '../graph-maker.js';
import { FEW, TINY } from '../rounding.js';
import { unaryError } from '../unary-errors.js';
import type { BackwardRule } from './backward.js';

/** Names of the inputs that choose lower slopes, each [R, 1]. */
export const SLOPE_INPUTS = ['slope:side', 'slope:chord', 'slope:one'] as const;
/**
 * Name of the input that says which rows take weights of non-negative values exactly, [R, 1]: for 1, |A|·R goes on to
 * what the value is made of; for 0, it counts with the greatest that the value can be by its interval.
 */
export const EXACT_INPUT = 'exact';

/**
 * max(x, s·x), 0 ≤ s ≤ 1, of an interval that may hold 0: a chord above, and below it a line through 0 whose
 * slope is any between s and 1.
 */
function bend(slope: (node: GraphNode) => number | null): BackwardRule {
  return (back, node, coefficients) => {
    const { pass, maker } = back;
    const s = slope(node);
    if (s === null || s < 0 || s > 1) return false;
    const data = node.inputs[0] as string;
    const output = node.outputs[0] as string;
    const { low, high } = pass.interval(data);
    const f = (end: string): string => maker.max(end, maker.scale(end, s));
    const [zero, one] = [maker.scalar(0), maker.scalar(1)];
    const isOn = maker.node('GreaterOrEqual', [low, zero]);
    const isOff = maker.node('LessOrEqual', [high, zero]);
    const fixed = (rest: string): string =>
      maker.where(isOn, one, maker.where(isOff, maker.scalar(s), rest));
    const rise = maker.node('Div', [
      maker.sub(f(high), f(low)),
      maker.max(maker.sub(high, low), maker.scalar(TINY)),
    ]);
    const chord = fixed(maker.min(maker.max(rise, maker.scalar(s)), one));
    // Right for any slope: the greatest distance is at an end or at 0.
    const distance = maker.max(
      maker.sub(f(low), maker.mul(chord, low)),
      maker.sub(f(high), maker.mul(chord, high)),
      zero,
    );
    const above = maker.add(maker.scale(distance, 1 + FEW), back.roundOff(data));
    const round = back.roundOff(output);
    const plus = maker.max(coefficients, zero);
    const minus = maker.min(coefficients, zero);
    back.charge(minus, output, above);
    back.charge(coefficients, output, round);
    const rank = pass.shape(data).length;
    const [side, chordShare, oneShare] = SLOPE_INPUTS.map((name) =>
      maker.reshape(maker.input(name, ['R', 1]), [-1, ...new Array<number>(rank - 1).fill(1)]),
    ) as [string, string, string];
    const isWide = maker.where(maker.node('Greater', [high, maker.neg(low)]), one, maker.scalar(s));
    // Shares add up to 1 at most, so that the slope is between 0 and 1; what is missing is the least slope.
    const mixed = maker.add(
      maker.add(maker.mul(isWide, side), maker.mul(chord, chordShare)),
      oneShare,
    );
    const lower = fixed(maker.min(maker.max(mixed, maker.scalar(s)), one));
    back.add(data, maker.add(maker.mul(plus, lower), maker.mul(minus, chord)));
    return true;
  };
}

/** A smooth function: its derivative at a center by the value there, and how far that can change at most. */
interface Smooth {
  slope(maker: GraphMaker, center: string, value: string): string;
  /** The greatest magnitude of its second derivative, of all inputs. */
  curvature: number;
}

/**
 * f(x) = f(c) + f'(c)·(x − c) ± ½·max|f''|·r² around the center of an interval, or the interval of f(x) where that
 * is narrower.
 */
function smooth({ slope, curvature }: Smooth): BackwardRule {
  return (back, node, coefficients) => {
    const { pass, maker } = back;
    const data = node.inputs[0] as string;
    const output = node.outputs[0] as string;
    const [x, y] = [pass.ball(data), pass.ball(output)];
    const zero = maker.scalar(0);
    const radius = x.radius ?? zero;
    const bent = maker.scale(maker.mul(radius, radius), (curvature / 2) * 1.001);
    const isNear =
      y.radius === null ? maker.node('Less', [bent, zero]) : maker.node('Less', [bent, y.radius]);
    const value = maker.node(node.op, [x.center]);
    const rise = maker.where(isNear, slope(maker, x.center, value), zero);
    const { relative, absolute } = unaryError(node.op);
    // Of the value here and of the reference, and of the slope, which is at most 1.2 and made of that value.
    const kernel = maker.shift(
      maker.add(
        maker.scale(maker.abs(value), 2 * relative + FEW),
        maker.scale(maker.add(x.size, radius), 8 * FEW),
      ),
      2 * absolute + TINY,
    );
    const slopeLost = maker.scale(radius, 8 * (absolute + relative + FEW));
    const near = maker.add(maker.add(bent, kernel), slopeLost);
    const offset = maker.sub(value, maker.mul(rise, x.center));
    back.dot(coefficients, output, maker.where(isNear, offset, y.center));
    const away = maker.where(isNear, near, y.radius ?? zero);
    back.charge(coefficients, output, maker.add(away, back.roundOff(output)));
    back.add(data, maker.mul(coefficients, rise));
    return true;
  };
}

const sigmoid = smooth({
  slope: (maker, _, value) => maker.mul(value, maker.sub(maker.scalar(1), value)),
  curvature: 0.0963,
});

const tanh = smooth({
  slope: (maker, _, value) => maker.sub(maker.scalar(1), maker.mul(value, value)),
  curvature: 0.7699,
});

/** The normal density times a factor: factor · exp(−x²·share). */
function bell(maker: GraphMaker, x: string, factor: number, share: number): string {
  return maker.scale(maker.node('Exp', [maker.scale(maker.mul(x, x), -share)]), factor);
}

const erf = smooth({
  slope: (maker, center) => bell(maker, center, 2 / Math.sqrt(Math.PI), 1),
  curvature: 0.9681,
});

export const BENDS: Readonly<Record<string, BackwardRule>> = {
  Relu: bend(() => 0),
  LeakyRelu: bend((node) => Math.fround(numberOf(node, 'alpha') ?? 0.01)),
  Sigmoid: sigmoid,
  Tanh: tanh,
  Erf: erf,
};
