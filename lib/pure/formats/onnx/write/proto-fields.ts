/** Fields of the protobuf wire format, as bytes: the mirror of protobuf.ts. Knows no schema. */

/** A varint of a whole number, or of 64 bits in two's complement. */
export function varintBytes(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** The key and length in front of a payload of `length` bytes. */
export function lengthKey(field: number, length: number): Uint8Array {
  return joinBytes([varintBytes(field * 8 + 2), varintBytes(length)]);
}

/** A field whose value is a varint. */
export function intField(field: number, value: number | bigint): Uint8Array {
  return joinBytes([varintBytes(field * 8), varintBytes(value)]);
}

/** A field of four bytes: a float32. */
export function floatField(field: number, value: number): Uint8Array {
  return joinBytes([varintBytes(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

/** A field of text, as UTF-8. */
export function textField(field: number, text: string): Uint8Array {
  return messageField(field, [new TextEncoder().encode(text)]);
}

/** A field of bytes, or of a message whose fields are given. */
export function messageField(field: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return joinBytes([lengthKey(field, length), ...parts]);
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
