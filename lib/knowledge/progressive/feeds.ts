/** What graphs of bounds are fed with besides weights. */
import { EXACT_INPUT, SLOPE_INPUTS } from '../../pure/bounds/backward/bends.js';
import type { Fed } from '../inference/messages.js';

export type Way = readonly [side: number, chord: number, one: number, exact: number];

/** How rows are tried: shares of lower slopes (side of the greater end, chord, one; the rest is 0), and exact weights. */
export const WAYS: readonly Way[] = [
  [1, 0, 0, 1],
  [0, 1, 0, 1],
  [1, 0, 0, 0],
  [0, 0, 0, 0],
];
/** Inputs that say of each row which way it goes. */
export function wayFeeds(rows: number, ways: readonly Way[]): Fed[] {
  return [...SLOPE_INPUTS, EXACT_INPUT].map((name, k) => {
    const values = ways.flatMap((shares) => new Array<number>(rows).fill(shares[k] as number));
    return fedFloats(name, Float32Array.from(values), [values.length, 1]);
  });
}

export function fedFloats(name: string, values: Float32Array, dims: readonly number[]): Fed {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type: 'float32', dims: [...dims], bytes };
}

export function fedInts(name: string, values: BigInt64Array, dims: readonly number[]): Fed {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type: 'int64', dims: [...dims], bytes };
}
