/**
 * A version that needs more room than the disk has is refused before anything is written, however
 * small it is stored; one whose recipe and size disagree is damage, whatever they say.
 */
import test, { type ExecutionContext } from 'ava';
import { idBytes } from '../../lib/base/bytes/hash.js';
import { encodeCanonical, type Packed } from '../../lib/base/bytes/msgpack/msgpack.js';
import { freeBytes } from '../../lib/base/files/places/disks.js';
import { openStoredFile } from '../../lib/storage/objects/stored/stored-file.js';
import { TestRepository } from '../helpers/repository.js';
import { Forge } from '../trust/hostile/forge.js';

const SIZE = 2 ** 43;
const CHUNK_BYTES = 32 * 1024 * 1024;

/** Adds a file of zeros to the tip: its recipe names one chunk over and over. */
async function addHuge(dir: string, size: number): Promise<void> {
  const forge = new Forge(dir);
  const chunk = idBytes(await forge.plant('blob', Buffer.alloc(CHUNK_BYTES)));
  const times = SIZE / CHUNK_BYTES;
  const ids = Buffer.concat(Array.from({ length: times }, () => chunk));
  const lengths = Array.from({ length: times }, () => CHUNK_BYTES);
  const recipe: Packed = [1, null, [], null, [], Buffer.alloc(0), [[ids, lengths]]];
  const id = idBytes(await forge.plant('recipe', encodeCanonical(recipe)));
  await forge.versionOfFiles(({ files }) => {
    const huge = [...files[0]!];
    [huge[0], huge[2], huge[5], huge[6]] = ['huge.bin', size, 1, id];
    files.push(huge);
  });
}

/** A repository whose model m has one version. */
async function repository(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.json('switch', '-c', 'm/main');
  await repo.write('a.txt', 'a');
  await repo.commit('one', { model: 'm' });
  return repo;
}

test('checkout: refuses what the disk has no room for, and writes nothing', async (t) => {
  const repo = await repository(t);
  if (((await freeBytes(repo.dir)) ?? SIZE) >= SIZE) {
    t.log('SKIPPED: this disk does not tell its room, or has 8 TiB of it');
    return t.pass();
  }
  await addHuge(repo.dir, SIZE);
  for (const args of [
    ['checkout', 'm', '--force'],
    ['checkout', 'm', '--out', 'out'],
    ['restore', '--source', 'm', 'huge.bin'],
  ]) {
    const error = await repo.fails(1, ...args);
    t.is(error.code, 'DLV_IO', error.message);
    t.is(error.data.errno, 'ENOSPC');
    t.regex(error.message, /no room for [\d.]+ [KMGTP]?i?B, [\d.]+ [KMGTP]?i?B are free/);
    t.false(await repo.exists('huge.bin'));
  }
});

test('stored file: parts that do not add up to the size are damage before anything is read', async (t) => {
  const repo = await repository(t);
  await addHuge(repo.dir, 1000);
  const message = new RegExp(`parts have ${SIZE} bytes, the version says 1000`);
  await repo.with(async (open) => {
    const { files } = await open.tree(await new Forge(repo.dir).tip());
    const huge = files.find((file) => file.path === 'huge.bin')!;
    await t.throwsAsync(openStoredFile(open, huge), { code: 'DLV_CORRUPT', message });
  });
  t.is((await repo.fails(12, 'checkout', 'm', '--out', 'out')).code, 'DLV_CORRUPT');
});
