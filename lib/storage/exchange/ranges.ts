/** Sets of byte ranges of one file: what has arrived, and what is wanted. Pure. */
import type { ByteRange } from './transports/transport.js';

/** Disjoint ranges in order; those that touch are one. */
export class RangeSet {
  #ranges: ByteRange[];

  /** @param ranges  disjoint and in order, as `list` gives them. */
  constructor(ranges: readonly ByteRange[] = []) {
    this.#ranges = [...ranges];
  }

  get list(): readonly ByteRange[] {
    return this.#ranges;
  }

  get bytes(): number {
    return rangeBytes(this.#ranges);
  }

  add({ start, end }: ByteRange): void {
    if (start >= end) return;
    const from = this.#firstEndingAt(start);
    let to = from;
    let joined = { start, end };
    for (; to < this.#ranges.length; to++) {
      const next = this.#ranges[to] as ByteRange;
      if (next.start > joined.end) break;
      joined = {
        start: Math.min(joined.start, next.start),
        end: Math.max(joined.end, next.end),
      };
    }
    this.#ranges.splice(from, to - from, joined);
  }

  has({ start, end }: ByteRange): boolean {
    if (start >= end) return true;
    const range = this.#ranges[this.#firstEndingAt(end)];
    return range !== undefined && range.start <= start && range.end >= end;
  }

  /** Takes a range out of the set. @returns how many of its bytes were in it. */
  take({ start, end }: ByteRange): number {
    let taken = 0;
    this.#ranges = this.#ranges.flatMap((range) => {
      const cut = { start: Math.max(start, range.start), end: Math.min(end, range.end) };
      if (cut.start >= cut.end) return [range];
      taken += cut.end - cut.start;
      return [
        { start: range.start, end: cut.start },
        { start: cut.end, end: range.end },
      ].filter((rest) => rest.start < rest.end);
    });
    return taken;
  }

  /** The parts of a range that are not in the set. */
  missing({ start, end }: ByteRange): ByteRange[] {
    const found: ByteRange[] = [];
    let at = start;
    for (let i = this.#firstEndingAt(start); i < this.#ranges.length && at < end; i++) {
      const range = this.#ranges[i] as ByteRange;
      if (range.start >= end) break;
      if (range.start > at) found.push({ start: at, end: range.start });
      at = Math.max(at, range.end);
    }
    if (at < end) found.push({ start: at, end });
    return found;
  }

  /** Index of the first range that ends at `offset` or later. */
  #firstEndingAt(offset: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as ByteRange).end < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The bytes of all ranges together. */
export function rangeBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Ranges in order, those less than `gap` apart as one. */
export function joinRanges(ranges: readonly ByteRange[], gap: number): ByteRange[] {
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && start - last.end <= gap) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}

/** Cuts ranges into pieces of at most `bytes`. */
export function cutRanges(ranges: readonly ByteRange[], bytes: number): ByteRange[] {
  const pieces: ByteRange[] = [];
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += bytes) {
      pieces.push({ start: at, end: Math.min(end, at + bytes) });
    }
  }
  return pieces;
}
