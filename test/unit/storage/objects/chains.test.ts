/**
 * Chains of deltas over many versions of one file: their depth and what a checkout reads stay bounded;
 * tensors that move between files or shards cost nothing.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { streamFile } from '../../../../lib/storage/objects/rebuild.js';
import type { Repository } from '../../../../lib/use/repository.js';
import { randomBytes } from '../../../helpers/rng.js';
import { checkpoint, type MadeTensor, safetensors } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from './work-repository.js';

/** Stored bytes that are read to rebuild the files of a version. */
async function bytesRead(repo: Repository, id: Id): Promise<number> {
  const { backend } = repo.store;
  const read = backend.read.bind(backend);
  let bytes = 0;
  backend.read = (name, offset, length) => {
    if (!name.endsWith('.idx')) bytes += length;
    return read(name, offset, length);
  };
  for (const entry of (await repo.tree(id)).files) {
    for await (const _ of streamFile(repo, await repo.openFile(entry)));
  }
  backend.read = read;
  return bytes;
}

for (const depth of [10, 3]) {
  test(`chains: 60 versions keep a depth of ${depth} and the limit of what reading costs`, async (t) => {
    t.timeout(600_000);
    const work = await WorkRepository.make(t, `[chain]\ndepth = ${depth}\n`);
    for (let step = 0; step < 60; step++) {
      await work.commit({ 'a.safetensors': checkpoint(1, step, 2) });
    }
    const versions = [...work.versions.keys()];
    await work.open(async (repo) => {
      let deepest = 0;
      for await (const entry of repo.store.segments()) {
        let links = 0;
        for (let next = entry.base; next !== null; links++) {
          next = (await repo.store.findSegment(next, entry.segment))!.base;
        }
        t.is(links, entry.depth);
        deepest = Math.max(deepest, links);
      }
      t.true(deepest > 0 && deepest <= depth, `depth ${deepest}`);
      for await (const entry of repo.store.blobs()) t.true(entry.depth <= depth);
    });
    const costs: number[] = [];
    for (const id of versions) costs.push(await work.open((repo) => bytesRead(repo, id)));
    // The first version has no base: what reading it costs is the unit of the limit, chain.cost.
    const most = Math.max(...costs.slice(1));
    t.true(most <= 4 * costs[0]!, `${most} bytes for one, ${costs[0]} without deltas`);
    // A line does not get slower than it was when its chains had first grown.
    const early = Math.max(...costs.slice(0, 11));
    t.true(most <= 1.1 * early, `${most} bytes for one, ${early} for one of the first`);
    t.deepEqual(await fsckProblems(work.dir), []);
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
  });
}

function shards(tensors: readonly MadeTensor[], cuts: readonly number[]): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  const map: Record<string, string> = {};
  let from = 0;
  for (const [i, to] of [...cuts, tensors.length].entries()) {
    const name = `model-${i + 1}-of-${cuts.length + 1}.safetensors`;
    files[name] = safetensors(tensors.slice(from, to));
    for (const tensor of tensors.slice(from, to)) map[tensor.name] = name;
    from = to;
  }
  const index = { metadata: {}, weight_map: map };
  files['model.safetensors.index.json'] = Buffer.from(JSON.stringify(index));
  return files;
}

test('shards: a checkpoint saved with other shard boundaries stores no planes', async (t) => {
  const work = await WorkRepository.make(t);
  const tensors = Array.from({ length: 12 }, (_, i) => ({
    name: `layer.${i}.weight`,
    dtype: 'F32',
    shape: [80, 100],
    bytes: randomBytes(32_000, i),
  }));
  const first = await work.commit(shards(tensors, [4, 8]));
  t.true(first.storedBytes > 300_000);
  const second = await work.commit(shards(tensors, [3, 5, 9]));
  await work.open(async (repo) => {
    let extents = 0;
    for await (const _ of repo.store.segments()) extents++;
    t.is(extents, tensors.length, 'no extent is stored twice');
  });
  t.true(second.storedBytes < 8_000, `${second.storedBytes} bytes for what was there`);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});
