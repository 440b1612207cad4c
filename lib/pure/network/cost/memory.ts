/** Memory that values between nodes take: all of them, and those that are needed at one time. */
import { DTYPES } from '../../tensor/dtype.js';
import type { Dim, Graph, ValueType } from '../network.js';
import type { Dims } from '../shapes/dims.js';
import type { NetworkShapes } from '../shapes/infer-shapes.js';
import { usedBy } from '../topology.js';

/** Bytes of activations. A text is an expression of open dimensions, null is not known. */
export interface ActivationMemory {
  /** Of all outputs of all nodes; of the bodies of a node that inputs fit the larger counts. */
  total: Dim | null;
  /** Of those that are needed at once, at most: each is freed after its last use, nothing is written in place. */
  peak: number | null;
}

/** Bytes of an element; texts and unknown types count as floats. */
function widthOf(dtype: ValueType): number {
  return dtype === null || dtype === 'STRING' ? 4 : Math.max(1, DTYPES[dtype].bits / 8);
}

function bytesOf(shapes: NetworkShapes, graph: Graph, name: string, dims: Dims): Dim | null {
  const { dtype, shape } = shapes.of(graph, name);
  return shape === null ? null : dims.mul(dims.product(shape), widthOf(dtype));
}

/** Works out the memory of a graph, bodies included. `hidden` nodes make shapes and constants. */
export function activationMemory(
  graph: Graph,
  shapes: NetworkShapes,
  isHidden: (graph: Graph, node: number) => boolean,
): ActivationMemory {
  const { dims } = shapes;
  let total: Dim | null = 0;
  const last = new Map<string, number>();
  graph.nodes.forEach((node, i) => {
    for (const name of usedBy(node)) last.set(name, i);
  });
  for (const { name } of graph.outputs) last.set(name, graph.nodes.length);
  let live = 0;
  let peak: number | null = 0;
  const size = (name: string): number => {
    const bytes = bytesOf(shapes, graph, name, dims);
    if (typeof bytes !== 'number') peak = null;
    return typeof bytes === 'number' ? bytes : 0;
  };
  const frees: string[][] = [];
  const hold = (name: string, from: number): void => {
    live += size(name);
    const end = last.get(name) ?? from;
    const freed = frees[end] ?? [];
    freed.push(name);
    frees[end] = freed;
  };
  for (const { name } of graph.inputs) hold(name, 0);
  graph.nodes.forEach((node, i) => {
    if (!isHidden(graph, i)) {
      for (const name of node.outputs) {
        if (name === '') continue;
        hold(name, i);
        const bytes = bytesOf(shapes, graph, name, dims);
        total = total === null || bytes === null ? null : dims.add(total, bytes);
      }
    }
    let inside: number | null = 0;
    let within: Dim | null = 0;
    for (const body of node.bodies) {
      if (!shapes.isTaken(body.graph)) continue;
      const inner = activationMemory(body.graph, shapes, isHidden);
      inside = inside === null || inner.peak === null ? null : Math.max(inside, inner.peak);
      within = within === null || inner.total === null ? null : dims.max(within, inner.total);
    }
    total = total === null || within === null ? null : dims.add(total, within);
    if (peak !== null) peak = inside === null ? null : Math.max(peak, live + inside);
    for (const name of frees[i] ?? []) live -= size(name);
  });
  return { total, peak };
}
