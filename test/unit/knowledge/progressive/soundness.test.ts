/**
 * Bounds hold: for every operator that has them, scores of weights inside their intervals stay inside the bounds.
 * Few samples of each; test/slow/bounds.slow.test.ts has many, and attacks.
 */
import os from 'node:os';
import test from 'ava';
import { Workbench } from '../../../../lib/knowledge/inference/workbench.js';
import { attackShares } from '../../../helpers/attack.js';
import {
  convNetwork,
  denseNetwork,
  featureNetworks,
  operatorNetworks,
  responseNetwork,
} from '../../../helpers/bounded-cases.js';
import { hasRuntime } from '../../../helpers/linear-network.js';
import { seededRandom } from '../../../helpers/rng.js';
import { checkSoundness } from '../../../helpers/soundness.js';

test('bounds: no score of sampled weights leaves them, operator by operator', async (t) => {
  if (!hasRuntime()) {
    t.log('SKIPPED: onnxruntime-node is not installed; bounds are NOT tested');
    return t.pass();
  }
  const rng = seededRandom(20);
  const bench = new Workbench('bounds', os.tmpdir());
  try {
    const networks = [
      denseNetwork(rng, [12, 16, 16, 16, 4]),
      denseNetwork(rng, [12, 16, 4], 'LeakyRelu'),
      convNetwork(rng),
      ...operatorNetworks(rng),
      ...featureNetworks(rng),
      responseNetwork(rng),
    ];
    for (const [run, network] of networks.entries()) {
      // With known weights what is rounded counts alone.
      const width = run % 4 === 3 ? 0 : 2 ** -8;
      const options = { rng, width, examples: 6, samples: 4, rows: 1, run };
      const { left } = await checkSoundness(t, bench, network, options);
      t.true(left >= 0, network.title);
    }
    // An attack comes close to the bounds, and not beyond: bounds that were half as wide would be left.
    const attacked = denseNetwork(rng, [12, 24, 24, 4]);
    const shares = await attackShares(t, bench, attacked, { rng, width: 2 ** -8, examples: 4 });
    t.true(Math.max(...shares) > 0.7, `${shares}`);
  } finally {
    await bench.close();
  }
});
