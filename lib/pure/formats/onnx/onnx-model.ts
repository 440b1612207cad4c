/**
 * What a reader of ONNX learns about a model: nodes, attributes, names and shapes, and where the
 * tensors lie. No tensor data, so a model of many GiB is a few MiB here. Built by `onnx-graph.ts`.
 */
import type { RawSparseTensor, RawTensor } from './onnx-tensor.js';

/** An input, output or intermediate value of a graph. */
export interface RawValueInfo {
  name: string;
  /** 'tensor', or what else the value is. */
  kind: 'tensor' | 'sparse' | 'sequence' | 'map' | 'optional' | 'opaque' | 'unknown';
  /** TensorProto.DataType of the elements; null if not said. */
  dataType: number | null;
  /** A number, a symbol or null for each dimension; null if the rank is not said. */
  shape: (number | string | null)[] | null;
}

/** One attribute of a node. A `value` of null was longer than ATTRIBUTE_BYTES_MAX and is not kept. */
export type RawAttribute = { name: string } & (
  | { kind: 'float'; value: number }
  | { kind: 'int'; value: number | bigint }
  | { kind: 'string'; value: string | null }
  | { kind: 'floats'; value: number[] | null }
  | { kind: 'ints'; value: (number | bigint)[] | null }
  | { kind: 'strings'; value: string[] | null }
  | { kind: 'tensor'; value: RawTensor }
  | { kind: 'tensors'; value: RawTensor[] }
  | { kind: 'sparse'; value: RawSparseTensor }
  | { kind: 'sparses'; value: RawSparseTensor[] }
  | { kind: 'graph'; value: RawGraph }
  | { kind: 'graphs'; value: RawGraph[] }
  /** The value of the attribute `value` of the function around it. */
  | { kind: 'reference'; value: string }
  /** A type, or nothing. */
  | { kind: 'other'; value: null }
);

/** One operator of a graph, in the order of the file. */
export interface RawNode {
  /** Empty if the file gives none. */
  name: string;
  opType: string;
  /** Empty for the standard operators. */
  domain: string;
  /** Tells functions of one name apart; empty for most. */
  overload: string;
  /** metadata_props that say which module the operator belongs to (`MODULE_KEYS`). */
  modules: { key: string; value: string }[];
  /** Names of values; an empty name is an omitted optional input. */
  inputs: string[];
  outputs: string[];
  attributes: RawAttribute[];
}

/** A graph: the main one, or the body of an operator. */
export interface RawGraph {
  name: string;
  nodes: RawNode[];
  inputs: RawValueInfo[];
  outputs: RawValueInfo[];
  /** Types of intermediate values, where the file says them. */
  values: RawValueInfo[];
  initializers: RawTensor[];
  sparseInitializers: RawSparseTensor[];
}

/** A function of the model: an operator defined by nodes. */
export interface RawFunction {
  name: string;
  domain: string;
  overload: string;
  inputs: string[];
  outputs: string[];
  attributes: string[];
  /** Attributes that a call may leave out, with their values then. */
  defaults: RawAttribute[];
  nodes: RawNode[];
}

/** An ONNX file. */
export interface RawModel {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: number | bigint;
  opsets: { domain: string; version: number | bigint }[];
  graph: RawGraph;
  functions: RawFunction[];
  training: { initialization: RawGraph | null; algorithm: RawGraph | null }[];
  /** metadata_props, with the byte range of each entry, its key byte included. */
  metadata: { key: string; value: string; start: number; end: number }[];
}
