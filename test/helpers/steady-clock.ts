/** Kept calibrations: what its quick and its slow tests share. */

/** A clock that moves by one millisecond at each look. */
export function steadyClock(): () => number {
  let now = 0;
  return () => now++;
}

export const LIMIT = { limitMs: 0 };
