/**
 * Rules of operators and of kinds of operators: where they let elements act on each other. table.ts says which
 * operator has which rule.
 */
import { type GraphNode, numberOf, numbersOf, textOf } from '../../network/network.js';

/** Where the examples of a batch lie in a value: an axis of `times` places for each, those of an example together. */
export interface Place {
  readonly axis: number;
  readonly times: number;
  /** Axes of the value. */
  readonly rank: number;
  /** Elements of one example along the axes before. */
  readonly before: number;
}

/** A node whose inputs are known. */
export interface NodeAt {
  readonly node: GraphNode;
  readonly opset: number;
  /** Where the examples lie in each input; null: all of them have the same. */
  readonly inputs: readonly (Place | null)[];
  readonly output: Place;
  /** Shape of an input for one example. */
  shape(index: number): readonly number[] | null;
  /** An input of known whole numbers that are the same for every batch, or the attribute in its place. */
  list(index: number, attribute: string): readonly number[] | null;
}

/** True if what an operator makes of an example does not depend on the others. */
export type Rule = (at: NodeAt) => boolean;

const fromRight = ({ axis, rank }: Place): number => rank - axis;

/** Examples lie alike in all of these values, counted from the last axis, as broadcasting does. */
function areAligned(places: readonly (Place | null)[]): boolean {
  const found = places.filter((place) => place !== null);
  const [first] = found;
  return found.every(
    (place) =>
      first !== undefined && fromRight(place) === fromRight(first) && place.times === first.times,
  );
}

export const elementwise: Rule = ({ inputs, output }) => areAligned([...inputs, output]);

const first = ({ inputs }: NodeAt): Place | null => inputs[0] ?? null;

/** True if no other input than these depends on the examples. */
export function isOnly({ inputs }: NodeAt, ...indexes: readonly number[]): boolean {
  return inputs.every((place, i) => place === null || indexes.includes(i));
}

function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The first input's elements act on each other along axes; null: which ones is not known. */
export function along(axesOf: (at: NodeAt, rank: number) => readonly number[] | null): Rule {
  return (at) => {
    const place = first(at);
    if (place === null || !isOnly(at, 0)) return false;
    return (
      axesOf(at, place.rank)?.every((axis) => fromFront(axis, place.rank) !== place.axis) === true
    );
  };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

export const ofAttribute = (name: string, otherwise: number): Rule =>
  along(({ node }) => [numberOf(node, name) ?? otherwise]);
export const fromAttribute: Rule = along(({ node }, rank) =>
  range(fromFront(numberOf(node, 'axis') ?? -1, rank), rank),
);
/** Examples lie on the first axis. */
export const allButFirst: Rule = along((_, rank) => range(1, rank));
/** Before version 13 all axes from the one that is named were one. */
export const softmax: Rule = along(({ node, opset }, rank) =>
  opset < 13
    ? range(fromFront(numberOf(node, 'axis') ?? 1, rank), rank)
    : [numberOf(node, 'axis') ?? -1],
);
export const reduction: Rule = along((at, rank) => {
  const isGiven = (at.node.inputs[1] ?? '') !== '' || numbersOf(at.node, 'axes') !== undefined;
  const axes = isGiven ? at.list(1, 'axes') : [];
  if (axes === null || axes.length > 0) return axes;
  return numberOf(at.node, 'noop_with_empty_axes') === 1 ? [] : range(0, rank);
});

export const pad: Rule = along((at, rank) => {
  const pads = at.list(1, 'pads');
  const isNamed = (at.node.inputs[3] ?? '') !== '';
  const axes = isNamed ? at.list(3, '') : range(0, rank);
  if (pads === null || axes === null) return null;
  return axes.filter((_, i) => pads[i] !== 0 || pads[i + axes.length] !== 0);
});

/** A slice that keeps the length of an axis, forwards, takes all of it. */
export const slice: Rule = along((at, rank) => {
  const axes = at.list(3, 'axes') ?? range(0, rank);
  const steps = (at.node.inputs[4] ?? '') === '' ? axes.map(() => 1) : at.list(4, 'steps');
  const { axis } = first(at) as Place;
  const { axis: after, times } = at.output;
  const isKept = after === axis && times === first(at)?.times;
  if (steps === null) return null;
  return axes.filter(
    (one, i) => !(fromFront(one, rank) === axis && isKept && (steps[i] ?? 1) === 1),
  );
});

export const resize: Rule = along((at, rank) => {
  const [place, { axis: after, times }] = [first(at) as Place, at.output];
  const policy = textOf(at.node, 'keep_aspect_ratio_policy') ?? 'stretch';
  const isCropped = textOf(at.node, 'coordinate_transformation_mode') === 'tf_crop_and_resize';
  if (isCropped || policy !== 'stretch' || after !== place.axis || times !== place.times)
    return null;
  const isOld = at.node.inputs.length === 2;
  const axes = numbersOf(at.node, 'axes') ?? range(0, rank);
  const isBySize = (at.node.inputs[3] ?? '') !== '';
  // By sizes a factor is exactly one where an axis keeps its own.
  if (isBySize) return axes.filter((one) => fromFront(one, rank) !== after);
  const scales = at.list(isOld ? 1 : 2, 'scales');
  return scales === null ? null : axes.filter((_, i) => scales[i] !== 1);
});

/** The order of elements stays: as many come before those of an example as did. */
export const reshape: Rule = (at) => isOnly(at, 0) && first(at)?.before === at.output.before;

export const transpose: Rule = (at) => {
  const place = first(at) as Place;
  const perm = numbersOf(at.node, 'perm') ?? range(0, place.rank).reverse();
  return perm[at.output.axis] === place.axis && at.output.times === place.times;
};

export const concat: Rule = (at) =>
  elementwise(at) &&
  at.inputs.every(
    (place) =>
      place === null || fromFront(numberOf(at.node, 'axis') ?? 1, place.rank) !== place.axis,
  );

export const gather: Rule = (at) => {
  const [data = null, indices = null] = at.inputs;
  if (data !== null && indices !== null) return false;
  // Rows of a table that is the same for all, or places of one axis.
  return data === null || fromFront(numberOf(at.node, 'axis') ?? 0, data.rank) !== data.axis;
};

/** Places along one axis, of the same example. */
export const elementsAt: Rule = (at) => {
  const axis = numberOf(at.node, 'axis') ?? 0;
  return at.inputs.every(
    (place) =>
      place !== null &&
      place.axis === first(at)?.axis &&
      place.times === first(at)?.times &&
      fromFront(axis, place.rank) !== place.axis,
  );
};

/** Matrices over leading axes, which are broadcast. */
export const matrices: Rule = (at) => {
  const [a = null, b = null] = at.inputs;
  if (!isOnly(at, 0, 1)) return false;
  const isFromTheRight = (place: Place, least: number): boolean => fromRight(place) > least;
  if (a !== null && b !== null) {
    return areAligned([a, b, at.output]) && isFromTheRight(a, 2);
  }
  if (a !== null) {
    // A vector takes the last axis away.
    const lost = at.shape(1)?.length === 1 ? 1 : 0;
    return isFromTheRight(a, 1) && fromRight(a) - lost === fromRight(at.output);
  }
  // Columns of the second one stand where they stood.
  return b !== null && b.rank > 1 && fromRight(b) !== 2 && areAligned([b, at.output]);
};

export const gemm: Rule = (at) => {
  const [a = null, b = null, c = null] = at.inputs;
  const contracted = numberOf(at.node, 'transA') === 1 ? 0 : 1;
  if (b !== null || (a !== null && a.axis === contracted)) return false;
  return c === null || areAligned([c, at.output]);
};

/** One letter for the examples in all that depends on them, and in what comes out. */
export const einsum: Rule = (at) => {
  const text = (textOf(at.node, 'equation') ?? '').replaceAll(' ', '');
  const [left = '', right] = text.split('->');
  if (right === undefined || text.includes('.')) return false;
  const terms = left.split(',');
  const letters = at.inputs.flatMap((place, i) => (place === null ? [] : [terms[i]?.[place.axis]]));
  const letter = right[at.output.axis];
  const others = terms.filter((_, i) => at.inputs[i] === null);
  return (
    letter !== undefined &&
    letters.every((one) => one === letter) &&
    others.every((term) => !term.includes(letter))
  );
};

/** Sequences: [steps, examples, features], or examples first. */
export const recurrent: Rule = ({ node, inputs }) => {
  const isFirst = numberOf(node, 'layout') === 1;
  return inputs.every((place, i) => {
    if (place === null) return true;
    if (i === 4) return place.axis === 0;
    return (i === 0 || i === 5 || i === 6) && place.axis === (isFirst ? 0 : 1) && place.times === 1;
  });
};

/** Operators that take a batch on the first axis of whatever depends on it. */
export const batches: Rule = ({ inputs }) =>
  inputs.every((place) => place === null || (place.axis === 0 && place.times === 1));

export const batchNorm: Rule = along(({ node }, rank) =>
  numberOf(node, 'training_mode') === 1 ? range(0, rank) : [1],
);

/** A sum with a second value first, then a norm over the last axis. */
export const skipNorm: Rule = (at) =>
  elementwise(at) && at.inputs.every((place) => place === null || fromRight(place) > 1);
