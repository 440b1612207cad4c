/** Intervals through operators that move elements, or take sums, means and maxima of them. */
import { type GraphNode, numberOf, numbersOf, textOf } from '../../network/network.js';
import { NoBounds } from '../analysis.js';
import type { Attributes } from '../graph-maker.js';
import { FEW, sumError, TINY } from '../rounding.js';
import type { ForwardPass, ForwardRule, Interval } from './forward.js';

/** Both ends through the same node of the graph. */
export function bothEnds(
  { low, high, isExact }: Interval,
  make: (end: string) => string,
): Interval {
  if (isExact === true && low === high) {
    const value = make(low);
    return { low: value, high: value, isExact };
  }
  return { low: make(low), high: make(high) };
}

const reshape: ForwardRule = (pass, node) => {
  const target = pass.batchShape(node.outputs[0] as string);
  return bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    pass.maker.reshape(end, target),
  );
};

const identity: ForwardRule = (pass, node) => pass.interval(node.inputs[0] as string);

const transpose: ForwardRule = (pass, node) => {
  const perm = numbersOf(node, 'perm');
  const attributes: Attributes = perm === undefined ? {} : { perm: { ints: perm } };
  return bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    pass.maker.node('Transpose', [end], attributes),
  );
};

const concat: ForwardRule = (pass, node) => {
  const axis = { axis: { int: numberOf(node, 'axis') ?? 1 } };
  const parts = node.inputs.map((name) => pass.interval(name));
  const join = (ends: string[]): string => pass.maker.node('Concat', ends, axis);
  return { low: join(parts.map(({ low }) => low)), high: join(parts.map(({ high }) => high)) };
};

/** Numbers of an input, or of the attribute that older operators had in its place. */
function listOf(
  pass: ForwardPass,
  node: GraphNode,
  index: number,
  name: string,
): readonly number[] | undefined {
  const input = node.inputs[index];
  if (input !== undefined && input !== '') return pass.whole(input, node.op);
  return numbersOf(node, name);
}

/** The axes that a Slice cuts, counted from the front, and the places that it takes of each. */
export function slicedPlaces(
  pass: ForwardPass,
  node: GraphNode,
): { axis: number; places: number[] }[] {
  const shape = pass.shape(node.inputs[0] as string);
  const starts = listOf(pass, node, 1, 'starts') ?? [];
  const ends = listOf(pass, node, 2, 'ends') ?? [];
  const axes = listOf(pass, node, 3, 'axes') ?? starts.map((_, i) => i);
  const steps = listOf(pass, node, 4, 'steps') ?? starts.map(() => 1);
  const taken = starts.map((start, i) => {
    const given = axes[i] as number;
    const axis = given < 0 ? given + shape.length : given;
    const size = shape[axis] as number;
    const step = steps[i] as number;
    const end = ends[i] as number;
    // As numpy: counted from the end where negative, then kept inside.
    const within = (at: number, least: number, most: number): number =>
      Math.min(Math.max(at < 0 ? at + size : at, least), most);
    const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
    const places: number[] = [];
    const last = within(end, least, most);
    for (
      let at = within(start, Math.max(least, 0), most);
      step > 0 ? at < last : at > last;
      at += step
    ) {
      places.push(at);
    }
    return { axis, places };
  });
  // A batch of any size is taken whole.
  return taken.filter(
    ({ axis, places }) =>
      axis > 0 || places.some((place, i) => place !== i) || places.length !== shape[0],
  );
}

const slice: ForwardRule = (pass, node) => {
  const { maker } = pass;
  const taken = slicedPlaces(pass, node);
  return bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    taken.reduce(
      (value, { axis, places }) =>
        maker.node('Gather', [value, maker.whole(places)], { axis: { int: axis } }),
      end,
    ),
  );
};

const gather: ForwardRule = (pass, node) => {
  const [data = '', places = ''] = node.inputs;
  const found = pass.whole(places, 'Gather');
  const dims = pass.shape(places);
  const inputs = pass.maker.whole(found, dims);
  return bothEnds(pass.interval(data), (end) =>
    pass.maker.node('Gather', [end, inputs], { axis: { int: numberOf(node, 'axis') ?? 0 } }),
  );
};

const PAD_MODES: ReadonlySet<string> = new Set(['constant', 'reflect', 'edge']);

/** Pads of all axes, before them and behind, from those of some axes. */
function padsOf(pass: ForwardPass, node: GraphNode): readonly number[] {
  const given = listOf(pass, node, 1, 'pads') ?? [];
  const named = node.inputs[3] ?? '';
  if (named === '') return given;
  const rank = pass.shape(node.inputs[0] as string).length;
  const axes = pass.whole(named, node.op);
  const pads = new Array<number>(2 * rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    const at = axis < 0 ? axis + rank : axis;
    pads[at] = given[i] ?? 0;
    pads[at + rank] = given[i + axes.length] ?? 0;
  }
  return pads;
}

const pad: ForwardRule = (pass, node) => {
  const mode = textOf(node, 'mode') ?? 'constant';
  if (!PAD_MODES.has(mode)) throw new NoBounds(`Pad by '${mode}' is not bounded`, 'Pad');
  const pads = padsOf(pass, node);
  const fill = node.inputs[2] ? pass.whole(node.inputs[2], 'Pad')[0] : numberOf(node, 'value');
  const { maker } = pass;
  return bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    maker.node('Pad', [end, maker.whole(pads), maker.scalar(fill ?? 0)], { mode: { text: mode } }),
  );
};

/** Attributes of a pool as they are. */
export function poolAttributes(node: GraphNode): Attributes {
  const found: Record<string, Attributes[string]> = {};
  for (const { name, kind, value } of node.attributes) {
    if (kind === 'int') found[name] = { int: value };
    else if (kind === 'ints') found[name] = { ints: value };
    else if (kind === 'string') found[name] = { text: value };
  }
  return found;
}

const maxPool: ForwardRule = (pass, node) =>
  bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    pass.maker.node(node.op, [end], poolAttributes(node)),
  );

/** Elements that one mean is taken of. */
export function meanTerms(pass: ForwardPass, node: GraphNode): number {
  const kernel = numbersOf(node, 'kernel_shape');
  const count = (list: readonly number[]): number =>
    list.reduce((product, size) => product * size, 1);
  if (kernel !== undefined) return count(kernel);
  const before = count(pass.shape(node.inputs[0] as string));
  return Math.max(1, before / count(pass.shape(node.outputs[0] as string)));
}

/** A mean of intervals. Its rounding is bounded by the mean of magnitudes. */
function mean(pass: ForwardPass, node: GraphNode, make: (end: string) => string): Interval {
  const { maker } = pass;
  const interval = pass.interval(node.inputs[0] as string);
  const error = maker.shift(
    maker.scale(make(pass.sizeOf(interval)), 2.1 * sumError(meanTerms(pass, node)) + FEW),
    TINY,
  );
  return { low: maker.sub(make(interval.low), error), high: maker.add(make(interval.high), error) };
}

const averagePool: ForwardRule = (pass, node) => {
  if ((numbersOf(node, 'dilations') ?? []).some((one) => one !== 1)) {
    throw new NoBounds('AveragePool over places that lie apart', node.op);
  }
  return mean(pass, node, (end) => pass.maker.node('AveragePool', [end], poolAttributes(node)));
};

const globalAverage: ForwardRule = (pass, node) =>
  mean(pass, node, (end) => pass.maker.node('GlobalAveragePool', [end]));

/** Axes of a reduction, counted from the front; none where it does nothing. */
export function reducedAxes(pass: ForwardPass, node: GraphNode): number[] {
  const rank = pass.shape(node.inputs[0] as string).length;
  const given = listOf(pass, node, 1, 'axes') ?? [];
  if (given.length > 0) return given.map((axis) => (axis < 0 ? axis + rank : axis));
  return numberOf(node, 'noop_with_empty_axes') === 1
    ? []
    : Array.from({ length: rank }, (_, i) => i);
}

const reduceMean: ForwardRule = (pass, node) => {
  const axes = reducedAxes(pass, node);
  if (axes.length === 0) return pass.interval(node.inputs[0] as string);
  const keepdims = { int: numberOf(node, 'keepdims') ?? 1 };
  return mean(pass, node, (end) =>
    pass.maker.node('ReduceMean', [end], { axes: { ints: axes }, keepdims }),
  );
};

/** Axes of one place are repeated; that of the batch is kept, whatever it is. */
const expand: ForwardRule = (pass, node) => {
  const shape = pass.maker.whole(pass.shape(node.outputs[0] as string));
  return bothEnds(pass.interval(node.inputs[0] as string), (end) =>
    pass.maker.node('Expand', [end, shape]),
  );
};

const cast: ForwardRule = (pass, node) => {
  // Between float32 and float16 alone: the rounding of float16 is added where a value is one.
  const to = numberOf(node, 'to');
  if (to === 1 || to === 10) return pass.interval(node.inputs[0] as string);
  throw new NoBounds('Cast to another type than float', 'Cast');
};

export const LAYOUT: Readonly<Record<string, ForwardRule>> = {
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Identity: identity,
  Dropout: identity,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  Pad: pad,
  MaxPool: maxPool,
  GlobalMaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  ReduceMean: reduceMean,
  Cast: cast,
  Expand: expand,
};
