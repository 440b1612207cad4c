/** The file of a network: its graph, its float32 weights as numbers, and copies of it with other weights. */
import { UsageError } from '../../base/errors.js';
import { copyFile, patchFile, ReadFile } from '../../base/files/files.js';
import { onnxReader } from '../../pure/formats/onnx/onnx.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import type { Network } from '../../pure/network/network.js';
import { networkOfOnnx } from '../../pure/network/onnx-network.js';
import type { TensorSpan } from '../../pure/tensor/layout.js';

/** A network as a file has it. */
export interface ModelFile {
  path: string;
  /** How errors call it. */
  label: string;
  network: Network;
  /** Where the float32 elements of a parameter lie in the file, by its name; those that lie elsewhere are missing. */
  spans: ReadonlyMap<string, TensorSpan>;
}

/** @throws {IoError} {CorruptError} {LimitError} as the readers of ONNX. */
export async function openModelFile(path: string, label = path): Promise<ModelFile> {
  const file = await ReadFile.open(path, label);
  try {
    const network = networkOfOnnx(await readOnnxModel(file), label);
    const { tensors } = await onnxReader.layout(file);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const spans = new Map<string, TensorSpan>();
    for (const { name, tensor } of network.graph.parameters) {
      const span = byName.get(tensor);
      if (span !== undefined && span.dtype === 'F32' && span.strides === null) {
        spans.set(name, span);
      }
    }
    return { path, label, network, spans };
  } finally {
    await file.close();
  }
}

/** The span of a parameter. @throws {UsageError} if its numbers are not float32 in this file. */
function spanOf(model: ModelFile, name: string): TensorSpan {
  const span = model.spans.get(name);
  if (span !== undefined) return span;
  throw new UsageError(`'${name}' of '${model.label}' is not float32 in this file`, {
    file: model.label,
    hint: 'export the network in float32, as one file, with its weights as raw data',
  });
}

const countOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** The numbers of parameters. @throws {UsageError} {IoError} */
export async function readWeights(
  model: ModelFile,
  names: Iterable<string>,
): Promise<Map<string, Float32Array>> {
  const file = await ReadFile.open(model.path, model.label);
  try {
    const found = new Map<string, Float32Array>();
    for (const name of names) {
      const { offset, shape } = spanOf(model, name);
      const bytes = await file.read(offset, 4 * countOf(shape));
      found.set(name, new Float32Array(Uint8Array.from(bytes).buffer));
    }
    return found;
  } finally {
    await file.close();
  }
}

/**
 * Writes a copy of the file with other numbers in place of weights, and not another byte changed.
 * @param target  must not exist. @throws {UsageError} for a weight of another size; {IoError}
 */
export async function writeWeights(
  model: ModelFile,
  target: string,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  await copyFile(model.path, target);
  const patches = [...weights].map(([name, values]) => {
    const { offset, shape } = spanOf(model, name);
    const count = countOf(shape);
    if (values.length !== count) {
      throw new UsageError(
        `'${name}' of '${model.label}' takes ${count} numbers, not ${values.length}`,
        { file: model.label },
      );
    }
    return { offset, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
  });
  await patchFile(target, patches);
}
