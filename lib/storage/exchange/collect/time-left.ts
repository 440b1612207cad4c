/** A bound on how long something may still be done that others wait for the end of. */

/** @returns how many milliseconds are left of `ms`, also after a sleep of the machine or a clock set anew. */
export function timeLeft(ms: number): () => number {
  // The one stands still while the machine sleeps, the other can be set back.
  const [steady, clock] = [performance.now(), Date.now()];
  return () => ms - Math.max(performance.now() - steady, Date.now() - clock);
}
