/**
 * What was added to the variances of batch norms before they were folded into a network. Neither the network nor a
 * checkpoint says it, but of the checkpoint that a network was exported of, only the right one gives its weights.
 */
import { ReadFile } from '../../base/files/files.js';
import { type FittedPair, pairTensors } from '../../pure/network/weights/pair-tensors.js';
import { widen } from '../../pure/tensor/dtype.js';
import type { TensorSpan } from '../../pure/tensor/layout.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';
import type { NamedTensor } from '../history/find-tensors.js';
import {
  type Checkpoint,
  CheckpointValues,
  fittedValues,
  type PlacedFile,
} from './fitted-values.js';

/** Defaults of PyTorch and of Keras first, then what published networks use. */
const USUAL = [1e-5, 1e-3, 1e-4, 1e-6, 2e-5, 1e-2, 1e-7, 1e-8, 0];
const KERAS = 1e-3;
/** Above this relative error weights are not those that a network was exported of. */
const ERROR_MAX = 1e-5;
/** What rounding to float32 alone makes. */
const ROUNDING = 2e-7;
/** Most weights that are compared, and elements of one. */
const CHECKED_MAX = 4;
const ELEMENTS_MAX = 4 * 1024 * 1024;

export interface EpsilonQuestion {
  given: Checkpoint;
  pairs: readonly FittedPair[];
  spans: ReadonlyMap<string, TensorSpan>;
}

/** ε of the norms that are folded into a placed network, which still has its own weights; warns where it is a guess. */
export async function normEpsilon(
  repo: ReadAccess,
  file: PlacedFile,
  { given, pairs, spans }: EpsilonQuestion,
  context: OpContext,
): Promise<number> {
  if (!pairs.some(({ fold }) => fold !== null)) return USUAL[0] as number;
  for (const tensors of [given.tensors, ...(await given.origins())]) {
    const found = await epsilonBetween(repo, file, { tensors, spans });
    if (found !== null) return found;
  }
  const isKeras = pairs.some(({ fold }) => {
    return fold?.norm.parts.get('variance')?.word.startsWith('moving') === true;
  });
  const assumed = isKeras ? KERAS : (USUAL[0] as number);
  context.warn(
    `nothing says which ε the batch norms in '${file.label}' were folded with: ${assumed} is taken, the default of ` +
      `${isKeras ? 'Keras' : 'PyTorch'}; with the checkpoint that it was exported from beside it, dlv finds out`,
  );
  return assumed;
}

/** The ε with which some weights give those of the network; null if they do with none. */
async function epsilonBetween(
  repo: ReadAccess,
  file: PlacedFile,
  { tensors, spans }: { tensors: readonly NamedTensor[]; spans: ReadonlyMap<string, TensorSpan> },
): Promise<number | null> {
  const all = tensors.map(({ name, tensor: { dtype, shape } }) => ({ name, dtype, shape }));
  const stored = new Map(tensors.map(({ name, tensor }) => [name, tensor]));
  const source = new CheckpointValues(repo, stored, file.label);
  const folded = pairTensors(file.view, all).pairs.filter(({ fold, parameter }) => {
    const size = (spans.get(parameter)?.shape ?? []).reduce((product, one) => product * one, 1);
    return fold?.part === 'weight' && size <= ELEMENTS_MAX;
  });
  const made = await ReadFile.open(file.path);
  try {
    const errors = USUAL.map(() => 0);
    let checked = 0;
    for (const pair of folded.slice(0, CHECKED_MAX)) {
      const span = spans.get(pair.parameter);
      if (span?.dtype !== 'F32') continue;
      const { shape } = span;
      const size = shape.reduce((product, one) => product * one, 1);
      const own = widen('F32', await made.read(span.offset, 4 * size));
      if (own === null) continue;
      checked += 1;
      for (const [i, epsilon] of USUAL.entries()) {
        const values = await fittedValues(pair, null, { source, shape, epsilon });
        errors[i] = Math.max(errors[i] as number, largestError(values, own));
      }
    }
    const least = Math.min(...errors);
    if (checked === 0 || least > ERROR_MAX) return null;
    // Of those that float32 cannot tell apart, the most usual one.
    return USUAL[errors.findIndex((error) => error <= Math.max(2 * least, ROUNDING))] as number;
  } finally {
    await made.close();
  }
}

/** The largest difference in relation to the largest value. */
function largestError(values: Float64Array, own: Float64Array): number {
  if (values.length !== own.length) return Number.POSITIVE_INFINITY;
  let [error, largest] = [0, 0];
  for (const [i, value] of own.entries()) {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs(value - (values[i] as number)));
  }
  return largest === 0 ? error : error / largest;
}
