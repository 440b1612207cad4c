/**
 * Goal: what did not change is not read: status and a commit without a change look at names and
 * times only.
 * Method: 1,000 files, the bytes read of each file of the work tree counted.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { status } from '../../lib/use/ops/status.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { countReads } from '../helpers/count-reads.js';
import { tempDir } from '../helpers/temp-dir.js';

const FILES = 1000;

test.serial('reads: status and a no-change commit on 1,000 files read no contents', async (t) => {
  const dir = path.join(await tempDir(t), 'many');
  const context: OpContext = { cwd: dir, progress: noProgress, warn() {} };
  for (let i = 0; i < FILES; i++) {
    const file = path.join(dir, `part-${i % 10}`, `file-${i}.bin`);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, `content ${i}`);
  }
  // A file is trusted by its times once they are a tick of the clock in the past.
  await sleep(50);
  const repo = await Repository.init(dir);
  await add(repo, { paths: ['.'] }, context);
  await commit(repo, { message: 'all' }, context);
  await repo.close();
  await fs.writeFile(path.join(dir, 'part-3', 'file-3.bin'), 'another 3');

  const inWorkTree = (file: string) => !file.includes(`${path.sep}.dlv${path.sep}`);
  const fresh = await Repository.open(dir);
  const reads = countReads();
  try {
    const before = await status(fresh, context);
    t.deepEqual(before.models[0]?.unstaged, [{ path: 'part-3/file-3.bin', status: 'modified' }]);
    // Of the file that changed the bytes have to be read: its size is the same.
    t.deepEqual(
      [...reads.bytes].filter(([file]) => inWorkTree(file)),
      [[path.join(dir, 'part-3', 'file-3.bin'), 9]],
    );
    await fs.writeFile(path.join(dir, 'part-3', 'file-3.bin'), 'content 3');
    await sleep(50);
    await add(fresh, { paths: ['.'] }, context);
    await sleep(50);
    reads.stop();
  } finally {
    reads.stop();
  }
  const again = countReads();
  try {
    t.true((await status(fresh, context)).clean);
    const empty = commit(fresh, { message: 'none', all: true }, context);
    await t.throwsAsync(empty, { code: 'DLV_CONFLICT' });
    t.is(again.total(inWorkTree), 0);
    t.true(again.total() > 0, 'the counter counts');
  } finally {
    again.stop();
    await fresh.close();
  }
});
