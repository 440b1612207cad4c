/**
 * Bounds hold over a million samples: pairs of weights inside their intervals and examples, against the runtime
 * with all optimizations and several threads; and attacks on the weights say how much slack is left.
 */
import os from 'node:os';
import test from 'ava';
import { Workbench } from '../../lib/knowledge/inference/workbench.js';
import { attackShares } from '../helpers/attack.js';
import {
  convNetwork,
  denseNetwork,
  featureNetworks,
  operatorNetworks,
  responseNetwork,
} from '../helpers/bounded-cases.js';
import { hasRuntime } from '../helpers/linear-network.js';
import { mapVariants, rowVariants } from '../helpers/operator-variants.js';
import { seededRandom } from '../helpers/rng.js';
import { checkSoundness } from '../helpers/soundness.js';
import { hasTime, inSeedOrder, SEED } from '../trust/budget.js';

const SAMPLES = 1_000_000;
/** Networks that are attacked, by the sizes of their layers. */
const DEPTHS = [
  [32, 48, 4],
  [32, 48, 48, 4],
  [32, 48, 48, 48, 48, 4],
];

test('bounds: a million samples stay inside', async (t) => {
  t.timeout(1_800_000);
  if (!hasRuntime()) {
    t.log('SKIPPED: onnxruntime-node is not installed; bounds are NOT tested');
    return t.pass();
  }
  const rng = seededRandom(SEED);
  const bench = new Workbench('bounds', os.tmpdir());
  let checked = 0;
  try {
    for (let round = 0; checked < SAMPLES && (round === 0 || hasTime()); round++) {
      const networks = [
        denseNetwork(rng, [16, 24, 24, 24, 5]),
        convNetwork(rng),
        ...operatorNetworks(rng),
        ...featureNetworks(rng),
        responseNetwork(rng),
        ...mapVariants(rng),
        ...rowVariants(rng),
      ];
      for (const network of networks) {
        const width = [2 ** -8, 2 ** -4, 2 ** -12, 0][round % 4] as number;
        const options = { rng, width, examples: 256, samples: 64, rows: 8 };
        const { checked: count } = await checkSoundness(t, bench, network, options);
        checked += count;
      }
    }
  } finally {
    await bench.close();
  }
  t.log(`${checked} samples`);
});

test('bounds: attacks on the weights stay inside, and come close', async (t) => {
  t.timeout(600_000);
  if (!hasRuntime()) return t.pass();
  const rng = seededRandom(2);
  const bench = new Workbench('bounds', os.tmpdir());
  try {
    for (const [i, sizes] of inSeedOrder(DEPTHS).entries()) {
      if (i > 0 && !hasTime()) break;
      const network = denseNetwork(rng, sizes);
      const shares = await attackShares(t, bench, network, { rng, width: 2 ** -8, examples: 12 });
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      t.log(`${network.title}: attacks went ${(100 * mean).toFixed(0)} % of the way to the bound`);
      t.true(mean > 0.5, network.title);
    }
  } finally {
    await bench.close();
  }
});
