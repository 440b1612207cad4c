/** Streams of stored files whose recipes lie: no more is given than the version says. */

import test from 'ava';
import { CorruptError } from '../../../../../lib/base/errors.js';
import { CDC_MAX_BYTES } from '../../../../../lib/base/limits.js';
import type { ChunkRef, Part, Recipe } from '../../../../../lib/pure/tensor/recipe.js';
import { streamFile } from '../../../../../lib/storage/objects/stored/rebuild.js';
import {
  openStoredFile,
  type StoredFile,
} from '../../../../../lib/storage/objects/stored/stored-file.js';
import { readStaging } from '../../../../../lib/storage/repo/staging/staging-file.js';
import { randomBytes } from '../../../../helpers/rng.js';
import { WorkRepository } from '../work-repository.js';

test('stream: a recipe that repeats its chunks is stopped at the size of the file', async (t) => {
  const work = await WorkRepository.make(t);
  await work.add({ 'x.bin': randomBytes(2 * CDC_MAX_BYTES, 1) });
  await work.open(async (repo) => {
    const { staging } = await readStaging(repo.layout);
    const [entry] = staging.entries('m');
    const made = await openStoredFile(repo, entry as NonNullable<typeof entry>);
    const recipe = made.recipe as Recipe;
    const [run] = recipe.chunks as [ChunkRef[]];
    const chunks = [Array.from({ length: 5000 }, (_, i) => run[i % run.length] as ChunkRef)];
    let given = 0;
    const stream = streamFile(repo, { ...made, recipe: { ...recipe, chunks } });
    await t.throwsAsync(
      async () => {
        for await (const bytes of stream) given += bytes.length;
      },
      { instanceOf: CorruptError },
    );
    t.is(given, made.ref.size);
  });
});

test('stream: a large literal is read once, however many parts it is cut into', async (t) => {
  const work = await WorkRepository.make(t);
  const bytes = randomBytes(3000, 2);
  await work.add({ 'x.bin': bytes });
  await work.open(async (repo) => {
    const { staging } = await readStaging(repo.layout);
    const [entry] = staging.entries('m');
    const made = await openStoredFile(repo, entry as NonNullable<typeof entry>);
    const { id } = made.ref.recipe;
    const parts = (kind: 'data' | 'variable'): Part[] =>
      Array.from({ length: 1500 }, () =>
        kind === 'data' ? { kind, width: 1, length: 2, byteSwap: false } : { kind, length: 2 },
      );
    for (const kind of ['data', 'variable'] as const) {
      const lying: StoredFile = {
        ...made,
        recipe: {
          skeleton: id,
          variableLengths: [],
          variable: kind === 'variable' ? id : null,
          data: kind === 'data' ? [{ width: 1, ids: [id] }] : [],
          extents: [],
          chunks: [],
        },
        skeleton: { format: 'x', fixed: new Uint8Array(0), parts: parts(kind), tensors: [] },
      };
      let reads = 0;
      const { blobs, planes } = repo;
      const counted = Object.create(blobs) as typeof blobs;
      counted.readBlob = (...args) => {
        reads++;
        return blobs.readBlob(...args);
      };
      const pieces: Uint8Array[] = [];
      for await (const piece of streamFile({ blobs: counted, planes }, lying)) pieces.push(piece);
      t.deepEqual(new Uint8Array(Buffer.concat(pieces)), bytes);
      t.is(reads, 1);
    }
  });
});

test('stream: literals of another length than their parts are damage', async (t) => {
  const work = await WorkRepository.make(t);
  await work.add({ 'x.bin': randomBytes(3000, 4) });
  await work.open(async (repo) => {
    const { staging } = await readStaging(repo.layout);
    const [entry] = staging.entries('m');
    const made = await openStoredFile(repo, entry as NonNullable<typeof entry>);
    const { id } = made.ref.recipe;
    const empty = { skeleton: id, variableLengths: [], extents: [], chunks: [] };
    const lies: { part: Part; recipe: Recipe }[] = [2999, 3001].flatMap((length) => [
      {
        part: { kind: 'data', width: 1, length, byteSwap: false },
        recipe: { ...empty, variable: null, data: [{ width: 1, ids: [id] }] },
      },
      { part: { kind: 'variable', length }, recipe: { ...empty, variable: id, data: [] } },
    ]);
    for (const { part, recipe } of lies) {
      const skeleton = { format: 'x', fixed: new Uint8Array(0), parts: [part], tensors: [] };
      const read = async (): Promise<void> => {
        for await (const _ of streamFile(repo, { ...made, recipe, skeleton }));
      };
      await t.throwsAsync(read, { message: /literal/ });
    }
  });
});
