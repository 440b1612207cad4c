/** Studies from the shell: the tests that take long. */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { StudyResult } from '../../lib/use/ops/study.js';
import { DLV_BIN, dlv, dlvJson } from '../helpers/dlv.js';
import { NO_SETTINGS, TESTER } from '../helpers/paths.js';
import { repository, told } from '../helpers/study.js';

const STUDY =
  'evaluate t from "net@1" with config = "train.json" vary config.base_lr in [0.2, 0.02, 0.002] ' +
  'and config.net["conv*"].lr auto and config.input_data in ["half.json", "part.json"] using seed 3 trials 2 ' +
  'keep top(5, t["loss"], 8) then top(2, t["loss"], 16)';

/** Names of kept trials, by id: numbers of versions follow the order in which trials end. */
function keptIds({ kept, trials }: StudyResult): string[] {
  return kept.map((name) => trials.find((one) => one.name === name)?.trial ?? '');
}

/** Runs the study as a process and kills it as soon as `when` says so. @returns false if it ended before */
async function killed(cwd: string, when: (records: number) => boolean): Promise<boolean> {
  const env = { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS };
  const child = spawn(process.execPath, [DLV_BIN, 'query', STUDY, '--workers', '1'], {
    cwd,
    env,
    stdio: 'ignore',
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_, name) => resolve(name)),
  );
  const folder = path.join(cwd, '.dlv/studies');
  const look = setInterval(() => {
    void fs.readdir(folder, { recursive: true }).then(
      (names) => {
        if (when(names.filter((name) => name.endsWith('record.json')).length))
          child.kill('SIGKILL');
      },
      () => {},
    );
  }, 10);
  const name = await ended;
  clearInterval(look);
  return name === 'SIGKILL';
}

test('rates × auto × data sets: every trial trains, the right ones are kept, and are versions', async (t) => {
  const cwd = await repository(t);
  const run = await dlv(['query', STUDY, '--workers', '1'], { cwd });
  t.is(run.code, 0, run.stderr);
  t.regex(run.stderr, /1 version × 6 combinations × 2 trials by TPE .* = 12 trials, seed 3/);
  t.regex(run.stderr, /after 8 iterations: top 5 by loss/);
  t.regex(run.stdout, /state +iterations +loss/);
  const again = await dlvJson<StudyResult>(['query', STUDY], { cwd });
  t.true(again.trials.length === 12 && again.trials.every(({ isKnown }) => isKnown));
  const costs = again.trials.map(({ trial, rungs }) => ({
    trial,
    value: rungs[0]?.value as number,
  }));
  const best = costs
    .sort((a, b) => a.value - b.value)
    .slice(0, 5)
    .map(({ trial }) => trial);
  const reached = again.trials.filter(({ rungs }) => rungs.length === 2);
  t.deepEqual(reached.map(({ trial }) => trial).sort(), best.sort());
  const last = reached.sort(
    (a, b) => (a.rungs[1]?.value as number) - (b.rungs[1]?.value as number),
  );
  t.deepEqual(
    again.kept,
    last.slice(0, 2).map(({ name }) => name),
  );
  t.deepEqual(again.trials.map(({ state }) => state).sort(), [
    ...Array<string>(2).fill('complete'),
    ...Array<string>(10).fill('pruned'),
  ]);
  // What a trial is can be asked for, and its curve is the version's.
  const query =
    'select m.params.base_lr, at(m.loss, 8), m.params.state, m.operation from m where m.model = "t" and m derived from "net@1" and m.params.state = "complete"';
  const { rows } = await dlvJson<{ rows: { values: unknown[] }[] }>(['query', query], { cwd });
  t.is(rows.length, 2);
  for (const { values } of rows)
    t.true(typeof values[0] === 'number' && typeof values[1] === 'number');
  const show = await dlvJson<{ files: { path: string }[] }>(['show', again.kept[0] as string], {
    cwd,
  });
  t.deepEqual(
    show.files.map((file) => file.path),
    ['net.onnx'],
  );
  t.is((await dlv(['fsck'], { cwd })).code, 0);
});

test('a study that is killed twice goes on to the same trials as an unbroken one', async (t) => {
  const [broken, whole] = await Promise.all([repository(t), repository(t)]);
  t.true(await killed(broken, (records) => records >= 3));
  let most = 0;
  // The second time while trials end: their number falls.
  t.true(
    await killed(broken, (records) => {
      most = Math.max(most, records);
      return records < most;
    }),
  );
  const rest = await dlvJson<StudyResult>(['query', STUDY, '--workers', '1'], { cwd: broken });
  const all = await dlvJson<StudyResult>(['query', STUDY, '--workers', '1'], { cwd: whole });
  t.is(rest.study, all.study.length === 64 ? rest.study : '');
  const bare = (result: StudyResult): unknown =>
    (told(result) as { trial: string }[]).map((one) => ({ ...one, trial: '' }));
  t.deepEqual(bare(rest), bare(all));
  const numbers = (result: StudyResult): number[] =>
    keptIds(result).map((id) => result.trials.find(({ trial }) => trial === id)?.number ?? 0);
  t.deepEqual(numbers(rest), numbers(all));
  t.is((await dlv(['fsck'], { cwd: broken })).code, 0);
});

test('a study of several workers that ended is not searched anew', async (t) => {
  const cwd = await repository(t, { limit: 100 });
  const text =
    'evaluate t from "net@1" with config = "train.json" vary config.base_lr auto using trials 13 keep top(1, t["loss"], 2)';
  const first = await dlvJson<StudyResult>(['query', text, '--workers', '2'], { cwd });
  const again = await dlvJson<StudyResult>(['query', text, '--workers', '1'], { cwd });
  t.true(again.trials.every(({ isKnown }) => isKnown));
  t.deepEqual([told(again), again.kept], [told(first), first.kept]);
  const choices = text.replace('base_lr auto', 'batch auto').replace('t from', 's from');
  const few = await dlvJson<StudyResult>(['query', choices, '--workers', '2'], { cwd });
  t.deepEqual([few.trials.length, few.duplicates], [5, 8]);
});
