/** 2,000 commits of 10 KB on one line, each by a repository that was opened anew, as by a command. */
import test from 'ava';
import { randomBytes } from '../helpers/rng.js';
import { WorkRepository } from '../unit/archive/work-repository.js';
import { compareVersions, fsckProblems } from './record.js';

test('many commits: 2,000 of 10 KB leave at most 200 files under packs', async (t) => {
  t.timeout(3_600_000);
  const work = await WorkRepository.make(t);
  for (let i = 0; i < 2000; i++) {
    await work.commit({ 'a.bin': randomBytes(10_000, i) });
    if (i % 100 === 99) t.true((await work.packs()).length <= 200, `after ${i + 1} commits`);
  }
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});
