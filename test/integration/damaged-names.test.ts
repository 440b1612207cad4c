/** Damage of what a version holds is told by the names of its files, in every command that writes them. */
import fs from 'node:fs/promises';
import test from 'ava';
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
