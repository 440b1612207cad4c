/**
 * LZ4 blocks: short ones are decoded here, so that commands which read a few blobs do not load a library,
 * which takes 4 ms.
 *
 * A block is sequences: u8, literals << 4 | match length − 4; where one of both is 15, bytes to add to it, up to
 * the first below 255; the literals; u16, how far back the match begins. The last sequence ends with its literals.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
import { createRequire } from 'node:module';
import { kernelIfLoaded } from '../native/kernel.js';

type Library = typeof import('lz4-napi');

const MATCH_MIN = 4;

let library: Library | null = null;

/** The library: its blocks stand behind four bytes, the length of what they decode to. */
export function lz4(): Library {
  library ??= createRequire(import.meta.url)('lz4-napi') as Library;
  return library;
}

/**
 * Bytes that no block of these bytes is shorter than, whoever compresses them; 0 where that is not known, as
 * without the addon of the kernel.
 */
export function lz4BytesMin(bytes: Uint8Array): number {
  return kernelIfLoaded()?.native?.lz4BytesMin(bytes) ?? 0;
}

/** Decodes a block of exactly `length` bytes; null if it is not one. */
export function decodeLz4(block: Uint8Array, length: number): Uint8Array | null {
  const out = new Uint8Array(length);
  let from = 0;
  let to = 0;
  // Behind the block there are zeros: they end every sum, and the checks find that they were read.
  const next = (): number => block[from++] ?? 0;
  const longer = (count: number): number => {
    let sum = count;
    for (let more = count === 15 ? 255 : 0; more === 255; sum += more) more = next();
    return sum;
  };
  while (from < block.length) {
    const token = next();
    const literals = longer(token >> 4);
    if (literals > block.length - from || literals > length - to) return null;
    out.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === block.length) break;
    const back = next() | (next() << 8);
    const match = longer(token & 15) + MATCH_MIN;
    if (from > block.length || back === 0 || back > to || match > length - to) return null;
    for (const end = to + match; to < end; to++) out[to] = out[to - back] as number;
  }
  return to === length ? out : null;
}
