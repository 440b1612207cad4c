/** Blobs: every shuffle, base and coder gives the bytes back; other bytes are refused. */
import test from 'ava';
import fc from 'fast-check';
import { isDamage } from '../../../../lib/base/errors.js';
import { BLOB_BYTES_MAX } from '../../../../lib/base/limits.js';
import { decodeBlob, encodeBlob } from '../../../../lib/pure/codec/blob-coder.js';
import { randomBytes, seededRandom } from '../../../helpers/rng.js';

/** Bytes of each kind that a coder is chosen by. */
function samples(length: number): Uint8Array[] {
  const random = seededRandom(length);
  return [
    new Uint8Array(length),
    randomBytes(length, length),
    new Uint8Array(length).map((_, i) => i % 251),
    new Uint8Array(length).map(() => Math.floor(4 * random() ** 4)),
    Uint8Array.from(Buffer.from('layers.0.attention.weight '.repeat(length)).subarray(0, length)),
  ];
}

test('blob: decode is the inverse of encode for every width, with base and without', async (t) => {
  for (const length of [0, 1, 7, 31, 32, 33, 64, 300, 4096, 5001]) {
    for (const bytes of samples(length)) {
      const near = bytes.map((byte, i) => byte + (i % 5 === 0 ? 1 : 0));
      for (const width of [1, 2, 4, 8]) {
        for (const base of [null, near, randomBytes(length, 3)]) {
          const { codec, payload } = await encodeBlob(bytes, width, base);
          const found = await decodeBlob({ codec, payload, rawBytes: length }, base, 'blob');
          t.deepEqual(Buffer.from(found), Buffer.from(bytes), `${length}/${width}`);
          if (base === null) t.true(payload.length <= length, 'never larger than the bytes');
        }
      }
    }
  }
});

test('blob: a near base makes it small, a shuffle of equal elements too', async (t) => {
  const bytes = randomBytes(40_000, 1);
  const near = bytes.map((byte, i) => byte + (i % 100 === 0 ? 1 : 0));
  t.true((await encodeBlob(bytes, 1, near)).payload.length < 3000);
  const floats = new Uint8Array(new Float32Array(9000).map((_, i) => 1 + i / 1e5).buffer);
  const plain = await encodeBlob(floats, 1);
  t.true((await encodeBlob(floats, 4)).payload.length < plain.payload.length);
});

test('blob: random bytes in place of a payload are refused as damage, or give the asked length', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(255),
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(400),
      fc.boolean(),
      async (codec, payload, rawBytes, withBase) => {
        const base = withBase ? randomBytes(rawBytes, 1) : null;
        try {
          const found = await decodeBlob({ codec, payload, rawBytes }, base, 'blob');
          t.is(found.length, rawBytes);
        } catch (error) {
          if (!isDamage(error)) throw error;
        }
      },
    ),
    { numRuns: 2000 },
  );
  t.pass();
});

test('blob: a truncated payload never gives other bytes', async (t) => {
  for (const bytes of samples(3000)) {
    const { codec, payload } = await encodeBlob(bytes, 4);
    for (const cut of [0, 1, payload.length >> 1, payload.length - 1]) {
      if (cut >= payload.length) continue;
      // A coder may not need the last bits of its stream: what it gives then is what it would give.
      const found = await decodeBlob(
        { codec, payload: payload.subarray(0, cut), rawBytes: 3000 },
        null,
        'blob',
      ).catch((error: unknown) => error);
      const isSame = found instanceof Uint8Array && Buffer.compare(found, bytes) === 0;
      t.true(isDamage(found) || isSame, `cut at ${cut}`);
    }
  }
});

test('blob: a bomb is refused without being inflated', async (t) => {
  const { codec, payload } = await encodeBlob(new Uint8Array(8_000_000));
  const before = process.memoryUsage().arrayBuffers;
  t.true(
    isDamage(await t.throwsAsync(decodeBlob({ codec, payload, rawBytes: 100 }, null, 'blob'))),
  );
  t.true(process.memoryUsage().arrayBuffers - before < 4_000_000);
  const lie = decodeBlob({ codec, payload, rawBytes: BLOB_BYTES_MAX + 1 }, null, 'blob');
  t.true(isDamage(await t.throwsAsync(lie)));
  const base = decodeBlob({ codec, payload, rawBytes: 8_000_000 }, new Uint8Array(5), 'blob');
  t.true(isDamage(await t.throwsAsync(base)));
});
