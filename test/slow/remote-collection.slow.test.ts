import test from 'ava';
import type { GcRemoteResult } from '../../lib/use/ops/gc-remote.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import { sound, withGarbage } from '../helpers/collection.js';
import { cloned, pushSteps, step } from '../helpers/remotes.js';
import { safetensors, type Tensors } from '../helpers/safetensors.js';

test('collection: a pack with much garbage is written again, many small ones are joined', async (t) => {
  const { repo, top, url, later, tensors } = await withGarbage(t);
  let values = await pushSteps(repo, tensors[2] as Tensors, 66);
  const { repo: old } = await cloned(top, url, 'old');
  const { repo: part } = await cloned(top, url, 'part', '--planes', '2', '--no-checkout');
  const { repo: refined } = await cloned(top, url, 'refined', '--planes', '2', '--no-checkout');
  const joined = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(joined.setsBefore > 66);
  t.true(joined.setsAfter <= 3, `${joined.setsAfter}`);
  later(60);
  await repo.json('gc', '--remote', 'origin', '--prune=now');
  const { repo: copy, result } = await cloned(top, url, 'copy');
  t.true(result.requests < 20, `${result.requests}`);
  t.is(result.versions, 69);
  t.deepEqual(await sound(copy), []);
  // What partial clones left at the remote stands in other packs now: they find it there.
  await part.json('checkout', 'net@40', '--out', 'out');
  await old.json('checkout', 'net@40', '--out', 'out');
  t.is(
    Buffer.compare(
      await part.read('out/model.safetensors'),
      await old.read('out/model.safetensors'),
    ),
    0,
  );
  await refined.json('fetch', '--planes', 'all');
  t.deepEqual(await sound(refined), []);
  await refined.json('checkout', 'net@40', '--out', 'out');
  // Those who cloned before push and pull as ever.
  values = await step(old, values, 100);
  const pushed = await old.json<PushResult>('push');
  t.true(pushed.sentBytes <= pushed.bytes + 64 * 1024);
  await repo.json('pull');
  t.is(Buffer.compare(await repo.read('model.safetensors'), safetensors(values)), 0);
  // The line is replaced by its first version: all else is garbage within the joined pack.
  await repo.json('reset', '--hard', 'net@1');
  await repo.json('push', '--force');
  const rewritten = await repo.json<GcRemoteResult>('gc', '--remote', 'origin', '--prune=now');
  t.true(rewritten.bytesAfter < rewritten.bytesBefore / 2);
  const { repo: last } = await cloned(top, url, 'last');
  t.is((await last.json<unknown[]>('log')).length, 1);
  t.deepEqual(await sound(last), []);
});
