/** Intervals through operators that work element by element. */
import { type GraphNode, numberOf } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import { FEW, sumError, TINY } from '../rounding.js';
import { unaryError } from '../unary-errors.js';
import { formNamed, type NormParameters, normInputs, type WeightInput } from '../weights.js';
import type { ForwardPass, ForwardRule, Interval } from './forward.js';
import { foldedTerms } from './linear-operator.js';

/** Both ends through a monotone operator that rounds nothing. */
function exactly(op: string): ForwardRule {
  return (pass, node) => {
    const { low, high } = pass.interval(node.inputs[0] as string);
    return { low: pass.maker.node(op, [low]), high: pass.maker.node(op, [high]) };
  };
}

/** Both ends through a growing operator whose kernel has a measured error; `least` and `most` hold it in. */
function growing(op: string, least: number | null, most: number | null): ForwardRule {
  return (pass, node) => {
    const { low, high } = pass.interval(node.inputs[0] as string);
    if ((numberOf(node, 'alpha') ?? 1) < 0) throw new NoBounds(`${op} that falls`, op);
    const attributes = floatAttributes(node, ['alpha', 'beta', 'gamma']);
    const ends = [low, high].map((end) => pass.maker.node(op, [end], attributes)) as [
      string,
      string,
    ];
    // The ends come from the same kernel as the reference: each is off by the error at most.
    const { relative, absolute } = unaryError(op);
    const wide = pass.widen(
      { low: ends[0], high: ends[1] },
      2 * relative + FEW,
      2 * absolute + TINY,
    );
    return clipped(pass, wide, least, most);
  };
}

/** Keeps an interval within what an operator can give at most, and the kernel's error. */
function clipped(
  { maker }: ForwardPass,
  { low, high }: Interval,
  least: number | null,
  most: number | null,
): Interval {
  return {
    low: least === null ? low : maker.max(low, maker.scalar(least)),
    high: most === null ? high : maker.min(high, maker.scalar(most)),
  };
}

function floatAttributes(
  node: GraphNode,
  names: readonly string[],
): Record<string, { float: number }> {
  const found: Record<string, { float: number }> = {};
  for (const name of names) {
    const value = numberOf(node, name);
    if (value !== undefined) found[name] = { float: value };
  }
  return found;
}

/**
 * What a sum may round more where the runtime adds one side to the products of the operator that the other side
 * comes from, as a bias or as what its sums begin with.
 */
export function foldedError(pass: ForwardPass, { inputs }: GraphNode): string | null {
  const { maker } = pass;
  const [a, b] = inputs as readonly [string, string];
  const parts = [
    [a, b],
    [b, a],
  ].flatMap(([value = '', other = '']) => {
    const terms = pass.isParameter(value) ? 0 : foldedTerms(pass, value);
    if (terms === 0) return [];
    return [maker.scale(pass.sizeOf(pass.interval(other)), sumError(terms))];
  });
  return parts.length === 0 ? null : parts.reduce((sum, part) => maker.add(sum, part));
}

function sum(sign: 1 | -1): ForwardRule {
  return (pass, node) => {
    const [a, b] = node.inputs.map((name) => pass.interval(name)) as [Interval, Interval];
    const { maker } = pass;
    const ends =
      sign === 1
        ? { low: maker.add(a.low, b.low), high: maker.add(a.high, b.high) }
        : { low: maker.sub(a.low, b.high), high: maker.sub(a.high, b.low) };
    const wide = pass.widen(ends);
    const more = foldedError(pass, node);
    if (more === null) return wide;
    return { low: maker.sub(wide.low, more), high: maker.add(wide.high, more) };
  };
}

/** The least and greatest of the four products of ends. */
export function product(pass: ForwardPass, a: Interval, b: Interval): Interval {
  const { maker } = pass;
  const ends = [a.low, a.high].flatMap((x) => [maker.mul(x, b.low), maker.mul(x, b.high)]);
  return { low: maker.min(...ends), high: maker.max(...ends) };
}

const mul: ForwardRule = (pass, node) => {
  const [a, b] = node.inputs as [string, string];
  if (a === b) return square(pass, pass.interval(a));
  return pass.widen(product(pass, pass.interval(a), pass.interval(b)));
};

function square(pass: ForwardPass, { low, high }: Interval): Interval {
  const { maker } = pass;
  const [a, b] = [maker.mul(low, low), maker.mul(high, high)];
  const isAcross = maker.node('And', [
    maker.node('Less', [low, maker.scalar(0)]),
    maker.node('Greater', [high, maker.scalar(0)]),
  ]);
  const least = maker.where(isAcross, maker.scalar(0), maker.min(a, b));
  const wide = pass.widen({ low: least, high: maker.max(a, b) });
  return { low: maker.max(wide.low, maker.scalar(0)), high: wide.high };
}

/** 1 / an interval; infinite where it holds 0. */
export function reciprocal(pass: ForwardPass, { low, high }: Interval): Interval {
  const { maker } = pass;
  const zero = maker.scalar(0);
  const holdsZero = maker.node('And', [
    maker.node('LessOrEqual', [low, zero]),
    maker.node('GreaterOrEqual', [high, zero]),
  ]);
  const infinite = maker.scalar(Number.POSITIVE_INFINITY);
  const one = maker.scalar(1);
  const over = (end: string): string => maker.node('Div', [one, end]);
  const wide = pass.widen({ low: over(high), high: over(low) });
  return {
    low: maker.where(holdsZero, maker.neg(infinite), wide.low),
    high: maker.where(holdsZero, infinite, wide.high),
  };
}

const div: ForwardRule = (pass, node) => {
  const [a, b] = node.inputs.map((name) => pass.interval(name)) as [Interval, Interval];
  return pass.widen(product(pass, a, reciprocal(pass, b)));
};

/** Powers that are whole numbers up to 4, and roots. */
const pow: ForwardRule = (pass, node) => {
  const [base = '', exponent = ''] = node.inputs;
  const powers = pass.isData(exponent) ? [] : pass.whole(exponent, 'Pow');
  const [power] = powers;
  const x = pass.interval(base);
  if (powers.length === 1 && power === 1) return x;
  if (powers.length === 1 && power === 2) return pass.widen(square(pass, x));
  if (powers.length === 1 && power === 3) return pass.widen(cube(pass, x), 4 * FEW);
  if (powers.length === 1 && power === 4) {
    return pass.widen(square(pass, square(pass, x)), 4 * FEW);
  }
  if (powers.length === 1 && power === 0.5) return rootOf(pass, x);
  throw new NoBounds('Pow is bounded for powers of 1 to 4 and 0.5', 'Pow');
};

/** Grows everywhere. */
function cube({ maker }: ForwardPass, { low, high }: Interval): Interval {
  const of = (end: string): string => maker.mul(maker.mul(end, end), end);
  return { low: of(low), high: of(high) };
}

const relu = exactly('Relu');

/** f(x) = x for x > 0, else s·x with a slope for each channel or element. */
function leaky(pass: ForwardPass, node: GraphNode, slope: Interval): Interval {
  const { maker } = pass;
  const x = pass.interval(node.inputs[0] as string);
  const zero = maker.scalar(0);
  const below = pass.widen(
    product(pass, { low: maker.min(x.low, zero), high: maker.min(x.high, zero) }, slope),
  );
  const above = { low: maker.max(x.low, zero), high: maker.max(x.high, zero) };
  // One of both parts is 0 for every x.
  const isAbove = maker.node('GreaterOrEqual', [x.low, zero]);
  const isBelow = maker.node('LessOrEqual', [x.high, zero]);
  const low = maker.where(
    isAbove,
    above.low,
    maker.where(isBelow, below.low, maker.min(below.low, above.low)),
  );
  const high = maker.where(
    isAbove,
    above.high,
    maker.where(isBelow, below.high, maker.max(below.high, above.high)),
  );
  return { low, high };
}

const leakyRelu: ForwardRule = (pass, node) => {
  const slope = pass.maker.scalar(numberOf(node, 'alpha') ?? 0.01);
  return leaky(pass, node, { low: slope, high: slope });
};

const prelu: ForwardRule = (pass, node) =>
  leaky(pass, node, pass.interval(node.inputs[1] as string));

const clip: ForwardRule = (pass, node) => {
  const { low, high } = pass.interval(node.inputs[0] as string);
  const end = (index: number, name: string): number | undefined => {
    const input = node.inputs[index];
    return input === undefined || input === ''
      ? numberOf(node, name)
      : pass.whole(input, 'Clip')[0];
  };
  const [least, most] = [end(1, 'min'), end(2, 'max')];
  const { maker } = pass;
  const hold = (value: string): string => {
    const raised = least === undefined ? value : maker.max(value, maker.scalar(Math.fround(least)));
    return most === undefined ? raised : maker.min(raised, maker.scalar(Math.fround(most)));
  };
  return { low: hold(low), high: hold(high) };
};

/** x · min(max(x / 6 + 1/2, 0), 1): falls to -3/8 at -3/2, then grows. */
const hardSwish: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const { low, high } = pass.interval(node.inputs[0] as string);
  const ends = [low, high].map((end) => {
    const gate = maker.min(
      maker.max(maker.shift(maker.scale(end, 1 / 6), 0.5), maker.scalar(0)),
      maker.scalar(1),
    );
    return maker.mul(end, gate);
  }) as [string, string];
  const holds = across(pass, { low, high }, -1.5);
  const least = maker.where(holds, maker.scalar(-0.375), maker.min(...ends));
  // x/6 + 1/2 rounds by a few units of 1, so that the product is off by some units of x.
  const share = maker.scale(pass.sizeOf({ low, high }), 2 * FEW);
  const wide = pass.widen({ low: least, high: maker.max(...ends) });
  return { low: maker.sub(wide.low, share), high: maker.add(wide.high, share) };
};

/** True where an interval reaches over a number. */
export function across({ maker }: ForwardPass, { low, high }: Interval, value: number): string {
  return maker.node('And', [
    maker.node('Less', [low, maker.scalar(value)]),
    maker.node('Greater', [high, maker.scalar(value)]),
  ]);
}

/** A normalisation by fixed means and deviations, as y = x·s + t. */
export function normOf(pass: ForwardPass, node: GraphNode): Record<string, WeightInput> {
  const [x = '', scale = '', bias = '', mean = '', variance = ''] = node.inputs;
  for (const name of [scale, bias, mean, variance]) {
    if (!pass.isParameter(name)) throw new NoBounds('a norm without fixed parameters', node.op);
  }
  const rank = pass.shape(x).length;
  const channels = pass.shape(scale)[0] as number;
  const norm: NormParameters = {
    scale,
    bias,
    mean,
    variance,
    epsilon: numberOf(node, 'epsilon') ?? 1e-5,
  };
  return normInputs(norm, [1, channels, ...new Array<number>(Math.max(0, rank - 2)).fill(1)]);
}

/** Roundings of a norm that the runtime may fold into the weights before it. */
export const NORM_ERROR = 4 * FEW;

/** Share of a norm's shift that is rounded where the shift becomes the bias of the operator before. */
export function normFolds(pass: ForwardPass, node: GraphNode): number {
  const terms = foldedTerms(pass, node.inputs[0] as string);
  return terms === 0 ? 0 : sumError(terms);
}

const batchNorm: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const forms = normOf(pass, node);
  const feed = (key: string): string => pass.feed(formNamed(forms, key));
  const x = pass.interval(node.inputs[0] as string);
  const scaled = product(pass, x, { low: feed('scale.low'), high: feed('scale.high') });
  const sum = {
    low: maker.add(scaled.low, feed('shift.low')),
    high: maker.add(scaled.high, feed('shift.high')),
  };
  const size = maker.add(pass.sizeOf(scaled), feed('shift.size'));
  const by = maker.shift(
    maker.add(
      maker.scale(size, NORM_ERROR),
      maker.scale(feed('shift.size'), normFolds(pass, node)),
    ),
    TINY,
  );
  return { low: maker.sub(sum.low, by), high: maker.add(sum.high, by) };
};

function rootOf(pass: ForwardPass, { low, high }: Interval): Interval {
  const { maker } = pass;
  const ends = [low, high].map((end) => maker.node('Sqrt', [end])) as [string, string];
  const wide = pass.widen({ low: ends[0], high: ends[1] });
  return { low: maker.max(wide.low, maker.scalar(0)), high: wide.high };
}

const sqrt: ForwardRule = (pass, node) => rootOf(pass, pass.interval(node.inputs[0] as string));

const neg: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const { low, high } = pass.interval(node.inputs[0] as string);
  return { low: maker.neg(high), high: maker.neg(low) };
};

export const ELEMENTWISE: Readonly<Record<string, ForwardRule>> = {
  Add: sum(1),
  Sub: sum(-1),
  Mul: mul,
  Div: div,
  Pow: pow,
  Relu: relu,
  LeakyRelu: leakyRelu,
  PRelu: prelu,
  Clip: clip,
  HardSwish: hardSwish,
  BatchNormalization: batchNorm,
  Sqrt: sqrt,
  Neg: neg,
  Erf: growing('Erf', null, null),
  Elu: growing('Elu', null, null),
  Sigmoid: growing('Sigmoid', null, null),
  Tanh: growing('Tanh', null, null),
  Exp: growing('Exp', 0, null),
  HardSigmoid: growing('HardSigmoid', 0, 1),
};
