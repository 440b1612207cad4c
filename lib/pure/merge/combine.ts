/**
 * Several versions of one tensor become one: weighted averages, task arithmetic (Ilharco et al., ICLR 2023), TIES
 * (Yadav et al., NeurIPS 2023), DARE (Yu et al., ICML 2024) and spherical interpolation (SLERP, Shoemake 1985).
 *
 * All arithmetic is float64. A tensor is a source of pieces that can be read again, so that none is held whole:
 * TIES reads each up to five times, SLERP twice, the others once. Start at `combineTensor`.
 */
import { findCut, type Kept, type Source, Trimmer } from './trim.js';

/** How the changes of children against their common base are added to it. */
export interface DeltaMethod {
  method: 'deltas';
  /** One per child: factor of its changes. */
  weights: readonly number[];
  /** Factor of the sum of changes. */
  lambda: number;
  /** Share of each child's changes that stays, 0 to 1, and which: the largest, or drawn at random and made larger. */
  trim: { density: number; by: 'size' | 'chance' } | null;
  /** Leaves out changes whose sign is not that of the weighted sum of all (TIES). */
  elects: boolean;
  /** Divides each sum by the weights that went into it. */
  normalizes: boolean;
  /** Of what is drawn at random. */
  seed: number;
}

export type Combination =
  | { method: 'average' /** One per version, any sum but 0. */; weights: readonly number[] }
  | { method: 'slerp' /** 0 is the first version, 1 the second. */; t: number }
  | DeltaMethod;

/** One tensor in the versions that are combined: all of one shape, in pieces of the same lengths. */
export interface TensorInputs {
  name: string;
  /** The common base; needed by 'deltas' alone. */
  base: Source | null;
  inputs: readonly Source[];
}

/** The combined values in order, in pieces of the same lengths. */
export function combineTensor(
  combination: Combination,
  tensor: TensorInputs,
): AsyncGenerator<Float64Array> {
  switch (combination.method) {
    case 'average': {
      const sum = combination.weights.reduce((all, one) => all + one, 0);
      return linear(
        combination.weights.map((weight) => weight / sum),
        tensor.inputs,
      );
    }
    case 'slerp':
      return slerp(combination.t, tensor.inputs);
    case 'deltas':
      return addDeltas(combination, tensor);
  }
}

/** Pieces of several sources side by side. */
async function* together(sources: readonly Source[]): AsyncGenerator<Float64Array[]> {
  const streams = sources.map((source) => source()[Symbol.asyncIterator]());
  try {
    for (;;) {
      const next = await Promise.all(streams.map((stream) => stream.next()));
      const pieces = next.flatMap(({ done, value }) => (done ? [] : [value as Float64Array]));
      if (pieces.length < streams.length) return;
      yield pieces;
    }
  } finally {
    for (const stream of streams) await stream.return?.();
  }
}

async function* linear(
  weights: readonly number[],
  inputs: readonly Source[],
): AsyncGenerator<Float64Array> {
  for await (const pieces of together(inputs)) {
    const sum = new Float64Array(pieces[0]?.length ?? 0);
    for (const [i, piece] of pieces.entries()) {
      const weight = weights[i] as number;
      // What counts nothing is not read as 0 × infinity.
      if (weight === 0) continue;
      for (let at = 0; at < sum.length; at++) sum[at]! += weight * (piece[at] as number);
    }
    yield sum;
  }
}

/** Above this cosine two vectors are so near to parallel that a straight line is taken. */
const PARALLEL = 0.9995;

/** Factors of two vectors that lie `t` of the way along the arc between them; along the line, if nearly parallel. */
export function slerpFactors(t: number, cosine: number): [number, number] {
  if (!(Math.abs(cosine) <= PARALLEL)) return [1 - t, t];
  const angle = Math.acos(cosine);
  const sine = Math.sin(angle);
  return [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
}

async function* slerp(t: number, inputs: readonly Source[]): AsyncGenerator<Float64Array> {
  let dot = 0;
  const squares = [0, 0];
  for await (const [a, b] of together(inputs)) {
    for (let at = 0; at < (a?.length ?? 0); at++) {
      const x = a?.[at] as number;
      const y = b?.[at] as number;
      dot += x * y;
      squares[0]! += x * x;
      squares[1]! += y * y;
    }
  }
  const size = Math.sqrt(squares[0] as number) * Math.sqrt(squares[1] as number);
  yield* linear(slerpFactors(t, size > 0 ? dot / size : 1), inputs);
}

/** A source of what a child changed. */
function changesOf(base: Source, child: Source): Source {
  return async function* () {
    for await (const [before, after] of together([base, child])) {
      const changes = new Float64Array(after?.length ?? 0);
      for (let at = 0; at < changes.length; at++) {
        changes[at] = (after?.[at] as number) - (before?.[at] as number);
      }
      yield changes;
    }
  };
}

async function* addDeltas(
  { weights, lambda, trim, elects, normalizes, seed }: DeltaMethod,
  { name, base, inputs }: TensorInputs,
): AsyncGenerator<Float64Array> {
  const start = base as Source;
  const changes = inputs.map((input) => changesOf(start, input));
  const trimmers: (Trimmer | null)[] = [];
  for (const [i, source] of changes.entries()) {
    if (trim === null) trimmers.push(null);
    else if (trim.by === 'chance') {
      trimmers.push(Trimmer.byChance(trim.density, `${seed}/${i}/${name}`));
    } else {
      const kept: Kept = await findCut(source, trim.density);
      trimmers.push(Trimmer.bySize(kept));
    }
  }
  for await (const [before, ...deltas] of together([start, ...changes])) {
    for (const [i, delta] of deltas.entries()) {
      trimmers[i]?.apply(delta);
      const weight = weights[i] as number;
      for (let at = 0; at < delta.length; at++) delta[at]! *= weight;
    }
    const sum = new Float64Array(before?.length ?? 0);
    for (let at = 0; at < sum.length; at++) {
      let total = 0;
      for (const delta of deltas) total += delta[at] as number;
      let mixed = elects ? 0 : total;
      let share = 0;
      for (const [i, delta] of deltas.entries()) {
        const change = delta[at] as number;
        if (elects && !(total >= 0 ? change > 0 : change < 0)) continue;
        if (elects) mixed += change;
        share += weights[i] as number;
      }
      if (normalizes && Math.abs(share) >= 1e-8) mixed /= share;
      sum[at] = (before?.[at] as number) + lambda * mixed;
    }
    yield sum;
  }
}
