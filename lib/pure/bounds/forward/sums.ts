/**
 * Sums of products: what the reference may round in them, and how they are computed here so that less is lost.
 *
 * A sum that is added up in any order makes n − 1 partial sums of some of its terms. Each rounds by at most u times
 * its magnitude, which is at most the greater one of the sum P of the positive and N of the negative terms; and
 * max(P, N) = (P + N + |P − N|) / 2. Terms that are exactly 0 round nothing, so that n counts the others alone.
 */
import { sumError, TINY, UNIT } from '../rounding.js';
import type { ForwardPass } from './forward.js';
import { applyLinear, type Linear } from './linear-operator.js';

/** Products of a block of a convolution that is computed here. */
export const BLOCK_TERMS = 32;
/** Weights above this are not multiplied in float64, which takes as many bytes again twice. */
export const DOUBLE_MAX = 2 ** 22;

/** What sums of products of a linear operator are made of. */
export interface Magnitudes {
  /** At least Σ|w||a|, in the shape of the output. */
  readonly total: string;
  /** At least |Σ w·a|. */
  readonly sum: string;
  /** At least the magnitude of the bias; null: none. */
  readonly bias: string | null;
}

/** How far the reference's sums are from exact ones at most. */
export function referenceError(
  pass: ForwardPass,
  linear: Linear,
  size: string,
  { total, sum, bias }: Magnitudes,
): string {
  const { maker } = pass;
  const terms = nonZeroTerms(pass, linear, size);
  const partial = maker.scale(maker.add(total, sum), 0.5);
  const most = bias === null ? partial : maker.add(partial, bias);
  const all = bias === null ? total : maker.add(total, bias);
  // Products are rounded, and weights that a factor or a norm is folded into.
  const few = maker.scale(all, (isScaled(pass, linear.output) ? 20 : 4) * UNIT);
  const each = maker.mul(most, maker.scale(terms, 1.01 * UNIT));
  return maker.shift(maker.scale(maker.add(each, few), 1 + sumError(linear.terms, 32)), TINY);
}

/** How many products of each element of the output are not exactly 0, or a number that is not below it. */
function nonZeroTerms(pass: ForwardPass, linear: Linear, size: string): string {
  const { maker } = pass;
  const { kind, terms, attributes } = linear;
  const isSet = (): string =>
    maker.node('Cast', [maker.node('Greater', [size, maker.scalar(0)])], { to: { int: 1 } });
  if (kind === 'rows' || kind === 'columns') {
    return maker.node('ReduceSum', [isSet(), maker.whole([-1])]);
  }
  const { group } = attributes;
  const isWhole = group === undefined || ('int' in group && group.int === 1);
  if (kind === 'deconv' || !isWhole) return maker.scalar(terms);
  const kernel = pass.shape(linear.weight).slice(2);
  const counts = maker.node('ReduceSum', [isSet(), maker.whole([1])]);
  const ones = maker.floats(new Float32Array(kernel.reduce((a, b) => a * b, 1)).fill(1), [
    1,
    1,
    ...kernel,
  ]);
  return maker.node('Conv', [counts, ones], attributes);
}

/** W·x with the center of the weights, and how many roundings of partial sums it may be off: of Σ|w||x| in blocks. */
export function centerProduct(
  pass: ForwardPass,
  linear: Linear,
  x: string,
): { value: string; units: number; isBlocked: boolean } {
  const { maker } = pass;
  const shape = pass.shape(linear.weight);
  const elements = shape.reduce((product, size) => product * size, 1);
  if (linear.kind === 'rows' || linear.kind === 'columns') {
    if (elements > DOUBLE_MAX) {
      return {
        value: applyLinear(pass, linear, x, 'center'),
        units: linear.terms,
        isBlocked: false,
      };
    }
    const rank = pass.shape(linear.data).length;
    const value = doubleProduct(pass, { x, rank }, linear.weight, linear.kind === 'rows');
    return { value, units: 1, isBlocked: false };
  }
  const [, channels = 1, ...kernel] = shape;
  const places = kernel.reduce((product, size) => product * size, 1);
  const each = Math.max(1, Math.floor(BLOCK_TERMS / places));
  const { group } = linear.attributes;
  const isWhole = group === undefined || ('int' in group && group.int === 1);
  if (linear.kind !== 'conv' || !isWhole || channels <= each) {
    return { value: applyLinear(pass, linear, x, 'center'), units: linear.terms, isBlocked: false };
  }
  const value = inBlocks(
    pass,
    { x, axis: 1 },
    { weight: linear.weight, axis: 1, each },
    (part, weight) => maker.node('Conv', [part, weight], linear.attributes),
  );
  return { value, units: blockUnits(each * places, Math.ceil(channels / each)), isBlocked: true };
}

/**
 * x·W with the center of a matrix of weights, or x·Wᵀ, in float64; as float32.
 * @param rank  how many axes x has.
 */
export function doubleProduct(
  pass: ForwardPass,
  { x, rank }: { x: string; rank: number },
  weight: string,
  isTurned: boolean,
): string {
  const { maker } = pass;
  const long = maker.double(x);
  const product =
    isTurned && rank === 2
      ? maker.node('Gemm', [long, pass.doubleWeight(weight)], { transB: { int: 1 } })
      : maker.node('MatMul', [long, pass.doubleWeight(weight, isTurned)]);
  return maker.node('Cast', [product], { to: { int: 1 } });
}

/** The sum of what an operator makes of parts of a value and of parts of the weights' center. */
export function inBlocks(
  pass: ForwardPass,
  { x, axis }: { x: string; axis: number },
  at: { weight: string; axis: number; each: number },
  apply: (part: string, weight: string) => string,
): string {
  const { maker } = pass;
  const size = pass.shape(at.weight)[at.axis] as number;
  const sizes: number[] = [];
  for (let from = 0; from < size; from += at.each) sizes.push(Math.min(at.each, size - from));
  const split = (value: string, along: number): string[] =>
    maker.nodes('Split', [value, maker.whole(sizes)], sizes.length, { axis: { int: along } });
  const parts = split(x, axis);
  const weights = split(pass.weight(at.weight, 'center'), at.axis);
  let sums = parts.map((part, i) => apply(part, weights[i] as string));
  // In pairs: each part is rounded as often as the tree is deep.
  while (sums.length > 1) {
    sums = Array.from({ length: Math.ceil(sums.length / 2) }, (_, i) => {
      const [a, b] = sums.slice(2 * i, 2 * i + 2) as [string, string | undefined];
      return b === undefined ? a : maker.add(a, b);
    });
  }
  return sums[0] as string;
}

/** Roundings of what `inBlocks` makes of blocks of so many terms. */
export function blockUnits(terms: number, blocks: number): number {
  return terms + Math.ceil(Math.log2(blocks)) + 1;
}

const SCALES = new Set(['Mul', 'Div', 'BatchNormalization']);
/** Operators that the runtime may look through for one that scales. */
const PASSED = new Set([
  'Add',
  'Sub',
  'Identity',
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Dropout',
]);

/** True if the runtime may multiply a factor into the weights of the operator that a value comes from. */
function isScaled(pass: ForwardPass, value: string): boolean {
  return pass.analysis.nodes.some(
    ({ op, inputs, outputs }) =>
      inputs.includes(value) &&
      (SCALES.has(op) || (PASSED.has(op) && isScaled(pass, outputs[0] as string))),
  );
}
