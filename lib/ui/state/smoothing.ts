/** Smoothing of curves as TensorBoard does it, before anything is left out. */

/**
 * The exponential mean of values, freed of its bias to 0 (as in Adam, Kingma and Ba 2015). A curve that is the same
 * everywhere stays as it is; numbers that are not finite pass, and count for nothing.
 * @param weight  0 (none) to below 1.
 */
export function smooth(values: readonly number[], weight: number): number[] {
  const [first] = values;
  if (weight <= 0 || values.every((value) => value === first)) return [...values];
  let last = 0;
  let count = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    last = last * weight + (1 - weight) * value;
    count += 1;
    return last / (1 - weight ** count);
  });
}

/** All steps of several curves, ascending, and the values of each at them: null where it has none. */
export function aligned(
  curves: readonly { steps: readonly number[]; values: readonly number[] }[],
): { steps: number[]; values: (number | null)[][] } {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, i) => [step, i]));
  const values = curves.map((curve) => {
    const row = new Array<number | null>(steps.length).fill(null);
    curve.steps.forEach((step, i) => {
      const value = curve.values[i] as number;
      row[places.get(step) as number] = Number.isFinite(value) ? value : null;
    });
    return row;
  });
  return { steps, values };
}
