/** The layers of one network as queries see them: by place, with the walks between them and their attributes. */

import type { LayerPart } from '../../network/edit/change-layers.js';
import { PASSED_KINDS } from '../../network/layers/kinds.js';
import {
  type Layer,
  type LayerGraph,
  type LayerView,
  linkLayers,
} from '../../network/layers/layer-view.js';
import { type Attribute, type GraphNode, numberOf, numbersOf } from '../../network/network.js';
import type { Value } from '../../where/condition.js';

export type WalkRelation = 'next' | 'prev' | 'succ' | 'pred';

/** A set of layers, by their places in LayerSet.layers. */
export type Places = ReadonlySet<number>;

/** All layers of a network: those of the main graph, then of bodies. */
export class LayerSet {
  readonly layers: readonly Layer[];
  readonly #graphs: readonly LayerGraph[];
  /** Place in `layers` of the first layer of each graph. */
  readonly #firsts: readonly number[];
  #links: Record<WalkRelation, readonly (readonly number[])[]> | null = null;

  constructor(view: LayerView) {
    this.#graphs = view;
    const firsts: number[] = [];
    let count = 0;
    for (const { layers } of view) {
      firsts.push(count);
      count += layers.length;
    }
    this.#firsts = firsts;
    this.layers = view.flatMap(({ layers }) => layers);
  }

  /** Neighbours of a layer. `prev` and `next` lead to structural layers alone. */
  neighbours(place: number, relation: WalkRelation): readonly number[] {
    this.#links ??= this.#link();
    return this.#links[relation][place] ?? [];
  }

  #link(): Record<WalkRelation, readonly (readonly number[])[]> {
    const empty = (): number[][] => this.layers.map(() => []);
    const links = { succ: empty(), pred: empty(), next: empty(), prev: empty() };
    this.#graphs.forEach((graph, g) => {
      const first = this.#firsts[g] as number;
      const { succ, next } = linkLayers(graph);
      for (const [forth, back, found] of [
        ['succ', 'pred', succ],
        ['next', 'prev', next],
      ] as const) {
        found.forEach((tos, from) => {
          links[forth][first + from] = tos.map((to) => first + to);
          const { kind } = this.layers[first + from] as Layer;
          // The layer before a pooling is the convolution, not the activation that stands between.
          if (back === 'prev' && PASSED_KINDS.has(kind)) return;
          for (const to of tos) links[back][first + to]?.push(first + from);
        });
      }
    });
    return links;
  }

  /** Layers after `least` to `most` steps. */
  walk(from: Places, relation: WalkRelation, least: number, most: number): Places {
    const found = new Set<number>();
    let front = from;
    // A network has no circles; after as many steps as layers nothing is new.
    for (let step = 1; step <= Math.min(most, this.layers.length) && front.size > 0; step++) {
      const after = new Set<number>();
      for (const place of front) {
        for (const to of this.neighbours(place, relation)) after.add(to);
      }
      const isNew = [...after].some((to) => !found.has(to));
      if (step >= least) for (const to of after) found.add(to);
      if (step > least && !isNew) break;
      front = after;
    }
    return found;
  }

  /** Layers on ways from some to others, both ends included. */
  between(from: Places, to: Places): Places {
    const after = new Set([...from, ...this.walk(from, 'succ', 1, Number.POSITIVE_INFINITY)]);
    const before = new Set([...to, ...this.walk(to, 'pred', 1, Number.POSITIVE_INFINITY)]);
    return new Set([...after].filter((place) => before.has(place)));
  }

  /** Layers of a kind that `next` passes over behind some layers. */
  passed(from: Places, kind: 'act' | 'norm'): Places {
    const found = new Set<number>();
    const seen = new Set<number>(from);
    const queue = [...from];
    for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
      for (const to of this.neighbours(place, 'succ')) {
        const layer = this.layers[to] as Layer;
        if (seen.has(to) || !PASSED_KINDS.has(layer.kind)) continue;
        seen.add(to);
        queue.push(to);
        if (layer.kind === kind) found.add(to);
      }
    }
    return found;
  }

  /** The nodes of a layer. */
  nodes(place: number): GraphNode[] {
    let g = this.#firsts.length - 1;
    while (g > 0 && (this.#firsts[g] as number) > place) g--;
    const { graph } = this.#graphs[g] as LayerGraph;
    return (this.layers[place] as Layer).nodes.flatMap((node) => graph.nodes[node] ?? []);
  }

  /** True for a layer of the main graph, false for one in a body. */
  isMain(place: number): boolean {
    return place < (this.#firsts[1] ?? this.layers.length);
  }

  /** Shapes of the weights that a layer holds, as its nodes name them. */
  #weights(place: number): (readonly number[])[] {
    const shapes: (readonly number[])[] = [];
    for (const node of this.nodes(place)) {
      for (const input of node.inputs) {
        const shape = this.#parameters.get(input);
        if (shape !== undefined) shapes.push(shape);
      }
    }
    return shapes;
  }

  get #parameters(): ReadonlyMap<string, readonly number[]> {
    this.#shapes ??= new Map(
      this.#graphs.flatMap(({ graph }) =>
        graph.parameters.map((one) => [one.name, one.shape] as const),
      ),
    );
    return this.#shapes;
  }
  #shapes: ReadonlyMap<string, readonly number[]> | null = null;

  /** An attribute of a layer; null where it has none. */
  attribute(place: number, name: LayerAttribute): Value {
    const layer = this.layers[place] as Layer;
    if (name === 'name' || name === 'alias' || name === 'kind' || name === 'type')
      return layer[name];
    const nodes = this.nodes(place);
    const main = nodes.find(({ op }) => /Conv|Gemm|MatMul|Pool|Norm/.test(op)) ?? nodes[0];
    if (main === undefined) return null;
    switch (name) {
      case 'op':
        return main.op;
      case 'nodes':
        return nodes.length;
      case 'params':
        return this.#weights(place).reduce(
          (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
          0,
        );
      case 'units':
      case 'channels':
        return this.#width(place, main, name);
      case 'groups':
        return numberOf(main, 'group') ?? (/Conv/.test(main.op) ? 1 : null);
      default:
        return uniform(
          numbersOf(main, ONNX_NAMES[name]) ??
            (name === 'kernel' && /Conv/.test(main.op)
              ? this.#kernel(place)
              : defaultOf(main, name)),
        );
    }
  }

  /** ONNX may leave out the shape of a kernel: its weights have it. */
  #kernel(place: number): readonly number[] | undefined {
    return this.#weights(place)
      .find((shape) => shape.length >= 3)
      ?.slice(2);
  }

  /** Outputs (units) or inputs (channels) of the weights of a convolution or a full layer. */
  #width(place: number, { op, ...main }: GraphNode, side: 'units' | 'channels'): Value {
    const hidden = numberOf({ op, ...main }, 'hidden_size');
    if (hidden !== undefined && side === 'units') return hidden;
    const weight = this.#weights(place).find((shape) => shape.length >= 2);
    if (weight === undefined) return null;
    const [a, b] = weight as [number, number];
    const groups = numberOf({ op, ...main }, 'group') ?? 1;
    if (op === 'ConvTranspose') return side === 'units' ? b * groups : a;
    if (/Conv/.test(op)) return side === 'units' ? a : b * groups;
    const isTransposed = (attributeValue(main.attributes, 'transB') ?? 0) !== 0;
    return (side === 'units') === isTransposed ? a : (weight.at(-1) as number);
  }
}

/**
 * What a layer goes by: its name, and second its alias; of layers in a body also without the path of that.
 * A pattern that fits the name of a layer of a network means names there, else aliases: networks call
 * their layers conv0, conv3, conv6, and the alias conv3 is another one of these.
 */
export function spellings({ name, alias }: Pick<Layer, 'name' | 'alias'>): [string[], string[]] {
  const both = (one: string): string[] => {
    const tail = one.slice(one.lastIndexOf('/') + 1);
    return tail === one ? [one] : [one, tail];
  };
  return [both(name), both(alias)];
}

/** What a layer can be asked for. */
export const LAYER_ATTRIBUTES = [
  ...(['name', 'alias', 'kind', 'type', 'op', 'kernel', 'stride', 'pad', 'dilation'] as const),
  ...(['groups', 'units', 'channels', 'params', 'nodes'] as const),
] as const;
export type LayerAttribute = (typeof LAYER_ATTRIBUTES)[number];

const ONNX_NAMES = {
  kernel: 'kernel_shape',
  stride: 'strides',
  pad: 'pads',
  dilation: 'dilations',
} as const;

/** What ONNX says where a node says nothing. */
function defaultOf(
  { op }: GraphNode,
  name: keyof typeof ONNX_NAMES,
): readonly number[] | undefined {
  if (!/Conv|Pool/.test(op) || op.startsWith('Global')) return undefined;
  return { kernel: undefined, stride: [1], pad: [0], dilation: [1] }[name];
}

function attributeValue(attributes: readonly Attribute[], name: string): number | undefined {
  const found = attributes.find((attribute) => attribute.name === name);
  return found?.kind === 'int' ? found.value : undefined;
}

/** A list of equal numbers is that number: kernel = 3 and kernel = [3, 3] ask for the same. */
export function uniform(values: readonly number[] | undefined): Value {
  if (values === undefined || values.length === 0) return null;
  return values.every((value) => value === values[0]) ? (values[0] as number) : [...values];
}

/** A layer as what changes networks takes it. */
export function layerPart(set: LayerSet, place: number): LayerPart {
  const { name, kind, type } = set.layers[place] as Layer;
  return { name, kind, type, nodes: set.nodes(place), isMain: set.isMain(place) };
}
