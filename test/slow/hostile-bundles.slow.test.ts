/** Every byte of a small bundle is flipped, and it is cut everywhere. */
import test from 'ava';
import { SpoiledBundle } from '../helpers/spoiled-bundle.js';

test('hostile bundles: every byte, flipped in one bit and in all', async (t) => {
  const bundle = await SpoiledBundle.make(t);
  for (let at = 0; at < bundle.bytes.length; at++) {
    for (const mask of [1 << (at % 8), 0xff]) {
      const bytes = Buffer.from(bundle.bytes);
      bytes[at]! ^= mask;
      t.is(await bundle.problem(bytes), null, `byte ${at} ^ ${mask}`);
    }
  }
});

test('hostile bundles: cut at every byte', async (t) => {
  const bundle = await SpoiledBundle.make(t);
  for (let end = 0; end < bundle.bytes.length; end++) {
    t.is(await bundle.problem(bundle.bytes.subarray(0, end)), null, `${end}`);
  }
});
