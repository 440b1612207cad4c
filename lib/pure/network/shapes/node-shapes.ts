/**
 * What the rule of one operator sees of its node: types, shapes and known elements of its inputs, its
 * attributes, and arithmetic of dimensions.
 */
import type { Dim, GraphNode, Shape, ValueType } from '../network.js';
import { numberOf, numbersOf, textOf } from '../network.js';
import type { Dims } from './dims.js';

/** What is known of a value. */
export interface Shaped {
  dtype: ValueType;
  /** null: not even the rank is known. */
  shape: Shape | null;
  /** Its elements, row-major, where they are few and follow from shapes and constants. */
  elements: readonly Dim[] | null;
}

/** The rule of an operator: what its outputs are. Fewer than the node has: nothing is known of the others. */
export type Rule = (at: NodeShapes) => Shaped[];

/** Thrown by a rule whose inputs do not say enough: its outputs are not known. */
export class UnknownShape extends Error {}
/** Thrown by a rule whose inputs contradict each other. */
export class ShapeConflict extends Error {}

/** Most elements of a value that are followed. */
export const ELEMENTS_MAX = 1024;

export class NodeShapes {
  readonly node: GraphNode;
  readonly dims: Dims;
  /** Version of the operators of the node's domain. */
  readonly opset: number;
  readonly #inputs: readonly (Shaped | undefined)[];

  constructor(
    node: GraphNode,
    inputs: readonly (Shaped | undefined)[],
    { dims, opset }: { dims: Dims; opset: number },
  ) {
    this.node = node;
    this.dims = dims;
    this.opset = opset;
    this.#inputs = inputs;
  }

  /** The input at `index`; undefined if it is left out. */
  optional(index: number): Shaped | undefined {
    return this.#inputs[index];
  }

  input(index: number): Shaped {
    const found = this.#inputs[index];
    if (found === undefined) throw new ShapeConflict(`has no input ${index}`);
    return found;
  }

  get inputs(): readonly Shaped[] {
    return this.#inputs.filter((input) => input !== undefined);
  }

  /** @throws {UnknownShape} if not even the rank is known. */
  shape(index: number): Shape {
    const { shape } = this.input(index);
    if (shape === null) throw new UnknownShape();
    return shape;
  }

  dtype(index = 0): ValueType {
    return this.#inputs[index]?.dtype ?? null;
  }

  /** Elements of an input as numbers; null if they are not all known. */
  numbers(index: number): number[] | null {
    const elements = this.#inputs[index]?.elements ?? null;
    return elements?.every((one) => typeof one === 'number') ? [...(elements as number[])] : null;
  }

  /** The list that is an attribute in older operators and an input in newer ones. */
  list(name: string, index: number): readonly number[] | undefined {
    const given = numbersOf(this.node, name);
    if (given !== undefined || this.optional(index) === undefined) return given;
    const numbers = this.numbers(index);
    if (numbers === null) throw new UnknownShape();
    return numbers;
  }

  number(name: string, otherwise: number): number {
    return numberOf(this.node, name) ?? otherwise;
  }

  numberList(name: string): readonly number[] | undefined {
    return numbersOf(this.node, name);
  }

  text(name: string, otherwise: string): string {
    return textOf(this.node, name) ?? otherwise;
  }

  /** An axis counted from the front. @throws {ShapeConflict} */
  axis(axis: number, rank: number): number {
    const found = axis < 0 ? axis + rank : axis;
    if (Number.isInteger(found) && found >= 0 && found < rank) return found;
    throw new ShapeConflict(`has axis ${axis} of ${rank} dimensions`);
  }

  /** A symbol for a dimension of an output that depends on the data. */
  open(output: number, axis: number): Dim {
    return this.dims.fresh(`${this.node.outputs[output] ?? this.node.op}.${axis}`);
  }

  /** The shape that two shapes are stretched to. @throws {ShapeConflict} if they do not fit. */
  broadcast(a: Shape, b: Shape): Dim[] {
    const rank = Math.max(a.length, b.length);
    return Array.from({ length: rank }, (_, i) => {
      const left = a[i - rank + a.length] ?? 1;
      const right = b[i - rank + b.length] ?? 1;
      if (left === right || right === 1) return left;
      if (left === 1) return right;
      if (typeof left === 'string' && typeof right === 'string') return this.dims.max(left, right);
      if (typeof left === 'string') return right;
      if (typeof right === 'string') return left;
      throw new ShapeConflict(`gets [${a.join(', ')}] and [${b.join(', ')}], which do not fit`);
    });
  }
}

/** A value whose elements are kept if they are few. */
export function shaped(
  dtype: ValueType,
  shape: Shape,
  elements: readonly Dim[] | null = null,
): Shaped {
  return {
    dtype,
    shape,
    elements: elements !== null && elements.length <= ELEMENTS_MAX ? elements : null,
  };
}

/** The number of elements of a shape without symbols; null with one, or beyond 2^53. */
export function fixedCount(shape: Shape): number | null {
  let count = 1;
  for (const dim of shape) {
    if (typeof dim !== 'number') return null;
    count *= dim;
  }
  return Number.isSafeInteger(count) ? count : null;
}
