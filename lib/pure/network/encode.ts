/**
 * The bytes of networks as a version stores them: graphs and the layers that were found in them, with
 * their names, so that names last when the algorithm that finds layers changes. Equal networks have
 * equal bytes: there are no weights, dates or paths in them.
 *
 * decode.ts reads them. @see docs/format/network.md
 */
import { encodeCanonical, type Packed } from '../../base/bytes/msgpack/msgpack.js';
import type { LayerGraph, LayerView } from './layers/layer-view.js';
import type { Attribute, Graph, GraphValue, Network } from './network.js';
import { packWeights, type StoredWeights } from './weights/stored-weights.js';

/** With networks alone, and with views of weights behind them. */
export const NETWORKS_FORMAT = 1;
export const WEIGHTS_FORMAT = 2;

/** A network with its layers. */
export interface DescribedNetwork {
  network: Network;
  view: LayerView;
}

/** A network of a version, and the file that defines it where there are several. */
export interface StoredNetwork extends DescribedNetwork {
  /** Path in the version; null if this is the only network. */
  path: string | null;
}

/** What a version keeps of how its models are made. */
export interface StoredStructure {
  networks: StoredNetwork[];
  /** Of checkpoints that no network of the version is of. */
  weights: StoredWeights[];
}

export const ATTRIBUTE_KINDS = [
  'int',
  'float',
  'string',
  'ints',
  'floats',
  'strings',
  'tensor',
  'other',
] as const;

/** Texts by the order of their first use; everything else says their number. */
class TextWriter {
  readonly #places = new Map<string, number>();

  add(text: string): number {
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    this.#places.set(text, this.#places.size);
    return this.#places.size - 1;
  }

  list(texts: readonly string[]): number[] {
    return texts.map((text) => this.add(text));
  }

  get all(): string[] {
    return [...this.#places.keys()];
  }
}

/** Canonical bytes of the networks of a version, and of the views of its weights. */
export function encodeNetworks(
  networks: readonly StoredNetwork[],
  weights: readonly StoredWeights[] = [],
): Uint8Array {
  const rows = networks.map(({ path, network, view }): Packed[] => {
    const texts = new TextWriter();
    const places = new Map(view.map(({ graph }, i) => [graph, i]));
    const graphs = view.map((part) => packGraph(part, texts, places));
    const opsets = [...network.opsets].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      path,
      network.producer,
      opsets.map(([domain, version]) => [domain, version]),
      texts.all,
      graphs,
    ];
  });
  if (weights.length === 0) return encodeCanonical([NETWORKS_FORMAT, rows]);
  return encodeCanonical([WEIGHTS_FORMAT, rows, weights.map(packWeights)]);
}

function packGraph(
  { graph, path, layers, hidden }: LayerGraph,
  texts: TextWriter,
  places: ReadonlyMap<Graph, number>,
): Packed[] {
  const value = ({ name, dtype, shape }: GraphValue): Packed => [
    texts.add(name),
    dtype,
    shape as Packed,
  ];
  return [
    graph.name,
    graph.inputs.map(value),
    graph.outputs.map(value),
    graph.stated.map(value),
    graph.parameters.map(({ name, dtype, shape, values, tensor }) => {
      return [texts.add(name), dtype, shape as Packed, values as Packed, texts.add(tensor)];
    }),
    graph.nodes.map((node) => [
      texts.add(node.name),
      texts.add(node.op),
      texts.add(node.domain),
      texts.list(node.inputs),
      texts.list(node.outputs),
      node.attributes.map((attribute) => packAttribute(attribute, texts)),
      node.bodies.map((body) => [texts.add(body.name), places.get(body.graph) as number]),
      texts.list(node.scopes),
    ]),
    path,
    layers.map(({ name, alias, kind, type, nodes }) => {
      return [name, alias, kind, texts.add(type), nodes as Packed];
    }),
    hidden as Packed,
  ];
}

function packAttribute({ name, kind, value }: Attribute, texts: TextWriter): Packed {
  const code = ATTRIBUTE_KINDS.indexOf(kind);
  const packed =
    kind === 'tensor'
      ? [value.dtype, value.shape as Packed, value.values as Packed]
      : (value as Packed);
  return [texts.add(name), code, packed];
}
