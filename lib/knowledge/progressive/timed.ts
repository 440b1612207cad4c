/** Counts how long an action takes to what time was spent on, in milliseconds. */
export async function timed<W extends string, T>(
  spent: Record<W, number>,
  what: W,
  action: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  try {
    return await action();
  } finally {
    spent[what] += performance.now() - started;
  }
}
