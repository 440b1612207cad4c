/** Order-0 statistics: what a Huffman or arithmetic coder can reach at best. */

/** Counts of the 256 byte values, added to `counts`. */
export function histogram(bytes: Uint8Array, counts = new Uint32Array(256)): Uint32Array {
  for (let i = 0; i < bytes.length; i++) (counts[bytes[i] as number] as number)++;
  return counts;
}

/** Order-0 entropy in bits per symbol. */
export function entropyBits(counts: Uint32Array, total: number): number {
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / total) * Math.log2(count / total);
  return bits;
}
