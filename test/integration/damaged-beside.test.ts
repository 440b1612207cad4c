/** What is damaged affects the files that need it, not those beside them. */
import fs from 'node:fs/promises';
import test from 'ava';
import { isDamage } from '../../lib/base/errors.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { checkpoint } from '../trust/model-files.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

test('checkout: a path of a version is given though the recipe beside it is damaged', async (t) => {
  const work = await WorkRepository.make(t);
  const first = { 'a.safetensors': checkpoint(1, 0), 'b.safetensors': checkpoint(2, 0) };
  const { version: old } = await work.commit(first);
  await work.commit({ 'a.safetensors': checkpoint(1, 1), 'b.safetensors': checkpoint(2, 1) });
  await work.open(async (repo, context) => {
    const { files } = await repo.tree(old);
    const bad = files.find((file) => file.path === 'b.safetensors');
    const entry = await repo.store.findBlob(bad?.recipe.id as never);
    await work.damage(`packs/${entry?.set}.blob`, (entry?.offset ?? 0) + 80);
    const whole = checkout(repo, { revision: old }, context);
    t.true(isDamage(await t.throwsAsync(whole)));
    const done = await checkout(repo, { revision: old, paths: ['a.safetensors'] }, context);
    t.deepEqual(done.written, ['a.safetensors']);
  });
  t.deepEqual(await fs.readFile(work.file('a.safetensors')), checkpoint(1, 0));
});
