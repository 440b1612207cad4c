/** fsck beside processes that commit, merge packs and collect garbage: it reports no damage that is none. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { checkRepository } from '../../lib/storage/fsck/fsck.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { init } from '../../lib/use/ops/init.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { startWorker } from './worker.js';

/** Repository `m` whose small sets are merged at nearly every commit. */
async function busyRepository(dir: string): Promise<void> {
  await fs.mkdir(dir);
  await init({ cwd: dir, progress: noProgress, warn: () => {} }, { model: 'm' });
  await fs.appendFile(path.join(dir, '.dlv', 'config'), '[gc]\nautoSets = 2\n');
}

/** Runs fsck while a worker commits `commits` times. */
export async function checkBesideCommits(t: ExecutionContext, commits: number): Promise<void> {
  const dir = path.join(await tempDir(t), 'r');
  await busyRepository(dir);
  const worker = startWorker('commit', dir, 'a.safetensors', String(commits));
  let over = false;
  const ended = worker.ended.then((end) => {
    over = true;
    return end;
  });
  await worker.printed(2);
  let runs = 0;
  for (; !over; runs++) {
    const { problems } = await checkRepository(new Layout(dir), {
      open: Repository.openForRepair,
      files: runs % 3 === 0,
    });
    t.deepEqual(
      problems.map(({ kind, area, message }) => `${kind} ${area}: ${message}`),
      [],
      `run ${runs}`,
    );
  }
  t.is((await ended).code, 0, worker.lines.join('\n'));
  t.true(runs >= 2, `${runs} runs`);
}
