/** Operators that are sums of products of weights and values: what they are, and how intervals pass them. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../network/network.js';
import { NoBounds } from './analysis.js';
import type { Ball, ForwardPass, Interval } from './forward.js';
import type { Attributes } from './graph-maker.js';
import { FEW, sumError, TERMS_MAX, TINY } from './rounding.js';
import type { WeightForm } from './weights.js';

/** A linear operator of which one input is a value and the others are parameters. */
export interface Linear {
  readonly kind: 'conv' | 'deconv' | 'rows' | 'columns';
  readonly data: string;
  readonly weight: string;
  /** null: none. */
  readonly bias: string | null;
  /** Products that are added up for one element of the output, and of the input on the way back. */
  readonly terms: number;
  readonly backTerms: number;
  readonly attributes: Attributes;
}

/** The linear operator that a node is; null if it is none: both inputs are values, say. */
export function linearOf(pass: ForwardPass, node: GraphNode): Linear | null {
  const [a = '', b = '', c = ''] = node.inputs;
  if (node.domain !== '') return null;
  switch (node.op) {
    case 'Conv':
    case 'ConvTranspose':
      return convolution(pass, node);
    case 'Gemm': {
      if (!pass.isData(a) || !pass.isParameter(b) || (c !== '' && !pass.isParameter(c)))
        return null;
      const transposed = numberOf(node, 'transB') === 1;
      const plain =
        (numberOf(node, 'alpha') ?? 1) === 1 &&
        (numberOf(node, 'beta') ?? 1) === 1 &&
        (numberOf(node, 'transA') ?? 0) === 0;
      if (!plain) return null;
      const [rows = 0, columns = 0] = pass.shape(b);
      return checked({
        kind: transposed ? 'rows' : 'columns',
        data: a,
        weight: b,
        bias: c === '' ? null : c,
        terms: transposed ? columns : rows,
        backTerms: transposed ? rows : columns,
        attributes: {},
      });
    }
    case 'MatMul': {
      if (!pass.isData(a) || !pass.isParameter(b) || pass.shape(b).length !== 2) return null;
      const [rows = 0, columns = 0] = pass.shape(b);
      return checked({
        kind: 'columns',
        data: a,
        weight: b,
        bias: null,
        terms: rows,
        backTerms: columns,
        attributes: {},
      });
    }
    default:
      return null;
  }
}

function convolution(pass: ForwardPass, node: GraphNode): Linear | null {
  const [data = '', weight = '', bias = ''] = node.inputs;
  if (!pass.isData(data) || !pass.isParameter(weight)) return null;
  if (bias !== '' && !pass.isParameter(bias)) return null;
  const group = numberOf(node, 'group') ?? 1;
  const [first = 0, second = 0, ...kernel] = pass.shape(weight);
  const places = kernel.reduce((product, size) => product * size, 1);
  const isBack = node.op === 'ConvTranspose';
  const attributes: Record<string, Attributes[string]> = { group: { int: group } };
  for (const name of [
    'dilations',
    'pads',
    'strides',
    'kernel_shape',
    'output_padding',
    'output_shape',
  ]) {
    const value = numbersOf(node, name);
    if (value !== undefined) attributes[name] = { ints: value };
  }
  const pad = textOf(node, 'auto_pad');
  if (pad !== undefined && pad !== 'NOTSET') attributes.auto_pad = { text: pad };
  return checked({
    kind: isBack ? 'deconv' : 'conv',
    data,
    weight,
    bias: bias === '' ? null : bias,
    terms: places * (isBack ? first / group : second),
    backTerms: places * (isBack ? second : first / group),
    attributes,
  });
}

function checked(linear: Linear): Linear {
  if (linear.terms <= TERMS_MAX && linear.backTerms <= TERMS_MAX) return linear;
  throw new NoBounds(`'${linear.weight}' adds up more than ${TERMS_MAX} products`);
}

/** Applies a form of the weights to a value of the graph, without bias. */
export function applyLinear(
  pass: ForwardPass,
  linear: Linear,
  value: string,
  form: WeightForm,
): string {
  const { maker } = pass;
  const weight = pass.weight(linear.weight, form);
  if (linear.kind === 'conv') return maker.node('Conv', [value, weight], linear.attributes);
  if (linear.kind === 'deconv') {
    return maker.node('ConvTranspose', [value, weight], linear.attributes);
  }
  if (linear.kind === 'rows') {
    return maker.node('Gemm', [value, weight], { transB: { int: 1 } });
  }
  return maker.node('MatMul', [value, weight]);
}

/** A form of the bias, in the shape in which it is added to the output. */
export function biasOf(
  pass: ForwardPass,
  { kind, bias }: Linear,
  form: WeightForm,
  rank: number,
): string | null {
  if (bias === null) return null;
  const value = pass.weight(bias, form);
  if (kind === 'rows' || kind === 'columns') return value;
  const channels = pass.shape(bias)[0] as number;
  return pass.maker.reshape(value, [1, channels, ...new Array<number>(rank - 2).fill(1)]);
}

/** The interval of a linear operator. */
export function linearInterval(pass: ForwardPass, node: GraphNode, linear: Linear): Interval {
  const { maker } = pass;
  const rank = pass.shape(node.outputs[0] as string).length;
  const { center, radius, size } = pass.ball(linear.data);
  // Once for the reference, once for the center that is computed here.
  const error = 2 * sumError(linear.terms);
  const spread = maker.scale(size, error);
  const inner = radius === null ? spread : maker.add(radius, spread);
  let middle = applyLinear(pass, linear, center, 'center');
  let around = maker.add(
    applyLinear(pass, linear, inner, 'size'),
    applyLinear(pass, linear, size, 'radius'),
  );
  const bias = biasOf(pass, linear, 'center', rank);
  if (bias !== null) {
    middle = maker.add(middle, bias);
    const least = biasOf(pass, linear, 'radius', rank) as string;
    around = maker.add(around, maker.add(least, maker.scale(maker.abs(bias), error)));
  }
  around = maker.scale(around, 1 + 3 * sumError(linear.terms, 32));
  around = maker.shift(maker.add(around, maker.scale(maker.abs(middle), FEW)), TINY);
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
