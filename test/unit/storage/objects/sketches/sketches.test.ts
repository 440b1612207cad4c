/** Neighbours by sketch: found in any set, under any name, after the repository was opened again. */
import fs from 'node:fs/promises';
import test from 'ava';
import fc from 'fast-check';
import { crc32 } from '../../../../../lib/base/bytes/checksum.js';
import { objectId } from '../../../../../lib/base/bytes/hash.js';
import { isDamage } from '../../../../../lib/base/errors.js';
import {
  sketchBytes,
  sketchDistance,
  sketchOfPlanes,
} from '../../../../../lib/pure/codec/sketch.js';
import { splitPlanes } from '../../../../../lib/pure/tensor/planes.js';
import { SketchGroups } from '../../../../../lib/storage/objects/sketches/sketch-groups.js';
import { randomBytes } from '../../../../helpers/rng.js';
import { safetensors } from '../../../../trust/model-files.js';
import { WorkRepository } from '../work-repository.js';

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

test('sketches: those of a large set are kept, and made again if they are damaged or gone', async (t) => {
  const work = await WorkRepository.make(t);
  const tensors = Array.from({ length: 70 }, (_, i): [string, Buffer] => [`t${i}`, weights(i)]);
  await work.commit({ 'a.safetensors': file(...tensors) });
  const heads = () =>
    work.open(async (repo) => {
      const sketch = sketchOfPlanes(splitPlanes(weights(33, 1e-6), 4));
      let reads = 0;
      const { backend } = repo.store;
      const read = backend.read.bind(backend);
      backend.read = (name, ...range) => {
        if (name.endsWith('.hi')) reads++;
        return read(name, ...range);
      };
      const found = await repo.sketches.nearest(sketch, 4, 8000, 3);
      t.is(found.length, 3);
      t.true(found[0]!.distance < 10 && found[1]!.distance > 20);
      return reads;
    });
  const folder = work.file('.dlv/catalog/sketches');
  t.is(await heads(), 70);
  t.is(await heads(), 0);
  const [name] = await fs.readdir(folder);
  await work.damage(`catalog/sketches/${name}`, 300);
  t.is(await heads(), 70);
  t.is(await heads(), 0);
  await fs.rm(work.file('.dlv/catalog'), { recursive: true });
  t.is(await heads(), 70);
  await work.open(async (repo) => {
    // A folder in the way: the answer is the same, and nothing is kept.
    await fs.rm(work.file('.dlv/catalog'), { recursive: true });
    await fs.writeFile(work.file('.dlv/catalog'), '');
    const sketch = sketchOfPlanes(splitPlanes(weights(33, 1e-6), 4));
    t.is((await repo.sketches.nearest(sketch, 4, 8000, 3)).length, 3);
  });
});

test('sketches: a file of sketches gives back what went in, and damage is an error of the table', (t) => {
  const groups = new SketchGroups();
  const ids = Array.from({ length: 9 }, (_, i) => objectId('blob', Uint8Array.of(i)));
  const sketchOf = (width: number, i: number) => randomBytes(sketchBytes(width, 20_000), i);
  for (const [i, id] of ids.entries())
    groups.add(id, 1 << (i % 3), 20_000, sketchOf(1 << (i % 3), i));
  groups.add(ids[0]!, 4, 5, new Uint8Array(0));
  // Short extents are not searched.
  groups.add(ids[0]!, 4, 4000, randomBytes(sketchBytes(4, 4000), 1));
  const bytes = groups.encode();
  const read = SketchGroups.decode(bytes, 'x');
  for (const width of [1, 2, 4]) {
    const group = read.get(width, 20_000)!;
    t.is(group.rows, 3);
    t.is(Buffer.compare(group.bytes, groups.get(width, 20_000)!.bytes), 0);
    for (let row = 0; row < 3; row++) t.is(group.id(row), groups.get(width, 20_000)!.id(row));
  }
  t.is(read.get(4, 5), undefined);
  t.is(read.get(4, 4000), undefined);
  read.add(ids[0]!, 4, 20_000, sketchOf(4, 1));
  t.is(read.get(4, 20_000)!.rows, 4);
  for (let length = 0; length < bytes.length; length += 7) {
    t.true(isDamage(t.throws(() => SketchGroups.decode(bytes.subarray(0, length), 'x'))));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, framed) => {
      const body = framed ? Buffer.concat([Buffer.from('DLVK\u0001'), noise]) : Buffer.from(noise);
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32(body));
      try {
        SketchGroups.decode(Buffer.concat([body, sum]), 'x');
      } catch (error) {
        if (!isDamage(error)) throw error;
      }
    }),
  );
});
