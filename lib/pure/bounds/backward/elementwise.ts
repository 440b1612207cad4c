/** The way back through sums and products, element by element. */

import { foldedError, NORM_ERROR, normFolds, normOf, reciprocal } from '../forward/elementwise.js';
import type { Ball } from '../forward/forward.js';
import { FEW, TINY } from '../rounding.js';
import { formNamed } from '../weights.js';
import type { BackwardPass, BackwardRule } from './backward.js';

function sameShape(back: BackwardPass, a: string, b: string): boolean {
  return back.pass.shape(a).join() === back.pass.shape(b).join();
}

/** Sums and differences of values, or of a value and a parameter. */
function sum(sign: 1 | -1): BackwardRule {
  return (back, node, coefficients) => {
    const { pass, maker } = back;
    const [a, b] = node.inputs as [string, string];
    const output = node.outputs[0] as string;
    const parts: [string, string][] = [
      [a, coefficients],
      [b, sign === 1 ? coefficients : maker.neg(coefficients)],
    ];
    const isSame = (name: string): boolean => sameShape(back, name, output);
    if (!parts.some(([name]) => pass.isData(name) && isSame(name))) return false;
    back.charge(coefficients, output, back.roundOff(output));
    const folded = foldedError(pass, node);
    if (folded !== null) back.charge(coefficients, output, folded);
    for (const [name, rows] of parts) {
      if (pass.isData(name) && isSame(name)) back.add(name, rows);
      else if (pass.isData(name)) back.concretiseAs(rows, output, pass.ball(name));
      else {
        back.dot(rows, output, pass.weight(name, 'center'));
        back.charge(rows, output, pass.weight(name, 'radius'));
      }
    }
    return true;
  };
}

/** Products of values, a·b = c·b + a·d − c·d ± r·s around centers c and d, or of a value and a parameter. */
const product: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const sides = node.inputs as readonly [string, string];
  const isCarried = (name: string): boolean => pass.isData(name) && sameShape(back, name, output);
  if (!sides.some(isCarried)) return false;
  const [a, b] = sides.map((name) => pass.ball(name)) as [Ball, Ball];
  const rest = a.radius === null || b.radius === null ? null : maker.mul(a.radius, b.radius);
  const round = maker.shift(maker.scale(maker.mul(a.size, b.size), 4 * FEW), 4 * TINY);
  const loose = rest === null ? round : maker.add(maker.scale(rest, 1 + FEW), round);
  back.charge(coefficients, output, maker.add(loose, back.roundOff(output)));
  back.dot(maker.neg(coefficients), output, maker.mul(a.center, b.center));
  for (const [name, other] of [
    [sides[0], b],
    [sides[1], a],
  ] as const) {
    const rows = maker.mul(coefficients, other.center);
    if (isCarried(name)) back.add(name, rows);
    else back.concretiseAs(rows, output, pass.ball(name));
  }
  return true;
};

/** A value divided by a parameter: times its reciprocal. */
const quotient: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const [data, divisor] = node.inputs as [string, string];
  if (!pass.isData(data) || pass.isData(divisor) || !sameShape(back, data, output)) return false;
  const factor = pass.ballOf(reciprocal(pass, pass.interval(divisor)));
  const { size } = pass.ball(data);
  const round = maker.scale(maker.mul(size, factor.size), 4 * FEW);
  const loose =
    factor.radius === null
      ? round
      : maker.add(round, maker.mul(size, maker.scale(factor.radius, 1 + FEW)));
  back.charge(coefficients, output, maker.add(loose, back.roundOff(output)));
  back.add(data, maker.mul(coefficients, factor.center));
  return true;
};

const norm: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const data = node.inputs[0] as string;
  const forms = normOf(pass, node);
  const feed = (key: string): string => pass.feed(formNamed(forms, key));
  const { size } = pass.ball(data);
  const scale = feed('scale.center');
  const loose = maker.add(maker.mul(size, feed('scale.radius')), feed('shift.radius'));
  const shift = feed('shift.size');
  const rounded = maker.add(
    maker.scale(maker.add(maker.mul(size, maker.abs(scale)), shift), NORM_ERROR + 2 * FEW),
    maker.scale(shift, normFolds(pass, node)),
  );
  const local = maker.add(maker.scale(maker.add(loose, rounded), 1 + FEW), back.roundOff(output));
  back.charge(coefficients, output, local);
  back.dot(coefficients, output, feed('shift.center'));
  back.add(data, maker.mul(coefficients, scale));
  return true;
};

export const ELEMENTWISE: Readonly<Record<string, BackwardRule>> = {
  Add: sum(1),
  Sub: sum(-1),
  Mul: product,
  Div: quotient,
  BatchNormalization: norm,
};
