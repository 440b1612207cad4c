/**
 * Cuts out the part of a network between some layers and others: all that is on a way from one to the other, and
 * what that needs. A value that comes in from beside becomes an input, or a constant where it is always the same.
 */
import { pushAll } from '../../../base/bytes/many.js';
import { UsageError } from '../../../base/errors.js';
import type { RawValueInfo } from '../../formats/onnx/onnx-model.js';
import type { LayerPart } from './change-layers.js';
import type { BeforeChange, FinishedDraft } from './finish-draft.js';
import { finishDraft } from './finish-draft.js';
import type { DraftNode, GraphDraft } from './graph-draft.js';
import { valueInfo } from './value-info.js';
import { usedNames } from './value-names.js';

export interface SlicedGraph extends FinishedDraft {
  /** Values that come in from beside the ways, and are inputs now. */
  sideInputs: string[];
}

/**
 * @param from  layers that the slice begins with, `to` those that it ends with, both among it.
 * @throws {UsageError} if no way leads from one to the other, or the type of an end is not known.
 */
export function sliceGraph(
  draft: GraphDraft,
  before: BeforeChange,
  { from, to }: { from: readonly LayerPart[]; to: readonly LayerPart[] },
): SlicedGraph {
  const slicer = new Slicer(draft, before);
  const sideInputs = slicer.cut(slicer.nodesOf(from), slicer.nodesOf(to));
  return { ...finishDraft(draft, { ...before, idle: new Set() }, 0), sideInputs };
}

class Slicer {
  readonly #draft: GraphDraft;
  readonly #before: BeforeChange;
  readonly #makers = new Map<string, DraftNode>();
  readonly #initial: ReadonlySet<string>;

  constructor(draft: GraphDraft, before: BeforeChange) {
    this.#draft = draft;
    this.#before = before;
    for (const one of draft.nodes) for (const name of one.node.outputs) this.#makers.set(name, one);
    const { graph } = draft.raw;
    this.#initial = new Set([
      ...graph.initializers.map(({ name }) => name),
      ...graph.sparseInitializers.map(({ values }) => values?.name ?? ''),
    ]);
  }

  /** The nodes that make what layers give. A function that the file calls is taken whole. */
  nodesOf(layers: readonly LayerPart[]): Set<DraftNode> {
    const found = new Set<DraftNode>();
    for (const { name, nodes, isMain } of layers) {
      const made = nodes.flatMap(({ outputs }) => outputs.map((value) => this.#makers.get(value)));
      const own = made.filter((one) => one !== undefined);
      if (!isMain || own.length === 0) {
        const where = isMain ? 'inside a function of the file' : 'in the body of an If or a Loop';
        throw new UsageError(`'${name}' is ${where}: a slice begins and ends in the main graph`);
      }
      for (const one of own) found.add(one);
    }
    return found;
  }

  cut(from: ReadonlySet<DraftNode>, to: ReadonlySet<DraftNode>): string[] {
    const on = this.#between(from, to);
    if (on.size === 0)
      throw new UsageError('no way leads from the input layers to the output layers');
    const outputs = this.#outputs(on, to);
    const kept = new Set(on);
    const inputs: string[] = [];
    const constants: string[] = [];
    for (const one of on) {
      for (const name of usedNames(one.node)) this.#need(name, { kept, inputs, constants });
    }
    const begins = new Set([...from].flatMap(({ node }) => [...usedNames(node)]));
    const { shapes, network } = this.#before;
    this.#draft.inputs = inputs.map((name) => this.#info(name));
    this.#draft.outputs = outputs.map((name) => this.#info(name));
    for (const name of constants) {
      const { shape, elements } = shapes.of(network.graph, name);
      this.#draft.constants.set(name, {
        ...{ name, shape: shape as number[], values: elements as number[] },
      });
    }
    this.#draft.nodes = this.#draft.nodes.filter((one) => kept.has(one));
    this.#draft.touch();
    return inputs.filter((name) => !begins.has(name));
  }

  /** Nodes on ways from some to others, both among them. */
  #between(from: ReadonlySet<DraftNode>, to: ReadonlySet<DraftNode>): Set<DraftNode> {
    const users = new Map<DraftNode, DraftNode[]>();
    const needs = new Map<DraftNode, DraftNode[]>();
    for (const one of this.#draft.nodes) {
      const before = [...usedNames(one.node)].flatMap((name) => this.#makers.get(name) ?? []);
      needs.set(one, before);
      for (const maker of before) users.set(maker, [...(users.get(maker) ?? []), one]);
    }
    const after = reach(from, users);
    const ahead = reach(to, needs);
    return new Set(this.#draft.nodes.filter((one) => after.has(one) && ahead.has(one)));
  }

  /** What the last layers give: to nodes beside them, or to the outputs of the network. */
  #outputs(on: ReadonlySet<DraftNode>, to: ReadonlySet<DraftNode>): string[] {
    const used = new Set(this.#draft.outputs.map(({ name }) => name));
    for (const one of this.#draft.nodes) {
      for (const name of to.has(one) ? [] : usedNames(one.node)) used.add(name);
    }
    const ends = [...to].filter((one) => on.has(one));
    return ends.flatMap(({ node }) => node.outputs.filter((name) => used.has(name)));
  }

  /** Keeps what makes a value that the slice uses, or makes it an input. */
  #need(name: string, into: { kept: Set<DraftNode>; inputs: string[]; constants: string[] }): void {
    const { kept, inputs, constants } = into;
    const isHere = this.#initial.has(name) || inputs.includes(name) || constants.includes(name);
    const maker = this.#makers.get(name);
    if (isHere || (maker !== undefined && kept.has(maker))) return;
    const made = this.#constantMakers(name, kept, inputs);
    if (made !== null) {
      for (const one of made) kept.add(one);
      return;
    }
    const { dtype, shape, elements } = this.#before.shapes.of(this.#before.network.graph, name);
    const isKnown = dtype === 'I64' && shape !== null && elements !== null;
    const isFixed = (list: readonly unknown[]): boolean =>
      list.every((one) => typeof one === 'number');
    if (isKnown && isFixed(shape) && isFixed(elements)) constants.push(name);
    else inputs.push(name);
  }

  /** Nodes that make a value of constants, inputs of the slice and what is kept; null if it needs more. */
  #constantMakers(
    name: string,
    kept: ReadonlySet<DraftNode>,
    inputs: readonly string[],
  ): Set<DraftNode> | null {
    const found = new Set<DraftNode>();
    const queue = [name];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      if (this.#initial.has(at) || inputs.includes(at)) continue;
      const maker = this.#makers.get(at);
      if (maker === undefined) return null;
      if (found.has(maker) || kept.has(maker)) continue;
      found.add(maker);
      pushAll(queue, usedNames(maker.node));
    }
    return found;
  }

  #info(name: string): RawValueInfo {
    const { graph } = this.#draft.raw;
    const { shapes, network } = this.#before;
    const known = [...graph.inputs, ...graph.outputs].find((one) => one.name === name);
    const made = known ?? valueInfo(name, shapes.of(network.graph, name));
    if (made !== null)
      return { ...made, shape: made.shape?.map((dim, i) => plainDim(name, dim, i)) ?? null };
    throw new UsageError(`the type of '${name}' is not known, so it cannot be an end of a slice`, {
      hint: 'begin or end the slice at another layer',
    });
  }
}

function reach(
  from: ReadonlySet<DraftNode>,
  next: ReadonlyMap<DraftNode, readonly DraftNode[]>,
): Set<DraftNode> {
  const found = new Set(from);
  const queue = [...from];
  for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
    for (const other of next.get(one) ?? []) {
      if (found.has(other)) continue;
      found.add(other);
      queue.push(other);
    }
  }
  return found;
}

/** A size that was computed from others is a size of its own now: it gets a name. */
function plainDim(
  value: string,
  dim: number | string | null,
  axis: number,
): number | string | null {
  return typeof dim !== 'string' || /^[\p{L}\p{N}_.:/-]+$/u.test(dim) ? dim : `${value}.${axis}`;
}
