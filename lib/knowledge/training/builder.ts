/**
 * Turns the graph of a network into two programs, forward and back. Rules of operators (operators/) ask it for
 * their inputs and weights and hand it the steps of both ways; it gives out memory and adds gradients up.
 */
import { UsageError } from '../../base/errors.js';
import { operation } from '../../base/native/compute.js';
import type { Graph, GraphNode } from '../../pure/network/network.js';
import type { NetworkShapes } from '../../pure/network/shapes/infer-shapes.js';
import { type Role, type Slot, type Step, sizeOf, type Value, type Weight } from './values.js';

/** What is known before a network is built. */
export interface BuildInput {
  label: string;
  graph: Graph;
  shapes: NetworkShapes;
  batch: number;
  /** Parameters whose numbers are float32 in the file. */
  floats: ReadonlySet<string>;
  /** Names of weights that stay as they are. */
  frozen: ReadonlySet<string>;
  /** Called by layers that draw numbers: a whole number below `below`. */
  draw(below: number): number;
}

/** Steps of a pass, by what it is for. */
type Pass = 'both' | 'training' | 'running';

export class Builder {
  readonly batch: number;
  readonly weights = new Map<string, Weight>();
  readonly draw: (below: number) => number;
  /** Steps of a pass with batch statistics and dropout, and of one without. */
  readonly training: Step[] = [];
  readonly running: Step[] = [];
  readonly back: Step[] = [];
  readonly #input: BuildInput;
  readonly #values = new Map<string, Value>();
  readonly #ways: (() => void)[] = [];
  readonly #elements = new Map<string, readonly number[]>();
  #floats = 0;
  #node: GraphNode | null = null;

  constructor(input: BuildInput) {
    this.#input = input;
    this.batch = input.batch;
    this.draw = input.draw;
    for (const { name, values } of input.graph.parameters) {
      if (values !== null) this.#elements.set(name, values);
    }
  }

  /** Floats that were given out so far. */
  get size(): number {
    return this.#floats;
  }

  /** Memory of its own; begins at a multiple of 16 floats. */
  room(floats: number): number {
    const at = this.#floats;
    this.#floats += Math.ceil(floats / 16) * 16;
    return at;
  }

  slot(size: number, needsBack: boolean): Slot {
    return { at: this.room(size), size, back: -1, isWritten: false, needsBack };
  }

  /** Makes the value that the graph is fed. */
  feed(name: string, shape: readonly number[]): Value {
    const value = { shape, slot: this.slot(sizeOf(shape), false) };
    this.#values.set(name, value);
    return value;
  }

  /** Begins a node: errors name it. */
  begin(node: GraphNode): void {
    this.#node = node;
  }

  /** The error that this node cannot be trained. */
  refuse(what: string): UsageError {
    const node = this.#node;
    const name = node === null ? '' : node.name || (node.outputs[0] ?? '');
    return new UsageError(`'${name}' (${node?.op}) of '${this.#input.label}' ${what}`, {
      file: this.#input.label,
      node: name,
    });
  }

  get node(): GraphNode {
    return this.#node as GraphNode;
  }

  has(input: number): boolean {
    return (this.node.inputs[input] ?? '') !== '';
  }

  /** True if an input is a value that the network computes. */
  isComputed(input: number): boolean {
    return this.#values.has(this.node.inputs[input] ?? '');
  }

  /** An input that the network computes. @throws {UsageError} if it is a constant. */
  value(input: number): Value {
    const found = this.#values.get(this.node.inputs[input] ?? '');
    if (found !== undefined) return found;
    throw this.refuse(`takes input ${input + 1} from no layer that is trained here`);
  }

  find(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** Whole numbers that an input holds as a constant: axes, a shape. */
  constants(input: number): readonly number[] | null {
    const name = this.node.inputs[input] ?? '';
    if (name === '') return null;
    const found = this.#elements.get(name);
    if (found !== undefined) return found;
    const { elements } = this.#input.shapes.of(this.#input.graph, name);
    if (elements?.every((one) => typeof one === 'number')) return elements as number[];
    return null;
  }

  /** Shape of an output, worked out before. @throws {UsageError} if it is open. */
  shape(output = 0): number[] {
    const { shape } = this.#input.shapes.of(this.#input.graph, this.node.outputs[output] ?? '');
    if (shape?.every((size) => typeof size === 'number' && size > 0)) return shape as number[];
    throw this.refuse('has an output whose shape is not known');
  }

  /** An input that is a weight. @throws {UsageError} if it is none in float32. */
  weight(input: number, role: Role, fanIn: number): Weight {
    const name = this.node.inputs[input] ?? '';
    const known = this.weights.get(name);
    if (known !== undefined) return known;
    const parameter = this.#input.graph.parameters.find((one) => one.name === name);
    if (parameter === undefined) {
      throw this.refuse(`takes its ${role} from another layer, and not as a weight`);
    }
    if (!this.#input.floats.has(name)) {
      throw this.refuse(
        `has '${name}' as ${parameter.dtype ?? 'unknown'}, not as float32 of its file`,
      );
    }
    const isTrained = role !== 'mean' && role !== 'variance' && !this.#input.frozen.has(name);
    const { shape } = parameter;
    const slot = this.slot(sizeOf(shape), isTrained);
    const weight = { name, shape, role, slot, fanIn };
    this.weights.set(name, weight);
    return weight;
  }

  /** True if an input is a parameter of the network. */
  isWeight(input: number): boolean {
    const name = this.node.inputs[input] ?? '';
    return this.#input.graph.parameters.some((one) => one.name === name);
  }

  /** Makes the value of an output in memory of its own. */
  output(shape: readonly number[], needsBack: boolean, output = 0): Value {
    const value = { shape, slot: this.slot(sizeOf(shape), needsBack) };
    this.#values.set(this.node.outputs[output] ?? '', value);
    return value;
  }

  /** Makes an output of the same numbers as an input, in another shape. */
  alias({ slot }: Value, shape: readonly number[]): void {
    this.#values.set(this.node.outputs[0] ?? '', { shape, slot });
  }

  /** Adds a step forward. */
  forward(step: Step, pass: Pass = 'both'): void {
    if (pass !== 'running') this.training.push(step);
    if (pass !== 'training') this.running.push(step);
  }

  /** Adds steps back. They are asked for after those of all later nodes, and only if `made` has a gradient. */
  backward(made: Value, steps: () => void): void {
    this.#ways.push(() => {
      if (made.slot.isWritten) steps();
    });
  }

  /** The gradient of a value that something has written. */
  gradient({ slot }: Value): number {
    return slot.back;
  }

  /** Puts the memory of a gradient there, as if it was written: that of the last output. */
  begun(slot: Slot): number {
    if (slot.back < 0) slot.back = this.room(slot.size);
    slot.isWritten = true;
    return slot.back;
  }

  /**
   * Adds to the gradient of something.
   * @param writes  the step that replaces numbers at a place. @param adds  the one that adds to them, if it has one.
   */
  into(slot: Slot, writes: (at: number) => Step, adds?: (at: number) => Step): void {
    if (!slot.needsBack) return;
    const isFirst = !slot.isWritten;
    const at = this.begun(slot);
    if (isFirst) this.back.push(writes(at));
    else if (adds !== undefined) this.back.push(adds(at));
    else {
      const room = this.room(slot.size);
      this.back.push(writes(room), operation('sum', [slot.size, room, at, 0], [1, 1]));
    }
  }

  /** The same for a step that can only add. */
  addInto(slot: Slot, adds: (at: number) => Step): void {
    if (!slot.needsBack) return;
    const isFirst = !slot.isWritten;
    const at = this.begun(slot);
    if (isFirst) this.back.push(operation('sum', [slot.size, at, at, 0], [0, 0]));
    this.back.push(adds(at));
  }

  /** Works out the way back, once all nodes are built and the gradient of the last output is there. */
  finish(): void {
    for (const way of this.#ways.reverse()) way();
  }
}
