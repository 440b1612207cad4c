/** Files at a remote that no list names yet: left by an interrupted push, or put there by other tools. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { cloned, pushed, step } from '../helpers/remotes.js';

test('push: a pack that lies there is named only if its bytes are those that are pushed', async (t) => {
  const { repo, tensors, top, url } = await pushed(t);
  const other = path.join(top, 'other.dlv');
  await fs.cp(url, other, { recursive: true });
  await repo.json('remote', 'add', 'other', other);
  await step(repo, tensors[2] as (typeof tensors)[number], 4);
  await repo.json('push', 'other');
  const there = new Set(await fs.readdir(path.join(url, 'packs')));
  const added = (await fs.readdir(path.join(other, 'packs'))).filter((name) => !there.has(name));
  t.true(added.length > 1);
  for (const name of added) {
    await fs.copyFile(path.join(other, 'packs', name), path.join(url, 'packs', name));
  }
  const before = await fs.readFile(path.join(url, 'remote'));

  // One byte of each file in turn, the index included.
  for (const name of added) {
    const file = path.join(url, 'packs', name);
    const bytes = await fs.readFile(file);
    const damaged = Buffer.from(bytes);
    const middle = damaged.length >> 1;
    damaged[middle] = (damaged[middle] as number) ^ 4;
    await fs.writeFile(file, damaged);
    const { code, message, data } = await repo.fails(1, 'push', 'origin');
    t.is(code, 'DLV_REMOTE');
    t.true(
      message.includes(`packs/${name}`) && message.includes('is not what it is here'),
      message,
    );
    t.regex(data.hint ?? '', /dlv fsck.*move that file out of the way/);
    t.is(Buffer.compare(await fs.readFile(path.join(url, 'remote')), before), 0);
    await fs.writeFile(file, bytes);
  }

  // What is sound is not sent again; what was moved away is.
  await fs.rm(path.join(url, 'packs', added[0] as string));
  await repo.json('push', 'origin');
  const { repo: copy } = await cloned(top, url, 'copy');
  t.is(
    Buffer.compare(await copy.read('model.safetensors'), await repo.read('model.safetensors')),
    0,
  );
  t.deepEqual((await copy.json<{ problems: unknown[] }>('fsck')).problems, []);
});
