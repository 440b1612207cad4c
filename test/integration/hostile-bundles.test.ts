/** Bundles that are cut, or in which bits are flipped: one clear error and nothing taken, or everything. */
import test from 'ava';
import { seededRandom } from '../helpers/rng.js';
import { SpoiledBundle } from '../helpers/spoiled-bundle.js';

test('hostile bundles: what is whole is taken', async (t) => {
  const bundle = await SpoiledBundle.make(t);
  t.is(await bundle.problem(bundle.bytes), null);
});

test('hostile bundles: one that is cut anywhere is refused', async (t) => {
  const bundle = await SpoiledBundle.make(t);
  const { length } = bundle.bytes;
  const random = seededRandom(1);
  const below = (n: number): number => Math.floor(random() * n);
  const ends = [0, 3, 40, length - 1, length - 22, length - 23];
  while (ends.length < 20) ends.push(below(length));
  for (const end of ends) t.is(await bundle.problem(bundle.bytes.subarray(0, end)), null, `${end}`);
});

test('hostile bundles: a flipped bit is found, or changes nothing', async (t) => {
  const bundle = await SpoiledBundle.make(t);
  const random = seededRandom(2);
  const below = (n: number): number => Math.floor(random() * n);
  for (let i = 0; i < 60; i++) {
    // Half of them where the archive describes itself.
    const at = i % 2 === 0 ? below(bundle.bytes.length) : bundle.bytes.length - 1 - below(900);
    const bytes = Buffer.from(bundle.bytes);
    bytes[at]! ^= 1 << below(8);
    t.is(await bundle.problem(bytes), null, `byte ${at}`);
  }
});
