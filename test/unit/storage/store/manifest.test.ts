/** The list of live sets: one form for one list, and no damaged list is believed. */
import test from 'ava';
import { seal } from '../../../../lib/base/bytes/sealed.js';
import type { DlvError } from '../../../../lib/base/errors.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from '../../../../lib/storage/store/manifest.js';
import type { SetId, SetInfo } from '../../../../lib/storage/store/types.js';

function info(digit: string, sizes: number[]): SetInfo {
  const [blob, hi, mid, low, idx] = sizes as [number, number, number, number, number];
  return { id: digit.repeat(32) as SetId, bytes: { blob, hi, mid, low, idx } };
}

const SAMPLE: Manifest = {
  generation: 12,
  sets: [info('b', [0, 8, 0, 0, 300]), info('a', [9_000_000_000, 10, 11, 12, 13])],
};

test('manifest: what is encoded is decoded, in its order', (t) => {
  for (const manifest of [SAMPLE, { generation: 0, sets: [] }]) {
    t.deepEqual(decodeManifest(encodeManifest(manifest), 'manifest'), manifest);
  }
});

test('manifest: every flipped bit and every cut is damage', (t) => {
  const bytes = encodeManifest(SAMPLE);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    const error = t.throws(() => decodeManifest(changed, 'manifest'), undefined, `bit ${bit}`);
    t.is((error as DlvError).code, 'DLV_CORRUPT');
  }
  for (let length = 0; length < bytes.length; length++) {
    const error = t.throws(() => decodeManifest(bytes.subarray(0, length), 'manifest'));
    t.is((error as DlvError).code, 'DLV_CORRUPT', `${length} bytes`);
  }
});

test('manifest: lines that are not in the one form are damage, though the sum is right', (t) => {
  const a = 'a'.repeat(32);
  const head = 'dlv manifest 1\ngeneration 3\n';
  const texts = [
    '',
    '\n',
    'dlv manifest 1\n',
    'dlv manifest 0\ngeneration 3\n',
    'dlv manifest 02\ngeneration 3\n',
    'dlv manifest 1\ngeneration -1\n',
    'dlv manifest 1\ngeneration 03\n',
    'dlv manifest 1\ngeneration 1e3\n',
    `dlv manifest 1\ngeneration ${'9'.repeat(16)}\n`,
    'dlv manifest 1\n\ngeneration 3\n',
    `${head}\n`,
    `${head}set ${a} 0 8 0 0\n`,
    `${head}set ${a} 0 8 0 0 300 1\n`,
    `${head}set ${a} 0 8 0 0 -300\n`,
    `${head}set ${a} 0 08 0 0 300\n`,
    `${head}set ${a} 0 8 0 0 ${'9'.repeat(17)}\n`,
    `${head}set ${a} 0 8 0 0 0x12\n`,
    `${head}set ${a} 0  8 0 0 300\n`,
    `${head}set ${a} 0 8 0 0 300 \n`,
    `${head}set ${a} 0 8 0 0 300\r\n`,
    `${head}set ${a.toUpperCase()} 0 8 0 0 300\n`,
    `${head}set ${a}a 0 8 0 0 300\n`,
    `${head}set ../../../../etc/passwd000000000 0 8 0 0 300\n`,
    `${head}sets ${a} 0 8 0 0 300\n`,
    `${head}set ${a} 0 8 0 0 300\nset ${a} 0 8 0 0 300\n`,
    `${head}set ${a} 0 8 0 0 300`,
  ];
  for (const text of texts) {
    const error = t.throws(() => decodeManifest(seal(text), 'manifest'), undefined, text);
    t.is((error as DlvError).code, 'DLV_CORRUPT', text);
  }
  t.is(decodeManifest(seal(`${head}set ${a} 0 8 0 0 300\n`), 'manifest').sets.length, 1);
});

test('manifest: a later form is that of a newer dlv, not damage', (t) => {
  const error = t.throws(() =>
    decodeManifest(seal('dlv manifest 2\nwhatever comes then\n'), 'manifest'),
  ) as DlvError;
  t.is(error.code, 'DLV_FORMAT_VERSION');
  t.regex(String(error.data.hint), /upgrade dlv/);
});

test('manifest: bytes that are not UTF-8 are damage', (t) => {
  const text = Buffer.concat([Buffer.from('dlv manifest 1\ngeneration 3\n'), Buffer.of(0xff, 10)]);
  const sealed = seal(text.toString('latin1'));
  t.throws(() => decodeManifest(sealed, 'manifest'));
});
