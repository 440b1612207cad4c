/** Partial clones: the tests that take long. */
import path from 'node:path';
import test from 'ava';
import { checkedOut, isSound, largeRemote, SHAPES, without } from '../helpers/partial.js';
import { cloned, step } from '../helpers/remotes.js';
import { randomTensors } from '../helpers/safetensors.js';

test('a planes clone: commits, pushes, fetches and collects like any other', async (t) => {
  const { repo: other, top, url, files } = await largeRemote(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  const tensors = randomTensors(SHAPES, 1);
  await without(url, async () => {
    await step(repo, tensors, 41);
    await isSound(t, repo);
    await repo.json('gc', '--prune=now');
    await isSound(t, repo);
  });
  const mine = await repo.read('model.safetensors');
  await repo.json('push');
  await other.json('pull');
  t.true((await other.read('model.safetensors')).equals(mine));
  await step(other, tensors, 42);
  await other.json('push');
  const theirs = await other.read('model.safetensors');
  await repo.json('fetch');
  await isSound(t, repo);
  t.true((await checkedOut(repo, 'origin/net/main', 'theirs')).equals(theirs));
  await repo.json('pull');
  t.true((await repo.read('model.safetensors')).equals(theirs));
  t.true((await checkedOut(repo, 'net@1', 'first')).equals(files[0] as Buffer));
  await isSound(t, repo);
});

test('push from a partial clone to another remote brings what is needed; none serves as a remote', async (t) => {
  const { top, url, files } = await largeRemote(t);
  const flags = {
    half: ['--planes', '2'],
    shallow: ['--depth', '1'],
    some: ['--only', '*.safetensors'],
  };
  for (const [name, how] of Object.entries(flags)) {
    const { repo } = await cloned(top, url, name, ...how);
    const other = path.join(top, `${name}.dlv`);
    await repo.json('push', other, 'net/main');
    const { repo: copy } = await cloned(top, other, `${name}-copy`);
    await isSound(t, copy);
    for (const [n, file] of files.entries()) {
      const found = await copy.dlv('cat', `net@${n + 1}:model.safetensors`);
      t.true(found.stdoutBytes.equals(file), `${name} ${n + 1}`);
    }
    t.is((await repo.dlv('--no-fetch', 'push', other, 'net/main')).code, 0);
  }
  const { repo: half } = await cloned(top, url, 'half2', '--planes', '2');
  const refused = await half.dlv('clone', half.dir, '../from-half');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /is a partial clone/);
});
