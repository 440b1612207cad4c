/** The way back through pools and means. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../../network/network.js';
import { meanTerms, reducedAxes } from '../forward/layout.js';
import { FEW, sumError, TINY } from '../rounding.js';
import type { BackwardPass, BackwardRule } from './backward.js';

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

export const POOLS: Readonly<Record<string, BackwardRule>> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: meanOver,
  ReduceMean: meanOver,
};
