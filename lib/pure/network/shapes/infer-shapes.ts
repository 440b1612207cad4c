/**
 * Shapes and types of all values of a network, from those of its inputs. Dimensions may be open; small
 * integer values are followed, so that shapes which a network computes itself come out as well.
 *
 * A node whose inputs do not fit is told of and its outputs are unknown: nothing is thrown, and what does
 * not depend on it keeps its shapes. O(nodes) for each pass; a loop's body has at most two.
 */
import { RANK_MAX } from '../../../base/limits.js';
import type { Body, Dim, Graph, GraphNode, GraphValue, Network, Shape } from '../network.js';
import { Dims } from './dims.js';
import { ELEMENTWISE } from './elementwise-rules.js';
import { LAYOUT } from './layout-rules.js';
import { MATRIX } from './matrix-rules.js';
import {
  NodeShapes,
  type Rule,
  ShapeConflict,
  type Shaped,
  shaped,
  UnknownShape,
} from './node-shapes.js';
import { PIECES } from './piece-rules.js';
import { REDUCTION } from './reduction-rules.js';
import { SPATIAL } from './spatial-rules.js';

const RULES = new Map<string, Rule>(
  Object.entries({ ...ELEMENTWISE, ...LAYOUT, ...PIECES, ...MATRIX, ...REDUCTION, ...SPATIAL }),
);
/** Domains whose operators follow the rules of the standard ones of that name. */
const KNOWN_DOMAINS = new Set(['', 'com.microsoft']);

export interface ShapeOptions {
  /** Sizes of open dimensions by name: {N: 1}. */
  sizes?: ReadonlyMap<string, number>;
  /** Shapes of inputs of the main graph, instead of what the file says. */
  inputs?: ReadonlyMap<string, Shape>;
}

/** A node of which nothing, or a contradiction, is known. */
export interface ShapeProblem {
  /** Its name, or its first output. */
  node: string;
  op: string;
  what: string;
}

export interface NetworkShapes {
  /** What is known of a value of a graph, or of one around it. */
  of(graph: Graph, name: string): Shaped;
  /** False for a branch that the inputs do not fit: the other one is taken. */
  isTaken(graph: Graph): boolean;
  problems: readonly ShapeProblem[];
  dims: Dims;
}

const NOTHING: Shaped = { dtype: null, shape: null, elements: null };
/** Loops in loops double the work with each level: after so many nodes a body is worked through once. */
const STEPS_MAX = 2_000_000;
/** More problems tell nothing new. */
const PROBLEMS_MAX = 1000;

/** Works out the shapes of all values, in the main graph and in bodies. */
export function inferShapes(network: Network, options: ShapeOptions = {}): NetworkShapes {
  const pass = new Inference(network, options);
  pass.main();
  return {
    of: (graph, name) => pass.find(graph, name),
    isTaken: (graph) => !pass.unfit.has(graph),
    problems: pass.problems,
    dims: pass.dims,
  };
}

class Inference {
  readonly dims = new Dims();
  readonly problems: ShapeProblem[] = [];
  /** Branches that inputs do not fit, where they fit the other one. */
  readonly unfit = new Set<Graph>();
  readonly #network: Network;
  readonly #options: ShapeOptions;
  readonly #values = new Map<Graph, Map<string, Shaped>>();
  readonly #outer = new Map<Graph, Graph>();
  #conflicts = 0;
  /** Nodes that were worked through, each time counted. */
  #steps = 0;

  constructor(network: Network, options: ShapeOptions) {
    this.#network = network;
    this.#options = options;
  }

  find(graph: Graph, name: string): Shaped {
    for (let at: Graph | undefined = graph; at !== undefined; at = this.#outer.get(at)) {
      const found = this.#values.get(at)?.get(name);
      if (found !== undefined) return found;
    }
    return NOTHING;
  }

  main(): void {
    const { graph } = this.#network;
    const given = graph.inputs.map((input) => {
      const shape = this.#options.inputs?.get(input.name);
      return shape === undefined ? this.#stated(input) : { ...this.#stated(input), shape };
    });
    this.#run(graph, given);
  }

  /** What a file says of a value; open dimensions get names, or the sizes asked for. */
  #stated({ name, dtype, shape }: GraphValue): Shaped {
    const made = shape?.map((dim, axis): Dim => {
      if (typeof dim === 'number') return dim;
      const symbol = dim === null || dim === '' ? `${name}.${axis}` : dim;
      return this.#options.sizes?.get(symbol) ?? this.dims.fresh(symbol);
    });
    return { dtype, shape: made ?? null, elements: null };
  }

  /** Works through a graph whose inputs are known; gives what its outputs are. */
  #run(graph: Graph, inputs: readonly Shaped[]): Shaped[] {
    const values = new Map<string, Shaped>();
    this.#values.set(graph, values);
    for (const { name, dtype, shape, values: elements } of graph.parameters) {
      values.set(name, shaped(dtype, shape, elements));
    }
    graph.inputs.forEach((input, i) => {
      values.set(input.name, inputs[i] ?? this.#stated(input));
    });
    const stated = new Map(graph.stated.map((value) => [value.name, value]));
    this.#steps += graph.nodes.length;
    for (const node of graph.nodes) {
      const outputs = this.#outputsOf(graph, node);
      node.outputs.forEach((name, i) => {
        if (name === '') return;
        const told = stated.get(name);
        const made = outputs[i] ?? NOTHING;
        values.set(name, made.shape === null && told !== undefined ? this.#stated(told) : made);
      });
    }
    return graph.outputs.map(({ name }) => this.find(graph, name));
  }

  #outputsOf(graph: Graph, node: GraphNode): Shaped[] {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : this.find(graph, name)));
    if (node.bodies.length > 0) return this.#ofBodies(graph, node, inputs);
    const rule = KNOWN_DOMAINS.has(node.domain) ? RULES.get(node.op) : undefined;
    if (rule === undefined) {
      this.#tell(
        node,
        `the operator ${node.domain ? `${node.domain}.` : ''}${node.op} is not known`,
      );
      return [];
    }
    const opset = node.domain === '' ? (this.#network.opsets.get('') ?? 1) : 99;
    try {
      const made = rule(new NodeShapes(node, inputs, { dims: this.dims, opset }));
      return made.map((one) => this.#checked(node, one));
    } catch (error) {
      if (error instanceof ShapeConflict) {
        this.#conflicts++;
        this.#tell(node, error.message);
      }
      if (!(error instanceof ShapeConflict || error instanceof UnknownShape)) throw error;
      return node.outputs.map(() => ({ ...NOTHING, dtype: inputs[0]?.dtype ?? null }));
    }
  }

  /** A dimension below 0, or beyond all that a machine holds, is a contradiction of the file. */
  #checked(node: GraphNode, made: Shaped): Shaped {
    const bad = made.shape?.find((dim) => {
      return typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0);
    });
    const rank = made.shape?.length ?? 0;
    if (bad === undefined && rank <= RANK_MAX) return made;
    this.#tell(node, bad === undefined ? `has ${rank} dimensions` : `has a dimension of ${bad}`);
    return { ...made, shape: null, elements: null };
  }

  #tell(node: GraphNode, what: string): void {
    if (this.problems.length >= PROBLEMS_MAX) return;
    this.problems.push({ node: node.name || (node.outputs[0] ?? ''), op: node.op, what });
  }

  #ofBodies(graph: Graph, node: GraphNode, inputs: readonly (Shaped | undefined)[]): Shaped[] {
    for (const body of node.bodies) this.#outer.set(body.graph, graph);
    if (node.op === 'If') return this.#branches(node, inputs[0]);
    const [body] = node.bodies;
    if (node.op === 'Loop' && body !== undefined) return this.#loop(node, body, inputs);
    if (node.op === 'Scan' && body !== undefined) return this.#scan(node, body, inputs);
    for (const { graph: inner } of node.bodies) this.#run(inner, []);
    this.#tell(node, `the operator ${node.op} is not known`);
    return [];
  }

  #branches(node: GraphNode, condition: Shaped | undefined): Shaped[] {
    const results = new Map<string, Shaped[]>();
    const cannot = new Set<string>();
    for (const { name, graph } of node.bodies) {
      const before = this.#conflicts;
      results.set(name, this.#run(graph, []));
      if (this.#conflicts > before) cannot.add(name);
    }
    for (const { name, graph } of node.bodies) {
      // A loop may come here again with other shapes.
      if (cannot.size === 1 && cannot.has(name)) this.unfit.add(graph);
      else this.unfit.delete(graph);
    }
    const [then, otherwise] = [results.get('then_branch'), results.get('else_branch')];
    const [sure] = condition?.elements ?? [];
    if (then === undefined || otherwise === undefined) return [];
    if (typeof sure === 'number') return sure === 0 ? otherwise : then;
    // A branch that these inputs do not fit is not the one that is taken.
    if (cannot.size === 1) return cannot.has('then_branch') ? otherwise : then;
    return node.outputs.map((name, i) =>
      this.#either(then[i] ?? NOTHING, otherwise[i] ?? NOTHING, name),
    );
  }

  /** What two values that may stand in one place have in common. */
  #either(a: Shaped, b: Shaped, name: string): Shaped {
    const dtype = a.dtype === b.dtype ? a.dtype : null;
    if (a.shape === null || b.shape === null || a.shape.length !== b.shape.length) {
      return { dtype, shape: null, elements: null };
    }
    const other = b.shape;
    const shape = a.shape.map((dim, i) =>
      dim === other[i] ? dim : this.dims.fresh(`${name}.${i}`),
    );
    const isSame =
      a.elements?.length === b.elements?.length &&
      a.elements?.every((one, i) => one === b.elements?.[i]);
    return shaped(dtype, shape, isSame ? a.elements : null);
  }

  /** Inputs: trips, condition, carried values; outputs: carried values, then one stack for each trip. */
  #loop(node: GraphNode, body: Body, inputs: readonly (Shaped | undefined)[]): Shaped[] {
    const [trips] = inputs;
    const count = trips?.elements?.[0] ?? this.dims.fresh(`${node.outputs[0] ?? node.op}.trips`);
    const first = inputs.slice(2).map((one) => one ?? NOTHING);
    const fixed = [shaped('I64', []), shaped('BOOL', [])];
    let carried: Shaped[] = first.map((one) => ({ ...one, elements: null }));
    let made = this.#run(body.graph, [...fixed, ...carried]);
    // A value whose shape changes on the way round is open there: the second pass knows.
    const grown = carried.map((one, i) =>
      this.#either(one, made[i + 1] ?? NOTHING, `${node.outputs[i] ?? ''}`),
    );
    const changes = grown.some(({ shape }, i) => String(shape) !== String(carried[i]?.shape));
    if (changes && this.#steps < STEPS_MAX) {
      carried = grown;
      made = this.#run(body.graph, [...fixed, ...carried]);
    }
    const stacks = made.slice(1 + carried.length);
    const stop = inputs[1]?.elements?.[0];
    const isSure = trips?.elements !== null && stop !== 0 && this.#alwaysGoesOn(body);
    const length = isSure ? count : this.dims.fresh(`${node.outputs[carried.length] ?? node.op}.0`);
    return [
      ...made.slice(1, 1 + carried.length).map((one) => ({ ...one, elements: null })),
      ...stacks.map(({ dtype, shape }) => ({
        dtype,
        shape: shape === null ? null : [length, ...shape],
        elements: null,
      })),
    ];
  }

  /** True if the condition that a body gives is the constant true, or what came in. */
  #alwaysGoesOn({ graph }: Body): boolean {
    const [condition] = graph.outputs;
    if (condition === undefined) return false;
    const name = throughIdentity(graph, condition.name);
    return this.find(graph, name).elements?.[0] === 1 || graph.inputs[1]?.name === name;
  }

  /** Inputs: states, then sequences, whose elements the body gets; outputs: states, then sequences. */
  #scan(node: GraphNode, body: Body, inputs: readonly (Shaped | undefined)[]): Shaped[] {
    const at = new NodeShapes(node, inputs, {
      dims: this.dims,
      opset: this.#network.opsets.get('') ?? 1,
    });
    const sequences = at.number('num_scan_inputs', 1);
    const states = inputs.length - sequences;
    const axes = at.numberList('scan_input_axes') ?? [];
    const outAxes = at.numberList('scan_output_axes') ?? [];
    let length: Dim | null = null;
    const given = inputs.map((one, i) => {
      const { dtype, shape } = one ?? NOTHING;
      if (i < states || shape === null) return { dtype, shape, elements: null };
      const axis =
        (axes[i - states] ?? 0) < 0
          ? (axes[i - states] ?? 0) + shape.length
          : (axes[i - states] ?? 0);
      if (length === null || typeof length === 'string') length = shape[axis] ?? length;
      return { dtype, shape: shape.filter((_, d) => d !== axis), elements: null };
    });
    const made = this.#run(body.graph, given);
    const steps = length ?? this.dims.fresh(`${node.outputs[states] ?? node.op}.0`);
    return made.map(({ dtype, shape }, i) => {
      if (i < states || shape === null) return { dtype, shape, elements: null };
      const axis = outAxes[i - states] ?? 0;
      const place = axis < 0 ? axis + shape.length + 1 : axis;
      return {
        dtype,
        shape: [...shape.slice(0, place), steps, ...shape.slice(place)],
        elements: null,
      };
    });
  }
}

/** Copies that are followed back: exporters put one or two in a row. */
const COPIES_MAX = 8;

function throughIdentity(graph: Graph, name: string): string {
  let at = name;
  for (let i = 0; i < COPIES_MAX; i++) {
    const maker = graph.nodes.findLast(({ outputs }) => outputs[0] === at);
    const isCopy = maker?.op === 'Identity' || maker?.op === 'Cast';
    if (!isCopy || maker.inputs[0] === undefined) break;
    at = maker.inputs[0];
  }
  return at;
}
