/**
 * Changes layers of a network: puts layers behind some, puts others in their place, or takes them out. All
 * changes are of layers of the network as it was; what is put in is not looked at again.
 */

import { formerLayer } from '../build/former-layer.js';
import { type FormerLayer, LayerProblem } from '../build/layer-parts.js';
import type { LayerSpec } from '../build/layer-spec.js';
import type { LayerKind } from '../layers/kinds.js';
import { layerView } from '../layers/layer-view.js';
import type { GraphNode } from '../network.js';
import type { Shaped } from '../shapes/node-shapes.js';
import { type ChainLayer, type LayerNames, placeChain } from './chain.js';
import type { DraftNode, GraphDraft } from './graph-draft.js';
import { bodyNames } from './value-names.js';

/** A layer of the network that a draft is of. */
export interface LayerPart {
  name: string;
  kind: LayerKind;
  type: string;
  nodes: readonly GraphNode[];
  /** False for a layer in the body of an If or a Loop. */
  isMain: boolean;
}

/** A layer that is to be made; a join names the layers that it takes. */
export interface WantedLayer extends LayerSpec {
  from: readonly LayerPart[];
}

export interface LayerChange {
  kind: 'insert' | 'replace' | 'delete';
  layer: LayerPart;
  /** What is put in; empty for delete. */
  chain: readonly WantedLayer[];
  /** Which mutation of the statement asks for it. */
  mutation: number;
}

/** What a change did. */
export interface LayerChanged {
  kind: LayerChange['kind'];
  layer: string;
  /** Names of the layers that were made. */
  made: string[];
  /** Weights of the layer that its successor goes on using. */
  carried: string[];
}

/** A change that cannot be made. */
export class ChangeProblem extends Error {
  readonly mutation: number;
  readonly hint: string | undefined;
  constructor(mutation: number, message: string, hint?: string) {
    super(message);
    this.mutation = mutation;
    this.hint = hint;
  }
}

/** Carries out changes in the order of layers. @throws {ChangeProblem} */
export function changeLayers(
  draft: GraphDraft,
  changes: readonly LayerChange[],
  names: LayerNames,
): LayerChanged[] {
  checkOverlaps(changes);
  const makers = new Map<string, DraftNode>();
  for (const one of draft.nodes) for (const name of one.node.outputs) makers.set(name, one);
  const changer = new LayerChanger(draft, names, makers);
  return changes.map((change) => {
    try {
      return changer.change(change);
    } catch (error) {
      if (!(error instanceof LayerProblem)) throw error;
      throw new ChangeProblem(change.mutation, error.message, error.hint);
    }
  });
}

/** A layer is changed once, but for layers that are put behind it one after the other. */
function checkOverlaps(changes: readonly LayerChange[]): void {
  const kinds = new Map<string, LayerChange['kind']>();
  for (const { kind, layer, mutation } of changes) {
    const before = kinds.get(layer.name);
    kinds.set(layer.name, kind);
    if (before === undefined || (kind === 'insert' && before !== 'delete')) continue;
    const words = {
      insert: 'gets a layer behind it',
      replace: 'is replaced',
      delete: 'is deleted',
    };
    throw new ChangeProblem(
      mutation,
      before === kind
        ? `'${layer.name}' ${words[kind]} twice`
        : `'${layer.name}' ${words[before]} and ${words[kind]}`,
      'name each layer in one mutation alone',
    );
  }
}

class LayerChanger {
  readonly #draft: GraphDraft;
  readonly #names: LayerNames;
  /** Nodes of the network as it was, by what they made then. */
  readonly #makers: ReadonlyMap<string, DraftNode>;
  readonly #constants: ReadonlyMap<string, readonly number[]>;
  /** Values of layers that got others behind them → the value that now stands for theirs. */
  readonly #behind = new Map<string, string>();

  constructor(draft: GraphDraft, names: LayerNames, makers: ReadonlyMap<string, DraftNode>) {
    this.#draft = draft;
    this.#names = names;
    this.#makers = makers;
    this.#constants = new Map(
      draft.network.graph.parameters.map(({ name, shape }) => [name, shape]),
    );
  }

  change({ kind, layer, chain }: LayerChange): LayerChanged {
    const nodes = this.#nodesOf(layer);
    const outputs = this.#outputsOf(nodes);
    const [output, more] = outputs;
    if (output === undefined || more !== undefined) {
      const what = outputs.length === 0 ? 'gives nothing that is used' : 'gives several values';
      throw new LayerProblem(
        `'${layer.name}' ${what}, and cannot be changed`,
        'change the layers before or behind it',
      );
    }
    if (kind === 'insert') return this.#insert(layer, this.#behind.get(output) ?? output, chain);
    if (kind === 'replace') return this.#replace(layer, { nodes, output }, chain);
    return this.#delete(layer, { nodes, output });
  }

  /** The nodes of a layer. @throws {LayerProblem} for one that is not of the main graph itself. */
  #nodesOf(layer: LayerPart): DraftNode[] {
    if (!layer.isMain) {
      throw new LayerProblem(
        `'${layer.name}' is in the body of an If or a Loop, which is kept as it is`,
        'change layers of the main graph: those that dlv desc shows without a body in front of the name',
      );
    }
    const nodes = layer.nodes.map(({ op, outputs }) => {
      const made = outputs.map((name) => this.#makers.get(name)).find((one) => one !== undefined);
      return made?.node.opType === op ? made : undefined;
    });
    if (nodes.some((one) => one === undefined)) {
      throw new LayerProblem(
        `'${layer.name}' is in a function of the file, which is kept as it is`,
        'change layers before or behind what calls the function, or export the network without functions',
      );
    }
    return nodes as DraftNode[];
  }

  /** What nodes make that others use. */
  #outputsOf(nodes: readonly DraftNode[]): string[] {
    const own = new Set(nodes);
    const used = new Set(this.#draft.outputs.map(({ name }) => name));
    for (const one of this.#draft.nodes) {
      for (const name of own.has(one) ? [] : one.node.inputs) used.add(name);
      for (const name of bodyNames(one.node)) used.add(name);
    }
    return nodes.flatMap(({ node }) =>
      node.outputs.filter((name) => name !== '' && used.has(name)),
    );
  }

  /** What flows into nodes: no constants, nothing that they make themselves. */
  #inputsOf(nodes: readonly DraftNode[]): string[] {
    const own = new Set(nodes.flatMap(({ node }) => node.outputs));
    const found = nodes.flatMap(({ node }) => node.inputs.filter((name) => !own.has(name)));
    return [...new Set(found)].filter((name) => name !== '' && !this.#isConstant(name));
  }

  #isConstant(name: string): boolean {
    if (this.#constants.has(name) || this.#draft.tensors.has(name)) return true;
    const inputs = this.#draft.maker(name)?.node.inputs.filter((one) => one !== '') ?? [];
    return inputs.length > 0 && inputs.every((one) => this.#isConstant(one));
  }

  /** The values that a join takes from other layers. */
  #joined(from: readonly LayerPart[]): string[] {
    return from.map((layer) => {
      const [output, more] = this.#outputsOf(this.#nodesOf(layer));
      if (output !== undefined && more === undefined) return output;
      throw new LayerProblem(`'${layer.name}' does not give one value that could be joined`);
    });
  }

  #chain(chain: readonly WantedLayer[]): ChainLayer[] {
    return chain.map((layer) => ({ ...layer, joined: this.#joined(layer.from) }));
  }

  #insert(layer: LayerPart, output: string, chain: readonly WantedLayer[]): LayerChanged {
    const draft = this.#draft;
    const before = draft.maker(output) as DraftNode;
    const placed = placeChain(draft, this.#chain(chain), {
      ...{ inputs: [output], behind: before, isInserted: true },
      nameOf: (one) =>
        one.name === null ? this.#names.behind(layer.name, one) : this.#names.take(one.name),
    });
    const [was, is] = [draft.shape(output), draft.shape(placed.output)];
    // Who used the layer uses the last new one: its value takes the name, so that bodies and outputs stay.
    const inner = draft.fresh(`${output}_before_${placed.names[0]}`);
    draft.renameOutput(before, output, inner);
    this.#behind.set(inner, output);
    for (const one of placed.nodes) {
      const inputs = one.node.inputs.map((name) => (name === output ? inner : name));
      one.node = { ...one.node, inputs };
    }
    draft.renameOutput(placed.nodes.at(-1) as DraftNode, placed.output, output);
    draft.learn(inner, was);
    this.#stands(output, was, is);
    return { kind: 'insert', layer: layer.name, made: placed.names, carried: [] };
  }

  #replace(
    layer: LayerPart,
    { nodes, output }: { nodes: DraftNode[]; output: string },
    wanted: readonly WantedLayer[],
  ): LayerChanged {
    const draft = this.#draft;
    const inputs = this.#inputsOf(nodes);
    const isJoin = ['add', 'mul', 'concat'].includes(wanted[0]?.kind ?? '');
    if (inputs.length === 0 || (inputs.length > 1 && !isJoin)) {
      throw new LayerProblem(
        `'${layer.name}' takes ${inputs.length} values, and one flows into what takes its place`,
      );
    }
    this.#names.free(layer.name);
    const chain = this.#withFormer(layer, nodes, this.#chain(wanted));
    const heir = Math.max(
      0,
      chain.findIndex(({ kind }) => kind === layer.kind),
    );
    const placed = placeChain(draft, chain, {
      ...{ inputs, behind: nodes.at(-1), isInserted: false },
      nameOf: (one, i) => {
        if (one.name !== null) return this.#names.take(one.name);
        return i === heir ? this.#names.take(layer.name) : this.#names.behind(layer.name, one);
      },
    });
    const [was, is] = [draft.shape(output), draft.shape(placed.output)];
    draft.remove(new Set(nodes));
    draft.renameOutput(placed.nodes.at(-1) as DraftNode, placed.output, output);
    this.#stands(output, was, is);
    const { names, carried } = placed;
    return { kind: 'replace', layer: layer.name, made: names, carried };
  }

  /** What the layer of the same kind had; a norm that belonged to it stays behind it. */
  #withFormer(
    layer: LayerPart,
    nodes: readonly DraftNode[],
    chain: readonly ChainLayer[],
  ): ChainLayer[] {
    const raw = nodes.map(({ node }) => node);
    const former = (kind: LayerKind): FormerLayer | null =>
      formerLayer(kind, raw, (name) => this.#constants.get(name));
    const found = chain.map((one): ChainLayer => {
      const isSame = one.kind === layer.kind && (one.type === layer.type || one.kind === 'pool');
      return isSame ? { ...one, former: former(one.kind) } : one;
    });
    const at = found.findIndex((one) => one.former !== undefined);
    const norm = raw.some(({ opType }) => opType === 'BatchNormalization') ? former('norm') : null;
    if (at < 0 || norm === null || layer.kind === 'norm' || found[at + 1]?.kind === 'norm')
      return found;
    const kept: ChainLayer = {
      ...{ kind: 'norm', type: 'BATCH', name: null, options: new Map(), joined: [], former: norm },
    };
    return [...found.slice(0, at + 1), kept, ...found.slice(at + 1)];
  }

  #delete(
    layer: LayerPart,
    { nodes, output }: { nodes: DraftNode[]; output: string },
  ): LayerChanged {
    const draft = this.#draft;
    const [input, more] = this.#inputsOf(nodes);
    if (input === undefined || more !== undefined) {
      throw new LayerProblem(
        `'${layer.name}' takes ${more === undefined ? 'nothing' : 'several values'}: what is behind it cannot use one in its place`,
      );
    }
    const [was, is] = [draft.shape(output), draft.shape(input)];
    draft.remove(new Set(nodes));
    const before = draft.maker(input);
    const isFixed = draft.isOutput(output) || draft.isUsedInBody(output);
    if (!isFixed) draft.renameUses(output, input);
    else if (before !== undefined && !draft.isOutput(input) && !draft.isUsedInBody(input)) {
      draft.renameOutput(before, input, output);
      draft.renameUses(input, output);
    } else {
      const name = `/${layer.name}/Identity`;
      draft.insertBehind(before, [
        {
          ...{ name, opType: 'Identity', domain: '', overload: '', modules: [], attributes: [] },
          ...{ inputs: [input], outputs: [output] },
        },
      ]);
    }
    this.#stands(output, was, is);
    return { kind: 'delete', layer: layer.name, made: [], carried: [] };
  }

  /** Another value stands where one stood: of another type, it changes what is behind it. */
  #stands(name: string, was: Shaped, is: Shaped): void {
    const isSame = String(was.shape) === String(is.shape) && was.dtype === is.dtype;
    if (isSame && was.shape !== null) this.#draft.learn(name, is);
    else this.#draft.reshaped();
  }
}

/** Names of all layers of a draft. */
export function layerNames(draft: GraphDraft): string[] {
  return layerView(draft.network).flatMap(({ layers }) => layers.map(({ name }) => name));
}
