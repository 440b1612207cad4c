/** A network of which some weights are inputs: a small file, whatever its weights are. */
import { ReadFile, WriteFile } from '../../base/files/files.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import { editModel, streamPieces } from '../../pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../pure/formats/onnx/write/model-parts.js';

/** ONNX's code of float32. */
const FLOAT = 1;

/**
 * Writes a network with some of its initializers as inputs of their names.
 * @param weights  initializers of float32 and their shapes.
 * @returns  false, and no file, if one of them is not an initializer of the network.
 */
export async function writeOpenNetwork(
  network: string,
  target: string,
  weights: ReadonlyMap<string, readonly number[]>,
): Promise<boolean> {
  const source = await ReadFile.open(network);
  try {
    const { graph } = await readOnnxModel(source);
    const initializers = new Set(graph.initializers.map(({ name }) => name));
    if ([...weights.keys()].some((name) => !initializers.has(name))) return false;
    const parts = await readModelParts(source);
    const kept = graph.inputs.filter(({ name }) => !weights.has(name));
    const { pieces } = editModel(
      parts,
      {
        nodes: graph.nodes.map((node, i) => ({ source: i, node })),
        keptTensors: new Set([...initializers].filter((name) => !weights.has(name))),
        newTensors: [],
        inputs: [
          ...kept,
          ...[...weights].map(([name, shape]) => ({
            name,
            kind: 'tensor' as const,
            dataType: FLOAT,
            shape: [...shape],
          })),
        ],
        outputs: graph.outputs,
        sameEnds: new Set([...kept, ...graph.outputs].map(({ name }) => name)),
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
    return true;
  } finally {
    await source.close();
  }
}
