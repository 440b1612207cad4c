/** Compares bounds of a network with what the runtime gives for weights inside their intervals. */
import type { ExecutionContext } from 'ava';
import type { Fed } from '../../lib/knowledge/inference/messages.js';
import type { Workbench } from '../../lib/knowledge/inference/workbench.js';
import { NetworkBounds } from '../../lib/knowledge/progressive/network-bounds.js';
import { analyse } from '../../lib/pure/bounds/analysis.js';
import { claimsOf } from '../../lib/pure/bounds/decisions.js';
import {
  type BoundedNetwork,
  fed,
  intervalsOf,
  modelOf,
  networkOf,
  sampleWeights,
} from './bounded-networks.js';
import type { Rng } from './rng.js';

export interface SoundnessOptions {
  rng: Rng;
  /** Relative half width of the intervals of weights. */
  width: number;
  examples: number;
  samples: number;
  /** Examples whose rows are carried back. */
  rows: number;
  /** Which of the ways to run the reference; default: all of them in turn. */
  run?: number;
}

/** How the reference is run: in turn, as bounds hold for any batch, number of threads and level of optimization. */
const RUNS = [
  { name: 'reference', options: { threads: 1, optimization: 'all' }, parts: 1 },
  { name: 'reference, threads', options: { threads: 2, optimization: 'all' }, parts: 3 },
  { name: 'reference, plain', options: { threads: 2, optimization: 'disabled' }, parts: 2 },
] as const;

/**
 * Samples weights and checks that no score leaves its bounds.
 * @returns  the least share of an interval's width that was left between a score and its end.
 */
export async function checkSoundness(
  t: ExecutionContext,
  bench: Workbench,
  network: BoundedNetwork,
  { rng, width, examples, samples, rows, run: only }: SoundnessOptions,
): Promise<{ checked: number; left: number }> {
  const analysis = analyse(await networkOf(network));
  t.is(analysis.scores, 'y', network.title);
  const boundsOf = intervalsOf(network, width);
  const bounds = await NetworkBounds.open(bench, analysis, 1);
  await bounds.know(boundsOf);
  const size = network.example.reduce((product, one) => product * one, 1);
  const x = Float32Array.from({ length: examples * size }, () => rng() * 2 - 0.5);
  const input = fed('x', x, [examples, ...network.example]);
  const runs = only === undefined ? RUNS : [RUNS[only % RUNS.length] as (typeof RUNS)[number]];
  for (const { name, options } of runs) await bench.add(name, modelOf(network, true), options);
  /** Scores of all examples by some weights, in batches. */
  const scores = async (run: (typeof RUNS)[number], weights: Fed[]): Promise<Float64Array> => {
    const each = Math.ceil(examples / run.parts);
    const found: number[] = [];
    for (let from = 0; from < examples; from += each) {
      const to = Math.min(examples, from + each);
      const part = fed('x', x.slice(from * size, to * size), [to - from, ...network.example]);
      const inputs = [part, ...weights];
      const [y] = await bench.pass({ name: run.name, inputs, kept: [], outputs: ['y'] });
      found.push(...(y?.values ?? []));
    }
    return Float64Array.from(found);
  };
  const scan = await bounds.scan(await bounds.given([input]), new Array<number>(examples).fill(0));
  t.true(scan.isFinite, network.title);
  const classes = scan.low.length / examples;
  const pairs = claimsOf({ kind: 'top', count: 1 }, [1, ...new Array<number>(classes - 1).fill(0)]);
  const singles = Array.from({ length: classes }, (_, c) => [
    { terms: [[c, 1]] as [number, number][], offset: 0 },
    { terms: [[c, -1]] as [number, number][], offset: 0 },
  ]).flat();
  const claims = [...pairs, ...singles];
  const found: number[][] = [];
  for (let i = 0; i < rows; i++) {
    const one = await bounds.given([
      fed('x', x.slice(i * size, (i + 1) * size), [1, ...network.example]),
    ]);
    const plain = await bounds.rows(one, claims);
    found.push(plain);
    if (!bounds.canRefine) continue;
    const refined = await bounds.rows(one, claims, { refined: await bounds.refine(one, 1e12) });
    // Refined intervals are inside of plain ones, so their rows are as good, up to rounding.
    found[i] = plain.map((value, k) => Math.max(value, refined[k] as number));
  }
  let left = 1;
  for (let s = 0; s < samples; s++) {
    const run = runs[s % runs.length] as (typeof RUNS)[number];
    const values = await scores(run, sampleWeights(network, boundsOf, rng));
    for (let k = 0; k < values.length; k++) {
      const [low, high, value] = [scan.low[k], scan.high[k], values[k]] as [number, number, number];
      if (!(low <= value && value <= high)) {
        t.fail(`${network.title}: ${value} is not in [${low}, ${high}]`);
        return { checked: s * examples, left: 0 };
      }
      const margin = scan.margin?.[k];
      const first = values[Math.floor(k / classes) * classes] as number;
      if (margin !== undefined && k % classes !== 0 && first - value < margin) {
        t.fail(`${network.title}: the margin ${first - value} is below ${margin}`);
      }
    }
    for (const [i, least] of found.entries()) {
      for (const [k, { terms }] of claims.entries()) {
        const value = terms.reduce(
          (sum, [c, weight]) => sum + weight * (values[i * classes + c] as number),
          0,
        );
        if (!(value >= (least[k] as number))) {
          t.fail(`${network.title}: ${value} of example ${i} is below ${least[k]}, row ${k}`);
          return { checked: s * examples, left: 0 };
        }
        const wide = (scan.high[0] as number) - (scan.low[0] as number);
        left = Math.min(left, (value - (least[k] as number)) / wide);
      }
    }
  }
  return { checked: samples * examples, left };
}
