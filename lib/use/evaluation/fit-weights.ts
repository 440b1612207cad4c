/**
 * Weights of one version in the network of another: each tensor of the network's file is overwritten by what
 * the checkpoint has for it. Norms that the network has folded into convolutions are folded again.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { LimitError, UsageError } from '../../base/errors.js';
import { patchFile, ReadFile } from '../../base/files/files.js';
import { onnxReader } from '../../pure/formats/onnx/onnx.js';
import type { LayerView } from '../../pure/network/layers/layer-view.js';
import { pairTensors, type TensorPair } from '../../pure/network/weights/pair-tensors.js';
import { widen } from '../../pure/tensor/dtype.js';
import type { TensorSpan } from '../../pure/tensor/layout.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import {
  readTensor,
  type StoredTensor,
  tensorBytes,
} from '../../storage/objects/stored/tensors.js';
import type { NamedTensor } from '../history/find-tensors.js';

/** Largest tensor that is fitted; it is held as float64. */
const FITTED_BYTES_MAX = 512 * 1024 * 1024;
/** What frameworks add to the variance of a batch norm; a checkpoint does not say it. */
const EPSILON = 1e-5;
const NAMES_SHOWN = 5;

/** A network whose file was placed. */
export interface PlacedFile {
  path: string;
  /** How errors call it. */
  label: string;
  view: LayerView;
}

/**
 * Overwrites the weights of a placed network.
 * @param checkpoint  how errors call where the tensors are from.
 * @throws {UsageError} if a parameter of the network finds no tensor, or cannot be overwritten;
 *   {CorruptError}
 */
export async function fitWeights(
  repo: ReadAccess,
  file: PlacedFile,
  { tensors, checkpoint }: { tensors: readonly NamedTensor[]; checkpoint: string },
  signal?: AbortSignal,
): Promise<void> {
  const counted = tensors.map(({ name, tensor: { dtype, shape } }) => ({ name, dtype, shape }));
  const { pairs, unpaired } = pairTensors(file.view, counted);
  if (unpaired.length > 0 || pairs.length === 0) {
    const named = unpaired.slice(0, NAMES_SHOWN).join(', ');
    throw new UsageError(
      `'${checkpoint}' has no weights for ${unpaired.length} parameters of '${file.label}': ${named}`,
      {
        file: checkpoint,
        hint: "'dlv desc' shows how the weights of a version pair with a network",
      },
    );
  }
  const spans = await spansOf(file);
  const stored = new Map(tensors.map(({ name, tensor }) => [name, tensor]));
  const source = new Source(repo, stored, checkpoint);
  for (const pair of pairs) {
    throwIfAborted(signal);
    const span = spans.get(pair.parameter);
    if (span === undefined || span.dtype !== 'F32') {
      throw new UsageError(
        `'${pair.parameter}' of '${file.label}' cannot be overwritten: ` +
          (span === undefined ? 'its bytes are not in this file' : `it holds ${span.dtype}`),
        { file: file.label, hint: 'export the network in float32, as one file' },
      );
    }
    const values = await fitted(pair, pairs, source);
    const size = span.shape.reduce((product, one) => product * one, 1);
    if (values.length !== size) {
      throw new UsageError(
        `'${pair.tensor}' has ${values.length} values, '${pair.parameter}' takes ${size}`,
        { file: checkpoint },
      );
    }
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    await patchFile(file.path, [{ offset: span.offset, bytes }]);
  }
}

/** Parameter → where its elements lie in the file. */
async function spansOf({ path, view }: PlacedFile): Promise<Map<string, TensorSpan>> {
  const file = await ReadFile.open(path);
  try {
    const { tensors } = await onnxReader.layout(file);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const spans = new Map<string, TensorSpan>();
    for (const { graph } of view) {
      for (const { name, tensor } of graph.parameters) {
        const span = byName.get(tensor);
        if (span !== undefined && span.strides === null) spans.set(name, span);
      }
    }
    return spans;
  } finally {
    await file.close();
  }
}

/** The values of tensors by name. */
class Source {
  readonly #repo: ReadAccess;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #checkpoint: string;

  constructor(repo: ReadAccess, tensors: ReadonlyMap<string, StoredTensor>, checkpoint: string) {
    this.#repo = repo;
    this.#tensors = tensors;
    this.#checkpoint = checkpoint;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  shape(name: string): readonly number[] {
    return this.#tensors.get(name)?.shape ?? [];
  }

  async values(name: string): Promise<Float64Array> {
    const tensor = this.#tensors.get(name);
    const bytes = tensor === undefined ? 0 : tensorBytes(tensor);
    if (bytes > FITTED_BYTES_MAX) {
      throw new LimitError(`'${name}' of '${this.#checkpoint}' has ${bytes} bytes`, {
        limit: 'FITTED_BYTES_MAX',
        value: bytes,
        max: FITTED_BYTES_MAX,
      });
    }
    const parts: Uint8Array[] = [];
    if (tensor !== undefined) {
      for await (const piece of readTensor(this.#repo, tensor)) parts.push(piece.slice());
    }
    const values = tensor === undefined ? null : widen(tensor.dtype, Buffer.concat(parts));
    if (values !== null) return values;
    throw new UsageError(`'${this.#checkpoint}' has no numbers '${name}'`, {
      file: this.#checkpoint,
    });
  }
}

/** What a parameter of the network becomes, row-major. */
async function fitted(
  pair: TensorPair,
  pairs: readonly TensorPair[],
  source: Source,
): Promise<Float64Array> {
  const { tensor, transposed, foldedNorm } = pair;
  if (transposed) return turned(await source.values(tensor), source.shape(tensor));
  const norm = foldedNorm ?? normOfBias(tensor, pairs);
  if (norm === null) return source.values(tensor);
  const gamma = await scales(norm, source);
  const isShift = tensor === `${norm}.bias`;
  if (!isShift && tensor.endsWith('.weight')) {
    const weight = await source.values(tensor);
    const size = weight.length / gamma.length;
    return weight.map((value, i) => value * (gamma[Math.floor(i / size)] as number));
  }
  // (b − μ)·γ/√(σ² + ε) + β, where b is 0 if the convolution has no bias of its own.
  const mean = await source.values(`${norm}.running_mean`);
  const beta = source.has(`${norm}.bias`) ? await source.values(`${norm}.bias`) : null;
  const own = isShift ? biasBefore(norm, pairs) : tensor;
  const bias = own !== null && source.has(own) ? await source.values(own) : null;
  return mean.map((value, i) => {
    return ((bias?.[i] ?? 0) - value) * (gamma[i] as number) + (beta?.[i] ?? 0);
  });
}

/** The norm that is folded into the convolution whose own bias a tensor is. */
function normOfBias(tensor: string, pairs: readonly TensorPair[]): string | null {
  if (!tensor.endsWith('.bias')) return null;
  const weight = `${tensor.slice(0, -'bias'.length)}weight`;
  return pairs.find((pair) => pair.tensor === weight)?.foldedNorm ?? null;
}

/** What the bias of the convolution in front of a norm is called. */
function biasBefore(norm: string, pairs: readonly TensorPair[]): string | null {
  const weight = pairs.find(
    ({ tensor, foldedNorm }) => foldedNorm === norm && tensor.endsWith('.weight'),
  );
  return weight === undefined ? null : `${weight.tensor.slice(0, -'weight'.length)}bias`;
}

/** γ/√(σ² + ε) of each channel; γ is 1 if the norm has none. */
async function scales(norm: string, source: Source): Promise<Float64Array> {
  const variance = await source.values(`${norm}.running_var`);
  const gamma = source.has(`${norm}.weight`) ? await source.values(`${norm}.weight`) : null;
  return variance.map((value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + EPSILON));
}

function turned(values: Float64Array, [rows = 0, columns = 0]: readonly number[]): Float64Array {
  const out = new Float64Array(values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      out[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return out;
}
