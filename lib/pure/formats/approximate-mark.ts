/**
 * The mark of a safetensors file whose values are not the exact ones: the first key of its metadata, so
 * that the first bytes of the file tell.
 */

/** Key of the metadata. */
export const APPROXIMATE_KEY = 'dlv.approximate';

const FRONT = `{"__metadata__":{"${APPROXIMATE_KEY}":"`;
/** Bytes of a file that `markOf` needs. */
export const MARK_BYTES = 8 + FRONT.length + 100;
/** Bytes that tell whether there is a header. */
export const HEADER_START_BYTES = 9;
/** Headers above this are left as they are. */
const HEADER_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of a safetensors header together with its length, or null for no such header. */
export function headerBytesOf(start: Uint8Array): number | null {
  if (start.length < HEADER_START_BYTES || start[8] !== 0x7b) return null;
  const bytes = Buffer.from(start.buffer, start.byteOffset, 8).readBigUInt64LE(0);
  return bytes <= BigInt(HEADER_BYTES_MAX) ? 8 + Number(bytes) : null;
}

/**
 * The header, its length in front, with a mark; tensors stay where they are behind it. As it was if its
 * metadata do not come first.
 */
export function markHeader(header: Uint8Array, mark: string): Uint8Array {
  const text = Buffer.from(header.buffer, header.byteOffset + 8, header.length - 8);
  const pair = `${JSON.stringify(APPROXIMATE_KEY)}:${JSON.stringify(mark)}`;
  const metadata = /^\{\s*"__metadata__"\s*:\s*\{\s*(\}?)/.exec(text.toString('latin1', 0, 4096));
  let marked: Buffer;
  if (metadata !== null) {
    const rest = text.subarray(metadata[0].length - (metadata[1] as string).length);
    const comma = metadata[1] === '' ? ',' : '';
    marked = Buffer.concat([Buffer.from(`{"__metadata__":{${pair}${comma}`), rest]);
  } else if (text.includes('"__metadata__"') || /^\{\s*\}/.test(text.toString('latin1', 0, 64))) {
    return header;
  } else {
    marked = Buffer.concat([Buffer.from(`{"__metadata__":{${pair}},`), text.subarray(1)]);
  }
  const padded = Math.ceil(marked.length / 8) * 8;
  const whole = Buffer.alloc(8 + padded, 0x20);
  whole.writeBigUInt64LE(BigInt(padded), 0);
  marked.copy(whole, 8);
  return whole;
}

/** What a file says of its values if it is marked; else null. @param start  its first MARK_BYTES. */
export function markOf(start: Uint8Array): string | null {
  const text = Buffer.from(start).toString('latin1', 8);
  if (!text.startsWith(FRONT)) return null;
  return text.slice(FRONT.length).split('"')[0] as string;
}
