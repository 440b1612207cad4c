/** Few distinct values: native/palette.c in TypeScript. */

const PALETTE_MAX = 256;

/** Distinct values and the index of each element's. */
export interface FoundPalette {
  /** Planes of the values, ascending as unsigned numbers. */
  planes: Uint8Array[];
  indices: Uint8Array;
}

/** Finds the distinct values; null if there are more than 256, or more than an eighth of the elements. */
export function findPalette(planes: readonly Uint8Array[]): FoundPalette | null {
  const n = (planes[0] as Uint8Array).length;
  const elements = new Map<string, number>();
  const order = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const word = planes.map((plane) => String.fromCharCode(plane[i] as number)).join('');
    const number = elements.get(word) ?? elements.size;
    if (number === PALETTE_MAX) return null;
    elements.set(word, number);
    order[i] = number;
  }
  if (elements.size > Math.floor(n / 8)) return null;
  // Strings of equal length compare as their characters do: the most significant byte first.
  const sorted = [...elements.keys()].sort((a, b) => (a < b ? -1 : 1));
  const rank = new Uint8Array(PALETTE_MAX);
  for (const [index, word] of sorted.entries()) rank[elements.get(word) as number] = index;
  return {
    planes: planes.map((_, k) => Uint8Array.from(sorted, (word) => word.charCodeAt(k))),
    indices: order.map((number) => rank[number] as number),
  };
}
