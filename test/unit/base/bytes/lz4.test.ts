/** LZ4 blocks decoded without the library: as the library does, and no byte too many from damaged ones. */
import test from 'ava';
import fc from 'fast-check';
import { decodeLz4, lz4 } from '../../../../lib/base/bytes/lz4.js';

/** Bytes with runs and repetitions of every length. */
const texts = fc
  .array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 90 })),
    { maxLength: 12 },
  )
  .map((pieces) => Buffer.concat(pieces.flatMap(([piece, times]) => Array(times).fill(piece))));

const blockOf = (bytes: Buffer): Uint8Array => lz4().compressSync(bytes).subarray(4);

test('lz4: a block gives what the library packed', (t) => {
  fc.assert(
    fc.property(texts, (bytes) => {
      t.deepEqual(Buffer.from(decodeLz4(blockOf(bytes), bytes.length) ?? []), bytes);
    }),
  );
});

test('lz4: a block of another length, or without its end, is none', (t) => {
  fc.assert(
    fc.property(texts, fc.nat(), (bytes, at) => {
      const block = blockOf(bytes);
      t.is(decodeLz4(block, bytes.length + 1), null);
      if (bytes.length > 0) t.is(decodeLz4(block, bytes.length - 1), null);
      const cut = decodeLz4(block.subarray(0, at % block.length), bytes.length);
      t.true(cut === null || bytes.length === 0);
    }),
  );
});

test('lz4: damaged blocks give an answer of the length that was asked for, or none', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 400 }), (block, length) => {
      const found = decodeLz4(block, length);
      t.true(found === null || found.length === length);
    }),
    { numRuns: 1000 },
  );
  // A match that begins before the first byte, and one that begins nowhere.
  t.is(decodeLz4(Uint8Array.of(0x10, 65, 2, 0, 0), 6), null);
  t.is(decodeLz4(Uint8Array.of(0x10, 65, 0, 0, 0), 6), null);
  t.deepEqual([...(decodeLz4(Uint8Array.of(0x10, 65, 1, 0, 0), 5) ?? [])], [65, 65, 65, 65, 65]);
});
