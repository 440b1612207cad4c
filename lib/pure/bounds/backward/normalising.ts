/** The way back through Softmax, norms over features, and products of two matrices of values. */
import {
  countOver,
  double,
  normalisedAxes,
  over,
  single,
  softmaxUnits,
  standardized,
} from '../forward/normalising.js';
import { FEW, sumError, TINY, UNIT } from '../rounding.js';
import type { BackwardRule } from './backward.js';

/** Wider than this a softmax is taken by its interval. */
const SOFTMAX_RADIUS = 0.4;

/**
 * Softmax around the center c of its input, d = x − c: y·exp(d) / Σ y·exp(d) with y = softmax(c) is
 * y·(1 + δ) + rest, δ = d − Σ y·d. With |d| ≤ ρ: −½·ρ²·e^2ρ·y ≤ rest ≤ 2·ρ²·e^2ρ·y, as exp is convex and by
 * Hoeffding's lemma for the sum.
 */
const softmax: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const data = node.inputs[0] as string;
  const output = node.outputs[0] as string;
  const axes = normalisedAxes(pass, node);
  if (axes.includes(0)) return false;
  const count = countOver(pass, node, axes);
  const x = pass.ball(data);
  const y = pass.ball(output);
  const zero = maker.scalar(0);
  const most = over(maker, 'ReduceMax', x.radius ?? maker.mul(x.size, zero), axes);
  const isNear = maker.node('Less', [most, maker.scalar(SOFTMAX_RADIUS)]);
  const center = maker.double(x.center);
  const exps = maker.node('Exp', [maker.sub(center, over(maker, 'ReduceMax', center, axes))]);
  const shares = single(maker, maker.node('Div', [exps, over(maker, 'ReduceSum', exps, axes)]));
  const near = maker.where(isNear, shares, zero);
  const radius = maker.min(most, maker.scalar(SOFTMAX_RADIUS));
  const bent = maker.mul(
    maker.mul(radius, radius),
    maker.mul(near, maker.node('Exp', [maker.scale(radius, 2)])),
  );
  // By its interval where it is wide.
  const rest = y.radius === null ? zero : maker.where(isNear, zero, y.radius);
  const middle = maker.where(isNear, zero, y.center);
  back.dot(coefficients, output, maker.add(near, middle));
  back.charge(maker.max(coefficients, zero), output, maker.scale(bent, 0.5 * 1.001));
  back.charge(maker.min(coefficients, zero), output, maker.scale(bent, 2 * 1.001));
  const rows = (value: string): string => over(maker, 'ReduceSum', value, axes);
  const weighed = maker.mul(coefficients, near);
  const inputs = maker.mul(near, maker.sub(coefficients, rows(weighed)));
  back.dot(maker.neg(inputs), data, x.center);
  // Sizes of what is multiplied and summed here, and what the reference rounds.
  const sizes = maker.add(x.size, rows(maker.mul(near, x.size)));
  const own = maker.mul(near, maker.scale(maker.shift(sizes, 2), 4 * (count + 32) * UNIT));
  const spread = maker.min(
    maker.add(over(maker, 'ReduceMax', x.size, axes), x.size),
    maker.scalar(110),
  );
  const theirs = maker.mul(
    y.size,
    maker.scale(maker.shift(spread, softmaxUnits(count)), 1.1 * UNIT),
  );
  const round = maker.add(maker.add(own, theirs), back.roundOff(output));
  back.charge(coefficients, output, maker.add(rest, round));
  back.add(data, inputs);
  return true;
};

/** (x − mean) · factor: linear up to the factor, whose center is taken. */
const standardize: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const data = node.inputs[0] as string;
  const output = node.outputs[0] as string;
  const found = standardized(pass, node);
  const { axes } = found;
  if (axes.includes(0)) return false;
  const count = countOver(pass, node, axes);
  const half = double(maker, 0.5);
  const middle = single(maker, maker.mul(maker.add(found.least, found.most), half));
  const around = maker.mul(maker.sub(found.most, found.least), double(maker, 0.5 * (1 + 1e-6)));
  const most = maker.add(maker.abs(found.center), found.radius);
  // The middle is rounded to float32 as well.
  const loose = maker.mul(most, maker.add(around, maker.mul(found.most, double(maker, 4 * UNIT))));
  const { size } = pass.ball(data);
  const sizes = maker.add(size, over(maker, 'ReduceMean', size, axes));
  const lost = maker.scale(maker.mul(sizes, middle), 4 * sumError(count));
  // The reference's mean is off by as much as any sum of the greatest.
  const theirs = maker.scale(
    maker.mul(over(maker, 'ReduceMax', size, axes), middle),
    2.1 * sumError(count),
  );
  const local = maker.add(
    maker.add(single(maker, loose), maker.add(lost, theirs)),
    back.roundOff(output),
  );
  back.charge(coefficients, output, maker.scale(local, 1 + FEW));
  const scaled = maker.mul(coefficients, middle);
  back.add(data, maker.sub(scaled, over(maker, 'ReduceMean', scaled, axes)));
  return true;
};

/** Matrices of values: P·Q = c·Q + P·d − c·d ± r·s around centers c and d. */
export const backProduct: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const [a, b] = node.inputs as [string, string];
  const output = node.outputs[0] as string;
  const shapes = [a, b, output].map((name) => pass.shape(name)) as [
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  const rank = shapes[2].length;
  const outer = (shape: readonly number[]): string => shape.slice(0, -2).join();
  if (
    rank < 3 ||
    shapes.some((shape) => shape.length !== rank || outer(shape) !== outer(shapes[2]))
  ) {
    return false;
  }
  const [rows, terms] = shapes[0].slice(-2) as [number, number];
  const columns = shapes[2].at(-1) as number;
  const [p, q] = [pass.ball(a), pass.ball(b)];
  const multiply = (x: string, y: string): string => maker.node('MatMul', [x, y]);
  const order = [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2];
  const turn = (value: string): string =>
    maker.node('Transpose', [value], { perm: { ints: order } });
  const error = 2 * sumError(terms) + sumError(rows) + sumError(columns) + 4 * FEW;
  let local = maker.scale(multiply(p.size, q.size), error * 1.01);
  if (p.radius !== null && q.radius !== null) {
    local = maker.add(local, maker.scale(multiply(p.radius, q.radius), 1.001));
  }
  back.charge(coefficients, output, maker.add(maker.shift(local, TINY), back.roundOff(output)));
  back.dot(maker.neg(coefficients), output, multiply(p.center, q.center));
  back.carry(a, multiply(coefficients, turn(q.center)));
  back.carry(b, multiply(turn(p.center), coefficients));
  return true;
};

export const NORMALISING: Readonly<Record<string, BackwardRule>> = {
  Softmax: softmax,
  Standardize: standardize,
};
