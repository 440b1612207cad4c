/** How close an attack on the weights comes to the bounds of margins. */
import type { ExecutionContext } from 'ava';
import type { Workbench } from '../../lib/knowledge/inference/workbench.js';
import { NetworkBounds } from '../../lib/knowledge/progressive/network-bounds.js';
import { analyse } from '../../lib/pure/bounds/analysis.js';
import {
  attackDense,
  type BoundedNetwork,
  fed,
  intervalsOf,
  modelOf,
  networkOf,
} from './bounded-networks.js';
import type { Rng } from './rng.js';

/**
 * Attacks margins of a dense network of ReLUs.
 * @returns  by margin, the share of the way from the margin of the middle to its bound that the attack went.
 */
export async function attackShares(
  t: ExecutionContext,
  bench: Workbench,
  network: BoundedNetwork,
  { rng, width, examples }: { rng: Rng; width: number; examples: number },
): Promise<number[]> {
  const boundsOf = intervalsOf(network, width);
  const bounds = await NetworkBounds.open(bench, analyse(await networkOf(network)), 1);
  await bounds.know(boundsOf);
  await bench.add('reference', modelOf(network, true), { threads: 1, optimization: 'all' });
  const shares: number[] = [];
  const [size = 0] = network.example;
  for (let example = 0; example < examples; example++) {
    const x = Float32Array.from({ length: size }, () => rng());
    const input = fed('x', x, [1, size]);
    const margin = async (weights: ReturnType<typeof attackDense>): Promise<number> => {
      const [y] = await bench.pass({
        name: 'reference',
        inputs: [input, ...weights],
        kept: [],
        outputs: ['y'],
      });
      return (y?.values[0] as number) - (y?.values[1] as number);
    };
    const terms = [
      [0, 1],
      [1, -1],
    ] as const;
    const given = await bounds.given([input]);
    const [least = Number.NaN] = await bounds.rows(given, [{ terms, offset: 0 }], {
      refined: await bounds.refine(given, 1e12),
    });
    const middle = await margin(attackDense(network, boundsOf, { x, up: 0, down: 1, rounds: 0 }));
    let worst = middle;
    for (const rounds of [1, 2, 4, 8]) {
      const found = await margin(attackDense(network, boundsOf, { x, up: 0, down: 1, rounds }));
      worst = Math.min(worst, found);
    }
    if (!(worst >= least)) t.fail(`${network.title}: ${worst} is below the bound ${least}`);
    shares.push((middle - worst) / (middle - least));
  }
  return shares;
}
