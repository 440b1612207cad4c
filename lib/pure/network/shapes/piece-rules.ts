/** Rules of operators that cut, join, repeat and pick elements, with the elements of small values. */
import type { Dim } from '../network.js';
import { stretchedPlaces, takeAlong } from './elements.js';
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

export const PIECES: Record<string, Rule> = {
  Concat: (at) => [joined(at)],
  Split: (at) => parts(at),
  Slice: (at) => [sliced(at)],
  Expand: (at) => [expanded(at)],
  Tile: (at) => [tiled(at)],
  Pad: (at) => [padded(at)],
  Gather: (at) => [gathered(at)],
  GatherElements: (at) => [shaped(at.dtype(), at.shape(1))],
  GatherND: (at) => {
    const [data, indices, batch] = [at.shape(0), at.shape(1), at.number('batch_dims', 0)];
    const last = indices.at(-1);
    if (typeof last !== 'number') throw new UnknownShape();
    return [shaped(at.dtype(), [...indices.slice(0, -1), ...data.slice(batch + last)])];
  },
};

function joined(at: NodeShapes): Shaped {
  const shapes = at.inputs.map((_, i) => at.shape(i));
  const [first] = shapes;
  if (first === undefined) throw new ShapeConflict('has no inputs');
  const axis = at.axis(at.number('axis', 1), first.length);
  const made = [...first];
  for (const shape of shapes.slice(1)) {
    if (shape.length !== first.length) throw new ShapeConflict(`joins [${first}] and [${shape}]`);
    shape.forEach((dim, i) => {
      if (i === axis) made[i] = at.dims.add(made[i] as Dim, dim);
      // A number says more than a symbol.
      else if (typeof made[i] === 'string') made[i] = dim;
    });
  }
  const isShort = first.length === 1 && typeof made[0] === 'number' && made[0] <= ELEMENTS_MAX;
  const lists = isShort ? at.inputs.map(({ elements }) => elements) : [null];
  const elements = lists.every((list) => list !== null) ? lists.flat() : null;
  return shaped(at.dtype(), made, elements);
}

function parts(at: NodeShapes): Shaped[] {
  const { dims, node } = at;
  const shape = at.shape(0);
  const axis = at.axis(at.number('axis', 0), shape.length);
  const whole = shape[axis] as Dim;
  const given = at.list('split', 1);
  const count = node.outputs.length;
  const size = dims.ceilDiv(whole, count);
  let start: Dim = 0;
  return node.outputs.map((_, i) => {
    const isLast = i === count - 1;
    const own: Dim = given?.[i] ?? (isLast ? dims.sub(whole, dims.mul(size, count - 1)) : size);
    const made = shape.map((dim, d) => (d === axis ? own : dim));
    const { elements } = at.input(0);
    const end = dims.add(start, own);
    const isCut = shape.length === 1 && typeof start === 'number' && typeof end === 'number';
    const cut = isCut ? (elements?.slice(start as number, end as number) ?? null) : null;
    start = end;
    return shaped(at.dtype(), made, cut);
  });
}

function sliced(at: NodeShapes): Shaped {
  const { dims } = at;
  const shape = at.shape(0);
  const isOld = at.opset < 10;
  const starts: readonly Dim[] | null = isOld
    ? (at.numberList('starts') ?? [])
    : at.input(1).elements;
  const ends: readonly Dim[] | null = isOld ? (at.numberList('ends') ?? []) : at.input(2).elements;
  const axesGiven = at.list('axes', 3);
  const steps = isOld || at.optional(4) === undefined ? null : at.numbers(4);
  if (starts === null || ends === null || (at.optional(4) !== undefined && steps === null)) {
    const count = at.optional(1)?.shape?.[0];
    if (axesGiven === undefined && count !== shape.length) throw new UnknownShape();
    const axes = new Set(axesGiven?.map((axis) => at.axis(axis, shape.length)) ?? shape.keys());
    return shaped(
      at.dtype(),
      shape.map((dim, i) => (axes.has(i) ? at.open(0, i) : dim)),
    );
  }
  const made = [...shape];
  let { elements } = at.input(0);
  starts.forEach((start, i) => {
    const axis = at.axis(axesGiven?.[i] ?? i, shape.length);
    const step = steps?.[i] ?? 1;
    if (step === 0) throw new ShapeConflict('has a step of 0');
    const size = shape[axis] as Dim;
    const [from, to] = [
      clampTo(at, start, size, step < 0),
      clampTo(at, ends[i] as Dim, size, step < 0),
    ];
    if (from === null || to === null) {
      made[axis] = at.open(0, axis);
      elements = null;
      return;
    }
    const span = step > 0 ? dims.sub(to, from) : dims.sub(from, to);
    const count = dims.ceilDiv(span, Math.abs(step));
    made[axis] = typeof count === 'number' ? Math.max(0, count) : count;
    const places =
      typeof from === 'number' && typeof count === 'number' && count <= ELEMENTS_MAX
        ? Array.from({ length: Math.max(0, count) }, (_, n) => from + n * step)
        : null;
    const before = { ...at.input(0), shape: made.with(axis, size), elements };
    elements = places === null ? null : takeAlong(before, axis, places);
  });
  return shaped(at.dtype(), made, elements);
}

/** A start or end within a dimension; null if symbols hide where it is. */
function clampTo(at: NodeShapes, place: Dim, size: Dim, isBack: boolean): Dim | null {
  if (typeof place === 'string')
    return place === size ? size : typeof size === 'number' ? null : place;
  if (typeof size === 'number') {
    const from = place < 0 ? place + size : place;
    return isBack ? Math.min(Math.max(from, -1), size - 1) : Math.min(Math.max(from, 0), size);
  }
  if (place >= 2 ** 31 - 1) return isBack ? at.dims.sub(size, 1) : size;
  if (place < -(2 ** 31)) return isBack ? -1 : 0;
  // A start near either end is taken to be within; larger ones could be beyond a short dimension.
  return place < 0 ? at.dims.add(size, place) : place;
}

function expanded(at: NodeShapes): Shaped {
  const { elements, shape: wanted } = at.input(1);
  if (elements === null) {
    const [rank] = wanted ?? [];
    if (typeof rank !== 'number' || rank > 64) throw new UnknownShape();
    const most = Math.max(rank, at.shape(0).length);
    return shaped(
      at.dtype(),
      Array.from({ length: most }, (_, i) => at.open(0, i)),
    );
  }
  const made = at.broadcast(at.shape(0), elements);
  const count = fixedCount(made);
  const own = at.input(0);
  const keeps = own.elements !== null && count !== null && count <= ELEMENTS_MAX;
  const places = keeps ? stretchedPlaces(own, made) : [];
  return shaped(
    at.dtype(),
    made,
    keeps ? places.map((place) => own.elements?.[place] as Dim) : null,
  );
}

function tiled(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const repeats = at.input(1).elements;
  if (repeats === null || repeats.length !== shape.length) throw new UnknownShape();
  return shaped(
    at.dtype(),
    shape.map((dim, i) => at.dims.mul(dim, repeats[i] as Dim)),
  );
}

function padded(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const pads: readonly Dim[] | null =
    at.numberList('pads') ?? at.numberList('paddings') ?? at.input(1).elements;
  if (pads === null)
    return shaped(
      at.dtype(),
      shape.map((_, i) => at.open(0, i)),
    );
  const axes = (at.optional(3) === undefined ? null : at.numbers(3)) ?? shape.map((_, i) => i);
  const made = [...shape];
  axes.forEach((given, i) => {
    const axis = at.axis(given, shape.length);
    const both = at.dims.add(pads[i] ?? 0, pads[i + axes.length] ?? 0);
    made[axis] = at.dims.add(made[axis] as Dim, both);
  });
  return shaped(at.dtype(), made);
}

function gathered(at: NodeShapes): Shaped {
  const data = at.shape(0);
  const indices = at.shape(1);
  const axis = at.axis(at.number('axis', 0), data.length);
  const made = [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  const size = data[axis];
  const places = at.numbers(1);
  if (places === null || typeof size !== 'number') return shaped(at.dtype(), made);
  if (places.some((place) => place < -size || place >= size)) {
    throw new ShapeConflict(`gathers [${places}] of ${size}`);
  }
  const from = places.map((place) => (place < 0 ? place + size : place));
  return shaped(at.dtype(), made, takeAlong(at.input(0), axis, from));
}
