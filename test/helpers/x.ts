/** MessagePack that takes memory: what its quick and its slow tests share. */

/** An array of as many one-byte values as a blob holds. */
export function arrayOf(byte: number, count: number): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(byte);
  bytes.set([0xdd, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255]);
  return bytes;
}
