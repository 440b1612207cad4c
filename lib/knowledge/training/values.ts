/** Values, weights and gradients of a network that is trained: where each lies in the arena. */

/** Memory of one or several values that are the same numbers in other shapes. */
export interface Slot {
  /** First float in the arena. */
  at: number;
  size: number;
  /** First float of its gradient; −1 before there is one. */
  back: number;
  /** True once an operation of the way back has written the gradient. */
  isWritten: boolean;
  /** False if no weight that is trained lies before it. */
  needsBack: boolean;
}

/** A value between nodes; the first axis is that of examples. */
export interface Value {
  shape: readonly number[];
  slot: Slot;
}

/** What a weight is to its layer; it says how it begins, and that running statistics are not trained. */
export type Role = 'weight' | 'bias' | 'scale' | 'shift' | 'mean' | 'variance';

/** A tensor that belongs to the network. */
export interface Weight {
  name: string;
  shape: readonly number[];
  role: Role;
  slot: Slot;
  /** Inputs that one output of its layer sums up. */
  fanIn: number;
}

/** One thing that a pass does: words of a program, or numbers worked out here. */
export type Step = readonly number[] | ((floats: Float32Array, words: Int32Array) => void);

/** Numbers of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
