/** Networks that a cascade runs, written anew of a network: with some weights as inputs, or its first part. */
import { pushAll } from '../../base/bytes/many.js';
import { ReadFile, WriteFile } from '../../base/files/files.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import type { RawGraph } from '../../pure/formats/onnx/onnx-model.js';
import {
  editModel,
  type GraphEdit,
  streamPieces,
} from '../../pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../pure/formats/onnx/write/model-parts.js';

/** ONNX's code of float32. */
const FLOAT = 1;

/**
 * Writes a network with some of its initializers as inputs of their names: a small file, whatever its weights are.
 * @param weights  initializers of float32 and their shapes.
 * @returns  false, and no file, if one of them is not an initializer of the network.
 */
export function writeOpenNetwork(
  network: string,
  target: string,
  weights: ReadonlyMap<string, readonly number[]>,
): Promise<boolean> {
  return writeChanged(network, target, (graph) => {
    const initializers = new Set(graph.initializers.map(({ name }) => name));
    if ([...weights.keys()].some((name) => !initializers.has(name))) return null;
    const kept = graph.inputs.filter(({ name }) => !weights.has(name));
    const opened = [...weights].map(([name, shape]) => float(name, [...shape]));
    return {
      nodes: graph.nodes.map((node, i) => ({ source: i, node })),
      keptTensors: new Set([...initializers].filter((name) => !weights.has(name))),
      newTensors: [],
      inputs: [...kept, ...opened],
      outputs: graph.outputs,
      sameEnds: new Set([...kept, ...graph.outputs].map(({ name }) => name)),
      keptValues: new Set(),
    };
  });
}

/** Writes what leads to some values of a network, which become its outputs. Values are of float32. */
export async function writePrefix(
  network: string,
  target: string,
  outputs: readonly string[],
): Promise<void> {
  await writeChanged(network, target, (graph) => {
    const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
    const kept = new Set<(typeof graph.nodes)[number]>();
    const names = new Set<string>();
    const stack = [...outputs];
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      if (names.has(name)) continue;
      names.add(name);
      const node = makers.get(name);
      if (node === undefined) continue;
      kept.add(node);
      pushAll(stack, node.inputs);
    }
    // Graphs that a node runs use values of the graph around them by name.
    const hasBodies = [...kept].some(({ attributes }) =>
      attributes.some(({ kind }) => kind === 'graph'),
    );
    const isKept = (name: string): boolean => hasBodies || names.has(name);
    const inputs = graph.inputs.filter(({ name }) => isKept(name));
    return {
      nodes: graph.nodes.flatMap((node, i) =>
        hasBodies || kept.has(node) ? [{ source: i, node }] : [],
      ),
      keptTensors: new Set(graph.initializers.map(({ name }) => name).filter(isKept)),
      newTensors: [],
      inputs,
      outputs: outputs.map((name) => float(name, null)),
      sameEnds: new Set(inputs.map(({ name }) => name)),
      keptValues: new Set(),
    };
  });
}

/** An input or output of float32. */
function float(name: string, shape: number[] | null): GraphEdit['inputs'][number] {
  return { name, kind: 'tensor', dataType: FLOAT, shape };
}

/** Writes what `change` makes of the graph of a network; false, and no file, where that is null. */
async function writeChanged(
  network: string,
  target: string,
  change: (graph: RawGraph) => GraphEdit | null,
): Promise<boolean> {
  const source = await ReadFile.open(network);
  try {
    const { graph } = await readOnnxModel(source);
    const edit = change(graph);
    if (edit === null) return false;
    const { pieces } = editModel(await readModelParts(source), edit, graph.nodes);
    const out = await WriteFile.create(target);
    try {
      for await (const piece of streamPieces(pieces, source)) await out.write(piece);
    } finally {
      await out.close();
    }
    return true;
  } finally {
    await source.close();
  }
}
