/**
 * Chains of deltas over many versions of one file: their depth and what a checkout reads stay bounded;
 * tensors that move between files or shards cost nothing.
 */
import test from 'ava';
import { randomBytes } from '../../../helpers/rng.js';
import { type MadeTensor, safetensors } from '../../../trust/model-files.js';
import { compareVersions } from '../../../trust/record.js';
import { checkLine } from './line.js';
import { WorkRepository } from './work-repository.js';

test('chains: a line keeps its depth and the limit of what reading costs', (t) =>
  checkLine(t, 3, 16));

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
