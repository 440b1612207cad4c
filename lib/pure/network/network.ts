/**
 * What a network is: nodes, the values between them, and its parameters by name, dtype and shape. It holds
 * no weights, so networks that differ in their weights alone are equal.
 *
 * `onnx-network.ts` makes one of an ONNX file, `encode.ts` stores it, `shapes/infer-shapes.ts` works out
 * the shapes of its values, and `layers/layer-view.ts` the layers that people speak of.
 */
import type { DType } from '../tensor/dtype.js';

/** One dimension: a size, or what it is called where it is open ('N', 'x.0', 'floor((W + 1) / 2)'). */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** Element type of a value: 'STRING' for texts, null if it is not known. */
export type ValueType = DType | 'STRING' | null;

/** An input or output of a graph. */
export interface GraphValue {
  name: string;
  dtype: ValueType;
  /** null: the rank is not known, or it is no tensor. A dimension of null is open and has no name. */
  shape: readonly (number | string | null)[] | null;
}

/** A tensor that is part of the network: an initializer, or what a Constant gives. */
export interface Parameter {
  /** Name of the value, unique in its graph and those around it. */
  name: string;
  dtype: ValueType;
  shape: readonly number[];
  /** Its elements where they say what the network does (shapes, axes, scalars) and not what it learned. */
  values: readonly number[] | null;
  /** Name of the tensor among those of its file, as `dlv show <rev>:<path>` lists them. */
  tensor: string;
}

export type Attribute = { name: string } & (
  | { kind: 'int' | 'float'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'ints' | 'floats'; value: readonly number[] }
  | { kind: 'strings'; value: readonly string[] }
  /** A small tensor whose elements are known. */
  | { kind: 'tensor'; value: Constant }
  /** Too long to be kept, or of a kind that says nothing here. */
  | { kind: 'other'; value: null }
);

/** A tensor with all of its elements, row-major. Integers beyond 2^53 are rounded. */
export interface Constant {
  dtype: ValueType;
  shape: readonly number[];
  values: readonly number[];
}

/** A graph that a node runs: a branch of If, the body of Loop or Scan. */
export interface Body {
  /** Name of the attribute: 'then_branch', 'else_branch', 'body'. */
  name: string;
  graph: Graph;
}

/** One operator. */
export interface GraphNode {
  /** As the file names it; may be empty or stand twice. The first output is the key that is unique. */
  name: string;
  /** Operator: 'Conv', 'Gemm', … */
  op: string;
  /** Empty for the standard operators. */
  domain: string;
  /** Names of values; an empty name is an optional input that is left out. */
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: readonly Attribute[];
  bodies: readonly Body[];
  /** Modules around the operator, outermost first, where the exporter says them. */
  scopes: readonly string[];
}

/** A graph: nodes in an order in which each comes after all that it uses. */
export interface Graph {
  name: string;
  /** Without those that have a default in `parameters`. */
  inputs: readonly GraphValue[];
  outputs: readonly GraphValue[];
  parameters: readonly Parameter[];
  nodes: readonly GraphNode[];
  /** Types that the file states of outputs of operators that are not standard ones. */
  stated: readonly GraphValue[];
}

/** A network that a file defines. */
export interface Network {
  /** 'pytorch 2.1.0', as the file says. */
  producer: string;
  /** Version of each set of operators; '' is the standard one. */
  opsets: ReadonlyMap<string, number>;
  graph: Graph;
}

/**
 * All graphs of a network: the main one, then those of bodies, outermost first.
 * @returns `path`: names of the nodes and bodies around, '' for the main graph, else 'If_0.then_branch/'.
 */
export function* graphsOf(graph: Graph, path = ''): Generator<{ graph: Graph; path: string }> {
  yield { graph, path };
  for (const node of graph.nodes) {
    const key = node.name || (node.outputs[0] ?? node.op);
    for (const body of node.bodies) yield* graphsOf(body.graph, `${path}${key}.${body.name}/`);
  }
}

/** Names of values that a node uses, also in graphs that it runs; those inside of these are among them. */
export function usedNames({ inputs, bodies }: GraphNode): string[] {
  const inside = bodies.flatMap(({ graph }) => graph.nodes.flatMap(usedNames));
  return [...inputs, ...inside].filter((name) => name !== '');
}

/** The attribute of a node with this name; undefined if it has none. */
export function attributeOf(node: GraphNode, name: string): Attribute | undefined {
  return node.attributes.find((attribute) => attribute.name === name);
}

/** An attribute that is one number. */
export function numberOf(node: GraphNode, name: string): number | undefined {
  const attribute = attributeOf(node, name);
  return attribute?.kind === 'int' || attribute?.kind === 'float' ? attribute.value : undefined;
}

/** An attribute that is a list of numbers. */
export function numbersOf(node: GraphNode, name: string): readonly number[] | undefined {
  const attribute = attributeOf(node, name);
  return attribute?.kind === 'ints' || attribute?.kind === 'floats' ? attribute.value : undefined;
}

/** An attribute that is a text. */
export function textOf(node: GraphNode, name: string): string | undefined {
  const attribute = attributeOf(node, name);
  return attribute?.kind === 'string' ? attribute.value : undefined;
}
