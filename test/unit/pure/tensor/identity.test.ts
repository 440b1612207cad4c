/** The worked examples of docs/format/identity.md and recipe.md, computed again. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { objectId } from '../../../../lib/base/bytes/hash.js';
import { ExtentHasher, idOfHashes } from '../../../../lib/pure/tensor/extent-id.js';
import { splitPlanes } from '../../../../lib/pure/tensor/planes.js';
import type { Skeleton } from '../../../../lib/pure/tensor/recipe.js';
import { decodeSkeleton, encodeSkeleton } from '../../../../lib/pure/tensor/skeleton.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';

const page = (name: string): string =>
  readFileSync(path.join(PROJECT_ROOT, 'docs/format', name), 'utf8');

test('identity: blobs of two kinds have the ids of the page', (t) => {
  const hello = Buffer.from('hello');
  t.true(page('identity.md').includes(objectId('blob', hello)));
  t.true(page('identity.md').includes(objectId('version', hello)));
});

test('identity: the extent of the page', async (t) => {
  const planes = splitPlanes(Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0), 4);
  const hasher = new ExtentHasher(4, 2);
  await hasher.addRun(planes);
  const { id, hashes } = await hasher.finish();
  t.true(page('identity.md').includes(`Extent id: \`${id}\``));
  t.is(idOfHashes(4, 2, hashes), id);
  for (const plane of hashes)
    t.true(page('identity.md').includes(Buffer.from(plane).toString('hex').slice(0, 16)));
});

test('recipe: the skeleton of the page', (t) => {
  const skeleton: Skeleton = {
    format: 'safetensors',
    fixed: Buffer.from('abcd'),
    parts: [
      { kind: 'variable', length: 8 },
      { kind: 'fixed', length: 4 },
      { kind: 'variable', length: null },
      { kind: 'data', width: 4, length: 8, byteSwap: false },
      { kind: 'extent', width: 4, count: 4096, byteSwap: false },
    ],
    tensors: [
      {
        name: 'b',
        dtype: 'F32',
        shape: [2],
        strides: null,
        role: 'weights',
        part: 3,
        byteOffset: 0,
      },
      {
        name: 'w',
        dtype: 'F32',
        shape: [64, 64],
        strides: null,
        role: 'weights',
        part: 4,
        byteOffset: 0,
      },
    ],
  };
  const bytes = encodeSkeleton(skeleton);
  const dump = /```text\n([^`]*)```/.exec(page('recipe.md'))?.[1]?.replace(/\s/g, '');
  t.is(Buffer.from(bytes).toString('hex'), dump ?? '');
  t.true(page('recipe.md').includes(objectId('skeleton', bytes)));
  t.deepEqual({ ...decodeSkeleton(bytes, 'test'), fixed: null }, { ...skeleton, fixed: null });
});
