/**
 * For lists of any length. `Math.max(...list)` and `push(...list)` take an argument for each item, and with some
 * hundred thousand of them the stack is full.
 */

/** The greatest number; `start` if there is none. NaN if one is. */
export function maxOf(numbers: Iterable<number>, start = Number.NEGATIVE_INFINITY): number {
  let most = start;
  for (const one of numbers) most = Math.max(most, one);
  return most;
}

/** The least number; `start` if there is none. NaN if one is. */
export function minOf(numbers: Iterable<number>, start = Number.POSITIVE_INFINITY): number {
  let least = start;
  for (const one of numbers) least = Math.min(least, one);
  return least;
}

/** Appends items to a list. */
export function pushAll<T>(list: T[], items: Iterable<T>): void {
  for (const item of items) list.push(item);
}
