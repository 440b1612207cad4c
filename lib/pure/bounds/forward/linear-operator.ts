/** Operators that are sums of products of weights and values: what they are, and how weights are applied. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import type { Attributes } from '../graph-maker.js';
import { TERMS_MAX } from '../rounding.js';
import type { WeightForm } from '../weights.js';
import type { ForwardPass } from './forward.js';

/** A linear operator of which one input is a value and the others are parameters. */
export interface Linear {
  readonly kind: 'conv' | 'deconv' | 'rows' | 'columns';
  readonly data: string;
  readonly output: string;
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
        output: node.outputs[0] as string,
        weight: b,
        bias: c === '' ? null : c,
        terms: transposed ? columns : rows,
        backTerms: transposed ? rows : columns,
        attributes: {},
      });
    }
    case 'MatMul': {
      const turned = turnedWeight(pass, b);
      const weight = turned ?? b;
      if (!pass.isData(a) || !pass.isParameter(weight) || pass.shape(weight).length !== 2) {
        return null;
      }
      const [rows = 0, columns = 0] = pass.shape(weight);
      return checked({
        kind: turned === null ? 'columns' : 'rows',
        data: a,
        output: node.outputs[0] as string,
        weight,
        bias: null,
        terms: turned === null ? rows : columns,
        backTerms: turned === null ? columns : rows,
        attributes: {},
      });
    }
    default:
      return null;
  }
}

/** The parameter that a value is the transposed of; null: none. */
function turnedWeight(pass: ForwardPass, name: string): string | null {
  const maker = pass.analysis.nodes.find((node) => node.outputs[0] === name);
  const weight = maker?.inputs[0] ?? '';
  const isTurned = maker?.op === 'Transpose' && maker.domain === '' && pass.isParameter(weight);
  return isTurned && pass.shape(weight).length === 2 ? weight : null;
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
    output: node.outputs[0] as string,
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
    if (pass.shape(linear.data).length === 2) {
      return maker.node('Gemm', [value, weight], { transB: { int: 1 } });
    }
    return maker.node('MatMul', [
      value,
      maker.node('Transpose', [weight], { perm: { ints: [1, 0] } }),
    ]);
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

/**
 * Products that the runtime may add up in one sum with a parameter that is added to a value: where it folds a
 * bias, a norm or a factor into the linear operator before. 0: there is none.
 */
export function foldedTerms(pass: ForwardPass, value: string): number {
  const maker = pass.analysis.nodes.find((node) => node.outputs[0] === value);
  if (maker === undefined || maker.domain !== '') return 0;
  const linear = linearOf(pass, maker);
  if (linear !== null) return linear.terms;
  const isScaled = ['Add', 'Sub', 'Mul', 'Div', 'BatchNormalization', 'Identity'].includes(
    maker.op,
  );
  if (!isScaled) return 0;
  return Math.max(
    ...maker.inputs.map((name) => (pass.isParameter(name) ? 0 : foldedTerms(pass, name))),
  );
}
