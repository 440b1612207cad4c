/** Reads the bytes that encode.ts makes of networks; trusts none of them. @see docs/format/network.md */

import { Fields } from '../../base/bytes/msgpack/fields.js';
import { decodeCanonical, type Packed } from '../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../base/errors.js';
import { NESTING_MAX, RANK_MAX } from '../../base/limits.js';
import { dtypeNamed } from '../tensor/dtype.js';
import {
  ATTRIBUTE_KINDS,
  NETWORKS_FORMAT,
  type StoredNetwork,
  type StoredStructure,
  WEIGHTS_FORMAT,
} from './encode.js';
import { LAYER_KINDS, type LayerKind } from './layers/kinds.js';
import type { Layer, LayerGraph } from './layers/layer-view.js';
import type {
  Attribute,
  Body,
  Constant,
  Graph,
  GraphNode,
  GraphValue,
  Parameter,
  ValueType,
} from './network.js';
import { unpackWeights } from './weights/stored-weights.js';

/** The mirror of encodeNetworks. @throws {CorruptError} {FormatVersionError} {LimitError} */
export function decodeNetworks(bytes: Uint8Array, file: string): StoredStructure {
  const packed = decodeCanonical(bytes, file);
  const isNetworksAlone = Array.isArray(packed) && packed[0] === NETWORKS_FORMAT;
  const fields = new Fields(packed, file);
  fields.form('network form', isNetworksAlone ? NETWORKS_FORMAT : WEIGHTS_FORMAT);
  const networks = fields.array('networks').map((row) => new NetworkReader(row, file).read());
  const weights = isNetworksAlone
    ? []
    : fields.array('weights').map((row) => unpackWeights(row, file));
  fields.end();
  return { networks, weights };
}

class NetworkReader {
  readonly #file: string;
  readonly #fields: Fields;
  #texts: readonly string[] = [];
  #rows: readonly Packed[] = [];
  /** Graphs in the order in which bodies name them. */
  readonly #views: LayerGraph[] = [];

  constructor(row: Packed, file: string) {
    this.#file = file;
    this.#fields = new Fields(row, file, 5);
  }

  #corrupt(what: string): CorruptError {
    return new CorruptError(`'${this.#file}' is no network: ${what}`, { file: this.#file });
  }

  read(): StoredNetwork {
    const path = this.#fields.optionalString('path');
    const producer = this.#fields.string('producer');
    const opsets = new Map<string, number>();
    for (const row of this.#fields.array('opsets')) {
      const pair = new Fields(row, this.#file, 2);
      opsets.set(pair.string('domain'), pair.number('version'));
    }
    const texts = this.#fields.array('texts');
    if (!texts.every((text) => typeof text === 'string')) throw this.#corrupt('bad texts');
    this.#texts = texts as string[];
    this.#rows = this.#fields.array('graphs');
    this.#fields.end();
    const graph = this.#graph(0, 0);
    if (this.#views.length !== this.#rows.length) throw this.#corrupt('a graph that no node runs');
    return { path, network: { producer, opsets, graph }, view: this.#views };
  }

  #text(place: Packed): string {
    const text = typeof place === 'number' ? this.#texts[place] : undefined;
    if (text === undefined) throw this.#corrupt(`text ${String(place)} of ${this.#texts.length}`);
    return text;
  }

  #textList(fields: Fields, what: string): string[] {
    return fields.array(what).map((place) => this.#text(place));
  }

  /** Graphs stand in the order in which their nodes are met, so each is read once. */
  #graph(place: number, depth: number): Graph {
    const row = this.#rows[place];
    if (row === undefined || place !== this.#views.length || depth > NESTING_MAX) {
      throw this.#corrupt('bodies are out of order');
    }
    const f = new Fields(row, this.#file, 9);
    const graph = {
      name: f.string('graph'),
      inputs: this.#values(f, 'inputs'),
      outputs: this.#values(f, 'outputs'),
      stated: this.#values(f, 'stated values'),
      parameters: f.array('parameters').map((item) => this.#parameter(item)),
      nodes: [] as GraphNode[],
    };
    const nodes = f.array('nodes');
    const path = f.string('path');
    const layers = f.array('layers').map((item) => this.#layer(item, nodes.length));
    const hidden = this.#numbers(f.any('hidden'), nodes.length);
    f.end();
    this.#views.push({ graph, path, layers, hidden });
    for (const item of nodes) graph.nodes.push(this.#node(item, depth));
    return graph;
  }

  #values(fields: Fields, what: string): GraphValue[] {
    return fields.array(what).map((item) => {
      const f = new Fields(item, this.#file, 3);
      const name = this.#text(f.any('name'));
      const dtype = this.#dtype(f.any('dtype'));
      const shape = f.any('shape');
      if (shape === null) return { name, dtype, shape };
      const isShape =
        Array.isArray(shape) &&
        shape.length <= RANK_MAX &&
        shape.every((dim) => dim === null || typeof dim === 'string' || isCount(dim));
      if (!isShape) throw this.#corrupt(`the shape of '${name}'`);
      return { name, dtype, shape: shape as (number | string | null)[] };
    });
  }

  #dtype(value: Packed): ValueType {
    if (value === null || value === 'STRING') return value;
    const dtype = typeof value === 'string' ? dtypeNamed(value) : null;
    if (dtype === null) throw this.#corrupt(`the type ${String(value)}`);
    return dtype;
  }

  #numbers(value: Packed, max = Number.MAX_SAFE_INTEGER): number[] {
    if (!Array.isArray(value) || !value.every((one) => isCount(one) && one <= max)) {
      throw this.#corrupt('a list of numbers');
    }
    return value as number[];
  }

  #floats(value: Packed): number[] {
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'number')) {
      throw this.#corrupt('a list of elements');
    }
    return value as number[];
  }

  #shape(value: Packed): number[] {
    const shape = this.#numbers(value);
    if (shape.length > RANK_MAX) throw this.#corrupt('a shape of too many dimensions');
    return shape;
  }

  #parameter(item: Packed): Parameter {
    const f = new Fields(item, this.#file, 5);
    const name = this.#text(f.any('name'));
    const dtype = this.#dtype(f.any('dtype'));
    const shape = this.#shape(f.any('shape'));
    const values = f.any('values');
    return {
      name,
      dtype,
      shape,
      values: values === null ? null : this.#floats(values),
      tensor: this.#text(f.any('tensor')),
    };
  }

  #node(item: Packed, depth: number): GraphNode {
    const f = new Fields(item, this.#file, 8);
    const node = {
      name: this.#text(f.any('name')),
      op: this.#text(f.any('operator')),
      domain: this.#text(f.any('domain')),
      inputs: this.#textList(f, 'inputs'),
      outputs: this.#textList(f, 'outputs'),
      attributes: f.array('attributes').map((one) => this.#attribute(one)),
    };
    const bodies = f.array('bodies').map((one): Body => {
      const body = new Fields(one, this.#file, 2);
      const name = this.#text(body.any('name'));
      return { name, graph: this.#graph(body.count('graph'), depth + 1) };
    });
    return { ...node, bodies, scopes: this.#textList(f, 'scopes') };
  }

  #attribute(item: Packed): Attribute {
    const f = new Fields(item, this.#file, 3);
    const name = this.#text(f.any('name'));
    const kind = ATTRIBUTE_KINDS[f.count('kind', ATTRIBUTE_KINDS.length - 1)];
    const value = f.any('value');
    switch (kind) {
      case 'int':
      case 'float':
        if (typeof value === 'number') return { name, kind, value };
        break;
      case 'string':
        if (typeof value === 'string') return { name, kind, value };
        break;
      case 'ints':
      case 'floats':
        return { name, kind, value: this.#floats(value) };
      case 'strings':
        if (Array.isArray(value) && value.every((one) => typeof one === 'string')) {
          return { name, kind, value: value as string[] };
        }
        break;
      case 'tensor':
        return { name, kind, value: this.#constant(value) };
      default:
        if (value === null) return { name, kind: 'other', value };
    }
    throw this.#corrupt(`the attribute '${name}'`);
  }

  #constant(value: Packed): Constant {
    const f = new Fields(value, this.#file, 3);
    return {
      dtype: this.#dtype(f.any('dtype')),
      shape: this.#shape(f.any('shape')),
      values: this.#floats(f.any('values')),
    };
  }

  #layer(item: Packed, nodes: number): Layer {
    const f = new Fields(item, this.#file, 5);
    const [name, alias] = [f.string('name'), f.string('alias')];
    const kind = f.string('kind') as LayerKind;
    if (!LAYER_KINDS.includes(kind)) throw this.#corrupt(`a layer of kind '${kind}'`);
    const type = this.#text(f.any('type'));
    const own = this.#numbers(f.any('nodes'), Math.max(0, nodes - 1));
    return { name, alias, kind, type, nodes: own };
  }
}

function isCount(value: Packed): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
