/** The way back through operators that move elements. */
import { numberOf, numbersOf } from '../../network/network.js';
import { slicedPlaces } from '../forward/layout.js';
import type { BackwardPass, BackwardRule } from './backward.js';

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

/** Parts that are parameters end here, those that are values go on. */
const concat: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const output = node.outputs[0] as string;
  const rank = pass.shape(output).length;
  const given = numberOf(node, 'axis') ?? 1;
  const axis = given < 0 ? given + rank : given;
  if (axis === 0) return false;
  const sizes = node.inputs.map((name) => pass.shape(name)[axis] as number);
  const parts = maker.nodes('Split', [coefficients, maker.whole(sizes)], sizes.length, {
    axis: { int: axis },
  });
  for (const [i, name] of node.inputs.entries()) back.carry(name, parts[i] as string);
  return true;
};

/** Rows over some places of an axis, spread over the whole axis: what was not taken counts for nothing. */
function unselected(
  { maker, pass }: BackwardPass,
  value: string,
  rows: string,
  { axis, places }: { axis: number; places: readonly number[] },
): string {
  const shape = pass.shape(value);
  const last = shape.length - 1;
  const order = shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const swap = (tensor: string): string =>
    axis === last ? tensor : maker.node('Transpose', [tensor], { perm: { ints: order } });
  const size = shape[axis] as number;
  const chosen = new Float32Array(places.length * size);
  for (const [i, place] of places.entries()) chosen[i * size + place] = 1;
  return swap(maker.node('MatMul', [swap(rows), maker.floats(chosen, [places.length, size])]));
}

const slice: BackwardRule = (back, node, coefficients) => {
  const data = node.inputs[0] as string;
  const taken = slicedPlaces(back.pass, node);
  if (taken.some(({ axis }) => axis === 0)) return false;
  // An element is in one place of the result at most, so that nothing is added up and nothing rounds.
  const rows = [...taken]
    .reverse()
    .reduce((at, one) => unselected(back, data, at, one), coefficients);
  back.carry(data, rows);
  return true;
};

const gather: BackwardRule = (back, node, coefficients) => {
  const { pass, maker } = back;
  const [data = '', index = ''] = node.inputs;
  if (!pass.isData(data) || pass.isData(index)) return false;
  const shape = pass.shape(data);
  const given = numberOf(node, 'axis') ?? 0;
  const axis = given < 0 ? given + shape.length : given;
  const size = shape[axis] as number;
  const places = pass.whole(index, 'Gather').map((place) => (place < 0 ? place + size : place));
  if (axis === 0 || new Set(places).size < places.length) return false;
  const flat = [-1, ...shape.slice(1).map((one, i) => (i + 1 === axis ? places.length : one))];
  back.carry(data, unselected(back, data, maker.reshape(coefficients, flat), { axis, places }));
  return true;
};

export const LAYOUT: Readonly<Record<string, BackwardRule>> = {
  Flatten: reshape,
  Reshape: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Identity: identity,
  Dropout: identity,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Gather: gather,
};
