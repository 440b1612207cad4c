/**
 * An ONNX file with a changed main graph, as pieces: ranges of the file it comes from, new bytes, and weights
 * that are made while they are written. Everything that the change does not speak of is copied as it is, fields
 * that this dlv does not know among them.
 */
import type { ByteSource } from '../../../../base/bytes/byte-source.js';
import { LimitError } from '../../../../base/errors.js';
import type { RawNode, RawValueInfo } from '../onnx-model.js';
import { linkFields, nodeFields, tensorFields, valueFields } from './encode-parts.js';
import {
  type FieldRange,
  GRAPH,
  GRAPH_FIELD,
  type GraphFieldRange,
  type ModelParts,
} from './model-parts.js';
import { intField, joinBytes, lengthKey, messageField, textField } from './proto-fields.js';

/** A node of the changed graph. */
export interface EditedNode {
  /** Its place among the nodes of the source's graph; null for a new one. */
  source: number | null;
  /** As it is now. Of one of the source only inputs and outputs may differ. */
  node: RawNode;
}

/** A tensor that is new. */
export interface NewTensor {
  name: string;
  /** TensorProto.DataType. */
  dataType: number;
  shape: readonly number[];
  bytes: number;
  /** Its elements, little-endian, `bytes` in all; may be called more than once and gives the same. */
  elements(): Iterable<Uint8Array>;
}

/** What the main graph of a model becomes. */
export interface GraphEdit {
  /** In an order in which they can run. */
  nodes: readonly EditedNode[];
  /** Names of initializers that stay; those of the source that are not named go. */
  keptTensors: ReadonlySet<string>;
  newTensors: readonly NewTensor[];
  inputs: readonly RawValueInfo[];
  outputs: readonly RawValueInfo[];
  /** Names of inputs and outputs that are as in the source, and copied from there. */
  sameEnds: ReadonlySet<string>;
  /** Names of values whose stated types still hold. */
  keptValues: ReadonlySet<string>;
}

/** Part of the new file. */
export type Piece =
  | { kind: 'range'; start: number; end: number }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'tensor'; tensor: NewTensor };

/** A protobuf message of more bytes cannot be read by the libraries that people use. */
const MODEL_BYTES_MAX = 2 ** 31 - 1;
/** ModelProto.training_info speaks of the graph by names that may be gone. */
const TRAINING_FIELD = 20;

/**
 * The pieces of a changed model, in file order.
 * @param links  the nodes of the source's graph as they are there, in file order.
 * @throws {LimitError} above 2 GiB.
 */
export function editModel(
  parts: ModelParts,
  edit: GraphEdit,
  links: readonly RawNode[],
): { pieces: Piece[]; bytes: number } {
  const graph = graphPieces(parts, edit, links);
  const kept = parts.model.filter(({ number }) => number !== TRAINING_FIELD);
  const before = kept.filter(({ number }) => number < GRAPH_FIELD);
  const after = kept.filter(({ number }) => number > GRAPH_FIELD);
  return whole([
    ...before.map(rangeOf),
    { kind: 'bytes', bytes: lengthKey(GRAPH_FIELD, bytesOf(graph)) },
    ...graph,
    ...after.map(rangeOf),
  ]);
}

/** The pieces of a model that comes from no file. */
export function newModel(
  name: string,
  { irVersion, opset }: { irVersion: number; opset: number },
  edit: GraphEdit,
): { pieces: Piece[]; bytes: number } {
  const graph: Piece[] = [
    ...nodePieces([], edit, []),
    { kind: 'bytes', bytes: textField(GRAPH.name, name) },
    ...tensorPieces(edit),
    ...[
      ...edit.inputs.map((one) => messageField(GRAPH.input, valueFields(one))),
      ...edit.outputs.map((one) => messageField(GRAPH.output, valueFields(one))),
    ].map((bytes): Piece => ({ kind: 'bytes', bytes })),
  ];
  return whole([
    { kind: 'bytes', bytes: joinBytes([intField(1, irVersion), textField(2, 'dlv')]) },
    { kind: 'bytes', bytes: lengthKey(GRAPH_FIELD, bytesOf(graph)) },
    ...graph,
    { kind: 'bytes', bytes: messageField(8, [textField(1, ''), intField(2, opset)]) },
  ]);
}

/** Gives the bytes of pieces in order, some MiB at a time. */
export async function* streamPieces(
  pieces: readonly Piece[],
  source: ByteSource | null,
): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (piece.kind === 'bytes') yield piece.bytes;
    else if (piece.kind === 'tensor') yield* piece.tensor.elements();
    else if (source !== null) {
      for (let at = piece.start; at < piece.end; at += COPY_BYTES) {
        yield await source.read(at, Math.min(COPY_BYTES, piece.end - at));
      }
    }
  }
}

/** Bytes that are copied at a time. */
const COPY_BYTES = 4 * 1024 * 1024;

function whole(pieces: readonly Piece[]): { pieces: Piece[]; bytes: number } {
  const bytes = bytesOf(pieces);
  if (bytes > MODEL_BYTES_MAX) {
    throw new LimitError(
      `the network would be ${bytes} bytes: an ONNX file holds at most ${MODEL_BYTES_MAX}`,
      { limit: 'bytes of a model', value: bytes, max: MODEL_BYTES_MAX },
    );
  }
  return { pieces: [...pieces], bytes };
}

function bytesOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => {
    if (piece.kind === 'range') return sum + piece.end - piece.start;
    return sum + (piece.kind === 'bytes' ? piece.bytes.length : piece.tensor.bytes);
  }, 0);
}

function rangeOf({ keyStart, end }: FieldRange): Piece {
  return { kind: 'range', start: keyStart, end };
}

/** Fields in the order of the source; what is new stands behind what is there of its kind. */
function graphPieces(parts: ModelParts, edit: GraphEdit, links: readonly RawNode[]): Piece[] {
  const of = (number: number) => parts.graph.filter((field) => field.number === number);
  const ends = (number: number, values: readonly RawValueInfo[]): Piece[] => {
    const known = new Map(of(number).map((field) => [field.name, field]));
    return values.map((value): Piece => {
      const field = edit.sameEnds.has(value.name) ? known.get(value.name) : undefined;
      return field === undefined
        ? { kind: 'bytes', bytes: messageField(number, valueFields(value)) }
        : rangeOf(field);
    });
  };
  const handled = new Set<number>(Object.values(GRAPH));
  const named = (number: number, kept: ReadonlySet<string>): Piece[] =>
    of(number)
      .filter(({ name }) => kept.has(name ?? ''))
      .map(rangeOf);
  const made = new Set([
    ...edit.nodes.flatMap(({ node }) => node.outputs),
    ...edit.keptTensors,
    ...edit.inputs.map(({ name }) => name),
  ]);
  return [
    ...nodePieces(of(GRAPH.node), edit, links),
    ...of(GRAPH.name).map(rangeOf),
    ...named(GRAPH.initializer, edit.keptTensors),
    ...tensorPieces(edit),
    ...named(GRAPH.sparse, edit.keptTensors),
    ...ends(GRAPH.input, edit.inputs),
    ...ends(GRAPH.output, edit.outputs),
    ...named(GRAPH.value, edit.keptValues),
    ...named(GRAPH.quantization, made),
    ...parts.graph.filter(({ number }) => !handled.has(number)).map(rangeOf),
  ];
}

function nodePieces(
  fields: readonly GraphFieldRange[],
  { nodes }: GraphEdit,
  links: readonly RawNode[],
): Piece[] {
  return nodes.flatMap(({ source, node }): Piece[] => {
    const field = source === null ? undefined : fields[source];
    const before = source === null ? undefined : links[source];
    if (field === undefined || before === undefined) {
      return [{ kind: 'bytes', bytes: messageField(GRAPH.node, nodeFields(node)) }];
    }
    if (sameLinks(before, node)) return [rangeOf(field)];
    const rest = field.rest.map(({ start, end }): Piece => ({ kind: 'range', start, end }));
    const own = joinBytes(linkFields(node));
    const key = lengthKey(GRAPH.node, own.length + bytesOf(rest));
    return [{ kind: 'bytes', bytes: joinBytes([key, own]) }, ...rest];
  });
}

function sameLinks(a: RawNode, b: RawNode): boolean {
  const same = (left: readonly string[], right: readonly string[]): boolean =>
    left.length === right.length && left.every((name, i) => name === right[i]);
  return same(a.inputs, b.inputs) && same(a.outputs, b.outputs);
}

function tensorPieces({ newTensors }: GraphEdit): Piece[] {
  return newTensors.flatMap((tensor): Piece[] => {
    const head = tensorFields(tensor);
    const data = lengthKey(9, tensor.bytes);
    const length = head.reduce((sum, part) => sum + part.length, data.length) + tensor.bytes;
    const bytes = joinBytes([lengthKey(GRAPH.initializer, length), ...head, data]);
    return [
      { kind: 'bytes', bytes },
      { kind: 'tensor', tensor },
    ];
  });
}
