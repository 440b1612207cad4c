/** The way back through the other operators. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../network/network.js';
import type { BackwardPass, BackwardRule } from './backward.js';
import { backLinear } from './backward-linear.js';
import { NORM_ERROR, normOf } from './elementwise.js';
import { meanTerms, reducedAxes } from './layout.js';
import { FEW, sumError, TINY } from './rounding.js';
import { formNamed } from './weights.js';

/** Shape of rows over a value. */
function rowShape(back: BackwardPass, value: string): number[] {
  return [-1, ...back.pass.shape(value).slice(1)];
}

const reshape: BackwardRule = (back, node, coefficients) => {
  const data = node.inputs[0] as string;
  back.add(data, back.maker.reshape(coefficients, rowShape(back, data)));
  return true;
};

const identity: BackwardRule = (back, node, coefficients) => {
  back.add(node.inputs[0] as string, coefficients);
  return true;
};

const transpose: BackwardRule = (back, node, coefficients) => {
  const perm = numbersOf(node, 'perm');
  if (perm === undefined || perm[0] !== 0) return false;
  const turned = perm.map((_, i) => perm.indexOf(i));
  back.add(
    node.inputs[0] as string,
    back.maker.node('Transpose', [coefficients], { perm: { ints: turned } }),
  );
  return true;
};

const concat: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const rank = pass.shape(node.outputs[0] as string).length;
  const given = numberOf(node, 'axis') ?? 1;
  const axis = given < 0 ? given + rank : given;
  if (axis === 0 || !node.inputs.every((name) => pass.isData(name))) return false;
  const sizes = node.inputs.map((name) => pass.shape(name)[axis] as number);
  const parts = maker.nodes('Split', [coefficients, maker.whole(sizes)], sizes.length, {
    axis: { int: axis },
  });
  for (const [i, name] of node.inputs.entries()) back.add(name, parts[i] as string);
  return true;
};

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
    if (parts.some(([name]) => pass.isData(name) && !sameShape(back, name, output))) return false;
    back.charge(coefficients, output, back.roundOff(output));
    for (const [name, rows] of parts) {
      if (pass.isData(name)) back.add(name, rows);
      else {
        back.dot(rows, output, pass.weight(name, 'center'));
        back.charge(rows, output, pass.weight(name, 'radius'));
      }
    }
    return true;
  };
}

const product: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const [a, b] = node.inputs as [string, string];
  const [data, factor] = pass.isData(a) ? [a, b] : [b, a];
  if (pass.isData(factor) || !sameShape(back, data, output)) return false;
  const loose = maker.mul(pass.ball(data).size, pass.weight(factor, 'radius'));
  back.charge(coefficients, output, maker.add(maker.scale(loose, 1 + FEW), back.roundOff(output)));
  back.add(data, maker.mul(coefficients, pass.weight(factor, 'center')));
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
  const rounded = maker.scale(
    maker.add(maker.mul(size, maker.abs(scale)), feed('shift.size')),
    NORM_ERROR + 2 * FEW,
  );
  const local = maker.add(maker.scale(maker.add(loose, rounded), 1 + FEW), back.roundOff(output));
  back.charge(coefficients, output, local);
  back.dot(coefficients, output, feed('shift.center'));
  back.add(data, maker.mul(coefficients, scale));
  return true;
};

/** Names of the inputs that choose lower slopes, each [R, 1]. */
export const SLOPE_INPUTS = ['slope:side', 'slope:chord', 'slope:one'] as const;

/**
 * max(x, s·x), 0 ≤ s ≤ 1, of an interval that may hold 0: a chord above, and below it a line through 0 whose
 * slope is any between s and 1.
 */
function bend(slope: (node: GraphNode) => number | null): BackwardRule {
  return (back, node, coefficients) => {
    const { pass, maker } = back;
    const s = slope(node);
    if (s === null || s < 0 || s > 1) return false;
    const data = node.inputs[0] as string;
    const output = node.outputs[0] as string;
    const { low, high } = pass.interval(data);
    const f = (end: string): string => maker.max(end, maker.scale(end, s));
    const [zero, one] = [maker.scalar(0), maker.scalar(1)];
    const isOn = maker.node('GreaterOrEqual', [low, zero]);
    const isOff = maker.node('LessOrEqual', [high, zero]);
    const fixed = (rest: string): string =>
      maker.where(isOn, one, maker.where(isOff, maker.scalar(s), rest));
    const rise = maker.node('Div', [
      maker.sub(f(high), f(low)),
      maker.max(maker.sub(high, low), maker.scalar(TINY)),
    ]);
    const chord = fixed(maker.min(maker.max(rise, maker.scalar(s)), one));
    // Right for any slope: the greatest distance is at an end or at 0.
    const distance = maker.max(
      maker.sub(f(low), maker.mul(chord, low)),
      maker.sub(f(high), maker.mul(chord, high)),
      zero,
    );
    const above = maker.add(maker.scale(distance, 1 + FEW), back.roundOff(data));
    const round = back.roundOff(output);
    const plus = maker.max(coefficients, zero);
    const minus = maker.min(coefficients, zero);
    back.charge(minus, output, above);
    back.charge(coefficients, output, round);
    const rank = pass.shape(data).length;
    const [side, chordShare, oneShare] = SLOPE_INPUTS.map((name) =>
      maker.reshape(maker.input(name, ['R', 1]), [-1, ...new Array<number>(rank - 1).fill(1)]),
    ) as [string, string, string];
    const isWide = maker.where(maker.node('Greater', [high, maker.neg(low)]), one, maker.scalar(s));
    // Shares add up to 1 at most, so that the slope is between 0 and 1; what is missing is the least slope.
    const mixed = maker.add(
      maker.add(maker.mul(isWide, side), maker.mul(chord, chordShare)),
      oneShare,
    );
    const lower = fixed(maker.min(maker.max(mixed, maker.scalar(s)), one));
    back.add(data, maker.add(maker.mul(plus, lower), maker.mul(minus, chord)));
    return true;
  };
}

/** A window that moves by its own size, without padding; null for others. */
function tiles(back: BackwardPass, node: GraphNode): number[] | null {
  const kernel = numbersOf(node, 'kernel_shape');
  const strides = numbersOf(node, 'strides') ?? kernel?.map(() => 1);
  const data = node.inputs[0] as string;
  const plain =
    kernel !== undefined &&
    kernel.length === 2 &&
    strides?.every((one, i) => one === kernel[i]) === true &&
    (numbersOf(node, 'pads') ?? []).every((one) => one === 0) &&
    (numbersOf(node, 'dilations') ?? []).every((one) => one === 1) &&
    (numberOf(node, 'ceil_mode') ?? 0) === 0 &&
    (textOf(node, 'auto_pad') ?? 'NOTSET') === 'NOTSET' &&
    back.pass.shape(data).length === 4;
  return plain ? [...(kernel as readonly number[])] : null;
}

/** The part of a value that windows cover. */
function covered(
  back: BackwardPass,
  value: string,
  tensor: string,
  area: readonly number[],
): string {
  const [, , h = 0, w = 0] = back.pass.shape(value);
  const [ch = 0, cw = 0] = area;
  if (h === ch && w === cw) return tensor;
  const { maker } = back;
  return maker.node('Slice', [
    tensor,
    maker.whole([0, 0]),
    maker.whole([ch, cw]),
    maker.whole([2, 3]),
  ]);
}

/** Rows over pooled places, spread over their windows by shares in the shape of the covered part. */
function spread(
  back: BackwardPass,
  at: { data: string; output: string; kernel: readonly number[]; shares: string },
  rows: string,
): string {
  const { maker, pass } = back;
  const [, c = 0, h = 0, w = 0] = pass.shape(at.output);
  const [kh = 1, kw = 1] = at.kernel;
  const [, , fullH = 0, fullW = 0] = pass.shape(at.data);
  const wide = maker.reshape(rows, [-1, c, h, 1, w, 1]);
  const shares = maker.reshape(at.shares, [1, c, h, kh, w, kw]);
  const area = [h * kh, w * kw] as const;
  const made = maker.reshape(maker.mul(wide, shares), [-1, c, ...area]);
  if (area[0] === fullH && area[1] === fullW) return made;
  return maker.node('Pad', [
    made,
    maker.whole([0, 0, 0, 0, 0, 0, fullH - area[0], fullW - area[1]]),
  ]);
}

/**
 * Max pooling: each window passes on the element with the greatest center (or equal shares of several), and
 * the distance of the maximum from it is bounded.
 */
const maxPool: BackwardRule = (back, node, coefficients) => {
  const { maker, pass } = back;
  const kernel = tiles(back, node);
  if (kernel === null || node.outputs.length > 1) return false;
  const data = node.inputs[0] as string;
  const output = node.outputs[0] as string;
  const [, c = 0, h = 0, w = 0] = pass.shape(output);
  const [kh = 1, kw = 1] = kernel;
  const area = [h * kh, w * kw];
  const cut = (tensor: string): string => covered(back, data, tensor, area);
  const { low, high } = pass.interval(data);
  const center = cut(pass.ball(data).center);
  const window = { kernel_shape: { ints: kernel }, strides: { ints: kernel } };
  const pool = (tensor: string): string => maker.node('MaxPool', [tensor], window);
  const sum = (tensor: string): string =>
    maker.scale(maker.node('AveragePool', [tensor], window), kh * kw);
  const stretch = (tensor: string): string =>
    maker.reshape(
      maker.node('Expand', [
        maker.reshape(tensor, [1, c, h, 1, w, 1]),
        maker.whole([1, c, h, kh, w, kw]),
      ]),
      [1, c, ...area],
    );
  const isGreatest = maker.node('Cast', [maker.node('Equal', [center, stretch(pool(center))])], {
    to: { int: 1 },
  });
  const shares = maker.node('Div', [
    isGreatest,
    maker.max(stretch(sum(isGreatest)), maker.scalar(0.5)),
  ]);
  const isAlone = maker.node('Greater', [shares, maker.scalar(0.999)]);
  const others = pool(maker.where(isAlone, maker.scalar(-3e38), cut(high)));
  const passed = sum(maker.mul(shares, cut(low)));
  const round = maker.shift(
    maker.scale(pass.sizeOf(pass.interval(output)), 8 * kh * kw * FEW),
    TINY,
  );
  const size = maker.scale(pool(cut(pass.sizeOf({ low, high }))), 8 * kh * kw * FEW);
  const slack = maker.add(round, size);
  const distance = maker.scale(maker.max(maker.sub(others, passed), maker.scalar(0)), 1 + FEW);
  const above = maker.add(distance, slack);
  back.charge(maker.min(coefficients, maker.scalar(0)), output, above);
  back.charge(coefficients, output, slack);
  back.add(data, spread(back, { data, output, kernel, shares }, coefficients));
  return true;
};

/** Means over windows that do not overlap. */
const averagePool: BackwardRule = (back, node, coefficients) => {
  const kernel = tiles(back, node);
  if (kernel === null) return false;
  const output = node.outputs[0] as string;
  const [, c = 0, h = 0, w = 0] = back.pass.shape(output);
  const [kh = 1, kw = 1] = kernel;
  meanError(back, node, coefficients);
  const share = back.maker.scalar(1 / (kh * kw));
  const shares = back.maker.node('Expand', [share, back.maker.whole([1, c, h * kh, w * kw])]);
  back.add(
    node.inputs[0] as string,
    spread(back, { data: node.inputs[0] as string, output, kernel, shares }, coefficients),
  );
  return true;
};

/** What the reference rounds in a mean: a share of the greatest magnitude. */
function meanError(back: BackwardPass, node: GraphNode, coefficients: string): void {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const size = maker.node('ReduceMax', [pass.ball(node.inputs[0] as string).size], {
    keepdims: { int: 0 },
  });
  const share = 2 * sumError(meanTerms(pass, node)) + 2 * FEW;
  back.charge(coefficients, output, maker.shift(maker.scale(size, share), TINY));
}

/** Means over whole axes: of a map, or as ReduceMean names them. */
const meanOver: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const data = node.inputs[0] as string;
  const shape = pass.shape(data);
  const axes = node.op === 'ReduceMean' ? reducedAxes(pass, node) : shape.map((_, i) => i).slice(2);
  if (axes.includes(0)) return false;
  meanError(back, node, coefficients);
  const kept = [-1, ...shape.slice(1).map((size, i) => (axes.includes(i + 1) ? 1 : size))];
  const count = axes.reduce((product, axis) => product * (shape[axis] as number), 1);
  const ones = maker.node('Expand', [maker.scalar(1 / count), maker.whole([1, ...shape.slice(1)])]);
  back.add(data, maker.mul(maker.reshape(coefficients, kept), ones));
  return true;
};

export const BACKWARD: ReadonlyMap<string, BackwardRule> = new Map(
  Object.entries({
    Conv: backLinear,
    ConvTranspose: backLinear,
    Gemm: backLinear,
    MatMul: backLinear,
    Relu: bend(() => 0),
    LeakyRelu: bend((node) => Math.fround(numberOf(node, 'alpha') ?? 0.01)),
    MaxPool: maxPool,
    AveragePool: averagePool,
    GlobalAveragePool: meanOver,
    ReduceMean: meanOver,
    Add: sum(1),
    Sub: sum(-1),
    Mul: product,
    BatchNormalization: norm,
    Flatten: reshape,
    Reshape: reshape,
    Squeeze: reshape,
    Unsqueeze: reshape,
    Identity: identity,
    Dropout: identity,
    Transpose: transpose,
    Concat: concat,
  }),
);
