/** Writes ONNX models: graphs of standard operators that dlv makes itself. @see onnx.proto3 of ONNX */

/** Element types of ONNX by the names that are used here. */
export const ELEMENT_CODES = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const;
export type ElementType = keyof typeof ELEMENT_CODES;

/** What an attribute is written as: whole numbers, floats (a number that is not whole is one) or a text. */
export type WrittenAttribute =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { floats: readonly number[] }
  | { text: string };

export interface WrittenNode {
  op: string;
  /** Default: that of the standard operators. */
  domain?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, WrittenAttribute>>;
}

/** An input or output; a dimension that is a text is open. */
export interface WrittenValue {
  name: string;
  type: ElementType;
  /** null: of any shape. */
  dims: readonly (number | string)[] | null;
}

export interface WrittenTensor {
  name: string;
  type: ElementType;
  dims: readonly number[];
  /** Little-endian elements. */
  bytes: Uint8Array;
}

export interface WrittenGraph {
  nodes: readonly WrittenNode[];
  inputs: readonly WrittenValue[];
  outputs: readonly WrittenValue[];
  initializers: readonly WrittenTensor[];
}

/** AttributeProto.type. */
const ATTRIBUTE = { float: 1, int: 2, text: 3, floats: 6, ints: 7 } as const;
/** The version of the file structure that holds all that is written here. */
const IR_VERSION = 8;

/** The bytes of a model. @param opset  of the standard operators; those of other domains are of version 1. */
export function encodeOnnx(graph: WrittenGraph, opset: number): Uint8Array {
  const domains = new Set(
    graph.nodes.flatMap(({ domain = '' }) => (domain === '' ? [] : [domain])),
  );
  const parts = [
    ...graph.nodes.map((node) => field(1, ...nodeFields(node))),
    field(2, text('graph')),
    ...graph.initializers.map((tensor) => field(5, ...tensorFields(tensor))),
    ...graph.inputs.map((value) => field(11, ...valueFields(value))),
    ...graph.outputs.map((value) => field(12, ...valueFields(value))),
  ];
  return Buffer.concat([
    whole(1, IR_VERSION),
    field(2, text('dlv')),
    field(7, ...parts),
    field(8, whole(2, opset)),
    ...[...domains].map((domain) => field(8, field(1, text(domain)), whole(2, 1))),
  ]);
}

function nodeFields({
  op,
  domain = '',
  inputs,
  outputs,
  attributes = {},
}: WrittenNode): Uint8Array[] {
  return [
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(op)),
    ...Object.entries(attributes).map(([name, value]) =>
      field(5, field(1, text(name)), ...attributeFields(value)),
    ),
    ...(domain === '' ? [] : [field(7, text(domain))]),
  ];
}

function attributeFields(value: WrittenAttribute): Uint8Array[] {
  if ('int' in value) return [whole(3, value.int), whole(20, ATTRIBUTE.int)];
  if ('float' in value) return [single(2, value.float), whole(20, ATTRIBUTE.float)];
  if ('text' in value) return [field(4, text(value.text)), whole(20, ATTRIBUTE.text)];
  if ('ints' in value) {
    return [...value.ints.map((one) => whole(8, one)), whole(20, ATTRIBUTE.ints)];
  }
  return [...value.floats.map((one) => single(7, one)), whole(20, ATTRIBUTE.floats)];
}

function valueFields({ name, type, dims }: WrittenValue): Uint8Array[] {
  const shape = dims?.map((dim) =>
    field(1, typeof dim === 'number' ? whole(1, dim) : field(2, text(dim))),
  );
  const tensor = [whole(1, ELEMENT_CODES[type]), ...(shape ? [field(2, ...shape)] : [])];
  return [field(1, text(name)), field(2, field(1, ...tensor))];
}

function tensorFields({ name, type, dims, bytes }: WrittenTensor): Uint8Array[] {
  return [
    ...dims.map((dim) => whole(1, dim)),
    whole(2, ELEMENT_CODES[type]),
    field(8, text(name)),
    field(9, bytes),
  ];
}

function text(value: string): Uint8Array {
  return Buffer.from(value, 'utf8');
}

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** A field of a whole number. */
function whole(number: number, value: number): Uint8Array {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

/** A field of a float32. */
function single(number: number, value: number): Uint8Array {
  return Buffer.concat([varint(number * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

/** A field of bytes: a text, or a message. */
function field(number: number, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([varint(number * 8 + 2), varint(length), ...parts]);
}
