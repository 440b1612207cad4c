/**
 * Static rANS as docs/format/codec.md §rANS says it: one symbol at a time, one state a lane.
 */
import { CHUNK_ELEMENTS } from '../../limits.js';
import { type BitInput, ByteInput, damage } from './input.js';

/** Frequencies of a table add up to this. */
export const SCALE_BITS = 11;
export const SCALE = 1 << SCALE_BITS;
/** States are at least this between symbols. */
export const STATE_MIN = 2 ** 15;
/** Symbols of one coded chunk; the last of a plane is shorter. */
export const CHUNK_SYMBOLS = CHUNK_ELEMENTS;

/** A chunk of this many symbols has 64 lanes, a shorter one 8. */
const LONG_CHUNK_SYMBOLS = 32768;

/** Lanes of a chunk. */
export function laneCount(symbols: number): number {
  return symbols >= LONG_CHUNK_SYMBOLS ? 64 : 8;
}

/** One frequency table: for each symbol its share of 2,048 slots, and where that begins. */
export interface Table {
  freq: Uint16Array;
  start: Uint16Array;
  /** Symbol of each slot. */
  slots: Uint8Array;
}

/** Gives each symbol its slots. @param freq  256 numbers that add up to 2,048. */
export function makeTable(freq: Uint16Array): Table {
  const start = new Uint16Array(256);
  const slots = new Uint8Array(SCALE);
  let at = 0;
  for (let symbol = 0; symbol < 256; symbol++) {
    start[symbol] = at;
    slots.fill(symbol, at, at + (freq[symbol] as number));
    at += freq[symbol] as number;
  }
  return { freq, start, slots };
}

/** Reads the frequencies of one table. */
export function readTable(bits: BitInput): Table {
  const freq = new Uint16Array(256);
  let symbol = -1;
  let sum = 0;
  while (sum < SCALE) {
    symbol += bits.gamma(255 - symbol);
    const share = bits.gamma(SCALE - sum);
    freq[symbol] = share;
    sum += share;
  }
  return makeTable(freq);
}

/**
 * Decodes one chunk.
 * @param payload    all its bytes: the states of the lanes, then words.
 * @param out        as many symbols as it has.
 * @param tableOf    table of symbol i of the chunk.
 */
export function decodeChunk(
  payload: Uint8Array,
  out: Uint8Array,
  tableOf: (i: number) => Table,
): void {
  const lanes = laneCount(out.length);
  const input = new ByteInput(payload);
  const states = Array.from({ length: lanes }, () => {
    const [a, b, c, d] = input.take(4) as unknown as [number, number, number, number];
    const x = a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24;
    if (x < STATE_MIN || x >= 2 ** 31) throw damage('a state out of range');
    return x;
  });
  for (let i = 0; i < out.length; i++) {
    const { freq, start, slots } = tableOf(i);
    let x = states[i % lanes] as number;
    const slot = x % SCALE;
    const symbol = slots[slot] as number;
    out[i] = symbol;
    x = (freq[symbol] as number) * Math.floor(x / SCALE) + slot - (start[symbol] as number);
    if (x < STATE_MIN) {
      const [low, high] = input.take(2) as unknown as [number, number];
      x = x * 2 ** 16 + low + high * 2 ** 8;
    }
    states[i % lanes] = x;
  }
  if (states.some((x) => x !== STATE_MIN)) throw damage('a lane does not end where it began');
  if (input.remaining > 0) throw damage('words are left');
}

/** Encodes one chunk: the inverse of `decodeChunk`, from the last symbol to the first. */
export function encodeChunk(symbols: Uint8Array, tableOf: (i: number) => Table): Uint8Array {
  const lanes = laneCount(symbols.length);
  const states = new Array<number>(lanes).fill(STATE_MIN);
  const words: number[] = [];
  for (let i = symbols.length - 1; i >= 0; i--) {
    const { freq, start } = tableOf(i);
    const symbol = symbols[i] as number;
    const share = freq[symbol] as number;
    let x = states[i % lanes] as number;
    if (x >= share * 2 ** (31 - SCALE_BITS)) {
      words.push(x % 2 ** 16);
      x = Math.floor(x / 2 ** 16);
    }
    states[i % lanes] = Math.floor(x / share) * SCALE + (x % share) + (start[symbol] as number);
  }
  const bytes = new Uint8Array(4 * lanes + 2 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [lane, x] of states.entries()) view.setUint32(4 * lane, x, true);
  for (const [k, word] of words.reverse().entries()) {
    view.setUint16(4 * lanes + 2 * k, word, true);
  }
  return bytes;
}
