/** Middles and radii that the process takes from a file hold every value that the planes allow. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { readPlaced } from '../../../../lib/knowledge/inference/placed-tensor.js';
import { boundsOf } from '../../../../lib/pure/tensor/prefix.js';
import { seededRandom } from '../../../helpers/rng.js';

/** Words of all kinds: ordinary weights, any bits, the least numbers, zeros, infinities and NaNs. */
function words(count: number): Uint32Array {
  const rng = seededRandom(5);
  const any = (): number => Math.floor(rng() * 2 ** 32);
  const kinds = [
    () => (0x3c000000 + Math.floor(rng() * 2 ** 26) + (rng() < 0.5 ? 0x80000000 : 0)) >>> 0,
    any,
    () => (any() & 0x81ffffff) >>> 0,
    () => (any() & 0x80ffffff) >>> 0,
    () => (any() & 0x800000ff) >>> 0,
    () => (any() & 0x80000000) >>> 0,
    () => (any() | 0x7f800000) >>> 0,
  ];
  return Uint32Array.from({ length: count }, (_, i) => (kinds[i % kinds.length] as () => number)());
}

test('placed tensors: each value that two, three or four planes allow is within the radius of its middle', async (t) => {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-test-'));
  t.teardown(() => fs.rm(dir, { recursive: true }));
  const given = words(70_000);
  const bytes = new Uint8Array(given.buffer);
  const file = path.join(dir, 'weights');
  await fs.writeFile(file, Buffer.concat([Buffer.alloc(12), bytes]));
  const at = { name: 'w', dims: [given.length], path: file, offset: 12, shrunk: 0 };
  for (const planes of [2, 3, 4]) {
    const center = await readPlaced({ ...at, planes, form: 'center' });
    const radius = await readPlaced({ ...at, planes, form: 'radius' });
    const { least, greatest } = boundsOf('F32', bytes, planes);
    let outside = 0;
    let loose = 0;
    for (let i = 0; i < given.length; i++) {
      const [c, r] = [center[i] as number, radius[i] as number];
      const [low, high] = [least[i] as number, greatest[i] as number];
      // A value that may be infinite or no number has no bound: any radius that is not finite says so.
      if (!Number.isFinite(low) || !Number.isFinite(high)) {
        if (planes < 4 ? Number.isFinite(r) : Number.isFinite(c)) outside++;
        continue;
      }
      if (!(c - r <= low && high <= c + r)) outside++;
      // Twice what has to be, apart from the least numbers.
      if (Math.abs(c) > 2 ** -100 && 2 * r > 2.001 * (high - low) && planes < 4) loose++;
    }
    t.is(outside, 0, `${planes} planes`);
    t.is(loose, 0, `${planes} planes`);
  }
  await t.throwsAsync(readPlaced({ ...at, offset: 16, planes: 2, form: 'center' }), {
    code: 'DLV_CHANGED',
  });
});
