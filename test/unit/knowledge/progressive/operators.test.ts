/**
 * Every form in which exporters write an operator has bounds: nothing is read whole, scores of sampled weights stay inside,
 * and from two planes of the weights some answers are certain.
 */
import os from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { Workbench } from '../../../../lib/knowledge/inference/workbench.js';
import { NetworkBounds } from '../../../../lib/knowledge/progressive/network-bounds.js';
import { analyse } from '../../../../lib/pure/bounds/analysis.js';
import { claimsOf } from '../../../../lib/pure/bounds/decisions.js';
import { beyondUnknown } from '../../../../lib/pure/bounds/prefix.js';
import {
  type BoundedNetwork,
  fed,
  intervalsOf,
  modelOf,
  networkOf,
  node,
  randomWeight,
} from '../../../helpers/bounded-networks.js';
import { hasRuntime } from '../../../helpers/linear-network.js';
import { mapVariants, rowVariants } from '../../../helpers/operator-variants.js';
import { type Rng, seededRandom } from '../../../helpers/rng.js';
import { checkSoundness } from '../../../helpers/soundness.js';

/** Half of the width of what two planes leave open, relative. */
const TWO_PLANES = 2 ** -9;
const EXAMPLES = 16;

/** True if the class of one of some examples is certain from two planes, by the way back. */
async function isSometimesCertain(
  bench: Workbench,
  network: BoundedNetwork,
  rng: Rng,
): Promise<boolean> {
  const bounds = await NetworkBounds.open(bench, analyse(await networkOf(network)), 1);
  await bounds.know(intervalsOf(network, TWO_PLANES));
  await bench.add('whole', modelOf(network), { threads: 1, optimization: 'all' });
  const size = network.example.reduce((product, one) => product * one, 1);
  for (let i = 0; i < EXAMPLES; i++) {
    const values = Float32Array.from({ length: size }, () => rng() * 2 - 0.5);
    const x = fed('x', values, [1, ...network.example]);
    const [y] = await bench.pass({ name: 'whole', inputs: [x], kept: [], outputs: ['y'] });
    const least = await bounds.rows(
      await bounds.given([x]),
      claimsOf({ kind: 'top', count: 1 }, [...(y?.values ?? [])]),
    );
    if (least.every((value) => value > 0)) return true;
  }
  return false;
}

async function checkAll(t: ExecutionContext, networks: readonly BoundedNetwork[]): Promise<void> {
  if (!hasRuntime()) {
    t.log('SKIPPED: onnxruntime-node is not installed; bounds are NOT tested');
    t.pass();
    return;
  }
  const rng = seededRandom(8);
  const failed: string[] = [];
  const bench = new Workbench('operators', os.tmpdir());
  try {
    for (const [run, network] of networks.entries()) {
      const { title } = network;
      try {
        t.is(beyondUnknown(analyse(await networkOf(network))).prefix?.why, undefined, title);
        const options = { rng, width: TWO_PLANES, examples: 4, samples: 3, rows: 1, run };
        await checkSoundness(t, bench, network, options);
        t.true(await isSometimesCertain(bench, network, rng), `${title}: nothing is certain`);
      } catch (error) {
        failed.push(`${title}: ${error instanceof Error ? error.message : error}`);
      }
    }
    t.deepEqual(failed, []);
  } finally {
    await bench.close();
  }
}

test('bounds: operators over maps, in every form', async (t) => {
  await checkAll(t, mapVariants(seededRandom(30)));
});

test('bounds: operators over rows of features, in every form', async (t) => {
  await checkAll(t, rowVariants(seededRandom(31)));
});

test('bounds: a softmax at the end is passed over only where it is over all scores', async (t) => {
  const scores = async (example: number[], opset: number, axis: number): Promise<string> => {
    const softmax = node('Softmax', ['z'], 'y', { axis: { int: axis } });
    const weights = { w: randomWeight(seededRandom(1), [4, 4]) };
    const nodes = [node('MatMul', ['x', 'w'], 'z'), softmax];
    const network = await networkOf({ title: '', example, nodes, weights, opset });
    return analyse(network).scores;
  };
  t.is(await scores([4], 13, -1), 'z');
  t.is(await scores([4], 11, 1), 'z');
  t.is(await scores([1, 4], 13, 2), 'z');
  // Another row may have the greatest probability, whose scores are all smaller.
  t.is(await scores([3, 4], 13, -1), 'y');
  t.is(await scores([3, 4], 13, 1), 'y');
  t.is(await scores([3, 4], 11, 2), 'y');
  // Of old versions it is over all that follows its axis.
  t.is(await scores([3, 4], 11, 1), 'z');
});
