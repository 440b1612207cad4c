/** Rules of operators that give elements another shape, and of those that compute with shapes. */
import type { Constant, Dim } from '../network.js';
import { attributeOf } from '../network.js';
import { transposeElements } from './elements.js';
import {
  ELEMENTS_MAX,
  fixedCount,
  type NodeShapes,
  type Rule,
  ShapeConflict,
  type Shaped,
  shaped,
  UnknownShape,
} from './node-shapes.js';

export const LAYOUT: Record<string, Rule> = {
  Reshape: (at) => [reshaped(at)],
  Flatten: (at) => {
    const shape = at.shape(0);
    const given = at.number('axis', 1);
    const axis = given < 0 ? given + shape.length : given;
    const sides = [shape.slice(0, axis), shape.slice(axis)].map((side) => at.dims.product(side));
    return [shaped(at.dtype(), sides, at.input(0).elements)];
  },
  Squeeze: (at) => [squeezed(at)],
  Unsqueeze: (at) => [unsqueezed(at)],
  Transpose: (at) => [transposed(at)],
  Shape: (at) => {
    const shape = at.shape(0);
    const end = attributeOf(at.node, 'end') === undefined ? shape.length : at.number('end', 0);
    const range = shape.slice(at.number('start', 0), end);
    return [shaped('I64', [range.length], range)];
  },
  Size: (at) => [shaped('I64', [], [at.dims.product(at.shape(0))])],
  ConstantOfShape: (at) => [filled(at)],
  Range: (at) => [range(at)],
  OneHot: (at) => {
    const shape = at.shape(0);
    const depth = at.input(1).elements?.[0] ?? at.open(0, shape.length);
    const axis = at.axis(at.number('axis', -1), shape.length + 1);
    return [shaped(at.dtype(2), [...shape.slice(0, axis), depth, ...shape.slice(axis)])];
  },
  TopK: (at) => {
    const shape = [...at.shape(0)];
    const axis = at.axis(at.number('axis', -1), shape.length);
    shape[axis] =
      at.opset < 10 ? at.number('k', 1) : (at.input(1).elements?.[0] ?? at.open(0, axis));
    return [shaped(at.dtype(), shape), shaped('I64', shape)];
  },
  NonZero: (at) => [shaped('I64', [at.shape(0).length, at.open(0, 1)])],
  Compress: (at) => {
    const shape = [...at.shape(0)];
    if (attributeOf(at.node, 'axis') === undefined) return [shaped(at.dtype(), [at.open(0, 0)])];
    const axis = at.axis(at.number('axis', 0), shape.length);
    shape[axis] = at.open(0, axis);
    return [shaped(at.dtype(), shape)];
  },
  Unique: (at) => {
    const count = at.open(0, 0);
    const shape = [...at.shape(0)];
    const isFlat = attributeOf(at.node, 'axis') === undefined;
    if (!isFlat) shape[at.axis(at.number('axis', 0), shape.length)] = count;
    const indices = shaped('I64', [count]);
    return [
      shaped(at.dtype(), isFlat ? [count] : shape),
      indices,
      shaped('I64', [at.open(2, 0)]),
      indices,
    ];
  },
  RandomNormal: (at) => [shaped('F32', at.numberList('shape') ?? [])],
  RandomUniform: (at) => [shaped('F32', at.numberList('shape') ?? [])],
  Multinomial: (at) => [shaped('I32', [at.shape(0)[0] ?? 1, at.number('sample_size', 1)])],
};

function reshaped(at: NodeShapes): Shaped {
  const { dims } = at;
  const input = at.shape(0);
  const wanted: readonly Dim[] | null =
    at.opset < 5 ? (at.numberList('shape') ?? null) : at.input(1).elements;
  if (wanted === null) {
    const [rank] = at.optional(1)?.shape ?? [];
    if (typeof rank !== 'number' || rank > 64) throw new UnknownShape();
    return shaped(
      at.dtype(),
      Array.from({ length: rank }, (_, i) => at.open(0, i)),
    );
  }
  const keepsZero = at.number('allowzero', 0) === 1;
  let open = -1;
  const made = wanted.map((dim, i) => {
    if (dim === 0 && !keepsZero) {
      if (i >= input.length) throw new ShapeConflict(`copies dimension ${i} of ${input.length}`);
      return input[i] as Dim;
    }
    if (dim === -1) {
      if (open >= 0) throw new ShapeConflict('has two dimensions of −1');
      open = i;
    }
    return dim;
  });
  const all = dims.product(input);
  if (open >= 0)
    made[open] = rest(
      at,
      input,
      made.filter((_, i) => i !== open),
    );
  else {
    const count = dims.product(made);
    if (typeof all === 'number' && typeof count === 'number' && all !== count) {
      throw new ShapeConflict(`makes [${made.join(', ')}] of [${input.join(', ')}]`);
    }
  }
  return shaped(at.dtype(), made, at.input(0).elements);
}

/** The size of the dimension that is left open: what the others leave of the elements. */
function rest(at: NodeShapes, input: readonly Dim[], others: readonly Dim[]): Dim {
  const { dims } = at;
  // Dimensions on both sides are taken out first: what is left is small, and often a number.
  const left = [...others];
  const from = input.filter((dim) => {
    const same = left.indexOf(dim);
    if (same < 0 || dim === 0) return true;
    left.splice(same, 1);
    return false;
  });
  const [all, divisor] = [dims.product(from), dims.product(left)];
  if (typeof divisor === 'number' && divisor <= 0) return all === 0 ? 0 : at.open(0, 0);
  if (typeof all === 'number' && typeof divisor === 'number' && all % divisor !== 0) {
    throw new ShapeConflict(`splits ${all} elements into ${divisor}`);
  }
  return dims.floorDiv(all, divisor);
}

function squeezed(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const given = at.list('axes', 1);
  const axes = given?.map((axis) => at.axis(axis, shape.length));
  // A dimension that is open may be 1, and then it goes as well.
  if (axes === undefined && shape.some((dim) => typeof dim === 'string')) throw new UnknownShape();
  const kept = shape.filter((dim, i) => (axes === undefined ? dim !== 1 : !axes.includes(i)));
  return shaped(at.dtype(), kept, at.input(0).elements);
}

function unsqueezed(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const given = at.list('axes', 1) ?? [];
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => at.axis(axis, rank)));
  let next = 0;
  const made = Array.from({ length: rank }, (_, i) => (axes.has(i) ? 1 : (shape[next++] ?? 1)));
  return shaped(at.dtype(), made, at.input(0).elements);
}

function transposed(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const order = at.numberList('perm') ?? shape.map((_, i) => shape.length - 1 - i);
  if (order.length !== shape.length)
    throw new ShapeConflict(`orders ${shape.length} dimensions by [${order}]`);
  const axes = order.map((axis) => at.axis(axis, shape.length));
  const made = axes.map((axis) => shape[axis] as Dim);
  return shaped(at.dtype(), made, transposeElements(at.input(0), axes));
}

function filled(at: NodeShapes): Shaped {
  const { elements } = at.input(0);
  if (elements === null) {
    const [rank] = at.input(0).shape ?? [];
    if (typeof rank !== 'number' || rank > 64) throw new UnknownShape();
    return shaped(
      null,
      Array.from({ length: rank }, (_, i) => at.open(0, i)),
    );
  }
  const value = attributeOf(at.node, 'value');
  const constant: Constant | null = value?.kind === 'tensor' ? value.value : null;
  const count = fixedCount(elements);
  const same =
    count !== null && count <= ELEMENTS_MAX
      ? new Array<Dim>(count).fill(constant?.values[0] ?? 0)
      : null;
  return shaped(constant?.dtype ?? 'F32', elements, same);
}

function range(at: NodeShapes): Shaped {
  const [start, limit, step] = [0, 1, 2].map((i) => at.input(i).elements?.[0]);
  const dtype = at.dtype();
  if (start === undefined || limit === undefined || step === undefined) {
    return shaped(dtype, [at.open(0, 0)]);
  }
  if (typeof start === 'number' && typeof limit === 'number' && typeof step === 'number') {
    const count = Math.max(0, Math.ceil((limit - start) / step)) || 0;
    const few = count <= ELEMENTS_MAX;
    return shaped(
      dtype,
      [count],
      few ? Array.from({ length: count }, (_, i) => start + i * step) : null,
    );
  }
  if (step === 1) return shaped(dtype, [at.dims.sub(limit, start)]);
  return shaped(dtype, [at.open(0, 0)]);
}
