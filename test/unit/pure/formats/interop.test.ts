/**
 * Files that NumPy and the safetensors package wrote: every tensor has the name, dtype, shape and
 * bytes that the writing library gave it (test/fixtures/formats/make_formats.py).
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import test from 'ava';
import { MemorySource } from '../../../../lib/base/bytes/byte-source.js';
import { layoutOf, tensorBytes } from '../../../helpers/layouts.js';
import { fixture } from '../../../helpers/paths.js';

interface Expected {
  dtype: string;
  shape: number[];
  sha256: string;
}

const read = (file: string) => fs.readFileSync(fixture('formats', file));
const expected = JSON.parse(read('expected.json').toString()) as Record<
  string,
  Record<string, Expected>
>;

for (const [file, tensors] of Object.entries(expected)) {
  test(`interop: ${file} has the tensors its writer put in`, async (t) => {
    const bytes = read(file);
    const layout = await layoutOf(bytes, file);
    t.is(layout.format, file.replace(/^.*\./, ''));
    const found: Record<string, Expected> = {};
    for (const tensor of layout.tensors) {
      const content = await tensorBytes(new MemorySource(bytes), layout, tensor);
      found[tensor.name] = {
        dtype: tensor.dtype,
        shape: tensor.shape,
        sha256: createHash('sha256').update(content).digest('hex'),
      };
    }
    t.deepEqual(found, tensors);
  });
}

test('interop: big-endian files give swapped extents, bfloat16 records keep their width', async (t) => {
  const extent = async (file: string) => (await layoutOf(read(file))).extents[0];
  t.like(await extent('f8-big-endian.npy'), { width: 8, count: 6, byteSwap: true });
  t.like(await extent('c8-big-endian.npy'), { width: 4, count: 8, byteSwap: true });
  t.like(await extent('text-big-endian-fortran.npy'), { width: 1, byteSwap: false });
  t.like(await extent('bf16.npy'), { width: 2, count: 8, byteSwap: false });
});

test('interop: the step of the metadata is found', async (t) => {
  t.is((await layoutOf(read('dtypes.safetensors'))).step, 1200);
});

test('interop: pickled and compressed arrays stay opaque and say so', async (t) => {
  const object = await layoutOf(read('object.npy'));
  t.is(object.format, 'blob');
  t.regex(object.warnings[0] ?? '', /pickle/);
  const compressed = await layoutOf(read('compressed.npz'));
  t.is(compressed.format, 'npz');
  t.deepEqual(compressed.extents, []);
  t.regex(compressed.warnings[0] ?? '', /2 of 2 arrays are compressed/);
  t.regex((await layoutOf(read('object.npz'))).warnings[0] ?? '', /array 'o' .* pickle/);
});
