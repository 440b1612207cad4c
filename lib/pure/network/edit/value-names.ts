/** Names of values that nodes use: their inputs, and what the graphs in their attributes take from around. */
import type { RawGraph, RawNode } from '../../formats/onnx/onnx-model.js';

/** Adds the names of all values of a graph, and of the graphs inside it. */
export function addNames(graph: RawGraph, names: Set<string>): void {
  for (const list of [graph.inputs, graph.outputs, graph.values, graph.initializers]) {
    for (const { name } of list) names.add(name);
  }
  for (const node of graph.nodes) {
    for (const name of [...node.inputs, ...node.outputs]) names.add(name);
    for (const body of bodiesOf(node)) addNames(body, names);
  }
}

/** The graphs that a node runs. */
function bodiesOf({ attributes }: RawNode): RawGraph[] {
  return attributes.flatMap(({ kind, value }) => {
    if (kind === 'graph') return [value];
    return kind === 'graphs' ? value : [];
  });
}

const BODY_NAMES = new WeakMap<readonly unknown[], Set<string>>();

/** Names that the bodies of a node take from the graph around. */
export function bodyNames(node: RawNode): Set<string> {
  const known = BODY_NAMES.get(node.attributes);
  if (known !== undefined) return known;
  const found = new Set<string>();
  for (const graph of bodiesOf(node)) {
    const own = new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name));
    for (const inner of graph.nodes) for (const name of inner.outputs) own.add(name);
    const used = [...graph.nodes.flatMap((inner) => [...usedNames(inner)])];
    for (const name of [...used, ...graph.outputs.map((output) => output.name)]) {
      if (name !== '' && !own.has(name)) found.add(name);
    }
  }
  BODY_NAMES.set(node.attributes, found);
  return found;
}

/** Names that a node uses, its bodies among them. */
export function usedNames(node: RawNode): Set<string> {
  const used = new Set([...node.inputs, ...bodyNames(node)]);
  used.delete('');
  return used;
}
