/** Neighbours by sketch: found in any set, under any name, after the repository was opened again. */
import test from 'ava';
import { sketchDistance } from '../../../lib/codec/sketch.js';
import { randomBytes } from '../../helpers/rng.js';
import { safetensors } from '../../trust/model-files.js';
import { WorkRepository } from './work-repository.js';

function weights(seed: number, scale = 0): Buffer {
  const noise = randomBytes(8000, seed);
  const values = Float32Array.from(noise, (byte) => (byte - 127.5) / 300);
  const moved = values.map((v, i) => v * (1 + scale * Math.sin(i)));
  return Buffer.from(moved.buffer);
}

const file = (...tensors: [name: string, bytes: Buffer][]): Buffer =>
  safetensors(
    tensors.map(([name, bytes]) => ({ name, dtype: 'F32', shape: [bytes.length / 4], bytes })),
  );

test('sketches: the nearest extents come first, of all sets, of the same size only', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': file(['one', weights(1)], ['two', weights(2)]) });
  await work.commit({ 'b.safetensors': file(['far', weights(1, 1e-2)]) });
  await work.commit({ 'c.safetensors': file(['near', weights(1, 1e-5)]) });
  await work.commit({ 'd.safetensors': file(['short', weights(1).subarray(0, 20_000)]) });
  await work.open(async (repo) => {
    const ids = new Map<string, string>();
    for (const entry of (await repo.tree([...work.versions.keys()].at(-1)!)).files) {
      const stored = await repo.openFile(entry);
      for (const [i, tensor] of stored.skeleton!.tensors.entries()) {
        ids.set(tensor.name, stored.recipe!.extents[i]!);
      }
    }
    t.is(ids.size, 5);
    const id = (name: string) => ids.get(name) as never;
    const sketch = (await repo.sketches.sketchOf(id('one')))!;
    const found = await repo.sketches.nearest(sketch, 4, 8000, 10);
    t.deepEqual(
      found.map((n) => n.id),
      ['one', 'near', 'far', 'two'].map(id),
    );
    t.is(found[0]!.distance, 0);
    const near = (await repo.sketches.sketchOf(id('near')))!;
    t.is(found[1]!.distance, sketchDistance(sketch, near, 4));
    t.is((await repo.sketches.nearest(sketch, 4, 8000, 2)).length, 2);
    t.deepEqual(await repo.sketches.nearest(sketch, 4, 7999, 2), []);
  });
});

test('sketches: a set that cannot be read gives no neighbours and no error', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': file(['one', weights(1)]) });
  await work.commit({ 'b.safetensors': file(['near', weights(1, 1e-5)]) });
  const sketch = await work.open(async (repo) => {
    for await (const entry of repo.store.segments()) return repo.sketches.sketchOf(entry.id);
    return null;
  });
  for (const name of await work.packs('.hi')) await work.damage(`packs/${name}`, 40);
  await work.open(async (repo) => {
    t.deepEqual(await repo.sketches.nearest(sketch!, 4, 8000, 10), []);
  });
});
