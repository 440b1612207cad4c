/**
 * 16-bit floats: fp32 checkpoints rounded to bf16 and fp16 (nearest, ties to even), coded by dlv and
 * compared with the entropy of byte-wise differences given the base's exponent.
 */
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { type ModelFile, type Pair, pairName, segmentOf, segmentsOf } from './models.js';
import { payloadBytes } from './ratios.js';

export const ROUNDINGS = ['bf16', 'fp16'] as const;
export type Rounding = (typeof ROUNDINGS)[number];

export interface RoundingRow {
  name: string;
  rounding: Rounding;
  elements: number;
  /** Coded bytes, heads and tables with them. */
  payloadBytes: number;
  /**
   * Bytes by the order-0 entropy of each plane of child − base (mod 256) in the class of the base's
   * exponent, for each tensor, as if its tables cost nothing.
   */
  entropyBytes: number;
}

/** The upper 16 bits of an fp32, rounded. */
export function toBf16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The nearest half-precision float of an fp32. */
export function toFp16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const shifted = magnitude - 0x38000000;
    return sign | ((shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13);
  }
  // Below 2^−14 halves are multiples of 2^−24: the significand is shifted to that unit.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const half = 2 ** (shift - 1);
  const down = Math.floor(significand / 2 ** shift);
  const rest = significand - down * 2 ** shift;
  const up = rest > half || (rest === half && (down & 1) === 1);
  return sign | (down + (up ? 1 : 0));
}

/** Rounds little-endian fp32. */
export function roundBytes(bytes: Uint8Array, rounding: Rounding): Uint8Array {
  const round = rounding === 'bf16' ? toBf16 : toFp16;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const target = new Uint16Array(bytes.length / 4);
  for (let i = 0; i < target.length; i++) target[i] = round(view.getUint32(4 * i, true));
  return new Uint8Array(target.buffer);
}

/** Measures a pair of fp32 files rounded to 16 bits. */
export async function measureRounding(
  base: ModelFile,
  child: ModelFile,
  rounding: Rounding,
): Promise<RoundingRow> {
  const pair: Pair = { base, child };
  const row: RoundingRow = {
    name: pairName(pair),
    rounding,
    elements: 0,
    payloadBytes: 0,
    entropyBytes: 0,
  };
  for await (const { child: fresh, base: old } of segmentsOf(pair, (e) => e.width === 4)) {
    if (old === null) continue;
    const to = segmentOf(roundBytes(fresh.bytes, rounding), 2);
    const from = segmentOf(roundBytes(old.bytes, rounding), 2);
    row.elements += to.count;
    row.payloadBytes += payloadBytes(await encodeRans(to.planes, from.planes));
    row.entropyBytes += entropyBytes(to.planes, from.planes, rounding);
  }
  return row;
}

/** Bytes of the two planes of differences by their entropy given the base's exponent. */
export function entropyBytes(
  child: readonly Uint8Array[],
  base: readonly Uint8Array[],
  rounding: Rounding,
): number {
  const [b0, b1] = base as [Uint8Array, Uint8Array];
  let bits = 0;
  for (const k of [0, 1]) {
    const counts = new Uint32Array(256 * 256);
    const to = child[k] as Uint8Array;
    const from = base[k] as Uint8Array;
    for (let i = 0; i < to.length; i++) {
      const high = b0[i] as number;
      const context =
        rounding === 'bf16' ? ((high << 1) & 0xff) | ((b1[i] as number) >> 7) : (high >> 2) & 31;
      const digit = ((to[i] as number) - (from[i] as number)) & 255;
      (counts[256 * context + digit] as number)++;
    }
    for (let context = 0; context < 256; context++) {
      const row = counts.subarray(256 * context, 256 * (context + 1));
      const total = row.reduce((sum, count) => sum + count, 0);
      for (const count of row) if (count > 0) bits -= count * Math.log2(count / total);
    }
  }
  return bits / 8;
}
