/** Writes protobuf by hand, for ONNX models each field of which a test can falsify. */

/** A varint of a non-negative number, or of 64 bits in two's complement. */
export function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A varint field. */
export function int(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/** A length-delimited field; text is UTF-8. */
export function bytes(field: number, ...parts: (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
}

export interface TensorOptions {
  name?: string;
  dims?: (number | bigint)[];
  dataType?: number;
  raw?: Uint8Array | null;
  more?: Uint8Array[];
}

/** The fields of a TensorProto: by default a vector of two floats. */
export function tensorProto(options: TensorOptions = {}): Buffer {
  const { name = 'w', dims = [2], dataType = 1, raw = new Uint8Array(8), more = [] } = options;
  return Buffer.concat([
    ...dims.map((dim) => int(1, dim)),
    int(2, dataType),
    bytes(8, name),
    ...(raw === null ? [] : [bytes(9, raw)]),
    ...more,
  ]);
}

/** The fields of external data at `location`. */
export function externalData(entries: Record<string, string>): Buffer[] {
  const pairs = Object.entries(entries).map(([key, value]) =>
    bytes(13, bytes(1, key), bytes(2, value)),
  );
  return [...pairs, int(14, 1)];
}

/** A model whose graph has these fields. */
export function onnxModel(...graph: Uint8Array[]): Buffer {
  return Buffer.concat([int(1, 8), bytes(7, bytes(2, 'main'), ...graph), bytes(8, int(2, 17))]);
}

/** A model with one initializer. */
export function modelOf(tensor: Uint8Array): Buffer {
  return onnxModel(bytes(5, tensor));
}
