/** Canonical msgpack: what a blob may take in memory is bounded before it is decoded. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import {
  decodeCanonical,
  encodeCanonical,
  encodeLongArray,
  type Packed,
} from '../../../../../lib/base/bytes/msgpack/msgpack.js';
import { BLOB_BYTES_MAX, LIST_ITEMS_MAX } from '../../../../../lib/base/limits.js';
import { arrayOf } from '../../../../helpers/x.js';

test('msgpack: a list longer than any that a writer makes is refused', (t) => {
  const bytes = arrayOf(1, LIST_ITEMS_MAX + 1);
  t.throws(() => decodeCanonical(bytes, 'x'), { code: 'DLV_LIMIT', message: /holds a list of/ });
  t.throws(() => decodeCanonical(bytes.subarray(0, 1000), 'x'), { code: 'DLV_CORRUPT' });
});

test('msgpack: a process with little memory says so instead of ending', (t) => {
  const module = new URL('../../../../../lib/base/bytes/msgpack/msgpack.js', import.meta.url).href;
  const program = `
    const { decodeCanonical } = await import('${module}');
    const bytes = new Uint8Array(5 + 12_000_000).fill(1);
    bytes.set([0xdd, 0x00, 0xb7, 0x1b, 0x00]);
    try { decodeCanonical(bytes, 'x'); } catch (error) { console.log(error.code, error.data.errno); }`;
  const args = ['--max-old-space-size=64', '--input-type=module', '-e', program];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  t.deepEqual([status, stdout], [0, 'DLV_IO ENOMEM\n']);
});

test('msgpack: a list of a million tensors is well inside the limit', (t) => {
  const tensors = Array.from(
    { length: 300_000 },
    (_, i): Packed => [`model.layers.${i}.self_attn.q_proj.weight`, 'F32', [4096, 4096], null, i],
  );
  const bytes = encodeCanonical(tensors);
  t.true(bytes.length * 3 < BLOB_BYTES_MAX);
  t.is((decodeCanonical(bytes, 'x') as Packed[]).length, 300_000);
});

test('msgpack: an array that is encoded in pieces has the bytes of the whole', (t) => {
  for (const count of [0, 1, 15, 16, 1023, 1024, 1025, 2048, 65_535, 65_536, 70_000]) {
    const items = Array.from({ length: count }, (_, i): Packed => (i % 7 === 0 ? ['x', i] : i));
    t.deepEqual(
      Buffer.concat([...encodeLongArray(count, items)]),
      Buffer.from(encodeCanonical(items)),
      `${count} items`,
    );
  }
});
