/**
 * How the weights of a network go together with a checkpoint beside it in the version, and how that is
 * known. Norms that are folded into convolutions are checked on some of their channels.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { maxOf } from '../../../base/bytes/many.js';
import { isUnreadable } from '../../../base/errors.js';
import type { CountedTensor } from '../../../pure/network/cost/parameter-counts.js';
import type { LayerView } from '../../../pure/network/layers/layer-view.js';
import { type FoldedChannel, foldError } from '../../../pure/network/weights/fold-error.js';
import {
  type FittedPair,
  type Pairing,
  pairTensors,
  type TensorPair,
} from '../../../pure/network/weights/pair-tensors.js';
import { widen } from '../../../pure/tensor/dtype.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { readTensor } from '../../../storage/objects/stored/read-tensor.js';
import { openStoredFile } from '../../../storage/objects/stored/stored-file.js';
import {
  type StoredTensor,
  tensorBytes,
  tensorsOf,
} from '../../../storage/objects/stored/tensors.js';

/** Channels that are compared of a convolution, and convolutions that are. */
const CHANNELS_CHECKED = 8;
const FOLDS_CHECKED = 4;
/** Most bytes that are read of one for it. */
const FOLD_BYTES_MAX = 64 * 1024 * 1024;

/** A network and a checkpoint of one version. */
export interface DescribedPairing extends Pairing {
  /** Path of the file that defines the network. */
  network: string;
  /** Path of the checkpoint's file, or of the index of its shards. */
  checkpoint: string;
  /** Convolutions whose folded norms were checked: W·γ/√(σ² + ε) against the network's weights. */
  foldsChecked: number;
  /** Largest relative error among them; null if none was checked. Above 1e-5 they are of other weights. */
  foldError: number | null;
}

/** A checkpoint whose tensors are known by name. */
export interface NamedCheckpoint {
  key: string;
  paths: readonly string[];
  tensors: readonly CountedTensor[];
}

/** Pairs a network with a checkpoint; null if less than half of its parameters find a tensor. */
export async function pairCheckpoint(
  repo: ReadAccess,
  version: Id,
  { path, view }: { path: string; view: LayerView },
  { key, paths, tensors }: NamedCheckpoint,
): Promise<DescribedPairing | null> {
  const pairing = pairTensors(view, tensors);
  if (pairing.pairs.length <= pairing.unpaired.length) return null;
  const errors: number[] = [];
  try {
    const own = await storedTensors(repo, version, [path]);
    const others = await storedTensors(repo, version, paths);
    const names = new Map(
      view.flatMap(({ graph }) => graph.parameters.map((one) => [one.name, one.tensor] as const)),
    );
    for (const pair of pairing.pairs) {
      if (pair.fold?.part !== 'weight' || pair.fold.axis !== 0 || pair.transposed) continue;
      const error = await checkFold(
        pair,
        { folded: own.get(names.get(pair.parameter) ?? ''), others },
        repo,
      );
      if (error !== null) errors.push(error);
      if (errors.length === FOLDS_CHECKED) break;
    }
  } catch (error) {
    // What cannot be read is not checked; the names still are what they are.
    if (!isUnreadable(error)) throw error;
  }
  return {
    network: path,
    checkpoint: key,
    pairs: pairing.pairs.map(shownPair),
    unpaired: pairing.unpaired,
    unused: pairing.unused,
    foldsChecked: errors.length,
    foldError: errors.length === 0 ? null : maxOf(errors),
  };
}

function shownPair({
  parameter,
  tensor,
  evidence,
  transposed,
  foldedNorm,
}: FittedPair): TensorPair {
  return { parameter, tensor, evidence, transposed, foldedNorm };
}

async function storedTensors(
  repo: ReadAccess,
  version: Id,
  paths: readonly string[],
): Promise<Map<string, StoredTensor>> {
  const { files } = await repo.tree(version);
  const found = new Map<string, StoredTensor>();
  for (const file of files) {
    if (!paths.includes(file.path)) continue;
    for (const tensor of tensorsOf(await openStoredFile(repo, file)))
      found.set(tensor.name, tensor);
  }
  return found;
}

/** The error of one folded convolution; null if it cannot be checked. */
async function checkFold(
  { tensor, fold }: FittedPair,
  {
    folded,
    others,
  }: { folded: StoredTensor | undefined; others: ReadonlyMap<string, StoredTensor> },
  readers: ReadAccess,
): Promise<number | null> {
  const weight = others.get(tensor);
  const parts = fold?.norm.parts;
  const gamma = others.get(parts?.get('weight')?.tensor.name ?? '');
  const variance = others.get(parts?.get('variance')?.tensor.name ?? '');
  if (
    folded === undefined ||
    weight === undefined ||
    gamma === undefined ||
    variance === undefined
  ) {
    return null;
  }
  const count = Math.min(CHANNELS_CHECKED, weight.shape[0] ?? 0);
  const all = [folded, weight, gamma, variance];
  const numbers: Float64Array[] = [];
  for (const one of all) {
    const values = await leadingValues(readers, one, count);
    if (values === null) return null;
    numbers.push(values);
  }
  const [made, given, factors, spreads] = numbers as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const size = made.length / count;
  if (given.length !== made.length || count === 0) return null;
  const channels = Array.from({ length: count }, (_, i): FoldedChannel => {
    const part = (values: Float64Array): Float64Array => values.subarray(i * size, (i + 1) * size);
    const [factor, spread] = [factors[i] as number, spreads[i] as number];
    return { weight: part(given), folded: part(made), gamma: factor, variance: spread };
  });
  return foldError(channels);
}

/** Elements of the first `count` rows of a tensor; null for a type that has no numbers. */
async function leadingValues(
  readers: ReadAccess,
  tensor: StoredTensor,
  count: number,
): Promise<Float64Array | null> {
  const rows = tensor.shape[0] ?? 0;
  const wanted = rows === 0 ? 0 : (tensorBytes(tensor) / rows) * count;
  if (!Number.isSafeInteger(wanted) || wanted > FOLD_BYTES_MAX) return null;
  const parts: Uint8Array[] = [];
  let got = 0;
  for await (const bytes of readTensor(readers, tensor)) {
    parts.push(bytes);
    got += bytes.length;
    if (got >= wanted) break;
  }
  return widen(tensor.dtype, Buffer.concat(parts).subarray(0, wanted));
}
