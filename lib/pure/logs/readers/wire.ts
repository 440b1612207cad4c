/**
 * The protobuf wire format over bytes in memory, for small records of logs. It knows no schema, and
 * throws nothing: what is no message ends the walk, and the caller sees that it did.
 */

/** One field of a message. Varints and fixed numbers stand in `number`, everything else in `bytes`. */
export interface WireField {
  field: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: number;
  /** Value of a varint, signed as int64; exact up to 2^53. */
  number: number;
  bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

/** The fields of a message, up to the first that is damaged. */
export function* wireFields(message: Uint8Array): Generator<WireField> {
  let at = 0;
  const varint = (): bigint | null => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) return null;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (at < message.length) {
    const key = varint();
    if (key === null || key >> 3n === 0n || key >> 32n !== 0n) return;
    const field = Number(key >> 3n);
    const wire = Number(key & 7n);
    if (wire === 0) {
      const value = varint();
      if (value === null) return;
      yield { field, wire, number: Number(BigInt.asIntN(64, value)), bytes: NONE };
      continue;
    }
    const length = wire === 2 ? varint() : wire === 1 ? 8n : wire === 5 ? 4n : null;
    if (length === null || length > BigInt(message.length - at)) return;
    const bytes = message.subarray(at, at + Number(length));
    at += bytes.length;
    yield { field, wire, number: 0, bytes };
  }
}

/** UTF-8 text of a field. */
export function wireText({ bytes }: WireField): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

/** Float or double of a fixed field; NaN for any other. */
export function wireFloat({ wire, bytes }: WireField): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (wire === 5) return view.getFloat32(0, true);
  return wire === 1 ? view.getFloat64(0, true) : Number.NaN;
}
