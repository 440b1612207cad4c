/** Gelu, x·Φ(x): falls to its least value a little below −3/4, and grows from there. */
import { type GraphNode, textOf } from '../../network/network.js';
import { FEW, HALF_UNIT, UNIT } from '../rounding.js';
import { unaryError } from '../unary-errors.js';
import { across } from './elementwise.js';
import type { ForwardPass, ForwardRule } from './forward.js';

/** Where it is least, and its value there. */
const LEAST = {
  none: { at: -0.751791524693564, value: -0.169971207479904 },
  tanh: { at: -0.752461419836514, value: -0.170040750571254 },
} as const;

/** Beyond it, Gelu is 0 or x up to 6e-9. */
const FLAT = 6;
/**
 * What `geluAt` is off by, of |x| up to FLAT: half of what kernels of Erf and Tanh are, 16 u, and of what is rounded on the
 * way to them, 4 u; and one more sum.
 */
const OWN = 11 * UNIT;

export function geluKind(node: GraphNode): keyof typeof LEAST {
  return textOf(node, 'approximate') === 'tanh' ? 'tanh' : 'none';
}

/** Gelu of a value of the graph. @see geluError for what it is off by. */
export function geluAt({ maker }: ForwardPass, node: GraphNode, x: string): string {
  const flat = maker.scalar(FLAT);
  const zero = maker.scalar(0);
  const near = maker.min(maker.max(x, maker.neg(flat)), flat);
  const part =
    geluKind(node) === 'none'
      ? maker.node('Erf', [maker.scale(near, Math.SQRT1_2)])
      : maker.node('Tanh', [
          maker.scale(
            maker.add(near, maker.scale(maker.mul(maker.mul(near, near), near), 0.044715)),
            Math.sqrt(2 / Math.PI),
          ),
        ]);
  const inner = maker.mul(maker.scale(near, 0.5), maker.shift(part, 1));
  return maker.where(maker.node('Less', [maker.abs(x), flat]), inner, maker.max(x, zero));
}

/**
 * How far results of `geluAt` and of the reference are from each other at most, for arguments and results of some sizes.
 * Some kernels of float16 round inside: by 0.56 units more than the rounding of a result, of all finite inputs.
 */
export function geluError(pass: ForwardPass, node: GraphNode, x: string, y: string): string {
  const { maker, analysis } = pass;
  const { relative, absolute } = unaryError(geluKind(node) === 'none' ? 'Gelu' : 'Gelu, tanh');
  const half = analysis.halves.has(node.outputs[0] as string) ? 1.2 * HALF_UNIT : 0;
  return maker.shift(
    maker.add(maker.scale(maker.min(x, maker.scalar(FLAT)), OWN), maker.scale(y, relative + FEW)),
    // Gelu is 0 or x up to 6e-9 where it is taken for that.
    absolute + half + 1e-8,
  );
}

export const gelu: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const x = pass.interval(node.inputs[0] as string);
  const ends = [x.low, x.high].map((end) => geluAt(pass, node, end)) as [string, string];
  const { at, value } = LEAST[geluKind(node)];
  const least = maker.where(across(pass, x, at), maker.scalar(value), maker.min(...ends));
  const found = { low: least, high: maker.max(...ends) };
  const error = geluError(pass, node, pass.sizeOf(x), pass.sizeOf(found));
  return pass.widen({ low: maker.sub(least, error), high: maker.add(found.high, error) });
};
