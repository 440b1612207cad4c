/** Elements of small values, followed through the operators with which exporters compute shapes. */
import type { Dim, Shape } from '../network.js';
import type { Dims } from './dims.js';
import { ELEMENTS_MAX, fixedCount, type NodeShapes, type Shaped } from './node-shapes.js';

/** Elements of an operator that works on pairs; null if they are not known. */
export function pairElements(at: NodeShapes, shape: Shape, combine: Combine): Dim[] | null {
  const [a, b] = [at.optional(0), at.optional(1)];
  const count = fixedCount(shape);
  if (!a?.elements || !b?.elements || count === null || count > ELEMENTS_MAX) return null;
  const isWhole = a.dtype === 'I64' || a.dtype === 'I32' || a.dtype === 'BOOL';
  const places = [a, b].map((value) => stretchedPlaces(value, shape));
  const made: Dim[] = [];
  for (let i = 0; i < count; i++) {
    const x = a.elements[places[0]?.[i] ?? 0] as Dim;
    const y = b.elements[places[1]?.[i] ?? 0] as Dim;
    const value = combine(at.dims, x, y, isWhole);
    if (value === null) return null;
    made.push(value);
  }
  return made;
}

export type Combine = (dims: Dims, a: Dim, b: Dim, isWhole: boolean) => Dim | null;

/** Where each element of `shape` is in a value that is stretched to it. */
export function stretchedPlaces(value: Shaped, shape: Shape): number[] {
  const own = (value.shape ?? []) as readonly number[];
  const strides = rowMajor(own);
  const count = fixedCount(shape) ?? 0;
  const places = new Array<number>(count).fill(0);
  const outer = rowMajor(shape as readonly number[]);
  const skip = shape.length - own.length;
  for (let i = 0; i < count; i++) {
    let place = 0;
    for (let d = skip; d < shape.length; d++) {
      const at = Math.floor(i / (outer[d] as number)) % (shape[d] as number);
      if (own[d - skip] !== 1) place += at * (strides[d - skip] as number);
    }
    places[i] = place;
  }
  return places;
}

/** Elements from one of a dimension to the next, for each dimension. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) {
    strides[d] = (strides[d + 1] as number) * (shape[d + 1] as number);
  }
  return strides;
}

/**
 * Elements of a value with only some places of one axis, in their order; null if it has a symbol in its
 * shape or a place is outside.
 */
export function takeAlong(value: Shaped, axis: number, places: readonly number[]): Dim[] | null {
  const { elements, shape } = value;
  if (elements === null || shape === null || fixedCount(shape) !== elements.length) return null;
  const sizes = shape as readonly number[];
  const inner = sizes.slice(axis + 1).reduce((all, one) => all * one, 1);
  const outer = sizes.slice(0, axis).reduce((all, one) => all * one, 1);
  const size = sizes[axis] as number;
  if (places.some((place) => !(place >= 0 && place < size))) return null;
  if (outer * places.length * inner > ELEMENTS_MAX) return null;
  const made: Dim[] = [];
  for (let o = 0; o < outer; o++) {
    for (const place of places) {
      const start = (o * size + place) * inner;
      for (let i = start; i < start + inner; i++) made.push(elements[i] as Dim);
    }
  }
  return made;
}

/** Elements of a value whose dimensions are put in another order; null with a symbol in its shape. */
export function transposeElements(value: Shaped, order: readonly number[]): Dim[] | null {
  const { elements, shape } = value;
  if (elements === null || shape === null || fixedCount(shape) !== elements.length) return null;
  const sizes = order.map((axis) => shape[axis] as number);
  const strides = rowMajor(shape as readonly number[]);
  const made = rowMajor(sizes);
  return elements.map((_, i) => {
    const place = order.reduce((sum, axis, d) => {
      const at = Math.floor(i / (made[d] as number)) % (sizes[d] as number);
      return sum + at * (strides[axis] as number);
    }, 0);
    return elements[place] as Dim;
  });
}

const numeric =
  (of: (a: number, b: number) => number): Combine =>
  (_, a, b) =>
    typeof a === 'number' && typeof b === 'number' ? of(a, b) : null;

/** Integers only where a symbol is among them. */
const whole = (a: Dim, b: Dim): boolean =>
  [a, b].every((one) => typeof one === 'string' || Number.isInteger(one));

export const COMBINE: Record<string, Combine> = {
  Add: (dims, a, b) => (bothNumbers(a, b) || whole(a, b) ? dims.add(a, b) : null),
  Sub: (dims, a, b) => (bothNumbers(a, b) || whole(a, b) ? dims.sub(a, b) : null),
  Mul: (dims, a, b) => (bothNumbers(a, b) || whole(a, b) ? dims.mul(a, b) : null),
  Div: (dims, a, b, isWhole) => {
    if (bothNumbers(a, b)) {
      const quotient = (a as number) / (b as number);
      return isWhole ? (Number.isFinite(quotient) ? Math.trunc(quotient) : null) : quotient;
    }
    return isWhole && b !== 0 ? dims.floorDiv(a, b) : null;
  },
  Mod: (dims, a, b, isWhole) => {
    if (bothNumbers(a, b)) return b === 0 ? null : modulo(a as number, b as number);
    return isWhole && typeof b === 'number' && b > 0
      ? dims.sub(a, dims.mul(dims.floorDiv(a, b), b))
      : null;
  },
  Pow: numeric((a, b) => a ** b),
  Min: (dims, a, b) => dims.min(a, b),
  Max: (dims, a, b) => dims.max(a, b),
  Equal: (_, a, b) => (bothNumbers(a, b) ? Number(a === b) : a === b ? 1 : sureUnequal(a, b)),
  Greater: numeric((a, b) => Number(a > b)),
  GreaterOrEqual: numeric((a, b) => Number(a >= b)),
  Less: numeric((a, b) => Number(a < b)),
  LessOrEqual: numeric((a, b) => Number(a <= b)),
  And: numeric((a, b) => Number(a !== 0 && b !== 0)),
  Or: numeric((a, b) => Number(a !== 0 || b !== 0)),
  Xor: numeric((a, b) => Number((a !== 0) !== (b !== 0))),
};

/** A dimension is never below 0; beyond that nothing is sure of a symbol. */
function sureUnequal(a: Dim, b: Dim): Dim | null {
  const [fixed] = [a, b].filter((one) => typeof one === 'number');
  return fixed !== undefined && (fixed as number) < 0 ? 0 : null;
}

function bothNumbers(a: Dim, b: Dim): boolean {
  return typeof a === 'number' && typeof b === 'number';
}

function modulo(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

/** One element from one: null where a symbol would be rounded. */
export const SINGLE: Record<string, (dims: Dims, a: Dim) => Dim | null> = {
  Neg: (dims, a) => dims.mul(a, -1),
  Abs: (_, a) => (typeof a === 'number' ? Math.abs(a) : a),
  Floor: (_, a) => (typeof a === 'number' ? Math.floor(a) : a),
  Ceil: (_, a) => (typeof a === 'number' ? Math.ceil(a) : a),
  Round: (_, a) => (typeof a === 'number' ? roundHalfEven(a) : a),
  Sqrt: (_, a) => (typeof a === 'number' ? Math.sqrt(a) : null),
  Not: (_, a) => (typeof a === 'number' ? Number(a === 0) : null),
  Relu: (_, a) => (typeof a === 'number' ? Math.max(0, a) : a),
  Sign: (_, a) => (typeof a === 'number' ? Math.sign(a) : null),
  Reciprocal: (_, a) => (typeof a === 'number' ? 1 / a : null),
  Identity: (_, a) => a,
};

function roundHalfEven(a: number): number {
  const low = Math.floor(a);
  return a - low === 0.5 ? low + (low % 2) : Math.round(a);
}
