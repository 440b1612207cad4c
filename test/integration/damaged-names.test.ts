/** Damage of what a version holds is told by the names of its files, in every command that writes them. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { packFiles } from '../helpers/pack-files.js';
import { TestRepository } from '../helpers/repository.js';
import { randomBytes } from '../helpers/rng.js';

test('checkout, restore: damage names the file and the remedy, and adding it again mends it', async (t) => {
  const repo = await TestRepository.create(t);
  const content = randomBytes(300_000, 1);
  await repo.write('r.bin', content);
  await repo.commit('one');
  const packs = repo.file('.dlv/packs');
  const sizes = await Promise.all(
    (await packFiles(packs)).map(async (name) => {
      return { name, size: (await fs.stat(`${packs}/${name}`)).size };
    }),
  );
  const largest = sizes.sort((a, b) => b.size - a.size)[0]!.name;
  const file = await fs.open(`${packs}/${largest}`, 'r+');
  await file.write(Buffer.from('gone'), 0, 4, 150_000);
  await file.close();
  await repo.remove('r.bin');
  for (const isRebuilt of [false, true]) {
    if (isRebuilt) await repo.dlv('fsck', '--rebuild');
    for (const line of [
      ['checkout', 'HEAD'],
      ['restore', 'r.bin'],
      ['checkout', 'HEAD', '--out', 'copy'],
    ]) {
      const error = await repo.fails(12, ...line);
      t.is(error.code, 'DLV_CORRUPT');
      t.regex(error.message, /^cannot rebuild 'r\.bin': /, line.join(' '));
      t.regex(error.data.hint ?? '', /'dlv add'/);
    }
  }
  await repo.write('r.bin', content);
  await repo.json('add', 'r.bin');
  await repo.remove('r.bin');
  await repo.json('checkout', 'HEAD', '--force');
  t.true((await repo.read('r.bin')).equals(content));
});

test('fsck, checkout: the remote that has what is lost is named, and repairing from it mends', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('r.bin', randomBytes(50_000, 1));
  await repo.commit('one');
  await repo.json('remote', 'add', 'team', '../team.dlv');
  await repo.json('remote', 'add', 'empty', '../empty.dlv');
  await repo.json('push', '-u', 'team');
  await repo.write('new.bin', randomBytes(50_000, 2));
  await repo.commit('not pushed');
  const packs = repo.file('.dlv/packs');
  for (const name of await packFiles(packs)) {
    const { size } = await fs.stat(`${packs}/${name}`);
    if (size < 40_000) continue;
    const file = await fs.open(`${packs}/${name}`, 'r+');
    await file.write(Buffer.from('gone'), 0, 4, 30_000);
    await file.close();
  }
  const found = await repo.dlv('--json', 'fsck');
  const { problems } = JSON.parse(found.stdout) as FsckOpResult;
  const remedyOf = (path: string): string =>
    problems.find(({ affects }) => affects.some((one) => one.path === path))?.remedy ?? '';
  t.notRegex(remedyOf('new.bin'), /--repair/);
  await repo.remove('r.bin');
  const { data } = await repo.fails(12, 'restore', 'r.bin');
  t.regex(data.hint ?? '', /'dlv fsck --repair team' if it is there, or 'dlv add'/);
  // The version that was not pushed has the file, too.
  t.regex(
    remedyOf('r.bin'),
    /^run 'dlv fsck --repair team', which brings what is there; else run /,
  );
  await repo.dlv('fsck', '--repair', 'team');
  await repo.json('restore', 'r.bin');
});
