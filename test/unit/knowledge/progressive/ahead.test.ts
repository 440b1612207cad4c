/** The next planes are read while bounds of other examples are computed, and no planes that the result does not tell of. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { openDataSet } from '../../../../lib/knowledge/inference/data/data-set.js';
import { AS_IS } from '../../../../lib/knowledge/inference/data/preprocess.js';
import { runCascade } from '../../../../lib/knowledge/progressive/cascade.js';
import type { Depths, PlaneSource } from '../../../../lib/knowledge/progressive/plane-source.js';
import { analyse } from '../../../../lib/pure/bounds/analysis.js';
import { boundsOf } from '../../../../lib/pure/tensor/prefix.js';
import { denseNetwork } from '../../../helpers/bounded-cases.js';
import {
  type BoundedNetwork,
  modelOf,
  networkOf,
  type Weight,
} from '../../../helpers/bounded-networks.js';
import { hasRuntime } from '../../../helpers/linear-network.js';
import { fixture } from '../../../helpers/paths.js';
import { seededRandom } from '../../../helpers/rng.js';

/** Planes of a network in memory, which notes what is asked of it. */
function noted(
  network: BoundedNetwork,
  folder: string,
  note: (depths: Depths) => void,
): PlaneSource {
  const parameters = Object.entries(network.weights).map(([name, { values }]) => {
    return { name, elements: values.length, planes: 4, start: 2 };
  });
  const known = ({ values }: Weight, planes: number) => {
    const { least, greatest } = boundsOf('F32', new Uint8Array(values.slice().buffer), planes);
    return { low: Float32Array.from(least, Number), high: Float32Array.from(greatest, Number) };
  };
  return {
    parameters,
    bytesAt: async (depths) =>
      parameters.reduce((sum, { name, elements }) => sum + elements * (depths.get(name) ?? 4), 0),
    load: async (depths) => {
      note(depths);
      const bounds = new Map(
        Object.entries(network.weights).map(([name, weight]) => [
          name,
          known(weight, depths.get(name) ?? 4),
        ]),
      );
      const weights = Object.fromEntries(
        Object.entries(network.weights).map(([name, { dims }]) => {
          const { low, high } =
            bounds.get(name) ?? known({ dims: [], values: new Float32Array() }, 4);
          return [name, { dims, values: low.map((end, i) => (end + (high[i] as number)) / 2) }];
        }),
      );
      const file = path.join(folder, 'network.onnx');
      await fs.writeFile(file, modelOf({ ...network, weights }));
      return {
        path: file,
        boundsOf: (name) => bounds.get(name) ?? known({ dims: [], values: new Float32Array() }, 4),
        placeOf: () => null,
      };
    },
  };
}

test('cascade: planes of the next depth are asked for while other examples are bounded at this one', async (t) => {
  if (!hasRuntime()) {
    t.log('SKIPPED: onnxruntime-node is not installed; reading ahead is NOT tested');
    return t.pass();
  }
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-test-'));
  t.teardown(() => fs.rm(folder, { recursive: true }));
  const network = denseNetwork(seededRandom(3), [64, 48, 48, 10]);
  const set = await openDataSet({
    data: fixture('digits', 'images.npy'),
    labels: fixture('digits', 'labels.npy'),
    limit: 60,
  });
  try {
    /** Depths as they are asked for, and examples that are read alone between them, to be bounded. */
    const events: string[] = [];
    const asked = (depths: Depths): string => [...depths.values()].join();
    const data = Object.create(set.data, {
      rows: {
        value: (first: number, count: number) => {
          if (count === 1) events.push('one');
          return set.data.rows(first, count);
        },
      },
    });
    const noting = Object.create(set, { data: { value: data } });
    const result = await runCascade({
      label: 'digits',
      folder,
      source: noted(network, folder, (depths) => events.push(asked(depths))),
      analysis: analyse(await networkOf(network)),
      set: noting,
      preprocess: { ...AS_IS, scale: 1 / 16 },
      decision: { kind: 'top', count: 1 },
      guarantee: 'certified',
      goal: 'bytes',
      margin: 0,
      batch: 16,
      options: { threads: 1, optimization: 'all' },
      effort: 2e9,
      check: false,
    });
    t.is(result.answers.length, 60);
    const told = new Set(result.stages.map(({ depths }) => asked(depths)));
    const loads = events.flatMap((event, at) => (event === 'one' ? [] : [{ event, at }]));
    t.deepEqual(new Set(loads.map(({ event }) => event)), told);
    // What is read ahead is asked for twice: while others are bounded, and in its turn.
    const [ahead, turn] = loads.filter(
      ({ event }) => loads.filter((other) => other.event === event).length === 2,
    );
    t.truthy(ahead, 'something is read ahead');
    t.is(turn?.event, ahead?.event);
    t.true(events.slice(ahead?.at, turn?.at).includes('one'), 'examples are bounded meanwhile');
  } finally {
    await set.close();
  }
});
