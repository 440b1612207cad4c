/**
 * A main graph while it is changed: nodes of its file and new ones, by the names of values. It gives what the
 * writer needs (GraphEdit), and at any time the network that it would be, for shapes and checks.
 */
import { pushAll } from '../../../base/bytes/many.js';
import { UsageError } from '../../../base/errors.js';
import type { RawModel, RawNode, RawValueInfo } from '../../formats/onnx/onnx-model.js';
import type { EditedNode, GraphEdit, NewTensor } from '../../formats/onnx/write/edited-model.js';
import type { MadeTensor } from '../build/layer-parts.js';
import type { GraphNode, Network } from '../network.js';
import { networkOfOnnx } from '../onnx-network.js';
import { inferShapes, type NetworkShapes } from '../shapes/infer-shapes.js';
import type { Shaped } from '../shapes/node-shapes.js';
import { orderNodes } from '../topology.js';
import { type ConstantTensor, constantTensor, drawnTensor, rawTensor } from './draft-tensors.js';
import { addNames, bodyNames, usedNames } from './value-names.js';

/** A node of the draft; changed in place. */
export interface DraftNode {
  readonly source: number | null;
  node: RawNode;
}

/** Files of an older form list the default of an input as an initializer: every initializer is an input. */
const IR_OWN_INITIALIZERS = 4;

export class GraphDraft {
  readonly raw: RawModel;
  readonly file: string;
  nodes: DraftNode[];
  inputs: RawValueInfo[];
  outputs: RawValueInfo[];
  readonly tensors = new Map<string, MadeTensor>();
  readonly constants = new Map<string, ConstantTensor>();
  readonly #names = new Set<string>();
  /** Initializers of the source whose names new tensors have taken. */
  readonly #dropped = new Set<string>();
  #state: { network: Network; shapes: NetworkShapes } | null = null;
  /** The network whose shapes still hold: that of the last inference, or of one before changes that keep shapes. */
  #seen: { network: Network; shapes: NetworkShapes } | null = null;
  /** Shapes of values that came since. */
  readonly #learned = new Map<string, Shaped>();

  constructor(raw: RawModel, file: string) {
    this.raw = raw;
    this.file = file;
    const { graph } = raw;
    this.nodes = graph.nodes.map((node, source) => ({ source, node }));
    this.inputs = [...graph.inputs];
    this.outputs = [...graph.outputs];
    addNames(graph, this.#names);
  }

  /** Says that nodes, inputs or outputs were changed; `reshaped` says that shapes of what was there were, too. */
  touch(): void {
    this.#state = null;
  }

  /** Says that shapes have to be inferred anew. */
  reshaped(): void {
    this.#state = null;
    this.#seen = null;
    this.#learned.clear();
  }

  /** Takes down the shape of a value that is new, or stands for another one now. */
  learn(name: string, shaped: Shaped): void {
    this.#learned.set(name, shaped);
  }

  /** Version of the standard operators; 0 if the file says none. */
  get opset(): number {
    const found = this.raw.opsets.find(({ domain }) => domain === '' || domain === 'ai.onnx');
    return Number(found?.version ?? 0);
  }

  /** A name that nothing in the graph has, nor in its bodies. */
  fresh(name: string): string {
    let found = name;
    for (let i = 2; this.#names.has(found); i++) found = `${name}_${i}`;
    this.#names.add(found);
    return found;
  }

  /** A name that no node of the graph has: this one, or with a number behind it. */
  freshNode(name: string): string {
    const taken = new Set(this.nodes.map(({ node }) => node.name));
    let found = name;
    for (let i = 2; taken.has(found); i++) found = `${name}_${i}`;
    return found;
  }

  #now(): { network: Network; shapes: NetworkShapes } {
    if (this.#state === null) {
      const network = networkOfOnnx(this.#model(), this.file);
      this.#state = { network, shapes: inferShapes(network) };
    }
    return this.#state;
  }

  /** The network that the draft is now. @throws {CorruptError} if its values do not fit together. */
  get network(): Network {
    return this.#now().network;
  }

  get shapes(): NetworkShapes {
    return this.#now().shapes;
  }

  /** What is known of a value now. */
  shape(name: string): Shaped {
    const learned = this.#learned.get(name);
    if (learned !== undefined) return learned;
    this.#seen ??= this.#now();
    return this.#seen.shapes.of(this.#seen.network.graph, name);
  }

  /** The node that makes a value; undefined for inputs and initializers. */
  maker(name: string): DraftNode | undefined {
    return this.nodes.find(({ node }) => node.outputs.includes(name));
  }

  /** Puts new nodes right behind one, or at the end. */
  insertBehind(before: DraftNode | undefined, made: readonly RawNode[]): DraftNode[] {
    const at = before === undefined ? this.nodes.length : this.nodes.indexOf(before) + 1;
    const added = made.map((node): DraftNode => ({ source: null, node }));
    this.nodes.splice(at, 0, ...added);
    this.touch();
    return added;
  }

  /** Calls an output of a node otherwise. */
  renameOutput(of: DraftNode, from: string, to: string): void {
    of.node = { ...of.node, outputs: of.node.outputs.map((name) => (name === from ? to : name)) };
    this.touch();
  }

  /** Lets all nodes use another value; what bodies use stays. */
  renameUses(from: string, to: string): void {
    for (const one of this.nodes) {
      if (!one.node.inputs.includes(from)) continue;
      one.node = {
        ...one.node,
        inputs: one.node.inputs.map((name) => (name === from ? to : name)),
      };
    }
    this.touch();
  }

  /** True if a body uses a value: it is written there, and stays. */
  isUsedInBody(name: string): boolean {
    return this.nodes.some(({ node }) => bodyNames(node).has(name));
  }

  isOutput(name: string): boolean {
    return this.outputs.some((output) => output.name === name);
  }

  remove(nodes: ReadonlySet<DraftNode>): void {
    this.nodes = this.nodes.filter((one) => !nodes.has(one));
    this.touch();
  }

  /** Nodes whose results the outputs need. */
  needed(): Set<DraftNode> {
    const makers = new Map<string, DraftNode>();
    for (const one of this.nodes) for (const name of one.node.outputs) makers.set(name, one);
    const found = new Set<DraftNode>();
    const queue = this.outputs.map(({ name }) => name);
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const maker = makers.get(name);
      if (maker === undefined || found.has(maker)) continue;
      found.add(maker);
      pushAll(queue, usedNames(maker.node));
    }
    return found;
  }

  /** Puts nodes in an order in which they can run. @throws {UsageError} if there is none. */
  sort(): void {
    const byNode = new Map<GraphNode, DraftNode>();
    for (const one of this.nodes) {
      const { name, opType, outputs } = one.node;
      const inputs = [...usedNames(one.node)];
      const bare = { domain: '', attributes: [], bodies: [], scopes: [] };
      byNode.set({ ...bare, name, op: opType, inputs, outputs }, one);
    }
    const { nodes, circle } = orderNodes([...byNode.keys()]);
    if (circle !== null) {
      throw new UsageError(`the layers would form a circle through '${circle.name || circle.op}'`);
    }
    this.nodes = nodes.map((key) => byNode.get(key) as DraftNode);
    this.touch();
  }

  /** Lets new tensors have the names that they want, where what had them is gone. */
  nameTensors(): void {
    const taken = this.#used();
    for (const { node } of this.nodes) for (const name of node.outputs) taken.add(name);
    for (const { name } of this.inputs) taken.add(name);
    for (const tensor of [...this.tensors.values()]) {
      const { name, wanted } = tensor;
      if (name === wanted || !taken.has(name) || taken.has(wanted)) continue;
      taken.add(wanted);
      this.#dropped.add(wanted);
      this.tensors.delete(name);
      this.tensors.set(wanted, { ...tensor, name: wanted });
      this.renameUses(name, wanted);
    }
    this.touch();
  }

  /** Names of initializers and nodes' inputs in use. */
  #used(): Set<string> {
    const used = new Set(this.outputs.map(({ name }) => name));
    for (const { node } of this.nodes) for (const name of usedNames(node)) used.add(name);
    return used;
  }

  /** True for an initializer of the source that stays. */
  #keeps(name: string, used: ReadonlySet<string>): boolean {
    return used.has(name) && !this.#dropped.has(name);
  }

  /** Inputs without those whose initializer is gone, and with new initializers where the form wants that. */
  #ends(used: ReadonlySet<string>): RawValueInfo[] {
    const { graph, irVersion } = this.raw;
    const initial = new Set(graph.initializers.map(({ name }) => name));
    const kept = this.inputs.filter(({ name }) => !initial.has(name) || used.has(name));
    if (irVersion >= IR_OWN_INITIALIZERS) return kept;
    return [
      ...kept,
      ...this.#newTensors(used, 0).map(({ name, dataType, shape }): RawValueInfo => {
        return { name, kind: 'tensor', dataType, shape: [...shape] };
      }),
    ];
  }

  #newTensors(used: ReadonlySet<string>, seed: number): NewTensor[] {
    return [
      ...[...this.tensors.values()]
        .filter(({ name }) => used.has(name))
        .map((tensor) => drawnTensor(tensor, seed)),
      ...[...this.constants.values()].filter(({ name }) => used.has(name)).map(constantTensor),
    ];
  }

  /** The model as it is now, for what reads networks. */
  #model(): RawModel {
    const used = this.#used();
    const { graph } = this.raw;
    const made = this.#newTensors(used, 0).map((tensor) =>
      rawTensor(tensor, this.tensors.get(tensor.name)?.dtype ?? 'I64'),
    );
    return {
      ...this.raw,
      graph: {
        ...graph,
        nodes: this.nodes.map(({ node }) => node),
        inputs: this.#ends(used),
        outputs: this.outputs,
        initializers: [
          ...graph.initializers.filter(({ name }) => this.#keeps(name, used)),
          ...made,
        ],
        sparseInitializers: graph.sparseInitializers.filter(({ values }) =>
          this.#keeps(values?.name ?? '', used),
        ),
      },
    };
  }

  /** What the writer needs. @param before the shapes of the graph that it comes from. */
  edit(seed: number, same: { ends: ReadonlySet<string>; values: ReadonlySet<string> }): GraphEdit {
    const used = this.#used();
    const { graph } = this.raw;
    const kept = [
      ...graph.initializers.map(({ name }) => name),
      ...graph.sparseInitializers.map(({ values }) => values?.name ?? ''),
    ];
    return {
      nodes: this.nodes.map(({ source, node }): EditedNode => ({ source, node })),
      keptTensors: new Set(kept.filter((name) => this.#keeps(name, used))),
      newTensors: this.#newTensors(used, seed),
      inputs: this.#ends(used),
      outputs: this.outputs,
      sameEnds: same.ends,
      keptValues: same.values,
    };
  }
}
