/**
 * Makes a network of what a reader of ONNX learned about a file: calls of functions are replaced by
 * their nodes, Constant nodes become parameters, and nodes stand in an order in which they can run.
 *
 * @see onnx.proto3 of ONNX, for what names of values may and may not do.
 */
import { CorruptError, LimitError } from '../../base/errors.js';
import { NESTING_MAX, NETWORK_NODES_MAX, NETWORK_VALUES_MAX } from '../../base/limits.js';
import type {
  RawFunction,
  RawGraph,
  RawModel,
  RawNode,
  RawValueInfo,
} from '../formats/onnx/onnx-model.js';
import { onnxDType } from '../formats/onnx/onnx-tensor.js';
import { scopesOf } from './module-names.js';
import type { Body, Graph, GraphNode, GraphValue, Network, Parameter } from './network.js';
import { makeAttribute, readConstant, readInitializers } from './onnx-values.js';
import { keepStructure } from './structure-values.js';
import { orderNodes } from './topology.js';

/** TensorProto.DataType of texts. */
const CODE_STRING = 8;

/**
 * The network of an ONNX file.
 *
 * @param file  named in errors.
 * @throws {CorruptError} DLV_CORRUPT if nodes form a circle, a value is made twice or never, or functions
 *   call each other in a circle; {LimitError} DLV_LIMIT beyond NETWORK_NODES_MAX nodes, functions counted
 *   once for each call.
 */
export function networkOfOnnx(model: RawModel, file: string): Network {
  const opsets = new Map<string, number>();
  for (const { domain, version } of model.opsets) {
    opsets.set(domain === 'ai.onnx' ? '' : domain, Number(version));
  }
  const reader = new GraphReader(model, file);
  const graph = reader.graph(model.graph, { prefix: '', tensors: '', names: same, isBody: false });
  const producer = `${model.producerName} ${model.producerVersion}`.trim();
  return { producer, opsets, graph: keepStructure(graph) };
}

type Rename = (name: string) => string;
const same: Rename = (name) => name;

/** Where nodes stand that are read. */
interface Place {
  /** Before the names of nodes: that of the calls around them. */
  prefix: string;
  /** Before the names of tensors, as the layout of the file has it. */
  tensors: string;
  /** Names of values in the network for those of the function around; empty names stay. */
  names: Rename;
  /** True in a graph that a node runs: names that it uses may be made around it. */
  isBody: boolean;
  /** The function around, with the attributes of its call. */
  call?: Call;
}

interface Call {
  made: RawFunction;
  node: RawNode;
  /** The call in which it stands. */
  outer: Call | undefined;
  depth: number;
}

/** Names of values that a graph makes, and those around it. */
class Scope {
  readonly own = new Set<string>();
  readonly outer: Scope | null;

  constructor(outer: Scope | null) {
    this.outer = outer;
  }

  has(name: string): boolean {
    for (let scope: Scope | null = this; scope !== null; scope = scope.outer) {
      if (scope.own.has(name)) return true;
    }
    return false;
  }
}

/** What nodes of one graph are gathered in. */
interface Gathered {
  nodes: GraphNode[];
  parameters: Parameter[];
}

class GraphReader {
  readonly #file: string;
  readonly #functions = new Map<string, RawFunction>();
  #nodes = 0;
  #values = 0;

  constructor(model: RawModel, file: string) {
    this.#file = file;
    for (const made of model.functions) this.#functions.set(functionKey(made), made);
  }

  #corrupt(what: string): CorruptError {
    return new CorruptError(`the network in '${this.#file}' is damaged: ${what}`, {
      file: this.#file,
    });
  }

  #limit(what: string, max: number): LimitError {
    return new LimitError(`the network in '${this.#file}' has more than ${max} ${what}`, {
      file: this.#file,
      limit: what,
      max,
    });
  }

  #countNode(): void {
    if (++this.#nodes > NETWORK_NODES_MAX) throw this.#limit('nodes', NETWORK_NODES_MAX);
  }

  #countValues(count: number): void {
    this.#values += count;
    if (this.#values > NETWORK_VALUES_MAX) throw this.#limit('values', NETWORK_VALUES_MAX);
  }

  graph(raw: RawGraph, place: Place): Graph {
    const { names } = place;
    this.#countValues(raw.inputs.length + raw.outputs.length + raw.values.length);
    this.#countValues(raw.initializers.length + raw.sparseInitializers.length);
    const found: Gathered = {
      nodes: [],
      parameters: readInitializers(raw, place.tensors, names),
    };
    const defaults = new Set(found.parameters.map(({ name }) => name));
    const inputs = raw.inputs
      .map((info) => graphValue(info, names))
      .filter(({ name }) => !defaults.has(name));
    this.#nodesOf(raw.nodes, place, found);
    const graph: Graph = {
      name: raw.name,
      inputs,
      outputs: raw.outputs.map((info) => graphValue(info, names)),
      parameters: found.parameters,
      nodes: found.nodes,
      stated: raw.values.map((info) => graphValue(info, names)),
    };
    return this.#ordered(graph, place.isBody);
  }

  /** The graph with its nodes in order. @throws {CorruptError} if its values do not fit together. */
  #ordered(graph: Graph, isBody: boolean): Graph {
    const { nodes, circle } = orderNodes(graph.nodes);
    if (circle !== null) {
      const name = circle.name || circle.outputs[0] || circle.op;
      throw this.#corrupt(`its nodes form a circle through '${name}' (${circle.op})`);
    }
    const ordered = { ...graph, nodes };
    // What bodies use may be made in the graph around, so they are checked with the main one.
    if (!isBody) this.#checkUses(ordered, null);
    return ordered;
  }

  #checkUses(graph: Graph, outer: Scope | null): void {
    const scope = new Scope(outer);
    const add = (name: string): void => {
      if (name === '') return;
      if (scope.own.has(name)) throw this.#corrupt(`the value '${name}' is made twice`);
      scope.own.add(name);
    };
    for (const { name } of graph.inputs) add(name);
    for (const { name } of graph.parameters) add(name);
    for (const node of graph.nodes) for (const name of node.outputs) add(name);
    const use = (name: string, by: string): void => {
      if (name === '' || scope.has(name)) return;
      throw this.#corrupt(`${by} uses the value '${name}', which nothing makes`);
    };
    for (const node of graph.nodes) {
      for (const name of node.inputs) use(name, `'${node.name || node.op}'`);
      for (const body of node.bodies) this.#checkUses(body.graph, scope);
    }
    for (const { name } of graph.outputs) use(name, `the output '${name}'`);
  }

  #nodesOf(nodes: readonly RawNode[], place: Place, found: Gathered): void {
    for (const [i, node] of nodes.entries()) {
      this.#countNode();
      this.#countValues(node.inputs.length + node.outputs.length);
      const made = this.#functions.get(functionKey({ ...node, name: node.opType }));
      if (made !== undefined) this.#inline(node, made, place, found);
      else if (node.opType === 'Constant' && isStandard(node.domain)) {
        const tensors = place.tensors + (node.name || `${node.opType}#${i}`);
        const parameter = readConstant(node, place, `${tensors}/`);
        if (parameter !== null) found.parameters.push(parameter);
      } else found.nodes.push(this.#node(node, i, place));
    }
  }

  #node(node: RawNode, index: number, place: Place): GraphNode {
    const label = place.tensors + (node.name || `${node.opType}#${index}`);
    const bodies: Body[] = [];
    const attributes = [];
    for (const raw of node.attributes) {
      const given = raw.kind === 'reference' ? this.#referred(raw, place.call) : raw;
      if (given === null) continue;
      const { name } = raw;
      const inner = { ...place, tensors: `${label}/${name}/`, isBody: true };
      if (given.kind === 'graph') bodies.push({ name, graph: this.graph(given.value, inner) });
      else if (given.kind === 'graphs') {
        for (const [i, value] of given.value.entries()) {
          const tensors = `${label}/${name}/${i}/`;
          bodies.push({ name: `${name}.${i}`, graph: this.graph(value, { ...inner, tensors }) });
        }
      } else attributes.push(makeAttribute(given, name));
    }
    return {
      name: node.name === '' ? '' : place.prefix + node.name,
      op: node.opType,
      domain: isStandard(node.domain) ? '' : node.domain,
      inputs: node.inputs.map(place.names),
      outputs: node.outputs.map(place.names),
      attributes,
      bodies,
      scopes: scopesOf(node.modules),
    };
  }

  /** What a function's call gives for an attribute that stands for one of the function's. */
  #referred(raw: { value: string }, call: Call | undefined): RawNode['attributes'][number] | null {
    let name = raw.value;
    for (let at = call; at !== undefined; at = at.outer) {
      const given =
        at.node.attributes.find((attribute) => attribute.name === name) ??
        at.made.defaults.find((attribute) => attribute.name === name);
      if (given === undefined) return null;
      if (given.kind !== 'reference') return given;
      name = given.value;
    }
    return null;
  }

  /** Puts the nodes of a function in the place of its call. */
  #inline(node: RawNode, made: RawFunction, place: Place, found: Gathered): void {
    const depth = (place.call?.depth ?? 0) + 1;
    for (let at = place.call; at !== undefined; at = at.outer) {
      if (at.made === made) throw this.#corrupt(`the function '${made.name}' calls itself`);
    }
    if (depth > NESTING_MAX) throw this.#limit('functions in each other', NESTING_MAX);
    const key = place.names(node.outputs.find((name) => name !== '') ?? node.name);
    const names = new Map<string, string>();
    made.inputs.forEach((name, i) => {
      names.set(name, place.names(node.inputs[i] ?? ''));
    });
    const passed: [string, string][] = [];
    made.outputs.forEach((name, i) => {
      const outside = place.names(node.outputs[i] ?? '');
      if (outside === '') return;
      const before = names.get(name);
      if (before !== undefined) passed.push([before, outside]);
      else names.set(name, outside);
    });
    const inner: Place = {
      prefix: `${place.prefix}${node.name || made.name}/`,
      tensors: `${made.domain}::${made.name}${made.overload ? `:${made.overload}` : ''}/`,
      names: (name) => (name === '' ? '' : (names.get(name) ?? `${key}/${name}`)),
      isBody: place.isBody,
      call: { made, node, outer: place.call, depth },
    };
    this.#nodesOf(made.nodes, inner, found);
    for (const [from, to] of passed) {
      found.nodes.push({
        ...IDENTITY,
        name: inner.prefix.slice(0, -1),
        inputs: [from],
        outputs: [to],
      });
    }
  }
}

const IDENTITY = { op: 'Identity', domain: '', attributes: [], bodies: [], scopes: [] } as const;

function functionKey(of: { domain: string; name: string; overload: string }): string {
  return JSON.stringify([of.domain, of.name, of.overload]);
}

function isStandard(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function graphValue(info: RawValueInfo, names: Rename): GraphValue {
  const { dataType, kind } = info;
  const isTensor = kind === 'tensor' || kind === 'unknown';
  const dtype = dataType === CODE_STRING ? 'STRING' : onnxDType(dataType ?? 0);
  return { name: names(info.name), dtype, shape: isTensor ? info.shape : null };
}
