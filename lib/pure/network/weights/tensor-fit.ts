/** How the axes of a checkpoint's tensor become those of a network's weight. */
import type { Slot } from './slots.js';
import type { NamedPart } from './tensor-part.js';

/**
 * The axes of the tensor in the order in which the network has them; null if it has them as they are. The last
 * step of some is to take two axes as one, which moves no element.
 */
export type Axes = readonly number[] | null;

/** How a tensor fits a weight. */
export interface Fit {
  axes: Axes;
  /** True if the matrix is as long as it is wide, so that its shape does not say which way it lies. */
  isSquare: boolean;
  /** True if it lies otherwise than its name says, as the matrices of GPT-2 do. */
  isOdd: boolean;
}

/** How a pair was found, the surest first. */
export const EVIDENCE = ['name', 'layer', 'shape'] as const;
export type Evidence = (typeof EVIDENCE)[number];

/** A tensor that was found for a slot. */
export interface Found {
  slot: Slot;
  named: NamedPart;
  evidence: Evidence;
  fit: Fit;
}

/** The way a tensor fits a weight; null if it does not. @param isNamed  the file of the network has the tensor's own name. */
export function fitOf(slot: Slot, { tensor, word }: NamedPart, isNamed: boolean): Fit | null {
  const wanted = slot.parameter.shape;
  const { shape } = tensor;
  const same: Fit = { axes: null, isSquare: false, isOdd: false };
  if (isNamed && equal(wanted, shape)) {
    return { ...same, isSquare: isTurnable(slot, word) && wanted[0] === wanted[1] };
  }
  if (word === 'kernel' && slot.op.startsWith('Conv') && shape.length === wanted.length) {
    return kernelFit(slot, shape);
  }
  if (wanted.length !== 2 || shape.length !== 2) {
    return equal(dropOnes(wanted), dropOnes(shape)) ? same : null;
  }
  const turned: Fit = { ...same, axes: [1, 0] };
  const fits = equal(wanted, shape);
  const fitsTurned = wanted[0] === shape[1] && wanted[1] === shape[0];
  const own = word === 'weight' ? 'out-in' : word === 'kernel' ? 'in-out' : null;
  const isKnown = slot.order !== null && own !== null;
  const isTurned = isKnown && slot.order !== own;
  if (fits && fitsTurned) {
    if (wanted[0] === 1) return same;
    return { axes: isTurned ? [1, 0] : null, isSquare: true, isOdd: !isKnown };
  }
  if (fits) return { ...same, isOdd: isKnown && isTurned };
  return fitsTurned ? { ...turned, isOdd: isKnown && !isTurned } : null;
}

/** True if a framework has a matrix the other way round than the operator takes it. */
export function isTurnable({ order }: Slot, word: string): boolean {
  return order === 'in-out' && word === 'weight';
}

/** Keras has the channels of a convolution behind its height and width; of one by channels its inputs come first. */
function kernelFit(slot: Slot, shape: readonly number[]): Fit | null {
  const rank = shape.length;
  if (rank < 3) return null;
  const window = Array.from({ length: rank - 2 }, (_, axis) => axis);
  const [before = 0, after = 0] = shape.slice(-2);
  const wanted = slot.parameter.shape;
  if (!equal(wanted.slice(2), shape.slice(0, -2))) return null;
  const isByChannel = slot.op === 'Conv' && slot.groups > 1 && slot.groups === before;
  if (isByChannel) {
    const fits = wanted[0] === before * after && wanted[1] === 1;
    return fits ? { axes: [rank - 2, rank - 1, ...window], isSquare: false, isOdd: false } : null;
  }
  const fits = wanted[0] === after && wanted[1] === before;
  return fits ? { axes: [rank - 1, rank - 2, ...window], isSquare: false, isOdd: false } : null;
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function dropOnes(shape: readonly number[]): number[] {
  return shape.filter((dim) => dim !== 1);
}

/** What tensors and weights of one shape share, whichever way they lie. */
export function shapeKey(shape: readonly number[], isKernel = false): string {
  const dims = dropOnes(shape);
  return (dims.length === 2 || isKernel ? dims.sort((a, b) => a - b) : dims).join();
}
