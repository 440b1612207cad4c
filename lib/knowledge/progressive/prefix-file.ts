/** The first part of a network as a file of its own. */
import { ReadFile, WriteFile } from '../../base/files/files.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import { editModel, streamPieces } from '../../pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../pure/formats/onnx/write/model-parts.js';

/** ONNX's code of float32. */
const FLOAT = 1;

/** Writes what leads to some values of a network, which become its outputs. Values are of float32. */
export async function writePrefix(
  network: string,
  target: string,
  outputs: readonly string[],
): Promise<void> {
  const source = await ReadFile.open(network);
  try {
    const { graph } = await readOnnxModel(source);
    const parts = await readModelParts(source);
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
      stack.push(...node.inputs);
    }
    // Graphs that a node runs use values of the graph around them by name.
    const hasBodies = [...kept].some(({ attributes }) =>
      attributes.some(({ kind }) => kind === 'graph'),
    );
    const isKept = (name: string): boolean => hasBodies || names.has(name);
    const inputs = graph.inputs.filter(({ name }) => isKept(name));
    const { pieces } = editModel(
      parts,
      {
        nodes: graph.nodes.flatMap((node, i) =>
          hasBodies || kept.has(node) ? [{ source: i, node }] : [],
        ),
        keptTensors: new Set(graph.initializers.map(({ name }) => name).filter(isKept)),
        newTensors: [],
        inputs,
        outputs: outputs.map((name) => ({
          name,
          kind: 'tensor' as const,
          dataType: FLOAT,
          shape: null,
        })),
        sameEnds: new Set(inputs.map(({ name }) => name)),
        keptValues: new Set(),
      },
      graph.nodes,
    );
    const out = await WriteFile.create(target);
    try {
      for await (const piece of streamPieces(pieces, source)) await out.write(piece);
    } finally {
      await out.close();
    }
  } finally {
    await source.close();
  }
}
