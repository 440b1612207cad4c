/** Puts a chain of new layers into a draft, one after the other: the shape of each follows from the one before. */
import { pushAll } from '../../../base/bytes/many.js';
import type { RawTensor } from '../../formats/onnx/onnx-tensor.js';
import { buildLayer } from '../build/build-layer.js';
import { WEIGHT_TYPES } from '../build/initial-values.js';
import {
  type BuiltLayer,
  type FormerLayer,
  type LayerInput,
  LayerProblem,
} from '../build/layer-parts.js';
import type { LayerSpec } from '../build/layer-spec.js';
import { aliasWord } from '../layers/kinds.js';
import { networkOfOnnx } from '../onnx-network.js';
import { inferShapes } from '../shapes/infer-shapes.js';
import type { DraftNode, GraphDraft } from './graph-draft.js';
import { valueInfo } from './value-info.js';

/** A layer of a chain. */
export interface ChainLayer extends LayerSpec {
  /** Values that a join takes besides what flows in. */
  joined: readonly string[];
  /** What a layer of its kind had in its place. */
  former?: FormerLayer | null;
}

export interface ChainPlace {
  /** Names of values that flow in; more than one into a join alone. */
  inputs: readonly string[];
  /** Node that the new ones stand behind. */
  behind: DraftNode | undefined;
  isInserted: boolean;
  /** Finds the name of a layer; one that is said has to be free. */
  nameOf(layer: ChainLayer, place: number): string;
}

export interface PlacedChain {
  nodes: DraftNode[];
  /** Names of the new layers, in order. */
  names: string[];
  /** Weights of former layers that go on being used. */
  carried: string[];
  output: string;
}

/** Opsets before this one have no operators that new layers are made of. */
const OPSET_MIN = 7;

/** @throws {LayerProblem} that names the layer. */
export function placeChain(
  draft: GraphDraft,
  chain: readonly ChainLayer[],
  { inputs, behind, isInserted, nameOf }: ChainPlace,
): PlacedChain {
  const placed: PlacedChain = { nodes: [], names: [], carried: [], output: inputs[0] as string };
  const { opset } = draft;
  if (opset < OPSET_MIN && chain.length > 0) {
    throw new LayerProblem(
      `the network is of opset ${opset}: layers are made from opset ${OPSET_MIN} on`,
    );
  }
  let last = behind;
  for (const [i, layer] of chain.entries()) {
    const name = nameOf(layer, i);
    const taken = i === 0 ? [...inputs] : [placed.output];
    const values = [...taken, ...layer.joined].map((value): LayerInput => {
      return { ...draft.shape(value), name: value };
    });
    try {
      const built = buildLayer({ ...layer, name }, values, {
        ...{ opset, isInserted, former: layer.former ?? null },
        fresh: (wanted) => draft.fresh(wanted),
        freshNode: (wanted) => draft.freshNode(wanted),
      });
      for (const tensor of built.tensors) draft.tensors.set(tensor.name, tensor);
      const known = learnShapes(draft, built, values);
      const nodes = draft.insertBehind(last, built.nodes);
      last = nodes.at(-1);
      pushAll(placed.nodes, nodes);
      placed.names.push(name);
      pushAll(placed.carried, built.carried);
      placed.output = built.output;
      if (!known) {
        draft.reshaped();
        checkNew(draft, nodes);
      }
    } catch (error) {
      if (!(error instanceof LayerProblem)) throw error;
      throw new LayerProblem(`'${name}' ${error.message}`, error.hint);
    }
  }
  return placed;
}

/**
 * Infers the shapes of what a new layer makes, from what flows in alone: the rest of the network stays as it is.
 * @throws {LayerProblem} if what flows in does not fit the layer.
 */
function learnShapes(
  draft: GraphDraft,
  { nodes, tensors, carried, output }: BuiltLayer,
  values: readonly LayerInput[],
): boolean {
  // A join may take the same value twice.
  const inputs = [...new Map(values.map((value) => [value.name, value])).values()].map((value) =>
    valueInfo(value.name, value),
  );
  const kept = draft.raw.graph.initializers.filter(({ name }) => carried.includes(name));
  const isPlain = inputs.every((input) => input?.shape?.every(isPlainDim));
  if (!isPlain || kept.length < new Set(carried).size) return false;
  const made = tensors.map(({ name, dtype, shape }): RawTensor => {
    const data = { kind: 'inline', offset: 0, length: 0 } as const;
    return { name, dataType: WEIGHT_TYPES[dtype], dtype, shape: [...shape], data, value: null };
  });
  const network = networkOfOnnx(
    {
      ...{ ...draft.raw, functions: [] },
      graph: {
        ...{ name: '', nodes, values: [], sparseInitializers: [] },
        initializers: [...kept, ...made],
        inputs: inputs.filter((input) => input !== null),
        outputs: [{ name: output, kind: 'tensor', dataType: null, shape: null }],
      },
    },
    draft.file,
  );
  const shapes = inferShapes(network);
  const [problem] = shapes.problems;
  if (problem !== undefined) throw new LayerProblem(problem.what);
  for (const name of nodes.flatMap(({ outputs }) => outputs)) {
    draft.learn(name, shapes.of(network.graph, name));
  }
  return true;
}

/** True for a size or a name; a computed size would be taken for the name of another. */
function isPlainDim(dim: number | string | null): boolean {
  return typeof dim === 'number' || (dim !== null && /^[\p{L}\p{N}_.]+$/u.test(dim));
}

/** The same, of the whole network. @throws {LayerProblem} */
function checkNew(draft: GraphDraft, nodes: readonly DraftNode[]): void {
  const own = new Set(nodes.map(({ node }) => node.name));
  const problem = draft.shapes.problems.find(({ node }) => own.has(node));
  if (problem !== undefined) throw new LayerProblem(problem.what);
}

/** Gives names of layers, each once. */
export class LayerNames {
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** Takes a name that is said. @throws {LayerProblem} if another layer has it. */
  take(name: string): string {
    const clean = name.replaceAll('/', '.');
    if (this.#taken.has(clean)) {
      throw new LayerProblem(
        `there would be two layers called '${clean}'`,
        'leave the name out, or write what was captured into it: "relu$1"',
      );
    }
    this.#taken.add(clean);
    return clean;
  }

  free(name: string): void {
    this.#taken.delete(name);
  }

  /** A name for a layer behind another: 'conv1.relu', then 'conv1.relu_2'. */
  behind(base: string, { kind, type }: LayerSpec): string {
    const wanted = `${base}.${aliasWord({ kind, type }).replaceAll('_', '')}`;
    let name = wanted.replaceAll('/', '.');
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}_${i}`;
    this.#taken.add(name);
    return name;
  }

  /** A name by kind and number: 'conv1', 'conv2'. */
  counted({ kind, type }: LayerSpec): string {
    const word = aliasWord({ kind, type });
    let i = 1;
    while (this.#taken.has(`${word}${i}`)) i++;
    this.#taken.add(`${word}${i}`);
    return `${word}${i}`;
  }
}
