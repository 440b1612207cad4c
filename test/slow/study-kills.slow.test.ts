/**
 * The fourth published query's shape with two workers: rates × auto × data sets, killed twice. No trial that ended
 * begins again, at most those at work do, and what is kept are the five best of all.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import type { StudyResult } from '../../lib/use/ops/study.js';
import { DLV_BIN, dlv, dlvJson } from '../helpers/dlv.js';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from '../helpers/paths.js';
import { tempDir } from '../helpers/temp-dir.js';

const WORKERS = 2;
const STUDY = `evaluate m from "query3" with config = "train.json"
  vary config.base_lr in [0.1, 0.01, 0.001] and config.net["conv*"].lr auto and config.input_data in ["path1.json", "path2.json"]
  using trials 4 keep top(5, m["loss"], 20)`;

test('3 rates × auto × 2 data sets, two workers, killed twice: the five best are kept', async (t) => {
  t.timeout(600_000);
  const cwd = await tempDir(t);
  const digits = path.join(PROJECT_ROOT, 'test/fixtures/digits');
  for (const name of ['images.npy', 'labels.npy']) {
    await fs.copyFile(path.join(digits, name), path.join(cwd, name));
  }
  const write = (name: string, json: object) =>
    fs.writeFile(path.join(cwd, name), JSON.stringify(json));
  const data = { data: 'images.npy', labels: 'labels.npy', scale: 0.0625 };
  await write('path1.json', { ...data, limit: 600 });
  await write('path2.json', { ...data, limit: 300 });
  await write('train.json', { weights: 'init', momentum: 0.9, batch: 32, report: 10 });
  // Each process that trains notes that it began.
  const began = path.join(cwd, 'began');
  const note = path.join(cwd, 'note.cjs');
  await fs.writeFile(
    note,
    "if ((process.argv[1] ?? '').includes('built-in-main')) require('node:fs').appendFileSync(process.env.BEGAN, process.argv[2] + '\\n');",
  );
  const env = { NODE_OPTIONS: `--require=${note}`, BEGAN: began };
  await dlv(['init', '--model', 'x'], { cwd });
  const net =
    'construct net as INPUT(1, 8, 8) -> (CONV(units = 6, pad = "same") -> RELU -> POOL("MAX")){2} -> FULL(units = 10)';
  await dlv(['query', net], { cwd });
  await dlv(['query', '--save', 'query3', 'select m from m where m.model = "net"'], { cwd });
  const args = ['query', STUDY, '--workers', String(WORKERS)];

  const beginnings = async (): Promise<string[]> =>
    (await fs.readFile(began, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  for (const after of [5, 14]) {
    const child = spawn(process.execPath, [DLV_BIN, ...args], {
      ...{ cwd, stdio: 'ignore' },
      env: { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS, ...env },
    });
    const closed = new Promise((resolve) => child.once('close', (_, signal) => resolve(signal)));
    while ((await beginnings()).length < after && child.exitCode === null) await pause(20);
    child.kill('SIGKILL');
    t.is(await closed, 'SIGKILL');
    t.is((await dlv(['fsck'], { cwd })).code, 0);
  }
  const { trials, kept } = await dlvJson<StudyResult>(args, { cwd, env });
  t.is(trials.length, 24);
  const best = trials
    .map(({ name, rungs }) => ({ name, loss: rungs[0]?.value as number }))
    .sort((a, b) => a.loss - b.loss)
    .slice(0, 5);
  t.deepEqual([...kept].sort(), best.map(({ name }) => name).sort());
  const all = await beginnings();
  t.is(new Set(all).size, trials.length);
  t.true(all.length <= trials.length + 2 * WORKERS, `${all.length} beginnings`);
  t.log(`${all.length} beginnings of ${trials.length} trials`);
  const again = await dlvJson<StudyResult>(args, { cwd, env });
  t.true(again.trials.every(({ isKnown }) => isKnown));
  t.is((await beginnings()).length, all.length);
});
