/** The way back through linear operators. */

import { linearParts } from '../forward/linear.js';
import { applyLinear, biasOf, type Linear, linearOf } from '../forward/linear-operator.js';
import { DOUBLE_MAX, doubleProduct } from '../forward/sums.js';
import { sumError, UNIT } from '../rounding.js';
import type { BackwardPass, BackwardRule } from './backward.js';
import { EXACT_INPUT } from './bends.js';

/** A row of a convolution that makes more products is not computed in float64, which keeps all of them. */
export const UNFOLDED_MAX = 2 ** 21;

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
  const unknown = maker.scale(applyLinear(pass, linear, size, 'radius'), 1.001);
  const total = maker.add(
    maker.scale(applyLinear(pass, linear, size, 'size'), 1 + 3 * sumError(linear.terms, 32)),
    unknown,
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
  local = maker.add(maker.scale(local, 1.01), back.roundOff(output));
  const rows = maker.abs(back.flat(coefficients, output));
  back.radius(back.weigh(rows, output, local));
  const alone = back.weigh(rows, output, unknown);
  if (inputs.least !== null) {
    // 1 for rows that take them exactly.
    const share = maker.input(EXACT_INPUT, ['R', 1]);
    const exact = maker.reshape(share, [-1, ...new Array<number>(rank - 1).fill(1)]);
    // What the sums of |A|·R round; and then weights of values that may be negative alone, or all of them.
    const lost = maker.scale(unknown, 1.02 * (linear.backTerms + 4) * UNIT);
    const odd = maker.mul(size, maker.sub(maker.scalar(1), isPositive(back, linear.data)));
    const other = maker.scale(applyLinear(pass, linear, odd, 'radius'), 1.001);
    back.radius(back.weigh(rows, output, lost));
    back.radius(maker.mul(back.weigh(rows, output, other), share));
    back.radius(maker.mul(alone, maker.sub(maker.scalar(1), share)));
    back.add(linear.data, maker.sub(inputs.value, maker.mul(inputs.least, exact)));
    return true;
  }
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

/** 1 where a value is not negative for certain, else 0. */
function isPositive({ pass, maker }: BackwardPass, value: string): string {
  return pass.once(`positive ${value}`, () => {
    const { low } = pass.interval(value);
    return maker.node('Cast', [maker.node('GreaterOrEqual', [low, maker.scalar(0)])], {
      to: { int: 1 },
    });
  });
}

/**
 * A·W: coefficients of the input, and how many roundings of |A|·|W| they may be off. `least` is |A|·R where the input
 * is not negative: A·W − |A|·R is the least of A·(W + Δ) there, whatever the input is.
 */
function transposed(
  back: BackwardPass,
  linear: Linear,
  output: string,
  coefficients: string,
): { value: string; least: string | null; units: number } | null {
  const { pass, maker } = back;
  const units = linear.backTerms + 2;
  if (linear.kind === 'rows' || linear.kind === 'columns') {
    const isTurned = linear.kind === 'columns';
    const turned = (form: 'center' | 'radius'): string => {
      const weight = pass.weight(linear.weight, form);
      return isTurned ? maker.node('Transpose', [weight], { perm: { ints: [1, 0] } }) : weight;
    };
    const elements = pass.shape(linear.weight).reduce((product, size) => product * size, 1);
    if (elements > DOUBLE_MAX) {
      return { value: maker.node('MatMul', [coefficients, turned('center')]), least: null, units };
    }
    const rank = pass.shape(output).length;
    const value = doubleProduct(pass, { x: coefficients, rank }, linear.weight, isTurned);
    if (pass.interval(linear.data).isExact) return { value, least: null, units: 4 };
    // What this sum rounds is charged beside it.
    const most = maker.node('MatMul', [maker.abs(coefficients), turned('radius')]);
    return { value, least: maker.mul(most, isPositive(back, linear.data)), units: 6 };
  }
  const { output_padding, output_shape, ...attributes } = linear.attributes;
  if (linear.kind === 'deconv') {
    if (output_padding !== undefined || output_shape !== undefined) return null;
    const weight = pass.weight(linear.weight, 'center');
    return { value: maker.node('Conv', [coefficients, weight], attributes), least: null, units };
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
  const [filters = 1, channels = 1] = pass.shape(linear.weight);
  const taps = kernel.reduce((product, size) => product * size, 1);
  const places = after.reduce((product, size) => product * size, 1);
  const { group } = attributes;
  const isWhole = group === undefined || ('int' in group && group.int === 1);
  if (!isWhole || channels * taps * places > UNFOLDED_MAX) {
    const weight = pass.weight(linear.weight, 'center');
    return {
      value: maker.node('ConvTranspose', [coefficients, weight], whole),
      least: null,
      units,
    };
  }
  // What each place of the output takes of each weight, in float64, is added up where it belongs.
  const rows = maker.double(maker.reshape(coefficients, [-1, filters, places]));
  const product = maker.node('MatMul', [pass.doubleWeight(linear.weight, true), rows]);
  const parts = maker.reshape(maker.node('Cast', [product], { to: { int: 1 } }), [
    -1,
    channels * taps,
    ...after,
  ]);
  const ones = maker.floats(oneHot(channels, taps), [channels * taps, 1, ...kernel]);
  const value = maker.node('ConvTranspose', [parts, ones], {
    ...whole,
    group: { int: channels },
  });
  // A value is rounded once as float32, and its sum as often as there are others.
  return { value, least: null, units: taps + 2 };
}

/** For each channel and each place of a kernel: 1 at this place, else 0. */
function oneHot(channels: number, taps: number): Float32Array {
  const values = new Float32Array(channels * taps * taps);
  for (let i = 0; i < channels * taps; i++) values[i * taps + (i % taps)] = 1;
  return values;
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

/** Rows over the output of an operator, and what is known of its input. */
interface Shared {
  readonly output: string;
  readonly coefficients: string;
  /** |coefficients|, flat. */
  readonly rows: string;
  /** R·m in the shape of the output, with the greatest magnitude m of the input. */
  readonly unknown: string;
  /** How far the input may be from its center; null: it is known. */
  readonly radius: string | null;
  readonly places: number;
}

/**
 * Weights that are used in many places: Σ_w R_w·|Σ_places A·a|, with the center of a, and the rest of a by its
 * radius. null where a convolution has groups or one place, or is too large to be written out.
 */
function sharedWeights(back: BackwardPass, linear: Linear, at: Shared): string | null {
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
