/** Who makes and who uses each value of a graph, and what is constant in it: what patterns ask. */
import type { Graph, GraphNode, Parameter } from '../network.js';
import { freeNames } from '../topology.js';

/** A use of a value: the node, and which of its inputs; `input` is −1 for a use inside a body. */
export interface Use {
  node: number;
  input: number;
}

export class GraphIndex {
  readonly graph: Graph;
  readonly #makers = new Map<string, number>();
  readonly #uses = new Map<string, Use[]>();
  readonly #parameters = new Map<string, Parameter>();
  /** Parameters that stand behind each value that is computed of constants alone. */
  readonly #constants = new Map<string, readonly string[]>();
  readonly #results: ReadonlySet<string>;

  readonly #outer: GraphIndex | null;

  /** @param outer of the graph around, whose constants are constant here too. */
  constructor(graph: Graph, outer: GraphIndex | null = null) {
    this.graph = graph;
    this.#outer = outer;
    this.#results = new Set(graph.outputs.map(({ name }) => name));
    for (const parameter of graph.parameters) {
      this.#parameters.set(parameter.name, parameter);
      this.#constants.set(parameter.name, [parameter.name]);
    }
    for (const [i, node] of graph.nodes.entries()) {
      for (const name of node.outputs) if (name !== '') this.#makers.set(name, i);
      for (const [input, name] of node.inputs.entries()) this.#use(name, { node: i, input });
      for (const body of node.bodies) {
        for (const name of freeNames(body.graph)) this.#use(name, { node: i, input: -1 });
      }
      this.#foldConstant(node);
    }
  }

  #use(name: string, use: Use): void {
    if (name === '') return;
    const known = this.#uses.get(name);
    if (known === undefined) this.#uses.set(name, [use]);
    else known.push(use);
  }

  #foldConstant(node: GraphNode): void {
    const inputs = node.inputs.filter((name) => name !== '');
    if (inputs.length === 0 || inputs.length > 8 || node.bodies.length > 0) return;
    const behind = inputs.map((name) => this.constant(name));
    if (behind.some((names) => names === null)) return;
    const all = [...new Set(behind.flatMap((names) => names ?? []))];
    if (all.length <= 16) for (const name of node.outputs) this.#constants.set(name, all);
  }

  node(index: number): GraphNode {
    return this.graph.nodes[index] as GraphNode;
  }

  /** The node that makes a value; −1 for inputs, parameters and values of graphs around. */
  maker(name: string): number {
    return this.#makers.get(name) ?? -1;
  }

  uses(name: string): readonly Use[] {
    return this.#uses.get(name) ?? [];
  }

  isResult(name: string): boolean {
    return this.#results.has(name);
  }

  /** The one node that uses a value, which is no output of the graph; −1 if there are more or none. */
  onlyUser(name: string): number {
    const uses = this.uses(name);
    const [first] = uses;
    if (first === undefined || this.isResult(name) || first.input < 0) return -1;
    return uses.every(({ node }) => node === first.node) ? first.node : -1;
  }

  parameter(name: string): Parameter | undefined {
    return this.#parameters.get(name) ?? this.#outer?.parameter(name);
  }

  /** Names of the parameters that a value is computed of; null if it depends on an input. */
  constant(name: string): readonly string[] | null {
    return this.#constants.get(name) ?? this.#outer?.constant(name) ?? null;
  }

  isConstant(name: string): boolean {
    return this.constant(name) !== null;
  }

  /** The number that a value always is; undefined if it is none. */
  scalar(name: string | undefined): number | undefined {
    const parameter = name === undefined ? undefined : this.parameter(name);
    return parameter?.values?.length === 1 ? parameter.values[0] : undefined;
  }
}
