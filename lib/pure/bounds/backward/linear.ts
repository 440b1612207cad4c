/** The way back through linear operators. */

import { linearParts } from '../forward/linear.js';
import { applyLinear, biasOf, type Linear, linearOf } from '../forward/linear-operator.js';
import { BLOCK_TERMS, blockUnits, DOUBLE_MAX, doubleProduct, inBlocks } from '../forward/sums.js';
import { sumError, UNIT } from '../rounding.js';
import type { BackwardPass, BackwardRule } from './backward.js';

/** The way back through Conv, ConvTranspose, Gemm and MatMul with weights. */
export const backLinear: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const linear = linearOf(pass, node);
  if (linear === null || linear.attributes.auto_pad !== undefined) return false;
  const output = node.outputs[0] as string;
  const inputs = transposed(back, linear, output, coefficients);
  if (inputs === null) return false;
  const { radius, size } = pass.ball(linear.data);
  const shape = pass.shape(output);
  const rank = shape.length;
  const total = maker.scale(
    applyLinear(pass, linear, size, 'size'),
    1 + 3 * sumError(linear.terms, 32),
  );
  const { reference } = linearParts(pass, linear, rank);
  let local = maker.add(reference, maker.scale(total, 1.02 * inputs.units * UNIT));
  const places = linear.kind === 'rows' ? 1 : back.count(output) / (shape[1] ?? 1);
  const bias = biasOf(pass, linear, 'center', rank);
  if (bias !== null) {
    const loose = biasOf(pass, linear, 'radius', rank) as string;
    const share = maker.scale(maker.abs(bias), 2 * (places + 32) * UNIT);
    local = maker.add(local, maker.add(share, loose));
    addBias(back, linear, coefficients, output);
  }
  const unknown = maker.scale(applyLinear(pass, linear, size, 'radius'), 1.001);
  local = maker.add(maker.scale(local, 1.01), back.roundOff(output));
  const rows = maker.abs(back.flat(coefficients, output));
  back.radius(back.weigh(rows, output, local));
  const alone = back.weigh(rows, output, unknown);
  const shared = sharedWeights(back, linear, {
    output,
    coefficients,
    rows,
    unknown,
    radius,
    places,
  });
  back.radius(shared === null ? alone : maker.min(alone, shared));
  back.add(linear.data, inputs.value);
  return true;
};

/** A·W: coefficients of the input, and how many roundings of |A|·|W| they may be off. */
function transposed(
  back: BackwardPass,
  linear: Linear,
  output: string,
  coefficients: string,
): { value: string; units: number } | null {
  const { pass, maker } = back;
  const units = linear.backTerms + 2;
  if (linear.kind === 'rows' || linear.kind === 'columns') {
    const weight = pass.weight(linear.weight, 'center');
    const turned =
      linear.kind === 'rows'
        ? weight
        : maker.node('Transpose', [weight], { perm: { ints: [1, 0] } });
    const elements = pass.shape(linear.weight).reduce((product, size) => product * size, 1);
    if (elements <= DOUBLE_MAX)
      return { value: doubleProduct(pass, coefficients, turned), units: 4 };
    return { value: maker.node('MatMul', [coefficients, turned]), units };
  }
  const { output_padding, output_shape, ...attributes } = linear.attributes;
  if (linear.kind === 'deconv') {
    if (output_padding !== undefined || output_shape !== undefined) return null;
    const weight = pass.weight(linear.weight, 'center');
    return { value: maker.node('Conv', [coefficients, weight], attributes), units };
  }
  const before = pass.shape(linear.data).slice(2);
  const after = pass.shape(output).slice(2);
  const kernel = pass.shape(linear.weight).slice(2);
  const list = (name: string, fill: number, count: number): readonly number[] => {
    const found = attributes[name];
    return found !== undefined && 'ints' in found
      ? found.ints
      : new Array<number>(count).fill(fill);
  };
  const axes = kernel.length;
  const strides = list('strides', 1, axes);
  const dilations = list('dilations', 1, axes);
  const pads = list('pads', 0, 2 * axes);
  const rest = before.map((size, i) => {
    const reach = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const full = ((after[i] as number) - 1) * (strides[i] as number) + reach;
    return size - (full - (pads[i] as number) - (pads[i + axes] as number));
  });
  if (
    rest.some((one, i) => one < 0 || one >= Math.max(strides[i] as number, dilations[i] as number))
  ) {
    return null;
  }
  const whole = { ...attributes, output_padding: { ints: rest } };
  const [filters = 1] = pass.shape(linear.weight);
  const taps = kernel.reduce((product, size) => product * size, 1);
  const each = Math.max(1, Math.floor(BLOCK_TERMS / taps));
  const { group } = attributes;
  const isWhole = group === undefined || ('int' in group && group.int === 1);
  if (!isWhole || filters <= each) {
    const weight = pass.weight(linear.weight, 'center');
    return { value: maker.node('ConvTranspose', [coefficients, weight], whole), units };
  }
  const value = inBlocks(
    pass,
    { x: coefficients, axis: 1 },
    { weight: linear.weight, axis: 0, each },
    (part, weight) => maker.node('ConvTranspose', [part, weight], whole),
  );
  return { value, units: blockUnits(each * taps, Math.ceil(filters / each)) };
}

/** A·b. */
function addBias(back: BackwardPass, linear: Linear, coefficients: string, output: string): void {
  const { pass, maker } = back;
  const { bias, kind } = linear;
  if (bias === null) return;
  const value = pass.weight(bias, 'center');
  const channels = pass.shape(bias)[0] as number;
  if (kind === 'rows' || kind === 'columns') {
    back.dot(coefficients, output, value);
    return;
  }
  const places = back.count(output) / channels;
  const sums = maker.node(
    'ReduceSum',
    [maker.reshape(coefficients, [-1, channels, places]), maker.whole([2])],
    { keepdims: { int: 0 } },
  );
  const product = maker.node('MatMul', [
    maker.double(sums),
    maker.double(maker.reshape(value, [channels, 1])),
  ]);
  back.center(product);
}

/**
 * Weights that are used in many places: Σ_w R_w·|Σ_places A·a|, with the center of a, and the rest of a by its
 * radius. null where a convolution has groups or one place, or is too large to be written out.
 */
function sharedWeights(
  back: BackwardPass,
  linear: Linear,
  at: {
    output: string;
    coefficients: string;
    rows: string;
    unknown: string;
    radius: string | null;
    places: number;
  },
): string | null {
  const { pass, maker } = back;
  const { attributes } = linear;
  const group = attributes.group;
  const isGrouped = group === undefined || !('int' in group) || group.int !== 1;
  if (!back.sharesWeights || linear.kind !== 'conv' || isGrouped || at.places < 2) return null;
  const columns = unfolded(back, linear, at.output);
  if (columns === null) return null;
  const [filters = 0, channels = 0, ...kernel] = pass.shape(linear.weight);
  const taps = kernel.reduce((product, size) => product * size, channels);
  const folded = maker.reshape(at.coefficients, [-1, filters, at.places]);
  const sums = maker.abs(maker.node('MatMul', [folded, columns]));
  const radii = maker.reshape(pass.weight(linear.weight, 'radius'), [filters * taps, 1]);
  const first = maker.scale(
    maker.node('MatMul', [maker.reshape(sums, [-1, filters * taps]), radii]),
    1 + 1.2 * (filters * taps + 16) * UNIT,
  );
  // What the sums over places round, and what a is away from its center.
  const lost = maker.scale(at.unknown, sumError(at.places));
  const away =
    at.radius === null
      ? lost
      : maker.add(lost, maker.scale(applyLinear(pass, linear, at.radius, 'radius'), 1.001));
  return maker.add(first, back.weigh(at.rows, at.output, away));
}

/** What each place of the output sees of the input's center: [1, places, taps]. */
function unfolded(back: BackwardPass, linear: Linear, output: string): string | null {
  const { pass, maker } = back;
  const { center } = pass.ball(linear.data);
  const [, channels = 0, ...sizes] = pass.shape(linear.data);
  const after = pass.shape(output).slice(2);
  const kernel = pass.shape(linear.weight).slice(2);
  if (kernel.length !== 2) return null;
  const list = (name: string, fill: number, count: number): readonly number[] => {
    const found = linear.attributes[name];
    return found !== undefined && 'ints' in found
      ? found.ints
      : new Array<number>(count).fill(fill);
  };
  const pads = list('pads', 0, 4);
  const [sy = 1, sx = 1] = list('strides', 1, 2);
  const [dy = 1, dx = 1] = list('dilations', 1, 2);
  const [h = 0, w = 0] = sizes;
  const [kh = 0, kw = 0] = kernel;
  const [oh = 0, ow = 0] = after;
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const width = w + left + right;
  const padded = pads.some((one) => one > 0)
    ? maker.node('Pad', [center, maker.whole([0, 0, top, left, 0, 0, bottom, right])])
    : center;
  const places: number[] = [];
  for (let y = 0; y < oh; y++) {
    for (let x = 0; x < ow; x++) {
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) places.push((y * sy + i * dy) * width + x * sx + j * dx);
      }
    }
  }
  const line = maker.reshape(padded, [channels, (h + top + bottom) * width]);
  const seen = maker.node('Gather', [line, maker.whole(places, [oh * ow, kh * kw])], {
    axis: { int: 1 },
  });
  const turned = maker.node('Transpose', [seen], { perm: { ints: [1, 0, 2] } });
  return maker.reshape(turned, [1, oh * ow, channels * kh * kw]);
}
