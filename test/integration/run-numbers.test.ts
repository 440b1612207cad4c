/** Numbers of the versions of a run: whoever stores its checkpoints is stopped when the command ends, and leaves no gap. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { writeRun } from '../../lib/storage/repo/runs/run-record.js';
import { commitHeldOf } from '../../lib/use/ops/runs.js';
import { Repository } from '../../lib/use/repository.js';
import type { HeldOutcome } from '../../lib/use/running/commit-held.js';
import { TestRepository } from '../helpers/repository.js';
import { runRecord } from '../helpers/run-record.js';

// By itself: it watches the renames of the whole process.
test.serial(
  'a checkpoint whose version has its number becomes one, the next one does not',
  async (t) => {
    const repo = await TestRepository.create(t);
    const [held] = runRecord().checkpoints;
    const checkpoints = [1, 2].map((n) => {
      const written = Number.MAX_SAFE_INTEGER;
      return {
        ...(held as NonNullable<typeof held>),
        n,
        place: `out/checkpoint-${n}`,
        step: n,
        written,
      };
    });
    const record = runRecord({ checkpoints });
    const stop = new AbortController();
    const open = await Repository.open(repo.dir, { signal: stop.signal });
    const { layout } = open;
    await writeRun(layout, record, { durable: false });
    for (const { n } of checkpoints) {
      await fs.mkdir(layout.heldCheckpoint(record.id, n), { recursive: true });
      await fs.writeFile(path.join(layout.heldCheckpoint(record.id, n), 'notes.txt'), `of ${n}`);
    }
    const { rename } = io;
    t.teardown(() => Object.assign(io, { rename }));
    io.rename = async (from, to) => {
      await rename(from, to);
      if (path.basename(String(to)) === 'numbers') stop.abort();
    };
    const request = { run: record.id, asIs: new Set<number>(), end: false, hurry: false };
    const context = { ...repo.context, signal: stop.signal };
    const outcomes: HeldOutcome[] = [];
    const tell = (outcome: HeldOutcome): void => void outcomes.push(outcome);
    await t.throwsAsync(commitHeldOf(open, request, tell, context), {
      any: true,
      name: 'AbortError',
    });
    await open.close();
    io.rename = rename;
    t.like(outcomes, [{ n: 1, state: 'committed', number: 1 }]);
    // Whoever goes on finds the first and makes the second.
    await repo.with((again) => commitHeldOf(again, request, tell, repo.context));
    t.like(outcomes.slice(1), [
      { n: 1, state: 'committed', number: 1 },
      { n: 2, state: 'committed', number: 2 },
    ]);
  },
);
