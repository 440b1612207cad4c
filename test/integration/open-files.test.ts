/** Comparing many changed work files keeps few of them open, and none behind. */
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import type { Handle } from '../../lib/base/files/handle.js';
import { diff } from '../../lib/use/ops/diff.js';
import { checkpoint } from '../trust/model-files.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

test.serial('diff: a hundred changed work files are opened one after another', async (t) => {
  const work = await WorkRepository.make(t);
  const names = Array.from({ length: 100 }, (_, i) => `part-${i}.safetensors`);
  await work.add(Object.fromEntries(names.map((name, i) => [name, checkpoint(i, 0)])));
  for (const [i, name] of names.entries()) await work.write(name, checkpoint(i, 1));
  const real = io.open;
  const open = new Set<Handle>();
  let most = 0;
  io.open = async (file, flags, mode) => {
    const handle = await real(file, flags, mode);
    if (!file.endsWith('.safetensors')) return handle;
    open.add(handle);
    most = Math.max(most, open.size);
    const close = handle.close.bind(handle);
    handle.close = () => {
      open.delete(handle);
      return close();
    };
    return handle;
  };
  try {
    await work.open(async (repo, context) => {
      const found = await diff(repo, { revisions: [] }, context);
      t.is(found.files.length, 100);
      t.true(found.snapshots.every(({ changed }) => changed > 0));
      // A path that is on neither side, seen after the work files were looked at.
      await t.throwsAsync(diff(repo, { revisions: [], paths: ['none'] }, context), {
        code: 'DLV_NOT_FOUND',
      });
    });
  } finally {
    io.open = real;
  }
  t.true(most <= 4, `${most} open at once`);
  t.is(open.size, 0);
});
