/**
 * Several processes in one repository, edits within one tick of the clock, media that cannot be
 * written: both commits land or one says why, readers never fail, no edit is overlooked.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { add } from '../../lib/use/ops/add.js';
import { log } from '../../lib/use/ops/log.js';
import { status } from '../../lib/use/ops/status.js';
import { acksOf, makeRepository, withRepo } from './racing.js';
import { type FileHashes, fsckProblems, hashFiles, rebuildVersion } from './record.js';
import { startWorker } from './worker.js';

test('races: commits of two processes on one line all land, one after the other', async (t) => {
  t.timeout(600_000);
  const dir = await makeRepository(t, '[gc]\nautoSets = 3\n');
  const workers = ['a.safetensors', 'b.safetensors'].map((name) =>
    startWorker('commit', dir, name, '4'),
  );
  const acks = new Map<Id, FileHashes>();
  for (const worker of workers) {
    t.like(await worker.ended, { code: 0, stderr: '' });
    for (const [id, files] of acksOf(t, worker)) acks.set(id, files);
  }
  t.true(acks.size >= 4, 'most commits were acknowledged');
  await withRepo(dir, async (repo, context) => {
    const history = await log(repo, {}, context);
    const ids = new Set(history.map(({ version }) => version));
    t.true(history.every(({ parents }) => parents.length <= 1));
    for (const [id, files] of acks) {
      t.true(ids.has(id), `${id} is not on the line`);
      t.like(await rebuildVersion(repo, id), files);
    }
    // The newest states of both files are in the last version.
    const last = await rebuildVersion(repo, history[0]!.version as Id);
    t.deepEqual(last, await hashFiles(dir));
  });
  t.deepEqual(await fsckProblems(dir), []);
});

test('races: an edit of equal size in the tick of the clock in which a file was added is seen', async (t) => {
  const dir = await makeRepository(t);
  const file = path.join(dir, 'a.safetensors');
  const first = Buffer.alloc(5000, 1);
  const second = Buffer.alloc(5000, 2);
  for (let i = 0; i < 25; i++) {
    await fs.writeFile(file, first);
    const adding = withRepo(dir, (repo, context) =>
      add(repo, { paths: [file] }, context).catch((error: { code?: string }) => {
        t.is(error.code, 'DLV_CHANGED');
      }),
    );
    if (i % 2 === 0) await adding;
    await fs.writeFile(file, second);
    await adding;
    const { models } = await withRepo(dir, (repo, context) => status(repo, context));
    const staged = await withRepo(dir, async (repo) => {
      const { readStaging } = await import('../../lib/storage/repo/staging/staging-file.js');
      return (await readStaging(repo.layout)).staging.entry('a.safetensors')?.sha256;
    });
    const now = (await hashFiles(dir))['a.safetensors'];
    const changed = models[0]!.unstaged.some((change) => change.path === 'a.safetensors');
    t.is(changed, staged !== now, `round ${i}`);
  }
});
