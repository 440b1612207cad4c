/** The way back through Gelu: the narrowest of a chord, the lines of a ReLU beside it, and its interval. */
import { geluAt, geluError } from '../forward/gelu.js';
import { FEW, TINY } from '../rounding.js';
import type { BackwardRule } from './backward.js';

/** Second derivatives of both forms are between these. */
const CURVATURE = { least: -0.1081, most: 0.798 } as const;
/** Slopes of both forms are between these. */
const SLOPE = { least: -0.13, most: 1.13 } as const;
/** max(x, 0) − Gelu(x) is never below 0, at most this, and falls where |x| grows beyond `fallsFrom`. */
const BELOW_RELU = { most: 0.17005, fallsFrom: 0.76 } as const;

/**
 * f(x) = rise·(x − c) + middle ± radius, for x = c ± r:
 * - by the chord of the ends, as f − chord = −½·f''(ξ)·(x − low)·(high − x);
 * - by the chord of ReLU, below which f is by what ReLU and f differ;
 * - by the interval of f(x).
 */
export const gelu: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const data = node.inputs[0] as string;
  const output = node.outputs[0] as string;
  const [x, y] = [pass.ball(data), pass.ball(output)];
  if (x.radius === null || y.radius === null) return false;
  const { low, high } = pass.interval(data);
  const zero = maker.scalar(0);
  const [least, most] = [low, high].map((end) => geluAt(pass, node, end)) as [string, string];
  const width = maker.max(maker.sub(high, low), maker.scalar(TINY));
  const rise = (from: string, to: string): string =>
    maker.min(
      maker.max(maker.node('Div', [maker.sub(to, from), width]), maker.scalar(SLOPE.least)),
      maker.scalar(SLOPE.most),
    );
  const half = (value: string): string => maker.scale(value, 0.5);
  // The values at the ends, and what is made of them twice: a middle, and a slope over a radius.
  const error = maker.shift(
    maker.add(
      maker.scale(geluError(pass, node, x.size, y.size), 3),
      maker.scale(maker.add(x.size, x.radius), 8 * FEW),
    ),
    TINY,
  );

  const squared = maker.scale(maker.mul(x.radius, x.radius), 1 + 4 * FEW);
  const chord = {
    rise: rise(least, most),
    middle: maker.add(
      half(maker.add(least, most)),
      maker.scale(squared, -(CURVATURE.most + CURVATURE.least) / 4),
    ),
    radius: maker.add(maker.scale(squared, (CURVATURE.most - CURVATURE.least) / 4), error),
  };

  const [offLow, offHigh] = [maker.max(low, zero), maker.max(high, zero)];
  const isAcross = maker.node('Less', [
    maker.max(low, maker.neg(high)),
    maker.scalar(BELOW_RELU.fallsFrom),
  ]);
  const below = maker.where(
    isAcross,
    maker.scalar(BELOW_RELU.most),
    maker.max(maker.sub(offLow, least), maker.sub(offHigh, most)),
  );
  const hinge = rise(offLow, offHigh);
  // Where the interval reaches over 0, ReLU is below its chord by this at most.
  const gap = maker.scale(maker.mul(hinge, maker.max(maker.neg(low), zero)), 1 + FEW);
  const lost = maker.add(below, gap);
  const relu = {
    rise: hinge,
    middle: maker.sub(half(maker.add(offLow, offHigh)), half(lost)),
    radius: maker.add(half(lost), error),
  };

  const flat = { rise: zero, middle: y.center, radius: y.radius };
  const pick = (a: typeof flat, b: typeof flat): typeof flat => {
    const isFirst = maker.node('Less', [a.radius, b.radius]);
    return {
      rise: maker.where(isFirst, a.rise, b.rise),
      middle: maker.where(isFirst, a.middle, b.middle),
      radius: maker.where(isFirst, a.radius, b.radius),
    };
  };
  const found = pick(chord, pick(relu, flat));
  const offset = maker.sub(found.middle, maker.mul(found.rise, x.center));
  back.dot(coefficients, output, offset);
  back.charge(coefficients, output, maker.add(found.radius, back.roundOff(output)));
  back.add(data, maker.mul(coefficients, found.rise));
  return true;
};
