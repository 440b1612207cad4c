/** MessagePack that takes memory: the tests that take long. */
import test from 'ava';
import { decodeCanonical } from '../../lib/base/bytes/msgpack/msgpack.js';
import { BLOB_BYTES_MAX, BLOB_MEMORY_BYTES_MAX, LIST_ITEMS_MAX } from '../../lib/base/limits.js';
import { arrayOf } from '../helpers/x.js';

test('msgpack: values that take far more memory than bytes are refused before they are made', (t) => {
  const before = process.memoryUsage().rss;
  const head = Uint8Array.of(0x94);
  for (const byte of [0x90, 0xa0, 0x01, 0xff]) {
    // Four lists, each of as many values as a list may have.
    const list = arrayOf(byte, Math.min(LIST_ITEMS_MAX, (BLOB_BYTES_MAX >> 2) - 6));
    const bytes = Buffer.concat([head, list, list, list, list]);
    const error = t.throws(() => decodeCanonical(bytes, 'x'));
    // A process with little heap refuses before the limit of all processes is reached.
    t.regex((error as { code?: string }).code ?? '', /^DLV_(LIMIT|IO)$/);
    t.regex(
      error.message,
      /'x' would take too much memory|takes more memory than this process has/,
    );
  }
  t.true(process.memoryUsage().rss - before < BLOB_MEMORY_BYTES_MAX / 2);
});
