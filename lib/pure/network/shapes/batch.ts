/** The batch: the first dimension of an input, where it is open. */
import type { Graph } from '../network.js';

/** A size for what people call the batch: `inferShapes` takes it as its sizes. */
export function batchSizes({ inputs }: Pick<Graph, 'inputs'>, batch: number): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of inputs) {
    const first = shape?.[0];
    if (first === null || first === '') sizes.set(`${name}.0`, batch);
    else if (typeof first === 'string') sizes.set(first, batch);
  }
  return sizes;
}
