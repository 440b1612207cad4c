/** LZ4 blocks decoded without the library: as the library does, and no byte too many from damaged ones. */
import test from 'ava';
import fc from 'fast-check';
import { decodeLz4, lz4 } from '../../../../lib/base/bytes/lz4.js';
import { loadAddon } from '../../../../lib/base/native/kernel.js';
import { randomBytes } from '../../../helpers/rng.js';

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

test('lz4: no block is shorter than the kernel says of its bytes', (t) => {
  const native = loadAddon();
  if (native === null) return t.pass('there is no addon here');
  const least = (bytes: Uint8Array): number => native.lz4BytesMin(bytes);
  fc.assert(
    fc.property(texts, (bytes) => {
      t.true(least(bytes) <= blockOf(bytes).length);
    }),
  );
  const noise = Buffer.from(randomBytes(16 * 1024, 1));
  t.true(least(noise) > 0.99 * noise.length, 'noise hardly shrinks');
  const text = Buffer.concat([noise.subarray(0, 500), noise.subarray(100, 600)]);
  t.true(least(text) > 600 && least(text) <= blockOf(text).length, 'what repeats does');
  t.true(least(Buffer.alloc(16 * 1024)) < 10, 'zeros vanish');
  t.is(least(Buffer.concat([noise, noise])), 0, 'nothing is said of more bytes');
  t.is(least(new Uint8Array(0)), 1);
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
