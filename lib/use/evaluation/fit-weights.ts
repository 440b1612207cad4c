/**
 * Weights of one version in the network of another: each tensor of the network's file is overwritten by what
 * the checkpoint has for it. Norms that the network has folded into its layers are folded again. Weights that find no
 * place, and places that find no weights, are errors: a network of both would compute what nobody trained.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { counted, listSome } from '../../base/bytes/words/wording.js';
import { UsageError } from '../../base/errors.js';
import { patchFile, ReadFile } from '../../base/files/files.js';
import { onnxReader } from '../../pure/formats/onnx/onnx.js';
import { judgeLeftovers } from '../../pure/network/weights/leftovers.js';
import {
  type FittedPair,
  pairTensors,
  type TensorPairing,
} from '../../pure/network/weights/pair-tensors.js';
import type { TensorSpan } from '../../pure/tensor/layout.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import type { StoredTensor } from '../../storage/objects/stored/tensors.js';
import type { OpContext } from '../context.js';
import type { NamedTensor } from '../history/find-tensors.js';
import {
  type Checkpoint,
  CheckpointValues,
  fittedValues,
  type PlacedFile,
} from './fitted-values.js';
import { normEpsilon } from './norm-epsilon.js';

const SEE = "'dlv desc' shows how the weights of a version pair with a network";

/**
 * Overwrites the weights of a placed network.
 * @throws {UsageError} if a parameter of the network finds no tensor or several, or cannot be overwritten, or if
 *   weights of the checkpoint would be left out; {CorruptError}
 */
export async function fitWeights(
  repo: ReadAccess,
  file: PlacedFile,
  given: Checkpoint,
  context: OpContext,
): Promise<void> {
  const { tensors, checkpoint } = given;
  const pairs = await checkedPairs(repo, file, given, context);
  const spans = await spansOf(file);
  const stored = new Map(tensors.map(({ name, tensor }) => [name, tensor]));
  const source = new CheckpointValues(repo, stored, checkpoint);
  const weightOf = biasesOf(pairs);
  const epsilon = await normEpsilon(repo, file, { given, pairs, spans }, context);
  for (const pair of pairs) {
    throwIfAborted(context.signal);
    const span = spans.get(pair.parameter);
    if (span === undefined || span.dtype !== 'F32') {
      // What the network says of itself is equal in both.
      if (!pair.isRequired) continue;
      throw new UsageError(
        `'${pair.parameter}' of '${file.label}' cannot be overwritten: ` +
          (span === undefined ? 'its bytes are not in this file' : `it holds ${span.dtype}`),
        { file: file.label, hint: 'export the network in float32, as one file' },
      );
    }
    const { shape } = span;
    const bias = weightOf.get(pair) ?? null;
    const values = await fittedValues(pair, bias, { source, shape, epsilon });
    const size = shape.reduce((product, one) => product * one, 1);
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

/** The pairs, if nothing is left over that counts. @throws {UsageError} */
async function checkedPairs(
  repo: ReadAccess,
  { label, view }: PlacedFile,
  { tensors, checkpoint }: Checkpoint,
  context: OpContext,
): Promise<readonly FittedPair[]> {
  const all = tensors.map(({ name, tensor: { dtype, shape } }) => ({ name, dtype, shape }));
  const pairing = pairTensors(view, all);
  const { pairs, unpaired, ambiguous, loose } = pairing;
  const refuse = (message: string, hint: string): UsageError =>
    new UsageError(message, { file: checkpoint, hint });
  if (ambiguous.length > 0) {
    const named = ambiguous.map(
      ({ parameter, tensors: several }) => `${parameter} (${listSome(several)})`,
    );
    throw refuse(
      `${counted(ambiguous.length, 'parameter', 'parameters')} of '${label}' could be several ` +
        `weights of '${checkpoint}': ${listSome(named)}`,
      'names of the network or of the weights have to tell them apart: export the network anew, so that its ' +
        `nodes are called after modules. ${SEE}`,
    );
  }
  const unused = new Set(await unusedOf(repo, tensors, pairing));
  const { missed, branches } = judgeLeftovers(all, unused);
  const constants = new Set(missed.length === 0 && pairs.length > 0 ? loose : []);
  const unfilled = unpaired.filter((name) => !constants.has(name));
  if (unfilled.length > 0 || pairs.length === 0) {
    throw refuse(
      `'${checkpoint}' has no weights for ${counted(unfilled.length, 'parameter', 'parameters')} of ` +
        `'${label}': ${listSome(unfilled)}`,
      SEE,
    );
  }
  if (missed.length > 0) {
    throw refuse(
      `'${label}' has no place for ${counted(missed.length, 'weight', 'weights')} of ` +
        `'${checkpoint}': ${listSome(missed)}`,
      `without them it would compute something else; is it the network of these weights? ${SEE}`,
    );
  }
  if (branches.length > 0) {
    const count = branches.reduce((sum, one) => sum + one.tensors, 0);
    context.warn(
      `'${label}' leaves out ${counted(count, 'weight', 'weights')} of '${checkpoint}', in ` +
        `${counted(branches.length, 'branch', 'branches')} that it does not have: ` +
        listSome(branches.map(({ module }) => module)),
    );
  }
  if (constants.size > 0) {
    context.warn(
      `'${label}' keeps ${counted(constants.size, 'constant', 'constants')} of its own that ` +
        `'${checkpoint}' does not have: ${listSome([...constants])}`,
    );
  }
  return pairs;
}

/** Tensors that nothing takes, without matrices that are equal to one that is taken: those are one, stored twice. */
async function unusedOf(
  repo: ReadAccess,
  tensors: readonly NamedTensor[],
  { unused }: TensorPairing,
): Promise<string[]> {
  const free = new Set(unused);
  const left: string[] = [];
  for (const { name, tensor } of tensors) {
    if (!free.has(name)) continue;
    let isTied = false;
    for (const other of tensors) {
      if (isTied || free.has(other.name) || tensor.shape.length < 2) continue;
      if (String(other.tensor.shape) !== String(tensor.shape)) continue;
      isTied = await isEqual(repo, tensor, other.tensor);
    }
    if (!isTied) left.push(name);
  }
  return left;
}

/** Extents are equal if they are the same; only what is too small to be one is read. */
async function isEqual(repo: ReadAccess, a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.dtype !== b.dtype) return false;
  if (a.home.kind === 'extent' && b.home.kind === 'extent') {
    return a.home.id === b.home.id && a.byteOffset === b.byteOffset;
  }
  if (a.home.kind !== 'literal' || b.home.kind !== 'literal') return false;
  return Buffer.compare(await bytesOf(repo, a), await bytesOf(repo, b)) === 0;
}

async function bytesOf(repo: ReadAccess, tensor: StoredTensor): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of readTensor(repo, tensor)) parts.push(piece.slice());
  return Buffer.concat(parts);
}

/** Pairs of biases that have a norm folded in → the tensor of the layer's own bias. */
function biasesOf(pairs: readonly FittedPair[]): Map<FittedPair, string> {
  const biases = new Map<FittedPair, string>();
  for (const pair of pairs) {
    const { fold, tensor } = pair;
    if (fold?.part !== 'bias') continue;
    const isOfNorm = [...fold.norm.parts.values()].some((part) => part.tensor.name === tensor);
    if (!isOfNorm) biases.set(pair, tensor);
  }
  return biases;
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
