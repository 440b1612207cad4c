/** Blobs whose header lies about what the kernel has to give. */
import test from 'ava';
import { isDamage } from '../../../../lib/base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import { decodeBlob, encodeBlob } from '../../../../lib/pure/codec/blob-coder.js';
import { seededRandom } from '../../../helpers/rng.js';

test('blob: a segment of no or too many elements is damage', async (t) => {
  const random = seededRandom(3);
  const values = new Uint8Array(new Float32Array(1024).map(() => random() - 0.5).buffer);
  const { codec, payload } = await encodeBlob(values, 4);
  t.is(codec & 0x0f, 3, 'coded as a segment');
  for (const elements of [0, 1, 1023, 1025, SEGMENT_ELEMENTS, SEGMENT_ELEMENTS + 1]) {
    const error = await t.throwsAsync(
      decodeBlob({ codec, payload, rawBytes: 4 * elements }, null, 'blob'),
    );
    t.true(isDamage(error), `${elements}: ${error?.message}`);
  }
});
