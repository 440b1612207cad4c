/**
 * Goal: what a version is said to take is what its packs take on disk, each set once, also when the
 * session rolled over to another set while files were added.
 * Method: a session that publishes twice, its sets named by staging in between; sizes of the files.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import { bytesOfSets, publishedSets } from '../../../../lib/storage/objects/stored-bytes.js';
import { randomBytes } from '../../../helpers/rng.js';
import { WorkRepository } from './work-repository.js';

test('stored bytes: sets that staging and the session both name are counted once', async (t) => {
  const work = await WorkRepository.make(t);
  const sums = await work.open(async (repo) => {
    const session = repo.session();
    await session.putBlob('blob', randomBytes(50_000, 1));
    await session.flush();
    const staged = publishedSets(session);
    await session.putBlob('blob', randomBytes(70_000, 2));
    await session.flush();
    return { all: bytesOfSets([...staged, ...publishedSets(session)]), first: bytesOfSets(staged) };
  });
  let records = 0;
  let indexes = 0;
  for (const name of await work.packs()) {
    const { size } = await fs.stat(work.file(`.dlv/packs/${name}`));
    if (name.endsWith('.idx')) indexes += size;
    else records += size;
  }
  t.deepEqual(sums.all, { storedBytes: records, metadataBytes: indexes });
  t.true(sums.first.storedBytes > 50_000 && sums.first.storedBytes < 60_000);
});
