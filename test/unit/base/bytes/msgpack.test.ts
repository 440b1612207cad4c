/** Canonical msgpack: what a blob may take in memory is bounded before it is decoded. */
import test from 'ava';
import {
  decodeCanonical,
  encodeCanonical,
  encodeLongArray,
  type Packed,
} from '../../../../lib/base/bytes/msgpack.js';
import { BLOB_BYTES_MAX, BLOB_MEMORY_BYTES_MAX } from '../../../../lib/base/limits.js';

/** An array of as many one-byte values as a blob holds. */
function arrayOf(byte: number, count: number): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(byte);
  bytes.set([0xdd, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255]);
  return bytes;
}

test('msgpack: values that take far more memory than bytes are refused before they are made', (t) => {
  const before = process.memoryUsage().rss;
  for (const byte of [0x90, 0xa0]) {
    const bytes = arrayOf(byte, BLOB_BYTES_MAX - 5);
    const error = t.throws(() => decodeCanonical(bytes, 'x'));
    t.is((error as { code?: string }).code, 'DLV_LIMIT');
    t.regex(error.message, /'x' would take too much memory/);
  }
  t.true(process.memoryUsage().rss - before < BLOB_MEMORY_BYTES_MAX / 2);
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
