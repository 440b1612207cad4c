/** How intervals pass operators that are sums of products. */
import type { GraphNode } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import { FEW, sumError, TERMS_MAX, TINY, UNIT } from '../rounding.js';
import type { Ball, ForwardPass, Interval } from './forward.js';
import { applyLinear, biasOf, type Linear } from './linear-operator.js';
import { centerProduct, referenceError } from './sums.js';

/** What bounds of a linear operator are made of, without its bias. */
export interface LinearParts {
  /** W·c, as it is computed here. */
  readonly middle: string;
  /** How far the reference may be from it for weights and values that are not known. */
  readonly loose: string;
  /** What the reference rounds, its bias included. */
  readonly reference: string;
  /** What is rounded here. */
  readonly own: string;
}

export function linearParts(pass: ForwardPass, linear: Linear, rank: number): LinearParts {
  return pass.once(`parts ${linear.output}`, () => makeParts(pass, linear, rank));
}

function makeParts(pass: ForwardPass, linear: Linear, rank: number): LinearParts {
  const { maker } = pass;
  const { center, radius, size } = pass.ball(linear.data);
  const unknown = applyLinear(pass, linear, size, 'radius');
  const rounded = 1 + 3 * sumError(linear.terms, 32);
  const inner = radius === null ? null : applyLinear(pass, linear, radius, 'size');
  const loose = maker.scale(inner === null ? unknown : maker.add(unknown, inner), rounded);
  const total = maker.scale(maker.add(applyLinear(pass, linear, size, 'size'), unknown), rounded);
  const { value: middle, units, isBlocked } = centerProduct(pass, linear, center);
  // Without blocks partial sums here are bounded as those of the reference are; and each product is rounded.
  const rough = maker.add(maker.abs(middle), maker.scale(total, units * UNIT));
  const partial = isBlocked ? total : maker.scale(maker.add(total, rough), 0.5);
  const own = maker.scale(
    maker.add(maker.scale(partial, 1.02 * units), maker.scale(total, 2.1)),
    UNIT,
  );
  const sum = maker.add(maker.abs(middle), maker.add(loose, own));
  const bias = biasOf(pass, linear, 'center', rank);
  const most =
    bias === null
      ? null
      : maker.add(maker.abs(bias), biasOf(pass, linear, 'radius', rank) as string);
  return {
    middle,
    loose,
    reference: referenceError(pass, linear, size, { total, sum, bias: most }),
    own: maker.shift(maker.add(own, maker.scale(maker.abs(middle), FEW)), TINY),
  };
}

/** The interval of a linear operator. */
export function linearInterval(pass: ForwardPass, node: GraphNode, linear: Linear): Interval {
  const { maker } = pass;
  const rank = pass.shape(node.outputs[0] as string).length;
  const parts = linearParts(pass, linear, rank);
  let { middle } = parts;
  let around = maker.add(parts.loose, maker.add(parts.reference, parts.own));
  const bias = biasOf(pass, linear, 'center', rank);
  if (bias !== null) {
    middle = maker.add(middle, bias);
    around = maker.add(around, biasOf(pass, linear, 'radius', rank) as string);
    around = maker.add(around, maker.scale(maker.abs(middle), FEW));
  }
  around = maker.scale(around, 1 + FEW);
  pass.guard(around);
  return { low: maker.sub(middle, around), high: maker.add(middle, around) };
}

/** The interval of a matrix product of two values: (c ± r)(d ± s) is c·d ± (|c|·s + r·|d| + r·s). */
export function productInterval(pass: ForwardPass, node: GraphNode): Interval {
  const { maker } = pass;
  const [a, b] = node.inputs.map((name) => pass.ball(name)) as [Ball, Ball];
  const terms = pass.shape(node.inputs[0] as string).at(-1) as number;
  if (terms > TERMS_MAX) throw new NoBounds(`'${node.op}' adds up more than ${TERMS_MAX} products`);
  const multiply = (x: string, y: string): string => maker.node('MatMul', [x, y]);
  const error = 2 * sumError(terms);
  let around = maker.scale(multiply(a.size, b.size), error);
  if (b.radius !== null) around = maker.add(around, multiply(a.size, b.radius));
  if (a.radius !== null) around = maker.add(around, multiply(a.radius, b.size));
  const middle = multiply(a.center, b.center);
  around = maker.scale(around, 1 + 3 * sumError(terms, 32));
  around = maker.shift(maker.add(around, maker.scale(maker.abs(middle), FEW)), TINY);
  pass.guard(around);
  return { low: maker.sub(middle, around), high: maker.add(middle, around) };
}
