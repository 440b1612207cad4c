/** Programs of the kernel's arithmetic of training, and the memory that they work on. @see native/compute.h */

/** The operations, by the numbers of native/compute.h. */
const OPERATIONS = [
  'product',
  'conv',
  'convInput',
  'convWeight',
  'maxPool',
  'maxPoolBack',
  'meanPool',
  'meanPoolBack',
  'rectify',
  'rectifyBack',
  'norm',
  'normBack',
  'normFixed',
  'sum',
  'multiply',
  'bias',
  'biasBack',
  'sgd',
  'adam',
] as const;

/** Name of an operation. */
export type Operation = (typeof OPERATIONS)[number];

/**
 * Memory of numbers, and whoever carries out programs on it. With the addon, the operations of a program are
 * shared by `threads` threads, and results do not depend on how many.
 */
export interface Arena {
  readonly floats: Float32Array;
  /** The same memory. */
  readonly words: Int32Array;
  /** @throws an Error whose `kernel` is ERROR_ARGUMENT for an operation that reaches outside the arena. */
  run(program: Int32Array): void;
}

/** Threads that share a program at most: TEAM_THREADS_MAX of native/addon/team.h. */
export const COMPUTE_THREADS_MAX = 64;

const bits = new DataView(new ArrayBuffer(4));

/** The word that a float argument of an operation is. */
function floatWord(value: number): number {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}

/** Words of one operation: whole numbers, then floats, in the order of its struct in native/compute_work.h. */
export function operation(
  name: Operation,
  whole: readonly number[],
  floats: readonly number[] = [],
): number[] {
  return [OPERATIONS.indexOf(name), ...whole, ...floats.map(floatWord)];
}
